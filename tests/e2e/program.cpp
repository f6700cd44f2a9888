#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/temporary_folder.h"

namespace salf::testing {
namespace {

void redirect(const std::string& path, int descriptor) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(125);
  ::close(file);
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In the child; does not return.
[[noreturn]] void become_program(std::vector<char*> arguments, ProgramSetting setting,
    const std::string& out, const std::string& err) {
  const std::string in_file = setting.in.empty() ? "/dev/null" : setting.in;
  const int in = ::open(in_file.c_str(), O_RDONLY);
  if (in < 0 || ::dup2(in, STDIN_FILENO) < 0) ::_exit(125);
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  if (!setting.folder.empty() && ::chdir(setting.folder.c_str()) != 0) ::_exit(125);
  if (setting.file_size_limit > 0) {
    const rlimit limit{
        static_cast<rlim_t>(setting.file_size_limit), static_cast<rlim_t>(setting.file_size_limit)};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(125);
    ::signal(SIGXFSZ, SIG_IGN);  // writing then fails with EFBIG
  }
  for (std::string& variable : setting.environment) ::putenv(variable.data());
  ::execv(SALF_BINARY, arguments.data());
  ::_exit(126);
}

}  // namespace

ProgramResult run_program(
    const std::vector<std::string>& arguments, const ProgramSetting& setting) {
  const TemporaryFolder streams;
  const std::string out = setting.out.empty() ? (streams / "out").string() : setting.out;
  const std::string err = (streams / "err").string();
  std::vector<std::string> words = joined({SALF_BINARY}, arguments);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) become_program(pointers, setting, out, err);
  if (setting.while_it_runs) setting.while_it_runs(child);
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  ProgramResult result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (setting.out.empty()) result.out = text_of(out);
  result.err = text_of(err);
  return result;
}

std::vector<std::string> joined(
    std::vector<std::string> first, const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

}  // namespace salf::testing
