#include "support/ranks.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/temporary_folder.h"

namespace salf::testing {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::minutes kLimit{2};

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (socket < 0 || ::bind(socket, any, length) != 0 || ::getsockname(socket, any, &length) != 0)
    throw std::runtime_error("no free port");
  ::close(socket);
  return ntohs(address.sin_port);
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

[[noreturn]] void become(std::vector<std::string> words, const std::string& out,
    const std::string& err, const std::map<std::string, std::string>& variables) {
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  const auto redirect = [](const std::string& path, int descriptor) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(125);
  };
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers[0], pointers.data());
  ::_exit(126);
}

// Waits for all that were started (0: not), each as soon as it ends.
void reap(std::vector<pid_t> processes, std::vector<RankResult>& results) {
  const auto began = Clock::now();
  for (std::size_t left = processes.size(); left > 0;) {
    left = 0;
    for (std::size_t rank = 0; rank < processes.size(); ++rank) {
      if (processes[rank] == 0) continue;
      const auto ran = Clock::now() - began;
      if (ran > kLimit) ::kill(processes[rank], SIGKILL);
      int status = 0;
      if (::waitpid(processes[rank], &status, WNOHANG) == 0) {
        ++left;
        continue;
      }
      processes[rank] = 0;
      results[rank].code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
      results[rank].seconds = std::chrono::duration<double>(ran).count();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

std::vector<RankResult> run_ranks(
    int count, const std::vector<std::string>& words, const RankSetting& setting) {
  const TemporaryFolder streams;
  const std::string port = std::to_string(free_port()), size = std::to_string(count);
  std::vector<RankResult> results(static_cast<std::size_t>(count));
  std::vector<pid_t> processes;
  for (int rank = 0; rank < count; ++rank) {
    const std::string number = std::to_string(rank);
    std::map<std::string, std::string> variables = {{"RANK", number}, {"WORLD_SIZE", size},
        {"LOCAL_RANK", number}, {"LOCAL_WORLD_SIZE", size}, {"MASTER_ADDR", "127.0.0.1"},
        {"MASTER_PORT", port}, {"OMP_NUM_THREADS", "1"}};
    for (const auto& [name, value] : setting.variables) variables[name] = value;
    const bool absent = std::count(setting.absent.begin(), setting.absent.end(), rank) > 0;
    const pid_t child = absent ? 0 : ::fork();
    if (child < 0) throw std::runtime_error("fork failed");
    std::vector<std::string> own = words;
    if (setting.more.count(rank) > 0)
      own.insert(own.end(), setting.more.at(rank).begin(), setting.more.at(rank).end());
    if (child == 0 && !absent)
      become(own, streams / ("out" + number), streams / ("err" + number), variables);
    processes.push_back(child);
  }
  if (setting.while_running) setting.while_running(processes);
  reap(processes, results);
  for (int rank = 0; rank < count; ++rank) {
    RankResult& result = results[static_cast<std::size_t>(rank)];
    result.out = text_of(streams / ("out" + std::to_string(rank)));
    result.err = text_of(streams / ("err" + std::to_string(rank)));
  }
  return results;
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace salf::testing
