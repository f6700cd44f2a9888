// Two devices: 0 counts what SALF_FAKE_MILLIJOULES says, 1 has no counter. The functions are those
// that the meter loads.
#include <cstdlib>
#include <cstring>

extern "C" {

int nvmlInit_v2();
int nvmlShutdown();
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device);
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device);
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* energy);
int nvmlDeviceGetName(void* device, char* name, unsigned length);

static int devices[2];

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index > 1) return 2;  // NVML_ERROR_INVALID_ARGUMENT
  *device = &devices[index];
  return 0;
}
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (std::strcmp(uuid, "GPU-zero") != 0) return 6;  // NVML_ERROR_NOT_FOUND
  *device = &devices[0];
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
}
