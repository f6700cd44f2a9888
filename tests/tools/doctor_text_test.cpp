#include "text/doctor_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace salf::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

app::MachineReport sample() {
  app::MachineReport report;
  report.version = "0.1.0";
  report.system = "Debian GNU/Linux 12 (bookworm), Linux 6.1.0";
  report.processor = {"AMD EPYC", {"avx2", "avx512f"}, "f32", "this processor has no bf16 units",
      64, "1.5", 2, "the control group's processor time"};
  report.memory = {64'000'000'000, 50'000'000'000, 0, 4'000'000'000,
      "/sys/fs/cgroup/" + std::string(150, 'g'), "v2", 4'000'000'000};
  report.torch = {"2.11.0", "2.11.0", "/" + std::string(200, 'p') + "/torch/lib", "13"};
  report.cuda.driver = "535.183.01";
  report.cuda.library = "libtorch_cuda.so is not installed; tools/setup --cuda fetches it";
  report.cuda.reason = "NVIDIA's driver is too old";
  report.cuda.kernels = "libsalf_cuda.so is not installed; it is built where there is nvcc";
  report.cuda.nvml.gpus = {
      {"NVIDIA H100", "GPU-zero", "9.0", 85'000'000'000, 80'000'000'000}, {"", "", "", 0, 0}};
  report.folders = {{"cache", "", 0, false, "neither XDG_CACHE_HOME nor HOME is set"},
      {"here", "/work/ünïcode", 1'000'000'000, true, ""}};
  report.environment = {{"LD_LIBRARY_PATH", std::string(120, 'l') + "\033[31m\n"}};
  report.problems = {"the GPU cannot be used: NVIDIA's driver is too old"};
  return report;
}

TEST(DoctorText, StaysWithinTheWidth) {
  for (const std::size_t width : {1U, 40U, 57U, 80U, 200U}) {
    std::istringstream lines(doctor_text(sample(), {width, false}));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(columns_of(line), std::max<std::size_t>(width, 40)) << line;
  }
}

TEST(DoctorText, ShowsEachPart) {
  const std::string text = doctor_text(sample(), {100, false});
  EXPECT_THAT(
      text, AllOf(HasSubstr("--dtype auto    f32: this processor has no bf16 units"),
                HasSubstr("threads         2 (the control group's processor time)"),
                HasSubstr("4.0 GB allowed, by\n                /sys/fs"),
                HasSubstr("--max-memory    4.0 GB"), HasSubstr("NVIDIA driver   535.183.01"),
                HasSubstr("NVIDIA H100, 85.0 GB, 80.0 GB free"),
                HasSubstr("a GPU that tells no name"), HasSubstr("cannot be used: NVIDIA's driver"),
                HasSubstr("not writable: neither XDG"), HasSubstr("to mend\n- the GPU cannot")));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text, Not(HasSubstr("nothing is wrong")));
}

TEST(DoctorText, SaysWhatIsNotKnown) {
  EXPECT_THAT(doctor_text({}, {80, false}),
      AllOf(HasSubstr("memory          not known"), HasSubstr("version not known"),
          HasSubstr("nothing is wrong")));
}

}  // namespace
}  // namespace salf::tools
