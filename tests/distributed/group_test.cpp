// Real processes: this program starts itself, once for each rank, with the name of one of the
// programs below.
#include "distributed/group.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "support/ranks.h"
#include "support/temporary_folder.h"

namespace salf::distributed {
namespace {

using salf::testing::RankResult;
using salf::testing::RankSetting;
using ::testing::HasSubstr;

double timeout() {
  const auto text = process_variable("TEST_TIMEOUT");
  return text ? std::stod(*text) : 30.0;
}

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("not so: " + what);
}

// The numbers that each rank contributes: their sum depends on the order.
at::Tensor contribution(std::int64_t rank, std::int64_t count) {
  at::Tensor values = at::arange(count, at::kFloat);
  return values.mul(0.37 + static_cast<double>(rank)).sin().mul(rank == 1 ? 1e4 : 1.0);
}

void collectives(Group& group) {
  for (const std::int64_t count : {1, 7, 100003}) {
    at::Tensor expected = contribution(0, count);
    for (std::int64_t rank = 1; rank < group.size(); ++rank) expected += contribution(rank, count);
    const at::Tensor own = contribution(group.rank(), count);
    group.all_reduce(own);
    require(at::equal(own, expected), "the sum is that of the ranks' order");
  }
  const at::Tensor mine = at::full({2, 3}, group.rank(), at::kLong);
  const at::Tensor all = at::empty({group.size(), 2, 3}, at::kLong);
  group.all_gather(all, mine);
  for (std::int64_t rank = 0; rank < group.size(); ++rank)
    require(all[rank].eq(rank).all().item<bool>(), "each rank's part is gathered");
  group.broadcast(mine, group.size() - 1);
  require(mine.eq(group.size() - 1).all().item<bool>(), "the last rank's tensor is broadcast");
  require(group.broadcast(group.leads() ? "plan" : "") == "plan", "text is broadcast");
  require(group.broadcast(std::string()).empty(), "empty text is broadcast");
  const auto texts = group.all_gather(std::string(static_cast<std::size_t>(group.rank()), 'x'));
  for (std::size_t rank = 0; rank < texts.size(); ++rank)
    require(texts[rank] == std::string(rank, 'x'), "text is gathered");
  const at::Tensor received = at::empty({group.size()}, at::kLong);
  group.start_exchange(received, at::arange(group.size()).add(10 * group.rank())).wait();
  require(at::equal(received, at::arange(group.size()).mul(10).add(group.rank())),
      "each part reaches its rank");
}

// Starts transfers of both kinds at different moments on each rank.
void overtaking(Group& group) {
  const at::Tensor parts = at::zeros({1000 * group.size()}), received = at::zeros(parts.sizes());
  const at::Tensor part = at::zeros({1000}), all = at::zeros(parts.sizes());
  Transfer gather, exchange;
  if (group.leads()) gather = group.start_all_gather(all, part);
  exchange = group.start_exchange(received, parts);
  exchange.wait();
  if (!group.leads()) gather = group.start_all_gather(all, part);
  gather.wait();
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

// Works together until somebody ends it; TEST_MARK is a file that tells when it does.
void steps(Group& group) {
  const at::Tensor tensor = at::zeros({100000});
  for (int step = 0;; ++step) {
    group.all_reduce(tensor);
    if (step == 3 && group.leads()) std::ofstream(process_variable("TEST_MARK").value());
    pause();
  }
}

void one_fails(Group& group) {
  const at::Tensor tensor = at::zeros({100000});
  for (int step = 0;; ++step) {
    if (step == 5 && group.rank() == 1) throw Error(ErrorKind::kBadInput, "rows.jsonl:3: no JSON");
    group.all_reduce(tensor);
  }
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// Longer than the time-out: announced, and by pieces.
void long_work(Group& group) {
  if (group.leads()) {
    {
      const Group::LongWork planning(&group, "planning");
      sleep_for(1.4 * timeout());
    }
    for (int piece = 0; piece < 3; ++piece) {
      sleep_for(0.45 * timeout());
      group.works();
    }
  }
  group.barrier();
}

// Longer than was announced.
void stuck_long(Group& group) {
  if (group.rank() == 1) {
    const Group::LongWork planning(&group, "planning", 0.5 * timeout());
    sleep_for(2.0 * timeout());
  }
  group.barrier();
}

void stuck(Group& group) {
  if (group.rank() == 1) sleep_for(2.0 * timeout());
  group.barrier();
}

int run_program(const std::string& name) {
  std::unique_ptr<Group> group;
  try {
    group = std::make_unique<Group>(read_launch(), timeout());
    if (name == "collectives") collectives(*group);
    if (name == "overtaking") overtaking(*group);
    if (name == "steps") steps(*group);
    if (name == "one_fails") one_fails(*group);
    if (name == "long_work") long_work(*group);
    if (name == "stuck") stuck(*group);
    if (name == "stuck_long") stuck_long(*group);
    if (name == "cores") std::printf("%d\n", static_cast<int>(group->sharing_cores()));
    group->barrier();
    return 0;
  } catch (const Error& error) {
    core::log_error(error.what());
    if (group) group->fail(error.exit_code(), error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    core::log_error(error.what());
    if (group) group->fail(70, error.what());
    return 70;
  }
}

std::vector<RankResult> run(
    int count, const std::string& program, const RankSetting& setting = {}) {
  return salf::testing::run_ranks(
      count, {salf::testing::own_path(), "--rank-program", program}, setting);
}

// The ranks at work, with one of them signalled; that is killed at last, when the others have
// ended.
std::vector<RankResult> run_with_signal(
    int count, std::size_t victim, int number, std::map<std::string, std::string> variables = {}) {
  const salf::testing::TemporaryFolder folder;
  RankSetting setting;
  setting.variables = std::move(variables);
  setting.variables["TEST_MARK"] = folder / "mark";
  setting.while_running = [&](const std::vector<pid_t>& processes) {
    while (!std::filesystem::exists(folder / "mark")) pause();
    ::kill(processes[victim], number);
    for (std::size_t rank = 0; rank < processes.size(); ++rank) {
      siginfo_t ended{};
      if (rank != victim)
        ::waitid(P_PID, static_cast<id_t>(processes[rank]), &ended, WEXITED | WNOWAIT);
    }
    ::kill(processes[victim], SIGKILL);
  };
  return run(count, "steps", setting);
}

TEST(Group, OneRankNeedsNobody) {
  Group group;
  const at::Tensor tensor = at::full({3}, 2.0);
  group.all_reduce(tensor);
  group.broadcast(tensor);
  group.barrier();
  EXPECT_TRUE(tensor.eq(2.0).all().item<bool>());
  EXPECT_EQ(group.broadcast("a"), "a");
  EXPECT_EQ(group.all_gather("a"), std::vector<std::string>{"a"});
  const at::Tensor all = at::zeros({3});
  group.start_all_gather(all, tensor).wait();
  EXPECT_TRUE(at::equal(all, tensor));
}

TEST(Ranks, SumInOrderGatherAndBroadcast) {
  for (const int count : {2, 3}) {
    for (const RankResult& result : run(count, "collectives"))
      EXPECT_EQ(result.code, 0) << count << " ranks: " << result.err;
  }
}

TEST(Ranks, TransfersOfTwoKindsOvertakeOneAnother) {
  for (const RankResult& result : run(3, "overtaking")) EXPECT_EQ(result.code, 0) << result.err;
}

TEST(Ranks, CountWhoSharesTheirCores) {
  for (const RankResult& result : run(2, "cores")) EXPECT_EQ(result.out, "2\n") << result.err;
}

TEST(Ranks, EndWithTheErrorOfTheFirstThatFails) {
  const auto results = run(3, "one_fails");
  for (std::size_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(results[rank].code, 3);
    EXPECT_THAT(results[rank].err, HasSubstr("rows.jsonl:3: no JSON"));
  }
  EXPECT_THAT(results[0].err, HasSubstr("rank 1 on "));
  EXPECT_THAT(results[2].err, HasSubstr("rank 1 on "));
}

TEST(Ranks, NameTheOneThatWasKilled) {
  for (const std::size_t victim : {0U, 2U}) {
    const auto results = run_with_signal(3, victim, SIGKILL);
    for (std::size_t rank = 0; rank < 3; ++rank) {
      if (rank == victim) continue;
      EXPECT_EQ(results[rank].code, 5);
      EXPECT_THAT(results[rank].err, HasSubstr("rank " + std::to_string(victim) + " on "));
    }
  }
}

TEST(Ranks, NameTheOneThatWasStopped) {
  for (const std::size_t victim : {0U, 1U}) {
    const auto results = run_with_signal(2, victim, SIGSTOP, {{"TEST_TIMEOUT", "0.7"}});
    EXPECT_EQ(results[1 - victim].code, 5);
    EXPECT_THAT(results[1 - victim].err, HasSubstr("rank " + std::to_string(victim) + " on "));
  }
}

TEST(Ranks, NameTheOneThatDoesNotStart) {
  RankSetting setting;
  setting.variables["TEST_TIMEOUT"] = "0.7";
  setting.absent = {1};
  const auto results = run(3, "steps", setting);
  EXPECT_THAT(results[0].err, HasSubstr("rank 1 did not start within 0.7 s"));
  EXPECT_EQ(results[2].code, 5) << results[2].err;
  setting.absent = {0};
  EXPECT_THAT(run(2, "steps", setting)[1].err, HasSubstr("rank 0 has not started"));
}

TEST(Ranks, GiveUpOnAStoreThatIsSilent) {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 8), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  RankSetting setting;
  setting.variables["TEST_TIMEOUT"] = "0.5";
  setting.variables["MASTER_PORT"] = std::to_string(ntohs(address.sin_port));
  setting.absent = {0};
  const RankResult result = run(2, "steps", setting)[1];
  close(listening);
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("was silent"));
}

TEST(Ranks, WaitForWorkThatWasAnnounced) {
  RankSetting setting;
  setting.variables["TEST_TIMEOUT"] = "1.0";
  for (const RankResult& result : run(2, "long_work", setting))
    EXPECT_EQ(result.code, 0) << result.err;
  for (const std::string stuck : {"stuck", "stuck_long"}) {
    for (const RankResult& result : run(2, stuck, setting)) {
      EXPECT_EQ(result.code, 5);
      EXPECT_THAT(result.err, HasSubstr("rank-timeout"));
      EXPECT_EQ(result.err.find("planning was at one") != std::string::npos, stuck == "stuck_long");
    }
  }
}

}  // namespace
}  // namespace salf::distributed

int main(int argc, char** argv) {
  return salf::testing::run_tests_or(&salf::distributed::run_program, argc, argv);
}
