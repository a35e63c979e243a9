// Where a format parser gets its bytes from: memory (tests, fuzzing) or the head of a file, read as far as needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "model_file/file.hpp"

namespace llorch::model_file {

/// A byte sequence of known size of which any part can be asked for. Not thread-safe while parsing.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Name for messages.
  [[nodiscard]] virtual const std::string& origin() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Address of byte 0, after making sure that [0, end) can be read; `end` <= size(). The address never changes, so
  /// views into what was asked for stay valid as long as this object.
  [[nodiscard]] virtual Result<const std::byte*> require(std::uint64_t end) = 0;

 protected:
  ByteSource() = default;
};

/// Borrowed memory.
class MemoryBytes final : public ByteSource {
 public:
  MemoryBytes(std::span<const std::byte> bytes, std::string origin) : bytes_(bytes), origin_(std::move(origin)) {}
  [[nodiscard]] const std::string& origin() const override { return origin_; }
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] Result<const std::byte*> require(std::uint64_t) override { return bytes_.data(); }

 private:
  std::span<const std::byte> bytes_;
  std::string origin_;
};

/// The head of a file. Address space is reserved for all of it, memory is used and bytes are copied (pread) only as far
/// as a parser asks: a file that is cut short meanwhile gives an error where its mapping would give SIGBUS.
class FileBytes final : public ByteSource {
 public:
  static Result<std::unique_ptr<FileBytes>> create(std::shared_ptr<const File> file);
  ~FileBytes() override;
  [[nodiscard]] const std::string& origin() const override { return origin_; }
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  [[nodiscard]] Result<const std::byte*> require(std::uint64_t end) override;

 private:
  FileBytes(std::shared_ptr<const File> file, std::byte* base);

  std::shared_ptr<const File> file_;
  std::string origin_;
  std::byte* base_;           ///< size() bytes of address space; null for an empty file
  std::uint64_t filled_ = 0;  ///< [0, filled_) has been read
};

}  // namespace llorch::model_file
