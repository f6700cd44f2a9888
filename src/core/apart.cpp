#include "core/apart.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>

#include "core/clock.h"
#include "core/file_handle.h"

namespace salf::core {
namespace {

constexpr int kThrew = 97;

void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count > 0) done += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) return;
  }
}

[[noreturn]] void run_child(const std::function<std::string()>& work, int out) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, file);
  int code = 0;
  try {
    write_all(out, work());
  } catch (const std::exception& error) {
    write_all(out, error.what());
    code = kThrew;
  }
  ::_exit(code);  // without the destructors that belong to the parent
}

// Reads until the child closes its end. False where the time is over first.
bool read_until(int file, double end, std::string& text) {
  std::array<char, 4096> buffer{};
  for (double left = end - steady_seconds(); left > 0.0; left = end - steady_seconds()) {
    pollfd waiting{file, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::min(1e3 * left, 1e6)) + 1) <= 0) continue;
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) return true;
  }
  return false;
}

std::string problem_of(int status, bool in_time, double seconds) {
  if (!in_time) return "gave no answer within " + std::to_string(static_cast<int>(seconds)) + " s";
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return "ended by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
  }
  const int code = WEXITSTATUS(status);
  return code == 0 ? "" : "ended with code " + std::to_string(code);
}

}  // namespace

ApartResult run_apart(const std::function<std::string()>& work, double seconds) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {"", "no pipe can be made"};
  const FileHandle from(ends[0]);
  const pid_t child = ::fork();
  if (child == 0) run_child(work, ends[1]);
  ::close(ends[1]);
  if (child < 0) return {"", "no process can be started"};
  ApartResult result;
  const bool in_time = read_until(from.get(), steady_seconds() + seconds, result.text);
  if (!in_time) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kThrew) return {"", result.text};
  result.problem = problem_of(status, in_time, seconds);
  return result;
}

}  // namespace salf::core
