#include "distributed/launch.h"

#include <gmock/gmock.h>

#include <map>

#include "core/error.h"
#include "distributed/machines.h"

namespace salf::distributed {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

Launch launch_with(const Variables& variables) {
  return read_launch([&](const char* name) {
    const auto entry = variables.find(name);
    return entry == variables.end() ? std::nullopt : std::optional<std::string>(entry->second);
  });
}

std::string refusal_of(const Variables& variables) {
  try {
    launch_with(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(Launch, IsOneRankWithoutALauncher) {
  const Launch launch = launch_with({{"HOME", "/root"}});
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.size, 1);
}

TEST(Launch, ReadsTorchrun) {
  const Launch launch = launch_with({{"RANK", "5"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"},
      {"LOCAL_WORLD_SIZE", "4"}, {"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "29400"},
      {"TORCHELASTIC_USE_AGENT_STORE", "True"}, {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.address, "10.0.0.1");
  EXPECT_EQ(launch.port, 29400);
  EXPECT_TRUE(launch.served);
  EXPECT_EQ(launch.attempt, "2");
}

TEST(Launch, ReadsOpenMpiOnOneMachine) {
  const Variables variables = {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"},
      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
      {"PMIX_NAMESPACE", "prterun-host-77@1"}};
  const Launch launch = launch_with(variables);
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 2);
  EXPECT_EQ(launch.address, "127.0.0.1");
  EXPECT_FALSE(launch.served);
  Variables other = variables;
  other["PMIX_NAMESPACE"] = "prterun-host-78@1";
  EXPECT_NE(launch_with(other).port, launch.port);
}

TEST(Launch, WantsAnAddressForOpenMpiOnSeveralMachines) {
  EXPECT_THAT(refusal_of({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"},
                  {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}),
      HasSubstr("MASTER_ADDR"));
}

TEST(Launch, ReadsSlurm) {
  const Launch launch =
      launch_with({{"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_LOCALID", "1"},
          {"SLURM_STEP_NODELIST", "node[07-08]"}, {"SLURM_JOB_ID", "12"}, {"SLURM_STEP_ID", "0"}});
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.address, "node07");
}

TEST(Launch, IsOneRankInABatchScript) {
  EXPECT_EQ(launch_with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}).size, 1);
}

TEST(Launch, ReadsPmi) {
  const Launch launch = launch_with({{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "1"},
      {"MPI_LOCALNRANKS", "3"}, {"PMI_JOBID", "j"}});
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 3);
  EXPECT_EQ(launch.address, "127.0.0.1");
}

TEST(Launch, NamesWhatIsWrong) {
  EXPECT_THAT(refusal_of({{"RANK", "0"}}), HasSubstr("WORLD_SIZE"));
  EXPECT_THAT(refusal_of({{"RANK", "4"}, {"WORLD_SIZE", "4"}}),
      HasSubstr("RANK: expected a number from 0 to 3, got \"4\""));
  EXPECT_THAT(refusal_of({{"RANK", "x"}, {"WORLD_SIZE", "4"}}), HasSubstr("got \"x\""));
  EXPECT_THAT(refusal_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"},
                  {"MASTER_PORT", "99999"}}),
      HasSubstr("MASTER_PORT"));
}

TEST(Launch, FindsTheFirstHostOfAList) {
  EXPECT_EQ(first_host("node3"), "node3");
  EXPECT_EQ(first_host("a,b"), "a");
  EXPECT_EQ(first_host("node[07-09,12],other"), "node07");
  EXPECT_EQ(first_host("rack-1-[4,6]"), "rack-1-4");
}

TEST(Machines, AreThoseOfOneName) {
  const std::vector<std::string> names{"a", "b", "a", "a"};
  const Machines third = machines_of(names, 2), second = machines_of(names, 1);
  EXPECT_EQ(third.count, 2);
  EXPECT_EQ(third.ranks_here, 3);
  EXPECT_FALSE(third.first_here);
  EXPECT_EQ(second.ranks_here, 1);
  EXPECT_TRUE(second.first_here);
  EXPECT_TRUE(find_machines(nullptr).first_here);
}

}  // namespace
}  // namespace salf::distributed
