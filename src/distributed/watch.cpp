#include "distributed/watch.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "core/clock.h"
#include "core/error.h"
#include "core/text.h"

namespace salf::distributed {
namespace {

constexpr const char* kFailure = "failure";
// How often a rank tells that it lives.
constexpr double kShortest = 0.05, kLongest = 1.0, kShareOfTimeout = 0.05;
// A rank that missed so many of its messages is taken for dead after a connection broke.
constexpr double kMissed = 5.0;
// A rank that fails in order tells so before its connections close.
constexpr double kGrace = 0.3;
// What a thread that the store does not answer is waited for.
constexpr double kPatience = 3.0;

std::string beat_key(std::int64_t rank) { return "beat/" + std::to_string(rank); }

// False also for one that has ended and only its parent has not noticed.
bool process_lives(std::int64_t process) {
  if (::kill(static_cast<pid_t>(process), 0) != 0) return false;
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(") ");
  return name_end == std::string::npos || text.compare(name_end + 2, 1, "Z") != 0;
}

// A failure as the store has it: "KIND RANK message".
struct Failure {
  int kind = 0;
  std::int64_t rank = 0;
  std::string message;
};

std::string failure_text(const Failure& failure) {
  return std::to_string(failure.kind) + " " + std::to_string(failure.rank) + " " + failure.message;
}

Failure parse_failure(const std::string& text) {
  const std::size_t first = text.find(' '), second = text.find(' ', first + 1);
  return {std::stoi(text), std::stoll(text.substr(first)), text.substr(second + 1)};
}

// What a rank is at, as its beat has it behind the count of beats: "12w" is the twelfth piece of
// its work, "12x" waiting after it, and "12l600 saving" work that may last 600 s.
struct Work {
  bool waits = false;
  double longest = 0.0;  // seconds
  std::string what;      // "" of usual work
};

Work parse_work(const std::string& text, double timeout) {
  const std::size_t kind = text.find_first_of("wxl");
  if (kind == std::string::npos || text[kind] == 'x') return {true, timeout, ""};
  if (text[kind] == 'w') return {false, timeout, ""};
  const std::size_t space = text.find(' ', kind);
  return {false, std::stod(text.substr(kind + 1)), text.substr(space + 1)};
}

}  // namespace

struct Watch::State {
  struct Seen {
    std::string beat;
    double changed = 0.0;       // when the beat changed last
    std::string work;           // which piece of work it is at, and what it does
    double work_changed = 0.0;  // when that changed last
  };

  // The thread.
  void run();
  void exchange();
  std::string beat();
  // Has the thread work at once, and waits until it has seen or written a failure; false: it has
  // not.
  bool failure_comes(std::unique_lock<std::mutex>& lock, double seconds);

  std::string name(std::int64_t rank) const {
    return rank_name(rank, setup.members[static_cast<std::size_t>(rank)].host);
  }
  std::int64_t ranks() const { return static_cast<std::int64_t>(setup.members.size()); }
  double interval() const {
    return std::clamp(kShareOfTimeout * setup.timeout, kShortest, kLongest);
  }
  // A rank, not this one, of which that is known; -1 without one.
  std::int64_t ended_process() const;
  std::int64_t silent_rank(double seconds) const;
  bool store_is_silent() const {
    return ended || core::steady_seconds() - answered > setup.timeout;
  }
  std::int64_t stuck_rank(double waited) const;
  bool others_have_left() const;
  [[noreturn]] void raise(std::unique_lock<std::mutex>& lock, const Failure& own);
  [[noreturn]] void raise_seen() const;

  WatchSetup setup;
  std::unique_ptr<Store> store;

  mutable std::mutex mutex;
  std::condition_variable wake, news;
  bool stop = false, hurry = false, ended = false;
  std::uint64_t beats = 0, work = 0;
  bool waiting = false;
  std::vector<Work> long_works;  // each within those before
  std::vector<Seen> seen;
  double answered = 0.0;              // when the store answered last
  std::optional<std::string> to_say;  // this rank's failure, not yet written
  std::optional<Failure> failure;     // the first one
  std::string store_error;            // why the thread ended
};

std::string rank_name(std::int64_t rank, const std::string& host) {
  return "rank " + std::to_string(rank) + " on " + host;
}

std::string Watch::State::beat() {
  const std::string count = std::to_string(beats++) + " " + std::to_string(work);
  if (waiting) return count + "x";
  if (long_works.empty()) return count + "w";
  return count + "l" + core::format_number(long_works.back().longest) + " " +
         long_works.back().what;
}

void Watch::State::exchange() {
  std::vector<std::string> keys;
  std::string own;
  std::optional<std::string> saying;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    own = beat();
    saying = to_say;
  }
  if (saying) store->set_once(kFailure, *saying);
  store->set(beat_key(setup.rank), own);
  for (std::int64_t rank = 0; rank < ranks(); ++rank) keys.push_back(beat_key(rank));
  const std::vector<std::string> told = store->values(keys);
  const std::optional<std::string> failed = store->find(kFailure);
  const std::lock_guard<std::mutex> lock(mutex);
  answered = core::steady_seconds();
  for (std::size_t rank = 0; rank < seen.size(); ++rank) {
    if (seen[rank].beat == told[rank]) continue;
    seen[rank].beat = told[rank];
    seen[rank].changed = answered;
    const std::string at = told[rank].substr(told[rank].find(' ') + 1);
    if (seen[rank].work == at) continue;
    seen[rank].work = at;
    seen[rank].work_changed = answered;
  }
  if (failed && !failure) failure = parse_failure(*failed);
}

void Watch::State::run() {
  try {
    for (;;) {
      exchange();
      std::unique_lock<std::mutex> lock(mutex);
      news.notify_all();
      if (stop) break;
      wake.wait_for(
          lock, std::chrono::duration<double>(interval()), [this] { return stop || hurry; });
      hurry = false;
      if (stop && !to_say) break;
    }
  } catch (const std::exception& error) {
    const std::lock_guard<std::mutex> lock(mutex);
    store_error = error.what();
  }
  const std::lock_guard<std::mutex> lock(mutex);
  ended = true;
  news.notify_all();
}

bool Watch::State::failure_comes(std::unique_lock<std::mutex>& lock, double seconds) {
  hurry = true;
  wake.notify_all();
  news.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return failure || ended; });
  return failure.has_value();
}

std::int64_t Watch::State::ended_process() const {
  const std::string& here = setup.members[static_cast<std::size_t>(setup.rank)].host;
  for (std::int64_t rank = 0; rank < ranks(); ++rank) {
    const Member& member = setup.members[static_cast<std::size_t>(rank)];
    if (rank != setup.rank && member.host == here && !process_lives(member.process)) return rank;
  }
  return -1;
}

std::int64_t Watch::State::silent_rank(double seconds) const {
  if (ended) return -1;
  for (std::int64_t rank = 0; rank < ranks(); ++rank) {
    const Seen& one = seen[static_cast<std::size_t>(rank)];
    if (rank != setup.rank && answered - one.changed > seconds) return rank;
  }
  return -1;
}

std::int64_t Watch::State::stuck_rank(double waited) const {
  if (ended || waited < setup.timeout) return -1;
  for (std::int64_t rank = 0; rank < ranks(); ++rank) {
    const Seen& one = seen[static_cast<std::size_t>(rank)];
    const Work at = parse_work(one.work, setup.timeout);
    if (rank != setup.rank && !at.waits && answered - one.work_changed > at.longest) return rank;
  }
  return -1;
}

bool Watch::State::others_have_left() const {
  const std::string& here = setup.members[static_cast<std::size_t>(setup.rank)].host;
  for (std::int64_t rank = 0; rank < ranks(); ++rank) {
    if (rank == setup.rank) continue;
    const Member& member = setup.members[static_cast<std::size_t>(rank)];
    const double silence = answered - seen[static_cast<std::size_t>(rank)].changed;
    if (member.host == here ? process_lives(member.process) : silence < 2.5 * interval())
      return false;
  }
  return true;
}

void Watch::State::raise_seen() const {
  const std::string who =
      failure->rank == setup.rank ? std::string() : name(failure->rank) + " failed: ";
  throw Error(static_cast<ErrorKind>(failure->kind), who + failure->message);
}

void Watch::State::raise(std::unique_lock<std::mutex>& lock, const Failure& own) {
  to_say = failure_text(own);
  if (!failure_comes(lock, store_is_silent() ? 0.0 : kPatience)) failure = own;
  raise_seen();
}

void Watch::announce(Store& store, std::int64_t rank) { store.set(beat_key(rank), "0 0w"); }

Watch::Watch(std::unique_ptr<Store> store, WatchSetup setup) : state_(std::make_shared<State>()) {
  state_->setup = std::move(setup);
  state_->store = std::move(store);
  state_->answered = core::steady_seconds();
  state_->seen.resize(state_->setup.members.size(), {"", state_->answered, "", state_->answered});
  std::thread([state = state_] { state->run(); }).detach();
}

Watch::~Watch() {
  std::unique_lock<std::mutex> lock(state_->mutex);
  const double began = core::steady_seconds();
  while (state_->setup.serves && state_->failure && !state_->ended && !state_->others_have_left() &&
         core::steady_seconds() - began < kPatience) {
    state_->wake.wait_for(lock, std::chrono::milliseconds(20));
  }
  state_->stop = true;
  state_->wake.notify_all();
  if (state_->store_is_silent()) return;
  state_->news.wait_for(
      lock, std::chrono::duration<double>(kPatience), [this] { return state_->ended; });
}

void Watch::works() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  ++state_->work;
  state_->waiting = false;
}

void Watch::waits() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->waiting = true;
}

void Watch::begins_long_work(const std::string& what, double seconds) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  ++state_->work;
  state_->long_works.push_back({false, seconds, what});
}

void Watch::ends_long_work() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->long_works.pop_back();
  ++state_->work;
}

void Watch::check(double waited) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  if (state_->failure) state_->raise_seen();
  const int kind = static_cast<int>(ErrorKind::kIo);
  const std::string time = core::format_seconds(state_->setup.timeout);
  if (state_->store_is_silent()) {
    const std::int64_t gone = state_->ended_process();
    state_->raise(
        lock, {kind, std::max<std::int64_t>(0, gone),
                  gone > 0 ? "its process has ended"
                           : "the ranks' store does not answer any more " + state_->store_error});
  }
  const std::int64_t silent = state_->silent_rank(state_->setup.timeout);
  if (silent >= 0) {
    state_->raise(
        lock, {kind, silent,
                  "nothing was heard of it for " + time +
                      " (--rank-timeout): it was stopped, or its machine or link is down"});
  }
  const std::int64_t stuck = state_->stuck_rank(waited);
  if (stuck >= 0) {
    const Work at =
        parse_work(state_->seen[static_cast<std::size_t>(stuck)].work, state_->setup.timeout);
    state_->raise(lock, {kind, stuck,
                            (at.what.empty() ? "it was" : at.what + " was") +
                                " at one piece of work for " + core::format_seconds(at.longest) +
                                " while the others waited for it; a larger --rank-timeout lets "
                                "them wait longer"});
  }
}

void Watch::explain(const std::string& broken) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  const int kind = static_cast<int>(ErrorKind::kIo);
  const double began = core::steady_seconds();
  const double most = std::max(kGrace, (kMissed + 2.0) * state_->interval());
  while (core::steady_seconds() - began < most) {
    if (state_->failure_comes(lock, 0.02)) state_->raise_seen();
    if (core::steady_seconds() - began < kGrace) {
      // Nobody writes any more once the store has gone.
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      lock.lock();
      continue;
    }
    const std::int64_t dead = state_->ended_process();
    if (dead >= 0) state_->raise(lock, {kind, dead, "its process has ended (killed?)"});
    const std::int64_t silent = state_->silent_rank(kMissed * state_->interval());
    if (silent >= 0) state_->raise(lock, {kind, silent, "its connections have closed: " + broken});
    if (state_->ended)
      state_->raise(lock, {kind, 0, "the ranks' store has gone: " + state_->store_error});
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    lock.lock();
  }
  throw Error(ErrorKind::kIo, "a connection between ranks broke: " + broken);
}

void Watch::fail(int kind, const std::string& message) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  if (!state_->failure) {
    state_->to_say = failure_text({kind, state_->setup.rank, message});
    state_->failure_comes(lock, kPatience);
  }
}

}  // namespace salf::distributed
