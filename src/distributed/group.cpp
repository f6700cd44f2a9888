#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "core/text.h"
#include "distributed/group_parts.h"
#include "tensor/device.h"

namespace salf::distributed {
namespace {

// Time-outs that one piece of long work may take.
constexpr double kLongWork = 10.0;

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
  if (!parts_) return;
  if (!parts_->failed) {
    if (parts_->nccl) parts_->nccl->shutdown();
    return;
  }
  // Their destructors wait for transfers that never end; the process leaves now.
  parts_->main.release();
  parts_->exchange.release();
  parts_->gather.release();
  parts_->nccl.release();
}

void Group::works() {
  if (parts_) parts_->watch->works();
}

Group::LongWork::LongWork(Group* group, const std::string& what, double seconds)
    : watch_(group != nullptr && group->parts_ ? group->parts_->watch.get() : nullptr) {
  if (watch_ != nullptr)
    watch_->begins_long_work(what, seconds > 0.0 ? seconds : kLongWork * group->timeout_);
}

Group::LongWork::~LongWork() {
  if (watch_ != nullptr) watch_->ends_long_work();
}

void Group::fail(int kind, const std::string& message) {
  if (!parts_) return;
  parts_->failed = true;
  parts_->watch->fail(kind, message);
}

}  // namespace salf::distributed
