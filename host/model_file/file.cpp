#include "model_file/file.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace llorch::model_file {
namespace {

std::string system_message(int error) {
  return std::generic_category().message(error);
}

const char* kind_name(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  return "something else";
}

}  // namespace

Result<std::shared_ptr<const File>> File::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO nobody writes to must not wait. It has no effect on regular files.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    const int error = errno;
    const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
    return make_error(code, fmt::format("{}: cannot open: {}", path.native(), system_message(error)));
  }
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) {
    const int error = errno;
    ::close(descriptor);
    return make_error(ErrorCode::kIo, fmt::format("{}: cannot stat: {}", path.native(), system_message(error)));
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return make_error(ErrorCode::kIo,
                      fmt::format("{}: expected a regular file, found {}", path.native(), kind_name(status.st_mode)));
  }
  return std::shared_ptr<const File>(new File(path, descriptor, static_cast<std::uint64_t>(status.st_size)));
}

File::File(std::filesystem::path path, int descriptor, std::uint64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (address != MAP_FAILED) mapping_ = static_cast<const std::byte*>(address);
}

File::~File() {
  if (mapping_ != nullptr) ::munmap(const_cast<std::byte*>(mapping_), size_);
  ::close(descriptor_);
}

Result<void> File::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("{}: bytes {} to {} asked for, the file has {}",
                                                               path_.native(), offset, offset + out.size(), size_));
  }
  while (!out.empty()) {
    constexpr std::size_t kMaxChunk = std::size_t{1} << 30;  // the kernel transfers at most 2 GiB a call
    const ssize_t n = ::pread(descriptor_, out.data(), std::min(out.size(), kMaxChunk), static_cast<off_t>(offset));
    if (n < 0) {
      const int error = errno;
      if (error == EINTR) continue;
      return make_error(ErrorCode::kIo,
                        fmt::format("{}: reading at byte {}: {}", path_.native(), offset, system_message(error)));
    }
    if (n == 0) {
      return make_error(ErrorCode::kIo,
                        fmt::format("{}: cut short: it had {} bytes when it was opened, byte {} is gone",
                                    path_.native(), size_, offset));
    }
    offset += static_cast<std::uint64_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  auto file = File::open(path);
  if (!file) return file.error();
  if ((*file)->size() > max_bytes) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: at most {} bytes expected, found {}", path.native(),
                                                        max_bytes, (*file)->size()));
  }
  std::string text((*file)->size(), '\0');
  if (auto read = (*file)->read(0, std::as_writable_bytes(std::span(text))); !read) return read.error();
  return text;
}

}  // namespace llorch::model_file
