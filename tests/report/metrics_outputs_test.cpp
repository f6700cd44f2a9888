#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/files.h"
#include "report/prometheus.h"
#include "report/tensorboard.h"
#include "support/temporary_folder.h"

namespace salf::report {
namespace {

using ::testing::HasSubstr;

// RFC 3720 B.4, and the check value of CRC-32C.
TEST(Crc32c, HasTheKnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
}

template <class T> T number_at(const std::string& bytes, std::size_t place) {
  T value{};
  std::memcpy(&value, bytes.data() + place, sizeof(T));
  return value;
}

TEST(EventFile, IsRecordsWithChecksums) {
  const testing::TemporaryFolder folder;
  EventFile file(folder / "logs", 3);
  file.write(3, {{"train/loss", 2.5}, {"train/lr", 0.25}});
  const std::string bytes = core::read_file(file.path());
  std::vector<std::string> events;
  for (std::size_t place = 0; place < bytes.size();) {
    const auto length = static_cast<std::size_t>(number_at<std::uint64_t>(bytes, place));
    EXPECT_EQ(number_at<std::uint32_t>(bytes, place + 8), masked_crc32c(bytes.substr(place, 8)));
    events.push_back(bytes.substr(place + 12, length));
    EXPECT_EQ(number_at<std::uint32_t>(bytes, place + 12 + length), masked_crc32c(events.back()));
    place += 16 + length;
  }
  ASSERT_EQ(events.size(), 3U);
  EXPECT_THAT(events[0], HasSubstr("brain.Event:2"));
  EXPECT_THAT(events[2], HasSubstr("train/loss"));
  EXPECT_THAT(events[2], HasSubstr(std::string("\x10\x03", 2)));  // step: field 2, varint 3
  EXPECT_THAT(events[2], HasSubstr(std::string("\x15\x00\x00\x20\x40", 5)));  // simple_value: 2.5
}

TEST(Prometheus, NamesTypesAndValues) {
  LiveMetrics metrics;
  metrics.run = "a \"run\"\\\n";
  EXPECT_THAT(prometheus_text(metrics),
      HasSubstr("salf_steps_total{run=\"a \\\"run\\\"\\\\\\\\x0A\"} 0.0\n"));
  metrics.step = 12;
  metrics.loss = 2.5;
  metrics.dev_loss = std::nan("");
  const std::string text = prometheus_text(metrics);
  EXPECT_THAT(text, HasSubstr("# TYPE salf_loss gauge\n"));
  EXPECT_THAT(text, HasSubstr("} 2.5\n"));
  EXPECT_THAT(text, HasSubstr("salf_dev_loss{run="));
  EXPECT_THAT(text, HasSubstr("} NaN\n"));
}

}  // namespace
}  // namespace salf::report
