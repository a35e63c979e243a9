#include "driver.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "json.hpp"

namespace llorch::gpu_check {
namespace {

// As the driver declares them: a result of 0 is success, a device is an int, a context a pointer.
using CuInit = int (*)(unsigned);
using CuDriverGetVersion = int (*)(int*);
using CuDeviceGet = int (*)(int*, int);
using CuPrimaryCtxRetain = int (*)(void**, int);
using CuPrimaryCtxRelease = int (*)(int);
using CuCtxPush = int (*)(void*);
using CuCtxPop = int (*)(void**);
using CuMemGetInfo = int (*)(std::size_t*, std::size_t*);
using NvmlInit = int (*)();
using NvmlDriverVersion = int (*)(char*, unsigned);

/// Stays open: closing a driver ends what others opened of it.
void* open_library(const char* name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

template <class Function>
Function function(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) throw std::runtime_error(std::string("the driver has no ") + name);
  return reinterpret_cast<Function>(found);
}

void check(int result, const char* call) {
  if (result != 0)
    throw std::runtime_error(std::string(call) + ": error " + std::to_string(result) + " of CUDA's driver");
}

class OfDriver final : public DeviceMemory {
 public:
  OfDriver(void* library, int index)
      : release_(function<CuPrimaryCtxRelease>(library, "cuDevicePrimaryCtxRelease_v2")),
        push_(function<CuCtxPush>(library, "cuCtxPushCurrent_v2")),
        pop_(function<CuCtxPop>(library, "cuCtxPopCurrent_v2")),
        info_(function<CuMemGetInfo>(library, "cuMemGetInfo_v2")) {
    const auto retain = function<CuPrimaryCtxRetain>(library, "cuDevicePrimaryCtxRetain");
    check(function<CuInit>(library, "cuInit")(0), "cuInit");
    check(function<CuDeviceGet>(library, "cuDeviceGet")(&device_, index), "cuDeviceGet");
    // That of CUDA's runtime in the plugin too.
    check(retain(&context_, device_), "cuDevicePrimaryCtxRetain");
  }
  OfDriver(const OfDriver&) = delete;
  OfDriver& operator=(const OfDriver&) = delete;
  ~OfDriver() override { (void)release_(device_); }

  [[nodiscard]] std::uint64_t free_bytes() const override {
    std::size_t free = 0, total = 0;
    check(push_(context_), "cuCtxPushCurrent");
    const int result = info_(&free, &total);
    void* popped = nullptr;
    check(pop_(&popped), "cuCtxPopCurrent");
    check(result, "cuMemGetInfo");
    return free;
  }

 private:
  CuPrimaryCtxRelease release_;
  CuCtxPush push_;
  CuCtxPop pop_;
  CuMemGetInfo info_;
  int device_ = 0;
  void* context_ = nullptr;
};

std::optional<int> cuda_version() {
  void* library = open_library("libcuda.so.1");
  if (library == nullptr) return {};
  int version = 0;
  const auto ask = reinterpret_cast<CuDriverGetVersion>(dlsym(library, "cuDriverGetVersion"));
  if (ask == nullptr || ask(&version) != 0) return {};
  return version;
}

std::optional<std::string> driver_version() {
  void* library = open_library("libnvidia-ml.so.1");
  if (library == nullptr) return {};
  const auto init = reinterpret_cast<NvmlInit>(dlsym(library, "nvmlInit_v2"));
  const auto ask = reinterpret_cast<NvmlDriverVersion>(dlsym(library, "nvmlSystemGetDriverVersion"));
  const auto end = reinterpret_cast<NvmlInit>(dlsym(library, "nvmlShutdown"));
  if (init == nullptr || ask == nullptr || end == nullptr || init() != 0) return {};
  char text[96] = {};
  const int result = ask(text, sizeof text - 1);
  (void)end();
  if (result != 0) return {};
  return text;
}

}  // namespace

std::unique_ptr<DeviceMemory> DeviceMemory::of(const Plugin& plugin, std::string& why) {
  const auto devices = plugin.devices(why);
  if (devices.empty()) return nullptr;
  constexpr const char* kPrefix = "cuda:";
  const std::string id = devices[0].id;
  if (!id.starts_with(kPrefix)) {
    why = "device \"" + id + "\" has no driver to ask";
    return nullptr;
  }
  void* library = open_library("libcuda.so.1");
  if (library == nullptr) {
    why = "libcuda.so.1 cannot be opened";
    return nullptr;
  }
  try {
    return std::make_unique<OfDriver>(library, std::atoi(id.c_str() + std::char_traits<char>::length(kPrefix)));
  } catch (const std::runtime_error& failure) {
    why = failure.what();
    return nullptr;
  }
}

std::string driver_json() {
  const auto cuda = cuda_version();
  const auto version = driver_version();
  return "{\"cuda\":" + (cuda ? std::to_string(*cuda) : "null") +
         ",\"version\":" + (version ? json_text(*version) : "null") + "}";
}

}  // namespace llorch::gpu_check
