// Progress of long work. A loop reports to a Progress; the command decides how to show it.
#pragma once

#include <cstdint>
#include <string>

namespace salf::core {

// Receives "done of total" from one loop after another. The base class ignores it.
class Progress {
 public:
  virtual ~Progress() = default;
  // A loop of `total` units ("documents", "steps", "bytes") begins; 0 if unknown.
  virtual void begin(
      const std::string& /*what*/, std::int64_t /*total*/, const std::string& /*unit*/) {}
  // `note` is a short addition such as "loss 2.01".
  virtual void update(std::int64_t /*done*/, const std::string& /*note*/) {}
  virtual void end() {}
};

}  // namespace salf::core
