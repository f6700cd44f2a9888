// Several processes as torchrun would start them: the ranks of one run, on this machine.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace salf::testing {

struct RankResult {
  int code = 0;  // or minus the signal that ended it
  std::string out, err;
  double seconds = 0.0;  // that it ran
};

struct RankSetting {
  std::map<std::string, std::string> variables{};                  // beside torchrun's
  std::map<int, std::vector<std::string>> more{};                  // arguments of one rank
  std::vector<int> absent{};                                       // ranks that are not started
  std::function<void(const std::vector<pid_t>&)> while_running{};  // by rank
};

// Runs `words` (a program's path and its arguments) once for each rank and waits for all. Whoever
// runs for more than two minutes is killed.
std::vector<RankResult> run_ranks(
    int count, const std::vector<std::string>& words, const RankSetting& setting = {});

// This test program.
std::string own_path();

// The main function of tests that start their own program as ranks, with the words --rank-program
// and a name: `program` of that name, else all tests.
inline int run_tests_or(int (*program)(const std::string& name), int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--rank-program") return program(argv[2]);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace salf::testing
