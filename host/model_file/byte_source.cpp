#include "model_file/byte_source.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace llorch::model_file {
namespace {

constexpr std::uint64_t kStep = std::uint64_t{256} * 1024;  // a multiple of every page size in use

}  // namespace

Result<std::unique_ptr<FileBytes>> FileBytes::create(std::shared_ptr<const File> file) {
  std::byte* base = nullptr;
  if (file->size() > 0) {
    void* address = ::mmap(nullptr, file->size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) {
      return make_error(ErrorCode::kOutOfMemory, fmt::format("{}: cannot reserve {} bytes of address space",
                                                             file->path().native(), file->size()));
    }
    base = static_cast<std::byte*>(address);
  }
  return std::unique_ptr<FileBytes>(new FileBytes(std::move(file), base));
}

FileBytes::FileBytes(std::shared_ptr<const File> file, std::byte* base)
    : file_(std::move(file)), origin_(file_->path().native()), base_(base) {}

FileBytes::~FileBytes() {
  if (base_ != nullptr) ::munmap(base_, file_->size());
}

Result<const std::byte*> FileBytes::require(std::uint64_t end) {
  if (end <= filled_) return base_;
  const std::uint64_t rounded = (end - 1) / kStep * kStep + kStep;
  const std::uint64_t target = std::min(rounded, file_->size());
  if (::mprotect(base_ + filled_, target - filled_, PROT_READ | PROT_WRITE) != 0) {
    return make_error(ErrorCode::kOutOfMemory, fmt::format("{}: no memory for a header of {} bytes: {}", origin_,
                                                           target, std::generic_category().message(errno)));
  }
  if (auto read = file_->read(filled_, {base_ + filled_, target - filled_}); !read) return read.error();
  filled_ = target;
  return base_;
}

}  // namespace llorch::model_file
