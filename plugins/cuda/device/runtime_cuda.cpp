// runtime.hpp and launch.hpp over the CUDA runtime, which is linked in. Nothing here runs before someone asks for a
// device.
#include <cuda_runtime.h>
#include <llorch/plugin.hpp>

#include <cstring>
#include <set>

#include "cuda/device/launch.hpp"
#include "cuda/device/runtime.hpp"

namespace llorch::cuda {
namespace {

constexpr int kLeastMajor = 7, kLeastMinor = 5;

std::string text_of(const char* function, cudaError_t error, const char* doing) {
  return std::string(doing) + ": " + function + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error);
}

/// For calls without a stream: an error of theirs is told and forgotten.
void check(cudaError_t error, const char* function, const char* doing) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();
  throw abi::Failure(LLORCH_DEVICE_ERROR, text_of(function, error, doing));
}

/// Every thread has a current device of its own, so each call says which one it means.
void use(int device, const char* doing) {
  check(cudaSetDevice(device), "cudaSetDevice", doing);
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

// ---- devices -------------------------------------------------------------------------------------------------------

DeviceList list_devices() {
  DeviceList list;
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    (void)cudaGetLastError();
    list.reason = "no NVIDIA driver is installed";
    return list;
  }
  int n = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&n); error != cudaSuccess) {
    (void)cudaGetLastError();
    list.reason = text_of("cudaGetDeviceCount", error, "looking for GPUs");
    if (error == cudaErrorInsufficientDriver) {
      list.reason +=
          " (the driver has CUDA " + version_text(driver) + ", this build " + version_text(CUDART_VERSION) + ")";
    }
    return list;
  }
  if (n == 0) list.reason = "the driver finds no GPU";
  for (int i = 0; i < n; ++i) {
    cudaDeviceProp properties{};
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, i); error != cudaSuccess) {
      (void)cudaGetLastError();
      list.reason = text_of("cudaGetDeviceProperties", error, ("GPU " + std::to_string(i)).c_str());
      continue;
    }
    if (properties.major < kLeastMajor || (properties.major == kLeastMajor && properties.minor < kLeastMinor)) {
      list.reason = "GPU " + std::to_string(i) + ", " + properties.name + ", has compute capability " +
                    std::to_string(properties.major) + "." + std::to_string(properties.minor) + ", expected " +
                    std::to_string(kLeastMajor) + "." + std::to_string(kLeastMinor) + " or later";
      continue;
    }
    DeviceInfo info;
    info.index = i;
    info.name = properties.name;
    info.major = properties.major;
    info.minor = properties.minor;
    info.multiprocessors = properties.multiProcessorCount;
    info.total_bytes = properties.totalGlobalMem;
    info.shared_bytes = properties.sharedMemPerBlockOptin;
    info.shared_bytes_of_multiprocessor = properties.sharedMemPerMultiprocessor;
    list.devices.push_back(std::move(info));
  }
  if (!list.devices.empty()) list.reason.clear();
  return list;
}

std::uint64_t free_device_bytes(int device) {
  use(device, "asking for free memory");
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", "asking for free memory");
  return free;
}

std::string runtime_version() {
  int runtime = 0, driver = 0;
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cudaDriverGetVersion(&driver);
  (void)cudaGetLastError();
  return "CUDA " + version_text(runtime) + ", driver " + (driver == 0 ? "none" : version_text(driver));
}

// Programmatic dependent launch, in graphs too. On compute capability 12.x, which has it as well, captures that fail
// were reported.
std::string why_no_overlap(int device) {
  constexpr const char* kDoing = "asking whether kernels can overlap";
  constexpr int kFirstMajor = 9, kLastMajor = 10, kFirstVersion = 12030;
  int major = 0, minor = 0, driver = 0;
  use(device, kDoing);
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute", kDoing);
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "cudaDeviceGetAttribute", kDoing);
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion", kDoing);
  if (major < kFirstMajor || major > kLastMajor) {
    return "compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", expected 9 or 10";
  }
  if (driver < kFirstVersion) return "the driver has CUDA " + version_text(driver) + ", expected 12.3 or later";
  if (CUDART_VERSION < kFirstVersion) {
    return "built with CUDA " + version_text(CUDART_VERSION) + ", expected 12.3 or later";
  }
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, detail::a_kernel()), "cudaFuncGetAttributes", kDoing);
  // Without wait_for_previous(): code for older devices, which runs on later ones where there is none of theirs.
  if (attributes.ptxVersion < kFirstMajor * 10) {
    return "compiled for compute capability " + std::to_string(attributes.ptxVersion / 10) + "." +
           std::to_string(attributes.ptxVersion % 10) + ", expected 9.0 or later";
  }
  return {};
}

// ---- memory --------------------------------------------------------------------------------------------------------

DeviceMemory::DeviceMemory(int device, std::uint64_t bytes, const char* what) : bytes_(bytes), device_(device) {
  if (bytes == 0) return;
  use(device, what);
  const cudaError_t error = cudaMalloc(&data_, bytes);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    abi::fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes of device memory wanted, ", free_device_bytes(device),
              " free on device ", device);
  }
  check(error, "cudaMalloc", what);
}

DeviceMemory::~DeviceMemory() {
  if (data_ == nullptr) return;
  // Any thread may come here, and one without a device of its own would wake up device 0. After an error of the device
  // there is nothing left to give back; the stream has told.
  (void)cudaSetDevice(device_);
  (void)cudaFree(data_);
  (void)cudaGetLastError();
}

void DeviceMemory::make_constant() {}

PinnedMemory::PinnedMemory(int device, std::uint64_t bytes, const char* what) : bytes_(bytes), device_(device) {
  if (bytes == 0) return;
  use(device, what);
  const cudaError_t error = cudaHostAlloc(&data_, bytes, cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    abi::fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes of pinned memory wanted");
  }
  check(error, "cudaHostAlloc", what);
  std::memset(data_, 0, bytes);
}

PinnedMemory::~PinnedMemory() {
  if (data_ == nullptr) return;
  (void)cudaSetDevice(device_);
  (void)cudaFreeHost(data_);
  (void)cudaGetLastError();
}

// ---- streams -------------------------------------------------------------------------------------------------------

struct Stream::Impl {
  int device = 0;
  cudaStream_t stream = nullptr;
  std::uint64_t most_shared_bytes = 0;
  bool can_overlap = false;        // as why_no_overlap() says: all kernels are compiled alike
  bool overlaps = false;           // kernels may begin before the one in front of them has ended
  bool after_kernel = false;       // the last thing given to the stream was a kernel
  std::set<const void*> prepared;  // kernels that were launched before
  std::string first_error;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (stream == nullptr) return;
    (void)cudaSetDevice(device);
    (void)cudaStreamDestroy(stream);
    (void)cudaGetLastError();
  }

  /// Before each call: the first error stays, and the thread means this device.
  void begin(const char* doing) {
    after_kernel = false;
    if (!first_error.empty()) throw abi::Failure(LLORCH_DEVICE_ERROR, first_error);
    end(cudaSetDevice(device), "cudaSetDevice", doing);
  }
  void end(cudaError_t error, const char* function, const char* doing) {
    if (error == cudaSuccess) return;
    (void)cudaGetLastError();
    first_error = text_of(function, error, doing);
    throw abi::Failure(LLORCH_DEVICE_ERROR, first_error);
  }
  /// What is set here belongs to the device, not to this stream, so every stream sets the same.
  void prepare(const void* function, const char* name) {
    if (prepared.contains(function)) return;
    cudaFuncAttributes attributes{};
    end(cudaFuncGetAttributes(&attributes, function), "cudaFuncGetAttributes", name);
    const auto most = static_cast<int>(most_shared_bytes - attributes.sharedSizeBytes);
    end(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, most), "cudaFuncSetAttribute",
        name);
    if (can_overlap) {
      // Blocks of two kernels share a multiprocessor only where both divide it alike into cache and shared memory.
      end(cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                               static_cast<int>(cudaSharedmemCarveoutMaxShared)),
          "cudaFuncSetAttribute", name);
    }
    prepared.insert(function);
  }
};

Stream::Stream(int device, bool overlaps) : impl_(std::make_unique<Impl>()) {
  constexpr const char* kDoing = "creating a stream";
  impl_->device = device;
  use(device, kDoing);
  int shared = 0;
  check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute",
        kDoing);
  impl_->most_shared_bytes = static_cast<std::uint64_t>(shared);
  impl_->can_overlap = why_no_overlap(device).empty();
  impl_->overlaps = overlaps && impl_->can_overlap;
  check(cudaStreamCreateWithFlags(&impl_->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags", kDoing);
}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

int Stream::device() const {
  return impl_->device;
}

void Stream::to_device(void* device_dst, const void* host_src, std::uint64_t n) {
  constexpr const char* kDoing = "copying to the device";
  impl_->begin(kDoing);
  impl_->end(cudaMemcpyAsync(device_dst, host_src, n, cudaMemcpyHostToDevice, impl_->stream), "cudaMemcpyAsync",
             kDoing);
}
void Stream::to_host(void* host_dst, const void* device_src, std::uint64_t n) {
  constexpr const char* kDoing = "copying from the device";
  impl_->begin(kDoing);
  impl_->end(cudaMemcpyAsync(host_dst, device_src, n, cudaMemcpyDeviceToHost, impl_->stream), "cudaMemcpyAsync",
             kDoing);
}
void Stream::rows_to_host(void* host_dst, std::uint64_t dst_pitch, const void* device_src, std::uint64_t src_pitch,
                          std::uint64_t row_bytes, std::uint64_t n_rows) {
  constexpr const char* kDoing = "copying rows from the device";
  impl_->begin(kDoing);
  impl_->end(cudaMemcpy2DAsync(host_dst, dst_pitch, device_src, src_pitch, row_bytes, n_rows, cudaMemcpyDeviceToHost,
                               impl_->stream),
             "cudaMemcpy2DAsync", kDoing);
}
void Stream::within_device(void* device_dst, const void* device_src, std::uint64_t n) {
  constexpr const char* kDoing = "copying within the device";
  impl_->begin(kDoing);
  impl_->end(cudaMemcpyAsync(device_dst, device_src, n, cudaMemcpyDeviceToDevice, impl_->stream), "cudaMemcpyAsync",
             kDoing);
}
void Stream::fill(void* device_dst, std::uint8_t byte, std::uint64_t n) {
  constexpr const char* kDoing = "filling device memory";
  impl_->begin(kDoing);
  impl_->end(cudaMemsetAsync(device_dst, byte, n, impl_->stream), "cudaMemsetAsync", kDoing);
}
void Stream::synchronize() {
  constexpr const char* kDoing = "waiting for the device";
  impl_->begin(kDoing);
  impl_->end(cudaStreamSynchronize(impl_->stream), "cudaStreamSynchronize", kDoing);
}

// ---- graphs --------------------------------------------------------------------------------------------------------

struct Graph::Impl {
  int device = 0;
  cudaGraphExec_t exec = nullptr;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (exec == nullptr) return;
    (void)cudaSetDevice(device);
    (void)cudaGraphExecDestroy(exec);
    (void)cudaGetLastError();
  }
};

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

Graph Graph::capture(Stream& stream, const std::function<void()>& body) {
  constexpr const char* kDoing = "capturing a graph";
  Stream::Impl& impl = stream.impl();
  impl.begin(kDoing);
  impl.end(cudaStreamBeginCapture(impl.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", kDoing);
  cudaGraph_t recorded = nullptr;
  try {
    body();
  } catch (...) {
    impl.after_kernel = false;
    (void)cudaStreamEndCapture(impl.stream, &recorded);
    if (recorded != nullptr) (void)cudaGraphDestroy(recorded);
    (void)cudaGetLastError();
    throw;
  }
  impl.after_kernel = false;
  impl.end(cudaStreamEndCapture(impl.stream, &recorded), "cudaStreamEndCapture", kDoing);
  Graph graph;
  graph.impl_ = std::make_unique<Impl>();
  graph.impl_->device = impl.device;
  const cudaError_t error = cudaGraphInstantiate(&graph.impl_->exec, recorded, 0);
  (void)cudaGraphDestroy(recorded);
  impl.end(error, "cudaGraphInstantiate", kDoing);
  return graph;
}

void Graph::launch(Stream& stream) const {
  if (impl_ == nullptr) abi::fail(LLORCH_INTERNAL, "a graph without content is launched");
  if (stream.device() != impl_->device) abi::fail(LLORCH_INTERNAL, "a graph is launched on another device");
  constexpr const char* kDoing = "launching a graph";
  stream.impl().begin(kDoing);
  stream.impl().end(cudaGraphLaunch(impl_->exec, stream.impl().stream), "cudaGraphLaunch", kDoing);
}

// ---- launches ------------------------------------------------------------------------------------------------------

namespace detail {

void launch_kernel(Stream& stream, const char* name, const void* function, Dim grid, Dim block,
                   std::size_t shared_bytes, void** arguments) {
  Stream::Impl& impl = stream.impl();
  check_launch(name, grid, block, shared_bytes, impl.most_shared_bytes);
  const bool after_kernel = impl.after_kernel;
  impl.begin(name);
  impl.prepare(function, name);
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.x, grid.y, grid.z);
  config.blockDim = dim3(block.x, block.y, block.z);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = impl.stream;
  config.attrs = &early;
  config.numAttrs = impl.overlaps && after_kernel ? 1 : 0;
  impl.end(cudaLaunchKernelExC(&config, function, arguments), "cudaLaunchKernelExC", name);
  impl.after_kernel = true;
}

}  // namespace detail
}  // namespace llorch::cuda
