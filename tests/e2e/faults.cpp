// Faults at random moments of runs on several ranks: nothing may hang, and no finished checkpoint
// may be lost. Not part of the usual tests, as a round takes seconds: `salf_faults [ROUNDS]
// [SEED]`. The fault "link" needs root, and `ip` for its network namespaces.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "small_world.h"
#include "support/ranks.h"
#include "tensor/tensor_file.h"

namespace salf::testing {
namespace {

namespace fs = std::filesystem;

constexpr double kLongest = 40.0;  // seconds from a fault to the end of the last rank
// Addresses of the two namespaces.
constexpr const char* kNetwork =
    "ip netns add salf0 && ip netns add salf1 && ip link add salf0 type veth peer name salf1 && "
    "for i in 0 1; do ip link set salf$i netns salf$i && ip -n salf$i addr add 10.77.0.$((i + "
    "1))/24 dev salf$i && ip -n salf$i link set salf$i up && ip -n salf$i link set lo up; done";
constexpr const char* kNoNetwork = "ip netns del salf0 2>/dev/null; ip netns del salf1 2>/dev/null";

bool succeeds(const std::string& command) { return std::system(command.c_str()) == 0; }

std::set<fs::path> checkpoints(const fs::path& run) {
  std::set<fs::path> found;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(run, ignored)) {
    const std::string name = file.path().filename();
    if (name.rfind("checkpoint-", 0) == 0 && file.path().extension() == ".safetensors")
      found.insert(file.path());
  }
  return found;
}

// Whether they were made and a reader takes all of them.
bool are_whole(const std::set<fs::path>& files) {
  try {
    for (const fs::path& file : files) tensor::read_tensor_file(file);
    return true;
  } catch (const std::exception& error) {
    std::printf("  %s\n", error.what());
    return false;
  }
}

// What is not a number takes the place of the states that this rank has cached.
void spoil_cache(pid_t process, const fs::path& run) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream maps(folder + "/maps");
  std::fstream memory(folder + "/mem", std::ios::binary | std::ios::in | std::ios::out);
  for (std::string line; std::getline(maps, line);) {
    if (line.find(run.string()) == std::string::npos || line.find(" rw-s ") == std::string::npos)
      continue;
    char dash = 0;
    std::uint64_t begin = 0, end = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    memory.seekp(static_cast<std::streamoff>(begin));
    memory << std::string(end - begin, '\xff');
    memory.flush();
    memory.clear();
  }
}

class Faults {
 public:
  Faults(const fs::path& world, std::uint64_t seed) : world_(world), random_(seed) {}

  // Whether a round of this fault went well.
  bool round(const std::string& fault) {
    const bool link = fault == "link";
    const int count = link ? 2 : 2 + static_cast<int>(draw(0.0, 2.0));
    const auto victim = static_cast<std::size_t>(draw(0.0, count));
    const double delay = draw(0.3, 4.0);
    const fs::path run = world_ / "run";
    fs::remove_all(run);
    std::set<fs::path> before;
    RankSetting setting;
    if (link) setting.variables["MASTER_ADDR"] = "10.77.0.1";
    std::chrono::steady_clock::time_point injected;
    setting.while_running = [&](const std::vector<pid_t>& processes) {
      std::this_thread::sleep_for(std::chrono::duration<double>(delay));
      before = checkpoints(run);
      inject(fault, processes, victim, run);
      injected = std::chrono::steady_clock::now();
      if (fault == "stop") end_when_others_have(processes, victim);
    };
    const std::string train = SALF_BINARY " train " + (world_ / "model").string() + " --data " +
                              (world_ / "rows.jsonl").string() + " -o " + run.string() +
                              " --budget 100000steps --max-epochs 1e6 --eof 1 --batch-tokens 256 "
                              "--learning-rate 1e-3 --patience 0 --checkpoint-steps 2 "
                              "--rank-timeout 3 --threads 1";
    const auto results = run_ranks(count,
        {"/bin/sh", "-c", (link ? "exec ip netns exec salf$RANK " : "exec ") + train}, setting);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - injected).count();
    if (link) succeeds("ip -n salf0 link set salf0 up");
    return went_well(fault, results, {victim, delay, took}, before, checkpoints(run),
        fs::exists(run / "model.pt"));
  }

 private:
  struct Course {
    std::size_t victim = 0;
    double delay = 0.0, took = 0.0;
  };

  double draw(double from, double to) {
    return std::uniform_real_distribution<double>(from, to)(random_);
  }

  static void inject(const std::string& fault, const std::vector<pid_t>& processes,
      std::size_t victim, const fs::path& run) {
    if (fault == "kill") ::kill(processes[victim], SIGKILL);
    if (fault == "stop") ::kill(processes[victim], SIGSTOP);
    if (fault == "term") ::kill(processes[victim], SIGTERM);
    if (fault == "term-all") {
      for (const pid_t process : processes) ::kill(process, SIGTERM);
    }
    if (fault == "nan") {
      // Until the run has read them.
      for (int i = 0; i < 2000 && ::kill(processes[0], 0) == 0; ++i) {
        spoil_cache(processes[victim], run);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::ifstream stat("/proc/" + std::to_string(processes[victim]) + "/stat");
        const std::string text((std::istreambuf_iterator<char>(stat)), {});
        if (text.empty() || text.find(") Z") != std::string::npos) return;
      }
    }
    if (fault == "link") succeeds("ip -n salf0 link set salf0 down");
  }

  static void end_when_others_have(const std::vector<pid_t>& processes, std::size_t victim) {
    for (std::size_t rank = 0; rank < processes.size(); ++rank) {
      siginfo_t ended{};
      if (rank != victim)
        ::waitid(P_PID, static_cast<id_t>(processes[rank]), &ended, WEXITED | WNOWAIT);
    }
    ::kill(processes[victim], SIGKILL);
  }

  static bool went_well(const std::string& fault, const std::vector<RankResult>& results,
      const Course& course, const std::set<fs::path>& before, const std::set<fs::path>& after,
      bool tuned) {
    bool well = course.took < kLongest && are_whole(after);
    well = well && (fault == "nan" ? tuned : before.empty() || !after.empty());
    std::string codes;
    for (std::size_t rank = 0; rank < results.size(); ++rank) {
      const int code = results[rank].code;
      codes += " " + std::to_string(code);
      const bool ended = fault == "kill" || fault == "stop" || fault == "link";
      const bool signalled = fault == "term" || fault == "term-all";
      if (ended) well = well && (code == 5 || (rank == course.victim && code == -SIGKILL));
      if (signalled) well = well && (code == 128 + SIGTERM || code == -SIGTERM || code == 5);
      if (fault == "nan") well = well && code == 4;
    }
    std::printf(
        "%s: rank %zu of %zu after %.1f s; %zu checkpoints, then %zu; ended in %.1f s by%s%s\n",
        fault.c_str(), course.victim, results.size(), course.delay, before.size(), after.size(),
        course.took, codes.c_str(), well ? "" : "  NOT WELL");
    for (const RankResult& result : results) {
      if (!well)
        std::printf("  %.300s\n",
            result.err.substr(result.err.size() - std::min<std::size_t>(300, result.err.size()))
                .c_str());
    }
    std::fflush(stdout);
    return well;
  }

  fs::path world_;
  std::mt19937_64 random_;
};

int run_faults(int rounds, std::uint64_t seed) {
  const TemporaryFolder world;
  write_small_world(world.path());
  Faults faults(world.path(), seed);
  std::vector<std::string> kinds{"kill", "stop", "term", "term-all", "nan"};
  succeeds(kNoNetwork);
  if (::geteuid() == 0 && succeeds(kNetwork)) kinds.emplace_back("link");
  int bad = 0;
  for (const std::string& kind : kinds) {
    for (int i = 0; i < rounds; ++i) bad += faults.round(kind) ? 0 : 1;
  }
  succeeds(kNoNetwork);
  std::printf(
      "%d of %zu rounds did not go well\n", bad, kinds.size() * static_cast<std::size_t>(rounds));
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace salf::testing

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1;
  const auto seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  return salf::testing::run_faults(rounds, seed);
}
