// salf doctor where things are broken.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "program.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;

TEST(Doctor, SurvivesADriverThatCrashesAndAnEnvironmentWithoutAHome) {
  for (const char* const name : {"HOME", "XDG_CACHE_HOME", "TERM", "COLUMNS"}) ::unsetenv(name);
  ::setenv("LD_LIBRARY_PATH", SALF_CRASHING_NVML, 1);
  ProgramResult result = run_program({"doctor", "--json"}, {});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report["schema"], "salf.doctor/1");
  EXPECT_THAT(report["cuda"]["nvml"]["problem"].get<std::string>(), HasSubstr("signal 6"));
  EXPECT_NE(report["cuda"]["library"], "");
  EXPECT_NE(report["cuda"]["kernels"], "");
  EXPECT_GE(report["problems"].size(), 1U);

  result = run_program({"doctor"}, {});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("neither XDG_CACHE_HOME nor HOME"));
  EXPECT_THAT(result.out, HasSubstr("--dtype auto"));
}

}  // namespace
}  // namespace salf::testing
