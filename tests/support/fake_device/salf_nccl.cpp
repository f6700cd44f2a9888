// libsalf_nccl.so for the fake device: what the ranks' devices send one another goes by Gloo. It
// takes tensors of the device alone, and each transfer ends before the next one starts: ranks that
// start them in different orders wait for one another without end.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "distributed/nccl_plugin.h"

namespace {

using WorkPointer = c10::intrusive_ptr<c10d::Work>;

struct Done : c10d::Work {
  Done() { finish(); }
};

class FakeNccl : public c10d::Backend {
 public:
  FakeNccl(c10::intrusive_ptr<c10d::Store> store, int rank, int size) : Backend(rank, size) {
    auto options = c10d::ProcessGroupGloo::Options::create();
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(std::move(store), rank, size, options);
  }

  WorkPointer broadcast(
      std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) override {
    std::vector<at::Tensor> host{on_host(tensors.front())};
    gloo_->broadcast(host, options)->wait();
    return done(tensors.front(), host.front());
  }

  WorkPointer _allgather_base(
      at::Tensor& all, at::Tensor& part, const c10d::AllgatherOptions& options) override {
    at::Tensor to = on_host(all), from = on_host(part);
    gloo_->_allgather_base(to, from, options)->wait();
    return done(all, to);
  }

  WorkPointer alltoall_base(at::Tensor& received, at::Tensor& parts,
      std::vector<std::int64_t>& received_sizes, std::vector<std::int64_t>& sizes,
      const c10d::AllToAllOptions& options) override {
    at::Tensor to = on_host(received), from = on_host(parts);
    gloo_->alltoall_base(to, from, received_sizes, sizes, options)->wait();
    return done(received, to);
  }

 private:
  static at::Tensor on_host(const at::Tensor& tensor) {
    TORCH_CHECK(tensor.is_cuda(), "NCCL got a tensor on ", tensor.device().str());
    return tensor.cpu();
  }
  static WorkPointer done(at::Tensor& to, const at::Tensor& host) {
    to.copy_(host);
    return c10::make_intrusive<Done>();
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

extern "C" {

const char* salf_nccl_version() { return salf::distributed::kNcclVersion; }

c10d::Backend* salf_make_nccl(c10d::Store* store, int rank, int size) {
  return c10::make_intrusive<FakeNccl>(
      c10::intrusive_ptr<c10d::Store>::unsafe_reclaim_from_nonowning(store), rank, size)
      .release();
}

}  // extern "C"
