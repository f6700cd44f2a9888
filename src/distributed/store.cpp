#include "distributed/store.h"

#include <chrono>
#include <cstdint>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/error.h"
#include "core/text.h"
#include "tensor/device.h"

namespace salf::distributed {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1e3 * seconds));
}

c10::intrusive_ptr<c10d::Store> open(const Launch& launch, bool serves, double seconds) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = milliseconds(seconds);
  const std::string place = launch.address + ":" + std::to_string(launch.port);
  try {
    return c10::make_intrusive<c10d::PrefixStore>(
        "salf/" + launch.attempt, c10::make_intrusive<c10d::TCPStore>(launch.address, options));
  } catch (const std::exception& error) {
    const std::string reason = tensor::error_text(error);
    if (serves) {
      throw Error(ErrorKind::kIo, "rank 0 cannot serve the ranks' store at " + place + ": " +
                                      reason + "; another run may hold the port: set MASTER_PORT");
    }
    throw Error(
        ErrorKind::kIo, "rank 0 has not started, or cannot be reached: no store answered at " +
                            place + " within " + core::format_seconds(seconds) +
                            " (MASTER_ADDR, MASTER_PORT, --rank-timeout): " + reason);
  }
}

// Calls of c10d's store throw errors of its own once the server has gone.
template <class Call> auto ask(const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kIo,
        "the ranks' store does not answer any more: rank 0 has failed or was ended (" +
            tensor::error_text(error) + ")");
  }
}

}  // namespace

Store::Store(const Launch& launch, bool serves, double seconds)
    : store_(open(launch, serves, seconds)) {}

Store::~Store() = default;

void Store::set(const std::string& key, const std::string& text) {
  ask([&] { store_->set(key, bytes_of(text)); });
}

std::string Store::set_once(const std::string& key, const std::string& text) {
  return ask([&] { return text_of(store_->compareSet(key, Bytes{}, bytes_of(text))); });
}

std::optional<std::string> Store::find(const std::string& key) {
  return ask([&]() -> std::optional<std::string> {
    if (!store_->check({key})) return std::nullopt;
    return text_of(store_->get(key));
  });
}

std::vector<std::string> Store::values(const std::vector<std::string>& keys) {
  std::vector<std::string> texts;
  for (const Bytes& bytes : ask([&] { return store_->multiGet(keys); }))
    texts.push_back(text_of(bytes));
  return texts;
}

bool Store::wait(const std::vector<std::string>& keys, double seconds) {
  try {
    store_->wait(keys, milliseconds(seconds));
    return true;
  } catch (const std::exception&) {
    return ask([&] { return store_->check(keys); });
  }
}

}  // namespace salf::distributed
