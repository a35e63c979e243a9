#include "cuda/device/emulation/memory.hpp"

#include <llorch/plugin.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "cuda/device/emulation/settings.hpp"

namespace llorch::cuda::emulation {
namespace {

constexpr std::uint64_t kPage = 4096, kAlignment = 256;
constexpr unsigned char kPoison = 0xff, kGuard = 0xa5;

struct Piece {
  unsigned char* region;       // whole pages, then one that no one may touch
  std::uint64_t region_bytes;  // without that page
  std::uint64_t bytes;         // what was asked for
  int device;
  std::string what;
  bool constant = false;
};

struct Memory {
  std::recursive_mutex mutex;
  std::map<void*, Piece> pieces;
  bool open = false;
};
Memory& memory() {
  static Memory* const one = new Memory;  // lives as long as the process: streams may end later than statics
  return *one;
}

void protect(const Piece& piece, bool open) {
  const int access = !open ? PROT_NONE : piece.constant ? PROT_READ : PROT_READ | PROT_WRITE;
  if (mprotect(piece.region, piece.region_bytes, access) != 0) {
    abi::fail(LLORCH_DEVICE_ERROR, "mprotect: emulated device memory for ", piece.what);
  }
}

/// "NAME" or "NAME:N".
void set_failure(Settings& s, const std::string& text) {
  const std::size_t colon = text.find(':');
  s.failing_kernel = text.substr(0, colon);
  if (colon == std::string::npos) return;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, s.failing_launch);
  if (read.ec == std::errc() && read.ptr == end && s.failing_launch > 0) return;
  abi::fail(LLORCH_INVALID_ARGUMENT, "LLORCH_CUDA_EMULATION_FAIL: expected KERNEL or KERNEL:N, found \"", text, '"');
}

}  // namespace

Settings& settings() {
  static Settings one = [] {
    Settings s;
    // NOLINTBEGIN(concurrency-mt-unsafe): nothing here changes the environment
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_DEVICES")) s.devices = std::atoi(v);
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_MEMORY")) s.memory_bytes = std::strtoull(v, nullptr, 10);
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_SHARED")) {
      s.shared_bytes = std::strtoull(v, nullptr, 10);
      s.shared_bytes_of_multiprocessor = std::max(s.shared_bytes_of_multiprocessor, s.shared_bytes + 1024);
    }
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_EARLY")) {
      s.grids_for_an_early_block = static_cast<unsigned>(std::max(1, std::atoi(v)));
    }
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_FAIL")) set_failure(s, v);
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_SEED")) s.seed = std::strtoull(v, nullptr, 10);
    if (const char* v = std::getenv("LLORCH_CUDA_EMULATION_PTX")) s.ptx_folder = v;
    s.trace = std::getenv("LLORCH_CUDA_EMULATION_TRACE") != nullptr;
    // NOLINTEND(concurrency-mt-unsafe)
    return s;
  }();
  return one;
}

void* take_memory(int device, std::uint64_t bytes, const char* what) {
  Memory& all = memory();
  const std::lock_guard lock(all.mutex);
  const std::uint64_t used = memory_in_use(device);
  if (bytes > settings().memory_bytes || used > settings().memory_bytes - bytes) return nullptr;
  const std::uint64_t aligned = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const std::uint64_t region_bytes = (bytes + kPage - 1) / kPage * kPage;
  void* region = mmap(nullptr, region_bytes + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) return nullptr;
  Piece piece{static_cast<unsigned char*>(region), region_bytes, bytes, device, what};
  protect(piece, true);
  unsigned char* data = piece.region + region_bytes - aligned;
  std::memset(data, kPoison, bytes);
  std::memset(data + bytes, kGuard, aligned - bytes);
  if (!all.open) protect(piece, false);
  all.pieces.emplace(data, std::move(piece));
  return data;
}

void give_memory_back(void* data) noexcept {
  Memory& all = memory();
  const std::lock_guard lock(all.mutex);
  const auto found = all.pieces.find(data);
  if (found == all.pieces.end()) return;
  munmap(found->second.region, found->second.region_bytes + kPage);
  all.pieces.erase(found);
}

void make_constant(void* data) {
  Memory& all = memory();
  const std::lock_guard lock(all.mutex);
  const auto found = all.pieces.find(data);
  if (found == all.pieces.end()) abi::fail(LLORCH_INTERNAL, "make_constant: not the start of device memory");
  found->second.constant = true;
  if (all.open) protect(found->second, true);
}

std::uint64_t memory_in_use(int device) {
  Memory& all = memory();
  const std::lock_guard lock(all.mutex);
  std::uint64_t sum = 0;
  for (const auto& [data, piece] : all.pieces)
    sum += piece.device == device ? piece.bytes : 0;
  return sum;
}

Touched touched(const void* at, std::uint64_t bytes) {
  const auto& pieces = memory().pieces;  // whose lock is held: memory is open
  const auto* begin = static_cast<const unsigned char*>(at);
  auto behind = pieces.upper_bound(const_cast<void*>(at));
  if (behind == pieces.begin()) return {};
  const auto& [data, piece] = *std::prev(behind);
  const auto offset = static_cast<std::uint64_t>(begin - static_cast<const unsigned char*>(data));
  if (offset > piece.bytes || bytes > piece.bytes - offset) return {};
  return {true, piece.constant};
}

void open_all_but_constant(bool open) {
  for (const auto& [data, piece] : memory().pieces) {
    if (!piece.constant) protect(piece, open);
  }
}

OpenMemory::OpenMemory() {
  Memory& all = memory();
  all.mutex.lock();
  all.open = true;
  for (const auto& [data, piece] : all.pieces)
    protect(piece, true);
}

OpenMemory::~OpenMemory() {
  Memory& all = memory();
  for (const auto& [data, piece] : all.pieces)
    mprotect(piece.region, piece.region_bytes, PROT_NONE);
  all.open = false;
  all.mutex.unlock();
}

void OpenMemory::check() const {  // NOLINT(readability-convert-member-functions-to-static): while it is open
  for (const auto& [data, piece] : memory().pieces) {
    const auto* end = static_cast<const unsigned char*>(data) + piece.bytes;
    for (const unsigned char* p = end; p < piece.region + piece.region_bytes; ++p) {
      if (*p == kGuard) continue;
      abi::fail(LLORCH_DEVICE_ERROR, "device memory for ", piece.what, ": written ", p - end, " bytes behind its ",
                piece.bytes, " bytes");
    }
  }
}

}  // namespace llorch::cuda::emulation
