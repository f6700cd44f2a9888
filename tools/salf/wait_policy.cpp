// Threads that wait for work sleep instead of spinning.
//
// libgomp spins for milliseconds before it sleeps, so that two programs on the same cores take
// turns at wasting them. It reads OMP_WAIT_POLICY when it is loaded, which is before main. The
// function below runs before the constructors of the shared libraries. It adds the variable and
// starts the program anew, in the same process: that costs 10 ms, because LibTorch has not
// initialized itself yet. OMP_WAIT_POLICY and GOMP_SPINCOUNT of the user win.
#include <sys/auxv.h>
#include <unistd.h>

#include <climits>
#include <cstddef>

namespace {

constexpr std::size_t kMostVariables = 4096;

// libc is not initialized yet, so that nothing of it is called but system calls.
bool starts_with(const char* text, const char* start) {
  while (*start != '\0') {
    if (*text++ != *start++) return false;
  }
  return true;
}

// Returns where anything hinders it; threads then spin.
void restart_with_passive_waiting(int, char** arguments, char** environment) {
  // 0: ld.so was called with the program as its argument, and would be what is started anew.
  if (::getauxval(AT_BASE) == 0) return;
  static char policy[] = "OMP_WAIT_POLICY=passive";
  static char* variables[kMostVariables + 2];
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    const char* const variable = environment[count];
    if (count == kMostVariables || starts_with(variable, "OMP_WAIT_POLICY=") ||
        starts_with(variable, "GOMP_SPINCOUNT=")) {
      return;
    }
    variables[count] = environment[count];
  }
  variables[count] = policy;
  // The link's target rather than the link, after which the kernel would name the process.
  static char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length > 0) ::execve(path, arguments, variables);
}

using Initializer = void (*)(int, char**, char**);
__attribute__((section(".preinit_array"), used)) const Initializer kRestart =
    &restart_with_passive_waiting;

}  // namespace
