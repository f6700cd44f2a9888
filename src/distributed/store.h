// The ranks' common table of texts: c10d's TCPStore, served by rank 0 or by the launcher.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <optional>
#include <string>
#include <vector>

#include "distributed/launch.h"

namespace c10d {
class Store;
}

namespace salf::distributed {

// A connection; calls wait for one another, so each thread wants one of its own. Keys of another
// attempt are not seen. Everything throws Error(kIo) where the store has gone, and the constructor
// where it does not answer within `seconds`.
class Store {
 public:
  // `serves`: this process holds the table as long as this lives.
  Store(const Launch& launch, bool serves, double seconds);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void set(const std::string& key, const std::string& text);
  // What is there afterwards: `text`, or what somebody wrote earlier.
  std::string set_once(const std::string& key, const std::string& text);
  std::optional<std::string> find(const std::string& key);
  // REQUIRES: all are there
  std::vector<std::string> values(const std::vector<std::string>& keys);
  // Whether all are there in time.
  bool wait(const std::vector<std::string>& keys, double seconds);

  const c10::intrusive_ptr<c10d::Store>& c10d_store() const { return store_; }

 private:
  c10::intrusive_ptr<c10d::Store> store_;
};

}  // namespace salf::distributed
