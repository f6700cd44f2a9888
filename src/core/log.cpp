#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <string_view>
#include <utility>

#include "core/text.h"

namespace salf::core {
namespace {

std::string& log_name() {
  static std::string name;
  return name;
}

// "salf: warning: " and the like; information has no prefix.
class LevelPrefix : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
      spdlog::memory_buf_t& out) override {
    const std::string_view level = message.level == spdlog::level::debug  ? "debug: "
                                   : message.level == spdlog::level::warn ? "warning: "
                                   : message.level == spdlog::level::err  ? "error: "
                                                                          : "";
    if (level.empty()) return;
    const std::string prefix = "salf: " + log_name() + std::string(level);
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelPrefix>();
  }
};

// The sink colours what stands between %^ and %$, and only on a terminal.
std::unique_ptr<spdlog::logger> make_logger() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('*').set_pattern("%^%*%$%v");
  auto logger = std::make_unique<spdlog::logger>(
      "salf", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

spdlog::logger& logger() {
  static const std::unique_ptr<spdlog::logger> instance = make_logger();
  return *instance;
}

// As a string view the message is no format: braces in it mean nothing.
void log(spdlog::level::level_enum level, const std::string& message) {
  logger().log(level, spdlog::string_view_t(message.data(), message.size()));
}

// In LogLevel's order.
constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
    spdlog::level::warn, spdlog::level::err, spdlog::level::off};

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  // U+0080 … U+009F: a terminal may take them for escape sequences.
  return character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

// The bytes of the valid UTF-8 character that begins `text`, or 0.
std::size_t character_length(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (!invalid_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

void append_escaped(std::string_view bytes, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(kLevels[static_cast<std::size_t>(level)]); }
void set_log_name(const std::string& name) { log_name() = name.empty() ? "" : name + ": "; }
void log_debug(const std::string& message) { log(spdlog::level::debug, message); }
void log_info(const std::string& message) { log(spdlog::level::info, message); }
void log_warning(const std::string& message) { log(spdlog::level::warn, message); }
void log_error(const std::string& message) { log(spdlog::level::err, message); }

std::string printable(const std::string& text, std::size_t limit) {
  std::string out;
  std::string_view rest = text;
  std::size_t shown = 0;
  while (!rest.empty()) {
    const std::size_t valid = character_length(rest);
    const std::string_view character = rest.substr(0, valid == 0 ? 1 : valid);
    shown += character.size();
    if (shown > limit) return out + "…";
    if (valid == 0 || is_control(character)) {
      append_escaped(character, out);
    } else {
      out += character;
    }
    rest.remove_prefix(character.size());
  }
  return out;
}

std::string printable_path(const std::filesystem::path& path) {
  return printable(path.string(), 4096);
}

}  // namespace salf::core
