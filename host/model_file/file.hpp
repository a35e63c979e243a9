// Read-only regular files: opened without following surprises, read with pread, mapped once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"

namespace llorch::model_file {

/// An open regular file and its size at that moment. Keeps its inode: a file renamed over the path later does not
/// change what is read here. [any-thread]
class File {
 public:
  /// FIFOs, devices and directories are refused without waiting for them. kNotFound when there is no such file.
  static Result<std::shared_ptr<const File>> open(const std::filesystem::path& path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Fills `out` from `offset`. A file that has become shorter is an error (kIo), never a signal.
  [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
  /// The whole file in memory, page-aligned; null when it is empty or could not be mapped. Whoever touches it takes
  /// the risk of SIGBUS when somebody cuts the file short; read() does not have that risk.
  [[nodiscard]] const std::byte* mapping() const { return mapping_; }

 private:
  File(std::filesystem::path path, int descriptor, std::uint64_t size);

  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_;
  const std::byte* mapping_ = nullptr;
};

/// The whole of a small text file; an error beyond `max_bytes`.
[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace llorch::model_file
