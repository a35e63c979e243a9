// Memory, streams and graphs of a CUDA device, without CUDA's headers. One interface, two implementations:
// runtime_cuda.cpp over the CUDA runtime, and emulation/ which runs kernels on the host for the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llorch::cuda {

// ---- devices -------------------------------------------------------------------------------------------------------

struct DeviceInfo {
  int index = 0;             // what DeviceMemory and Stream take
  std::string name;          // "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::uint64_t total_bytes = 0;                     // of device memory
  std::uint64_t shared_bytes = 0;                    // the most shared memory of one block
  std::uint64_t shared_bytes_of_multiprocessor = 0;  // for all blocks that run on it at a time
};

struct DeviceList {
  std::vector<DeviceInfo> devices;
  std::string reason;  // why there is none; empty when there is one
};

/// The devices that this build can use. Never throws for a missing driver or GPU: the list is then empty and `reason`
/// says why. Opens the driver, but creates nothing on a device. [any-thread]
[[nodiscard]] DeviceList list_devices();

/// Bytes of the device's memory that nobody has taken. Creates CUDA's context on that device. [any-thread]
[[nodiscard]] std::uint64_t free_device_bytes(int device);

/// "CUDA 13.0, driver 13.1", or what stands for it in the emulation. [any-thread]
[[nodiscard]] std::string runtime_version();

/// Why kernels of this device follow one another where a Stream would let them overlap; empty where they can.
/// DEVICE_ERROR where the device does not answer. [any-thread]
[[nodiscard]] std::string why_no_overlap(int device);

// ---- memory --------------------------------------------------------------------------------------------------------

/// Owns memory of a device, aligned to 256 bytes. Its content is undefined at first (the emulation: 0xff bytes). The
/// host cannot read or write it: Stream copies.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  /// `what` names the use in the message of the OUT_OF_MEMORY failure, beside the bytes wanted and free. 0 bytes: null.
  DeviceMemory(int device, std::uint64_t bytes, const char* what);
  /// Waits for everything that the device still does.
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// From now on nobody writes it, so kernels may read it before wait_for_previous(). What filled it is done.
  void make_constant();

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] void* data() const { return data_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(device_, other.device_);
  }
  void* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  int device_ = 0;
};

/// Owns host memory that copies of this device reach without a detour. Zero-filled.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(int device, std::uint64_t bytes, const char* what);
  ~PinnedMemory();
  PinnedMemory(PinnedMemory&& other) noexcept { swap(other); }
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] void* data() const { return data_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void swap(PinnedMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(device_, other.device_);
  }
  void* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  int device_ = 0;
};

// ---- work ----------------------------------------------------------------------------------------------------------

/// Work of one device in the order in which it is given. Everything but synchronize() only notes it down: what a copy
/// reads or writes on the host must stay as it is until synchronize() has returned (the emulation runs nothing before
/// that).
///
/// Every error of the device is a failure DEVICE_ERROR naming CUDA's function, CUDA's name of the error and what was
/// being done. It may show only at a later call, and it stays: from then on every call throws the first message again.
/// One thread at a time.
class Stream {
 public:
  /// `overlaps`: unless why_no_overlap() knows better, a kernel begins while the one before it still runs, as far as
  /// its wait_for_previous().
  explicit Stream(int device, bool overlaps = true);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  [[nodiscard]] int device() const;

  void to_device(void* device_dst, const void* host_src, std::uint64_t n);
  void to_host(void* host_dst, const void* device_src, std::uint64_t n);
  /// Rows of `row_bytes`, which begin `dst_pitch` and `src_pitch` bytes apart. What lies between them is neither read
  /// nor written.
  void rows_to_host(void* host_dst, std::uint64_t dst_pitch, const void* device_src, std::uint64_t src_pitch,
                    std::uint64_t row_bytes, std::uint64_t n_rows);
  /// Neither side may overlap the other.
  void within_device(void* device_dst, const void* device_src, std::uint64_t n);
  void fill(void* device_dst, std::uint8_t byte, std::uint64_t n);

  /// Returns when all work given so far is done.
  void synchronize();

  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Launches and copies recorded once, to be run many times as one. Holds the addresses and the arguments of kernels as
/// they were at capture; what lies in memory is read at each run, pinned host memory too.
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// Records what `body` gives to `stream`, which does none of it. `body` may not synchronize or take memory, and its
  /// copies from and to the host must be of pinned memory.
  [[nodiscard]] static Graph capture(Stream& stream, const std::function<void()>& body);

  [[nodiscard]] bool empty() const { return impl_ == nullptr; }
  /// Gives all of it to a stream of the same device.
  void launch(Stream& stream) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace llorch::cuda
