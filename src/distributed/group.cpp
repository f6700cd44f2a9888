#include "distributed/group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "distributed/nccl.h"
#include "distributed/watch.h"
#include "tensor/device.h"

namespace salf::distributed {
namespace {

using Gloo = c10d::ProcessGroupGloo;

// How often a rank that waits looks whether the others live.
constexpr std::chrono::milliseconds kSlice{200};
constexpr std::chrono::microseconds kGpuSlice{50};
// Time-outs that one piece of long work may take.
constexpr double kLongWork = 10.0;
// Gloo's own limit of a transfer: Watch ends it earlier.
constexpr std::chrono::hours kNever{24 * 365};
// Tensors up to this size are sent whole to everybody and summed there.
constexpr std::int64_t kSmallBytes = 65536;

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// The cores that this process may use.
std::string core_mask() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::string mask;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return mask;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<unsigned>(core), &allowed)) mask += std::to_string(core) + ",";
  }
  return mask;
}

Member this_member() { return {host_name(), ::getpid(), core_mask()}; }

std::string member_text(const Member& member) {
  return member.host + "\n" + std::to_string(member.process) + "\n" + member.cores;
}

Member parse_member(const std::string& text) {
  const std::size_t first = text.find('\n'), second = text.find('\n', first + 1);
  return {text.substr(0, first), std::stoll(text.substr(first + 1)), text.substr(second + 1)};
}

// The address of this machine at which the store's machine, and so the other ranks, find it; ""
// where the system does not say. (A host's own name is often its loopback address.)
std::string own_address(const Launch& launch) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(launch.port);
  if (::getaddrinfo(launch.address.c_str(), port.c_str(), &hints, &found) != 0) return "";
  std::string address;
  const int socket = ::socket(found->ai_family, SOCK_DGRAM, 0);
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  char host[NI_MAXHOST] = {};
  if (socket >= 0 && ::connect(socket, found->ai_addr, found->ai_addrlen) == 0 &&
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
      ::getnameinfo(reinterpret_cast<sockaddr*>(&own), length, host, sizeof host, nullptr, 0,
          NI_NUMERICHOST) == 0) {
    address = host;
  }
  if (socket >= 0) ::close(socket);
  ::freeaddrinfo(found);
  return address;
}

c10::intrusive_ptr<Gloo> make_gloo(
    const Launch& launch, const Store& store, const char* name, double timeout) {
  const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(1e3 * timeout));
  auto options = Gloo::Options::create(limit);
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
  const std::string address = own_address(launch);
  options->devices = {interface != nullptr ? Gloo::createDeviceForInterface(interface)
                      : address.empty()    ? Gloo::createDefaultDevice()
                                           : Gloo::createDeviceForHostname(address)};
  return c10::make_intrusive<Gloo>(c10::make_intrusive<c10d::PrefixStore>(name, store.c10d_store()),
      static_cast<int>(launch.rank), static_cast<int>(launch.size), options);
}

std::string key_of(std::int64_t rank) { return "rank/" + std::to_string(rank); }

// What each rank told of itself. Throws Error(kIo) with those that did not come.
std::vector<Member> meet(const Launch& launch, Store& store, double timeout) {
  Watch::announce(store, launch.rank);
  const std::string own = member_text(this_member());
  if (store.set_once(key_of(launch.rank), own) != own) {
    throw Error(ErrorKind::kIo, "two processes are rank " + std::to_string(launch.rank) + " at " +
                                    launch.address + ":" + std::to_string(launch.port) +
                                    ": another run may use that store; set MASTER_PORT");
  }
  std::vector<std::string> keys;
  for (std::int64_t rank = 0; rank < launch.size; ++rank) keys.push_back(key_of(rank));
  if (!store.wait(keys, timeout)) {
    std::vector<std::string> missing;
    for (std::int64_t rank = 0; rank < launch.size; ++rank) {
      if (!store.find(key_of(rank))) missing.push_back(std::to_string(rank));
    }
    throw Error(ErrorKind::kIo, "of " + std::to_string(launch.size) + " ranks, rank " +
                                    core::join(missing, ", ") + " did not start within " +
                                    core::format_seconds(timeout) + " (--rank-timeout)");
  }
  std::vector<Member> members;
  for (const std::string& text : store.values(keys)) members.push_back(parse_member(text));
  return members;
}

}  // namespace

struct Group::Parts {
  std::unique_ptr<Store> store;
  std::unique_ptr<Watch> watch;
  // Each has an order of its own, so that one kind of transfers may overtake the other.
  c10::intrusive_ptr<Gloo> main, exchange, gather;
  c10::intrusive_ptr<c10d::Backend> nccl;  // for all kinds; null: tensors of GPUs do not travel
  bool asked_nccl = false, failed = false;

  bool takes(c10::Device device) const { return device.is_cpu() || nccl; }

  at::Tensor as_bytes(const at::Tensor& tensor) const {
    if (!tensor.is_contiguous() || !takes(tensor.device())) {
      throw Error(ErrorKind::kInternal,
          "ranks cannot send one another this tensor on " + tensor.device().str() +
              (tensor.is_contiguous() ? "" : ", which is not contiguous"));
    }
    return tensor.view({-1}).view(at::kByte);
  }

  // `gloo` of the kind of transfer, or what takes its place for the tensor's device.
  c10d::Backend& by(const c10::intrusive_ptr<Gloo>& gloo, const at::Tensor& tensor) const {
    if (tensor.is_cpu()) return *gloo;
    return *nccl;
  }
};

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

struct Group::Formed {
  std::unique_ptr<Parts> parts;
  std::int64_t sharing_cores = 0;
};

Group::Formed Group::form(const Launch& launch, double timeout) {
  Formed formed;
  auto parts = std::make_unique<Parts>();
  const bool serves = launch.rank == 0 && !launch.served;
  parts->store = std::make_unique<Store>(launch, serves, timeout);
  WatchSetup setup{launch.rank, meet(launch, *parts->store, timeout), timeout, serves};
  const Member here = this_member();
  for (const Member& member : setup.members)
    formed.sharing_cores += member.host == here.host && member.cores == here.cores ? 1 : 0;
  parts->watch = std::make_unique<Watch>(
      std::make_unique<Store>(launch, /*serves=*/false, timeout), std::move(setup));
  try {
    parts->main = make_gloo(launch, *parts->store, "main", timeout);
    parts->exchange = make_gloo(launch, *parts->store, "exchange", timeout);
    parts->gather = make_gloo(launch, *parts->store, "gather", timeout);
  } catch (const std::exception& error) {
    parts->watch->explain("the ranks cannot connect: " + tensor::error_text(error) +
                          "; GLOO_SOCKET_IFNAME names the network interface to use");
  }
  formed.parts = std::move(parts);
  return formed;
}

// c10d waits without end for a store that was reached and then is silent. The thread that does so
// is left to itself; the process ends by the error.
Group::Formed Group::form_in_time(const Launch& launch, double timeout) {
  constexpr double kSteps = 3.0;  // each may take the time-out: the store, meeting, connecting
  std::promise<Formed> promise;
  std::future<Formed> formed = promise.get_future();
  std::thread([launch, timeout, promise = std::move(promise)]() mutable {
    try {
      promise.set_value(form(launch, timeout));
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  }).detach();
  const auto limit = std::chrono::duration<double>(kSteps * timeout + 1.0);
  if (formed.wait_for(limit) == std::future_status::ready) return formed.get();
  throw Error(ErrorKind::kIo,
      "the ranks' store at " + launch.address + ":" + std::to_string(launch.port) +
          " was reached and then was silent: the process of rank 0 is stopped, or its machine "
          "is gone (--rank-timeout)");
}

Group::Group() = default;

Group::Group(const Launch& launch, double timeout) : launch_(launch), timeout_(timeout) {
  if (launch.size == 1) return;
  // A write to a rank that is gone is an error to name, not the end of this process.
  std::signal(SIGPIPE, SIG_IGN);
  Formed formed = form_in_time(launch, timeout);
  parts_ = std::move(formed.parts);
  sharing_cores_ = formed.sharing_cores;
}

Group::~Group() {
  if (!parts_ || !parts_->failed) return;
  // Their destructors wait for transfers that never end; the process leaves now.
  parts_->main.release();
  parts_->exchange.release();
  parts_->gather.release();
  parts_->nccl.release();
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

void Group::works() {
  if (parts_) parts_->watch->works();
}

Group::LongWork::LongWork(Group& group, const std::string& what, double seconds) : group_(group) {
  if (!group_.parts_) return;
  group_.parts_->watch->begins_long_work(
      what, seconds > 0.0 ? seconds : kLongWork * group_.timeout_);
}

Group::LongWork::~LongWork() {
  if (group_.parts_) group_.parts_->watch->ends_long_work();
}

void Group::fail(int kind, const std::string& message) {
  if (!parts_) return;
  parts_->failed = true;
  parts_->watch->fail(kind, message);
}

void sum_parts(const at::Tensor& sum, const at::Tensor& received, std::int64_t ranks) {
  const at::Tensor parts = received.view({ranks, sum.numel()});
  const at::Tensor flat = sum.view({-1});
  flat.copy_(parts[0]);
  for (std::int64_t rank = 1; rank < ranks; ++rank) flat.add_(parts[rank]);
}

}  // namespace salf::distributed
