// Who of the ranks lives, and what the first one that failed said: so that a rank that waits for
// another one ends with that one's name, whatever happened to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distributed/store.h"

namespace salf::distributed {

// What a rank tells of itself when it starts.
struct Member {
  std::string host;
  std::int64_t process = 0;  // its id there
  std::string cores;         // that it may use: the same text for the same ones
};

struct WatchSetup {
  std::int64_t rank = 0;
  std::vector<Member> members;  // by rank
  double timeout = 60.0;        // seconds after which silence is a failure
  bool serves = false;          // the store ends with this process
};

// A thread tells the store every second at most that this rank lives and where its work stands, and
// reads what the others tell. Nothing here waits for the store itself, whose server may be stopped.
class Watch {
 public:
  // Before a Watch of any rank starts, each rank has announced itself.
  static void announce(Store& store, std::int64_t rank);

  // `store`: the thread's own connection.
  Watch(std::unique_ptr<Store> store, WatchSetup setup);
  // After a failure, the rank that serves the store gives the others time to learn of it.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // This rank works on: it has got on with its work, or waited until now.
  void works();
  void waits();
  // From now on it may be at one piece of work for so many seconds. `what`: "saving". Such work may
  // be part of another one.
  void begins_long_work(const std::string& what, double seconds);
  void ends_long_work();

  // To be called now and then while this rank waits, since `waited` seconds. Throws Error, of the
  // kind that the failing rank had, once a rank has failed, is silent for the time-out, or was at
  // the same piece of work for that long or, of long work, for what it announced.
  void check(double waited);
  // After a connection broke: finds out who is gone and throws.
  [[noreturn]] void explain(const std::string& broken);
  // This rank fails: tells the others, unless somebody failed before.
  void fail(int kind, const std::string& message);

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread may outlive this where the store hangs
};

// "rank 2 on HOST"
std::string rank_name(std::int64_t rank, const std::string& host);

}  // namespace salf::distributed
