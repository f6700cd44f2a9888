// TensorBoard's event files: TFRecords of Event messages (tensorboard/compat/proto/event.proto).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace salf::report {

struct Scalar {
  std::string tag;  // "train/loss"
  double value = 0.0;
};

// One file per process, FOLDER/events.out.tfevents.TIME.HOST.PID.salf; creates the folder.
// TensorBoard drops events of earlier files from `first_step` on (a resumed run). Throws
// Error(kIo).
class EventFile {
 public:
  EventFile(const std::filesystem::path& folder, std::int64_t first_step);
  // Flushes the file.
  void write(std::int64_t step, const std::vector<Scalar>& scalars);
  const std::filesystem::path& path() const { return path_; }

 private:
  void record(const std::string& event);

  std::filesystem::path path_;
  std::ofstream stream_;
};

// CRC-32C (Castagnoli), as TFRecords mask it: ((c >> 15) | (c << 17)) + 0xa282ead8.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace salf::report
