// Counts how often a program waits for its GPU, and what it copies: preloaded (LD_PRELOAD), it
// stands before CUDA's runtime library. As the process ends it writes the counts as JSON to the
// file that SALF_WAITS names. A program may ask for the waits so far by salf_waits().
#include <dlfcn.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

constexpr int kHostToDevice = 1, kDeviceToHost = 2;

struct Counts {
  std::atomic<long> waits{0}, copies_to_device{0}, bytes_to_device{0}, copies_to_host{0},
      bytes_to_host{0};
  ~Counts() {
    const char* const path = std::getenv("SALF_WAITS");
    std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "w");
    if (file == nullptr) return;
    std::fprintf(file,
        "{\"waits\": %ld, \"copies_to_device\": %ld, \"bytes_to_device\": %ld, "
        "\"copies_to_host\": %ld, \"bytes_to_host\": %ld}\n",
        waits.load(), copies_to_device.load(), bytes_to_device.load(), copies_to_host.load(),
        bytes_to_host.load());
    std::fclose(file);
  }
};
Counts counts;

void count_copy(std::size_t bytes, int kind) {
  if (kind == kHostToDevice) {
    ++counts.copies_to_device;
    counts.bytes_to_device += static_cast<long>(bytes);
  } else if (kind == kDeviceToHost) {
    ++counts.copies_to_host;
    counts.bytes_to_host += static_cast<long>(bytes);
  }
}

// CUDA's own function. Its library was loaded before anybody called it.
template <class Function> Function* of_cuda(const char* name) {
  void* library = nullptr;
  for (const char* const file : {"libcudart.so.13", "libcudart.so.12"}) {
    if (library == nullptr) library = ::dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  }
  void* const found = library == nullptr ? nullptr : ::dlsym(library, name);
  if (found == nullptr) {
    std::fprintf(stderr, "count_waits: CUDA's runtime library has no %s\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) long salf_waits() { return counts.waits; }

__attribute__((visibility("default"))) int cudaDeviceSynchronize() {
  ++counts.waits;
  static const auto call = of_cuda<int()>("cudaDeviceSynchronize");
  return call();
}

__attribute__((visibility("default"))) int cudaStreamSynchronize(void* stream) {
  ++counts.waits;
  static const auto call = of_cuda<int(void*)>("cudaStreamSynchronize");
  return call(stream);
}

__attribute__((visibility("default"))) int cudaEventSynchronize(void* event) {
  ++counts.waits;
  static const auto call = of_cuda<int(void*)>("cudaEventSynchronize");
  return call(event);
}

__attribute__((visibility("default"))) int cudaMemcpy(
    void* to, const void* from, std::size_t bytes, int kind) {
  ++counts.waits;
  count_copy(bytes, kind);
  static const auto call = of_cuda<int(void*, const void*, std::size_t, int)>("cudaMemcpy");
  return call(to, from, bytes, kind);
}

__attribute__((visibility("default"))) int cudaMemcpyAsync(
    void* to, const void* from, std::size_t bytes, int kind, void* stream) {
  count_copy(bytes, kind);
  static const auto call =
      of_cuda<int(void*, const void*, std::size_t, int, void*)>("cudaMemcpyAsync");
  return call(to, from, bytes, kind, stream);
}

}  // extern "C"
