// What the ranks of a Group send one another.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "core/clock.h"
#include "core/log.h"
#include "distributed/group_parts.h"
#include "distributed/nccl.h"
#include "tensor/device.h"

namespace salf::distributed {
namespace {

// How often a rank that waits looks whether the others live.
constexpr std::chrono::milliseconds kSlice{200};
constexpr std::chrono::microseconds kGpuSlice{50};
// Gloo's own limit of a transfer: Watch ends it earlier.
constexpr std::chrono::hours kNever{24 * 365};
// Tensors up to this size are sent whole to everybody and summed there.
constexpr std::int64_t kSmallBytes = 65536;

}  // namespace

class Transfer::Parts {
 public:
  Parts(Group::Parts& group, const at::Tensor& tensor, c10::intrusive_ptr<c10d::Work> work)
      : group_(group), on_gpu_(!tensor.is_cpu()), work_(std::move(work)) {}

  bool done() const { return work_->isCompleted(); }

  void wait() {
    const core::Stopwatch watch;
    group_.watch->waits();
    try {
      while (!finished()) group_.watch->check(watch.seconds());
    } catch (...) {
      group_.failed = true;
      throw;
    }
    group_.watch->works();
  }

 private:
  bool finished() {
    if (on_gpu_) return finished_on_gpu();
    try {
      work_->wait(kSlice);
      return true;
    } catch (const std::exception& error) {
      if (!work_->isCompleted()) return false;  // the slice is over
      group_.watch->explain(tensor::error_text(error));
    }
  }

  // A GPU's work does not keep the host waiting, which would not see then that a rank is gone.
  bool finished_on_gpu() {
    if (!work_->isCompleted()) {
      std::this_thread::sleep_for(kGpuSlice);
      return false;
    }
    try {
      if (work_->exception()) std::rethrow_exception(work_->exception());
      work_->wait();
      return true;
    } catch (const std::exception& error) {
      group_.watch->explain(tensor::error_text(error));
    }
  }

  Group::Parts& group_;
  bool on_gpu_;
  c10::intrusive_ptr<c10d::Work> work_;
};

Transfer::Transfer() = default;
Transfer::Transfer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Transfer::Transfer(Transfer&&) noexcept = default;
Transfer& Transfer::operator=(Transfer&&) noexcept = default;
Transfer::~Transfer() = default;

bool Transfer::done() const { return !parts_ || parts_->done(); }

void Transfer::wait() {
  if (parts_) parts_->wait();
  parts_.reset();
}

// What keeps this rank, else the first of the others that has something.
std::string Group::first_problem(const std::string& own) {
  const std::vector<std::string> all = all_gather(own);
  if (!own.empty()) return own;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (!all[rank].empty()) return "rank " + std::to_string(rank) + ": " + all[rank];
  }
  return "";
}

// The connections are made by the first transfer.
std::string Group::try_nccl(c10::Device device) {
  try {
    auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", parts_->store->c10d_store());
    parts_->nccl = c10::intrusive_ptr<c10d::Backend>::reclaim(nccl_library().make(
        store.get(), static_cast<int>(launch_.rank), static_cast<int>(launch_.size)));
    const auto options = at::TensorOptions(at::kLong).device(device);
    const at::Tensor part = at::full({1}, rank(), options), all = at::empty({size()}, options);
    all_gather(all, part);
    const at::Tensor there = all.cpu();
    for (std::int64_t from = 0; from < size(); ++from) {
      if (there.const_data_ptr<std::int64_t>()[from] != from) return "NCCL gathers wrong numbers";
    }
    return "";
  } catch (const Error&) {
    throw;  // a rank has failed
  } catch (const std::exception& error) {
    return "NCCL does not connect the ranks: " + core::printable(tensor::error_text(error));
  }
}

void Group::use_device(c10::Device device) {
  if (alone() || device.is_cpu() || parts_->asked_nccl) return;
  parts_->asked_nccl = true;
  std::string problem = first_problem(nccl_library().problem);
  if (problem.empty()) problem = first_problem(try_nccl(device));
  if (problem.empty()) return;
  parts_->nccl.reset();
  if (leads()) {
    core::log_warning(
        "what the ranks' GPUs send one another goes through the host's memory, by Gloo: " +
        problem);
  }
}

at::Tensor Group::sendable(const at::Tensor& tensor) const {
  return alone() || parts_->takes(tensor.device()) ? tensor : tensor.cpu();
}

bool Group::in_one_order(c10::Device device) const { return !alone() && !device.is_cpu(); }

void Group::broadcast(const at::Tensor& tensor, std::int64_t from) {
  if (alone()) return;
  std::vector<at::Tensor> bytes{parts_->as_bytes(tensor)};
  c10d::BroadcastOptions options;
  options.rootRank = from;
  options.timeout = kNever;
  c10d::Backend& backend = parts_->by(parts_->main, tensor);
  Transfer::Parts(*parts_, tensor, backend.broadcast(bytes, options)).wait();
}

void Group::all_gather(const at::Tensor& all, const at::Tensor& part) {
  if (alone()) {
    all.copy_(part);
    return;
  }
  at::Tensor to = parts_->as_bytes(all), from = parts_->as_bytes(part);
  c10d::AllgatherOptions options;
  options.timeout = kNever;
  c10d::Backend& backend = parts_->by(parts_->main, part);
  Transfer::Parts(*parts_, part, backend._allgather_base(to, from, options)).wait();
}

std::string Group::broadcast(const std::string& text) {
  if (alone()) return text;
  const at::Tensor length = at::empty({1}, at::kLong);
  length.mutable_data_ptr<std::int64_t>()[0] = static_cast<std::int64_t>(text.size());
  broadcast(length);
  const std::int64_t count = length.const_data_ptr<std::int64_t>()[0];
  const at::Tensor bytes = at::empty({count}, at::kByte);
  if (leads()) std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  if (count > 0) broadcast(bytes);
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(count)};
}

std::vector<std::string> Group::all_gather(const std::string& text) {
  if (alone()) return {text};
  const at::Tensor length = at::empty({1}, at::kLong), lengths = at::empty({size()}, at::kLong);
  length.mutable_data_ptr<std::int64_t>()[0] = static_cast<std::int64_t>(text.size());
  all_gather(lengths, length);
  const std::int64_t longest = std::max<std::int64_t>(1, lengths.max().item<std::int64_t>());
  const at::Tensor part = at::zeros({longest}, at::kByte);
  const at::Tensor all = at::empty({size(), longest}, at::kByte);
  std::memcpy(part.mutable_data_ptr(), text.data(), text.size());
  all_gather(all, part);
  std::vector<std::string> texts;
  for (std::int64_t rank = 0; rank < size(); ++rank) {
    const auto* const begin = static_cast<const char*>(all.const_data_ptr()) + rank * longest;
    texts.emplace_back(
        begin, static_cast<std::size_t>(lengths.const_data_ptr<std::int64_t>()[rank]));
  }
  return texts;
}

std::vector<double> Group::all_gather(const std::vector<double>& numbers) {
  const auto count = static_cast<std::int64_t>(numbers.size());
  const at::Tensor part = at::empty({count}, at::kDouble);
  const at::Tensor all = at::empty({size() * count}, at::kDouble);
  std::copy(numbers.begin(), numbers.end(), part.mutable_data_ptr<double>());
  all_gather(all, part);
  const double* const begin = all.const_data_ptr<double>();
  return {begin, begin + all.numel()};
}

void Group::all_reduce(const at::Tensor& tensor) {
  if (alone()) return;
  const at::Tensor flat = tensor.view({-1});
  const std::int64_t count = flat.numel();
  if (static_cast<std::int64_t>(tensor.nbytes()) * size() <= kSmallBytes) {
    const at::Tensor all = at::empty({size() * count}, tensor.options());
    all_gather(all, flat);
    sum_parts(flat, all, size());
    return;
  }
  const std::int64_t part = (count + size() - 1) / size();
  const at::Tensor padded = at::zeros({size() * part}, tensor.options());
  const at::Tensor received = at::empty_like(padded);
  padded.narrow(0, 0, count).copy_(flat);
  start_exchange(received, padded).wait();
  const at::Tensor sum = at::empty({part}, tensor.options());
  sum_parts(sum, received, size());
  all_gather(padded, sum);
  flat.copy_(padded.narrow(0, 0, count));
}

void Group::barrier() {
  const at::Tensor nothing = at::zeros({1}, at::kByte);
  all_reduce(nothing);
}

Transfer Group::start_exchange(const at::Tensor& received, const at::Tensor& parts) {
  if (alone()) {
    received.copy_(parts);
    return {};
  }
  at::Tensor to = parts_->as_bytes(received), from = parts_->as_bytes(parts);
  std::vector<std::int64_t> even;
  c10d::AllToAllOptions options;
  options.timeout = kNever;
  c10d::Backend& backend = parts_->by(parts_->exchange, parts);
  return Transfer(std::make_unique<Transfer::Parts>(
      *parts_, parts, backend.alltoall_base(to, from, even, even, options)));
}

Transfer Group::start_all_gather(const at::Tensor& all, const at::Tensor& part) {
  if (alone()) {
    all.copy_(part);
    return {};
  }
  at::Tensor to = parts_->as_bytes(all), from = parts_->as_bytes(part);
  c10d::AllgatherOptions options;
  options.timeout = kNever;
  c10d::Backend& backend = parts_->by(parts_->gather, part);
  return Transfer(
      std::make_unique<Transfer::Parts>(*parts_, part, backend._allgather_base(to, from, options)));
}

void sum_parts(const at::Tensor& sum, const at::Tensor& received, std::int64_t ranks) {
  const at::Tensor parts = received.view({ranks, sum.numel()});
  const at::Tensor flat = sum.view({-1});
  flat.copy_(parts[0]);
  for (std::int64_t rank = 1; rank < ranks; ++rank) flat.add_(parts[rank]);
}

}  // namespace salf::distributed
