// runtime.hpp and launch.hpp over fibers on the host. Work waits in its stream until someone waits for it, so that a
// host which forgets to wait reads what was there before.
#include <llorch/plugin.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "cuda/device/emulation/fibers.hpp"
#include "cuda/device/emulation/memory.hpp"
#include "cuda/device/emulation/ptx/machine.hpp"
#include "cuda/device/emulation/settings.hpp"
#include "cuda/device/launch.hpp"
#include "cuda/device/runtime.hpp"

namespace llorch::cuda {
namespace {

using Work = std::vector<std::function<void()>>;

/// Streams that may have work, for DeviceMemory's destructor, and pinned memory. Guards their work too.
struct Streams {
  std::recursive_mutex mutex;
  std::vector<Stream::Impl*> all;
  std::map<const unsigned char*, std::uint64_t> pinned;  // bytes

  [[nodiscard]] bool is_pinned(const void* p, std::uint64_t n) const {
    const auto* begin = static_cast<const unsigned char*>(p);
    const auto behind = pinned.upper_bound(begin);
    if (behind == pinned.begin()) return false;
    const auto& [first, bytes] = *std::prev(behind);
    const auto offset = static_cast<std::uint64_t>(begin - first);
    return offset <= bytes && n <= bytes - offset;
  }
};
Streams& streams() {
  static Streams* const one = new Streams;
  return *one;
}

void check_device(int device) {
  if (device < 0 || device >= emulation::settings().devices) {
    abi::fail(LLORCH_NOT_FOUND, "device ", device, ": this emulation has ", emulation::settings().devices);
  }
}

}  // namespace

struct Stream::Impl {
  int device = 0;
  bool overlaps = false;
  Work work;
  Work* capturing = nullptr;
  std::string first_error;

  void add(std::function<void()> step) {
    const std::lock_guard lock(streams().mutex);
    check();
    (capturing != nullptr ? *capturing : work).push_back(std::move(step));
  }
  void check_host(const void* host, std::uint64_t n) const {
    if (capturing == nullptr) return;
    const std::lock_guard lock(streams().mutex);
    if (!streams().is_pinned(host, n)) {
      abi::fail(LLORCH_DEVICE_ERROR, "capture: a copy of ", n, " bytes of host memory that is not pinned");
    }
  }
  void check() const {
    if (!first_error.empty()) throw abi::Failure(LLORCH_DEVICE_ERROR, first_error);
  }
  void finish() {
    const std::lock_guard lock(streams().mutex);
    check();
    const Work all = std::exchange(work, {});
    if (all.empty()) return;
    try {
      const emulation::OpenMemory open;
      for (const auto& step : all)
        step();
      open.check();
    } catch (const std::exception& failure) {
      first_error = failure.what();
      throw abi::Failure(LLORCH_DEVICE_ERROR, first_error);
    }
  }
};

namespace {

thread_local int captures = 0;  // of this thread, under way

void refuse_in_capture(const char* what) {
  if (captures != 0) abi::fail(LLORCH_DEVICE_ERROR, what, ": not while a graph is captured");
}

}  // namespace

// ---- devices -------------------------------------------------------------------------------------------------------

DeviceList list_devices() {
  DeviceList list;
  for (int i = 0; i < emulation::settings().devices; ++i) {
    DeviceInfo info;
    info.index = i;
    info.name = "emulated";
    info.major = 7;
    info.minor = 5;
    info.multiprocessors = 4;
    info.total_bytes = emulation::settings().memory_bytes;
    info.shared_bytes = emulation::settings().shared_bytes;
    info.shared_bytes_of_multiprocessor = emulation::settings().shared_bytes_of_multiprocessor;
    list.devices.push_back(info);
  }
  if (list.devices.empty()) list.reason = "LLORCH_CUDA_EMULATION_DEVICES is 0";
  return list;
}

std::uint64_t free_device_bytes(int device) {
  check_device(device);
  return emulation::settings().memory_bytes - emulation::memory_in_use(device);
}

std::string runtime_version() {
  return "emulation";
}

std::string why_no_overlap(int device) {
  check_device(device);
  return {};
}

// ---- memory --------------------------------------------------------------------------------------------------------

DeviceMemory::DeviceMemory(int device, std::uint64_t bytes, const char* what) : bytes_(bytes), device_(device) {
  check_device(device);
  refuse_in_capture(what);
  if (bytes == 0) return;
  data_ = emulation::take_memory(device, bytes, what);
  if (data_ == nullptr) {
    abi::fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes of device memory wanted, ", free_device_bytes(device),
              " free on device ", device);
  }
}

DeviceMemory::~DeviceMemory() {
  if (data_ == nullptr) return;
  const std::lock_guard lock(streams().mutex);
  for (Stream::Impl* stream : streams().all) {
    try {
      if (stream->first_error.empty()) stream->finish();
    } catch (const std::exception&) {
      continue;  // the stream keeps it and tells its owner at the next call
    }
  }
  emulation::give_memory_back(data_);
}

void DeviceMemory::make_constant() {
  if (data_ != nullptr) emulation::make_constant(data_);
}

PinnedMemory::PinnedMemory(int device, std::uint64_t bytes, const char* what) : bytes_(bytes), device_(device) {
  check_device(device);
  refuse_in_capture(what);
  if (bytes == 0) return;
  data_ = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (data_ == nullptr) abi::fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes of pinned memory wanted");
  std::memset(data_, 0, bytes);
  const std::lock_guard lock(streams().mutex);
  streams().pinned.emplace(static_cast<unsigned char*>(data_), bytes);
}

PinnedMemory::~PinnedMemory() {
  if (data_ == nullptr) return;
  const std::lock_guard lock(streams().mutex);
  streams().pinned.erase(static_cast<unsigned char*>(data_));
  std::free(data_);
}

// ---- streams -------------------------------------------------------------------------------------------------------

Stream::Stream(int device, bool overlaps) : impl_(std::make_unique<Impl>()) {
  check_device(device);
  impl_->device = device;
  impl_->overlaps = overlaps;
  const std::lock_guard lock(streams().mutex);
  streams().all.push_back(impl_.get());
}
Stream::~Stream() {
  if (impl_ == nullptr) return;
  const std::lock_guard lock(streams().mutex);
  std::erase(streams().all, impl_.get());
}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

int Stream::device() const {
  return impl_->device;
}

void Stream::to_device(void* device_dst, const void* host_src, std::uint64_t n) {
  impl_->check_host(host_src, n);
  impl_->add([=] { std::memcpy(device_dst, host_src, n); });
}
void Stream::to_host(void* host_dst, const void* device_src, std::uint64_t n) {
  impl_->check_host(host_dst, n);
  impl_->add([=] { std::memcpy(host_dst, device_src, n); });
}
void Stream::rows_to_host(void* host_dst, std::uint64_t dst_pitch, const void* device_src, std::uint64_t src_pitch,
                          std::uint64_t row_bytes, std::uint64_t n_rows) {
  if (row_bytes > dst_pitch || row_bytes > src_pitch) {
    abi::fail(LLORCH_DEVICE_ERROR, "copying rows from the device: rows of ", row_bytes, " bytes, ", dst_pitch, " and ",
              src_pitch, " bytes apart");
  }
  if (n_rows == 0) return;
  impl_->check_host(host_dst, (n_rows - 1) * dst_pitch + row_bytes);
  impl_->add([=] {
    for (std::uint64_t row = 0; row < n_rows; ++row) {
      std::memcpy(static_cast<char*>(host_dst) + row * dst_pitch,
                  static_cast<const char*>(device_src) + row * src_pitch, row_bytes);
    }
  });
}
void Stream::within_device(void* device_dst, const void* device_src, std::uint64_t n) {
  impl_->add([=] { std::memcpy(device_dst, device_src, n); });
}
void Stream::fill(void* device_dst, std::uint8_t byte, std::uint64_t n) {
  impl_->add([=] { std::memset(device_dst, byte, n); });
}
void Stream::synchronize() {
  refuse_in_capture("synchronize");
  impl_->finish();
}

// ---- graphs --------------------------------------------------------------------------------------------------------

struct Graph::Impl {
  int device = 0;
  Work work;
};

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

Graph Graph::capture(Stream& stream, const std::function<void()>& body) {
  refuse_in_capture("capture");
  Stream::Impl& impl = stream.impl();
  impl.check();
  Graph graph;
  graph.impl_ = std::make_unique<Impl>();
  graph.impl_->device = impl.device;
  struct Capturing {
    Capturing(Stream::Impl& s, Work& work) : stream(s) {
      stream.capturing = &work;
      ++captures;
    }
    ~Capturing() {
      stream.capturing = nullptr;
      --captures;
    }
    Stream::Impl& stream;
  };
  const Capturing capturing(impl, graph.impl_->work);
  body();
  return graph;
}

void Graph::launch(Stream& stream) const {
  if (impl_ == nullptr) abi::fail(LLORCH_INTERNAL, "a graph without content is launched");
  if (stream.device() != impl_->device) abi::fail(LLORCH_INTERNAL, "a graph is launched on another device");
  for (const auto& step : impl_->work)
    stream.impl().add(step);
}

// ---- launches ------------------------------------------------------------------------------------------------------

namespace detail {

void launch_emulated(Stream& stream, const char* name, Dim grid, Dim block, std::size_t shared_bytes,
                     EmulatedCall call) {
  check_launch(name, grid, block, shared_bytes, emulation::settings().shared_bytes);
  stream.impl().add([=, overlaps = stream.impl().overlaps, call = std::move(call)] {
    if (emulation::settings().trace) std::fprintf(stderr, "emulation: %s\n", name);
    static std::uint64_t launches = 0;  // of the one that fails; the lock of all streams is held
    if (emulation::settings().failing_kernel == name && ++launches >= emulation::settings().failing_launch) {
      abi::fail(LLORCH_DEVICE_ERROR, "kernel ", name, ": fails, as LLORCH_CUDA_EMULATION_FAIL wants");
    }
    const emulation::Grid work{name, grid, block, shared_bytes, &call.body, overlaps};
    const std::string& folder = emulation::settings().ptx_folder;
    if (folder.empty()) return emulation::run_grid(work);
    ptx::run_grid(work, ptx::find_kernel(folder, call.function), call.arguments);
  });
}

}  // namespace detail
}  // namespace llorch::cuda
