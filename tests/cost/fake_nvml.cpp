// CUDA's driver and NVML, with two devices, which CUDA numbers the other way round. NVML's 0 counts
// what SALF_FAKE_MILLIJOULES says, 1 has no counter. The functions are those that the meter loads.
// SALF_FAKE_NVML_ERROR is what the library's start returns.
#include <cstdlib>
#include <cstring>

extern "C" {

int nvmlInit_v2();
int nvmlShutdown();
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device);
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device);
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* energy);
int nvmlDeviceGetName(void* device, char* name, unsigned length);
int cuInit(unsigned flags);
int cuDeviceGet(int* device, int ordinal);
int cuDeviceGetUuid_v2(unsigned char* uuid, int device);
const char* nvmlErrorString(int code);
int nvmlSystemGetDriverVersion(char* version, unsigned length);
int nvmlDeviceGetCount_v2(unsigned* count);
int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length);
int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* total_free_used);
int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor);

static int devices[2];

int nvmlInit_v2() {
  const char* const error = std::getenv("SALF_FAKE_NVML_ERROR");
  return error == nullptr ? 0 : std::atoi(error);
}
int nvmlShutdown() { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index > 1) return 2;  // NVML_ERROR_INVALID_ARGUMENT
  *device = &devices[index];
  return 0;
}
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (std::strcmp(uuid, "GPU-abababab-abab-abab-abab-abababababab") == 0) {
    *device = &devices[1];
    return 0;
  }
  if (std::strcmp(uuid, "GPU-zero") != 0 &&
      std::strcmp(uuid, "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0") != 0)
    return 6;  // NVML_ERROR_NOT_FOUND
  *device = &devices[0];
  return 0;
}
int cuInit(unsigned /*flags*/) { return 0; }
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal < 2 ? 0 : 101;  // CUDA_ERROR_INVALID_DEVICE
}
int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
  std::memset(uuid, device == 0 ? 0xab : 0xa0, 16);
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* energy) {
  const char* const text = std::getenv("SALF_FAKE_MILLIJOULES");
  if (device != &devices[0] || text == nullptr) return 3;  // NVML_ERROR_NOT_SUPPORTED
  *energy = std::strtoull(text, nullptr, 10);
  return 0;
}
int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  std::strncpy(name, device == &devices[0] ? "NVIDIA H100 80GB HBM3" : "NVIDIA Old", length);
  return 0;
}
const char* nvmlErrorString(int code) {
  return code == 18 ? "Driver/library version mismatch" : "Unknown Error";
}
int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::strncpy(version, "535.183.01", length);
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  std::strncpy(uuid, device == &devices[0] ? "GPU-zero" : "GPU-one", length);
  return 0;
}
int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* total_free_used) {
  if (device != &devices[0]) return 3;
  total_free_used[0] = 85899345920ULL;
  total_free_used[1] = 80000000000ULL;
  total_free_used[2] = total_free_used[0] - total_free_used[1];
  return 0;
}
int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) {
  if (device != &devices[0]) return 3;
  *major = 9;
  *minor = 0;
  return 0;
}
}
