// Files of `llorch-host perplexity --save-logits`: the distribution over the vocabulary at every scored position.
// docs/perplexity.md has the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model_file/file.hpp"
#include "tools/windows.hpp"

namespace llorch::tools {

/// Writes beside the path first and takes its place in finish(): a run that fails leaves nothing behind, and what was
/// there before stays until the new file is whole.
class LogprobWriter {
 public:
  /// Writes the header and the ids of all windows. kIo names the file and the system's reason.
  [[nodiscard]] static Result<std::unique_ptr<LogprobWriter>> create(const std::filesystem::path& path,
                                                                     const Windows& windows, std::uint32_t vocab_size);
  ~LogprobWriter();
  LogprobWriter(const LogprobWriter&) = delete;
  LogprobWriter& operator=(const LogprobWriter&) = delete;

  /// The next scored position: (vocab_size) natural logarithms of probabilities.
  [[nodiscard]] Result<void> add(std::span<const float> log_probs);
  [[nodiscard]] Result<void> finish();

 private:
  explicit LogprobWriter(std::filesystem::path path);
  [[nodiscard]] Error failure(const std::string& what) const;

  std::filesystem::path path_, partial_;
  std::ofstream out_;
  bool done_ = false;
};

/// One position in memory at a time, whatever the size of the file.
class LogprobReader {
 public:
  /// Checks magic, version, limits of the header and the exact size. Messages: "<file>: <what>: expected ..., found
  /// ...".
  [[nodiscard]] static Result<std::unique_ptr<LogprobReader>> open(const std::filesystem::path& path);

  [[nodiscard]] std::uint32_t vocab_size() const { return vocab_size_; }
  [[nodiscard]] std::uint32_t window() const { return window_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool bos() const { return bos_; }
  /// Ids of one window; kBadModel for one outside of the vocabulary.
  [[nodiscard]] Result<std::vector<std::int32_t>> ids(std::uint32_t window) const;
  /// kInvalidArgument unless the file holds these windows: the first difference, by name.
  [[nodiscard]] Result<void> check_same(const Windows& windows, std::uint32_t vocab_size) const;
  /// The next position, in the order they were written; valid until the next call. kBadModel when it is no distribution
  /// (a number that is none or above 0, probabilities that do not add up to 1).
  [[nodiscard]] Result<std::span<const float>> next();

 private:
  explicit LogprobReader(std::shared_ptr<const model_file::File> file) : file_(std::move(file)) {}
  [[nodiscard]] Result<void> read_header();
  [[nodiscard]] Error bad(const std::string& what) const;

  std::shared_ptr<const model_file::File> file_;
  std::uint32_t vocab_size_ = 0, window_ = 0, count_ = 0;
  bool bos_ = false;
  std::uint64_t rows_ = 0, row_ = 0;
  std::vector<float> values_;
};

}  // namespace llorch::tools
