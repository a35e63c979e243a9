#include "tools/logprob_file.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace llorch::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian and are read as they are");

constexpr std::array<char, 8> kMagic = {'l', 'l', 'o', 'r', 'c', 'h', 'l', 'p'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kBosFlag = 1;
constexpr std::uint32_t kMostOfOne = 1U << 24U;  // vocabulary, window: keeps all products below in 64 bits

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t vocab_size = 0;
  std::uint32_t window = 0;
  std::uint32_t count = 0;
  std::uint32_t first = 0;
  std::uint32_t flags = 0;
};
static_assert(sizeof(Header) == 32);

template <class T>
void write(std::ostream& out, std::span<const T> values) {
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

}  // namespace

LogprobWriter::LogprobWriter(std::filesystem::path path) : path_(std::move(path)), partial_(path_) {
  partial_ += ".partial";
}

LogprobWriter::~LogprobWriter() {
  if (done_) return;
  out_.close();
  std::error_code ignored;
  if (std::filesystem::is_regular_file(partial_, ignored)) std::filesystem::remove(partial_, ignored);
}

Error LogprobWriter::failure(const std::string& what) const {
  const int error = errno;
  return make_error(ErrorCode::kIo,
                    fmt::format("{}: {}: {}", path_.native(), what, std::generic_category().message(error)));
}

Result<std::unique_ptr<LogprobWriter>> LogprobWriter::create(const std::filesystem::path& path, const Windows& windows,
                                                             std::uint32_t vocab_size) {
  std::error_code ignored;
  const auto there = std::filesystem::status(path, ignored);
  // The new file takes the place of what is there: devices and directories are not for that.
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return make_error(
        ErrorCode::kIo,
        fmt::format("{}: cannot write: expected a regular file or none, found something else", path.native()));
  }
  std::unique_ptr<LogprobWriter> writer(new LogprobWriter(path));
  writer->out_.open(writer->partial_, std::ios::binary | std::ios::trunc);
  if (!writer->out_) {
    writer->done_ = true;  // nothing of ours is there
    return writer->failure("cannot write");
  }
  Header header;
  header.vocab_size = vocab_size;
  header.window = windows.length;
  header.count = windows.count;
  header.first = windows.first();
  header.flags = windows.bos ? kBosFlag : 0;
  write(writer->out_, std::span<const Header>(&header, 1));
  write(writer->out_, std::span<const std::int32_t>(windows.ids));
  if (!writer->out_) return writer->failure("cannot write");
  return writer;
}

Result<void> LogprobWriter::add(std::span<const float> log_probs) {
  write(out_, log_probs);
  if (!out_) return failure("cannot write");
  return {};
}

Result<void> LogprobWriter::finish() {
  out_.close();
  if (!out_) return failure("cannot write");
  std::error_code error;
  std::filesystem::rename(partial_, path_, error);
  if (error) return make_error(ErrorCode::kIo, fmt::format("{}: cannot write: {}", path_.native(), error.message()));
  done_ = true;
  return {};
}

Error LogprobReader::bad(const std::string& what) const {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", file_->path().native(), what));
}

Result<std::unique_ptr<LogprobReader>> LogprobReader::open(const std::filesystem::path& path) {
  auto file = model_file::File::open(path);
  if (!file) return file.error();
  std::unique_ptr<LogprobReader> reader(new LogprobReader(std::move(*file)));
  if (const auto read = reader->read_header(); !read) return read.error();
  return reader;
}

Result<void> LogprobReader::read_header() {
  Header header;
  if (file_->size() < sizeof(Header)) {
    return bad(fmt::format("header: expected {} bytes, found {}", sizeof(Header), file_->size()));
  }
  if (const auto read = file_->read(0, std::as_writable_bytes(std::span(&header, 1))); !read) return read.error();
  if (header.magic != kMagic) return bad("expected a file of log-probabilities that begins with \"llorchlp\"");
  if (header.version != kVersion) {
    return bad(fmt::format("version: expected {}, found {}", kVersion, header.version));
  }
  if (header.vocab_size < 1 || header.vocab_size > kMostOfOne) {
    return bad(fmt::format("vocabulary: expected 1 to {} ids, found {}", kMostOfOne, header.vocab_size));
  }
  if (header.window < 4 || header.window > kMostOfOne) {
    return bad(fmt::format("window: expected 4 to {} tokens, found {}", kMostOfOne, header.window));
  }
  if (header.count < 1) return bad("windows: expected at least 1, found 0");
  if (header.first != header.window / 2) {
    return bad(fmt::format("first scored position: expected {}, half of the window, found {}", header.window / 2,
                           header.first));
  }
  if ((header.flags & ~kBosFlag) != 0) return bad(fmt::format("flags: expected 0 or 1, found {}", header.flags));
  vocab_size_ = header.vocab_size;
  window_ = header.window;
  count_ = header.count;
  bos_ = (header.flags & kBosFlag) != 0;
  rows_ = std::uint64_t{count_} * (window_ - 1 - header.first);
  // Rows are below 2^56: compared by division, for their product with the vocabulary may not fit.
  const std::uint64_t before = sizeof(Header) + std::uint64_t{count_} * window_ * sizeof(std::int32_t);
  const std::uint64_t row_bytes = std::uint64_t{vocab_size_} * sizeof(float);
  const std::uint64_t rest = file_->size() >= before ? file_->size() - before : 0;
  if (file_->size() < before || rest % row_bytes != 0 || rest / row_bytes != rows_) {
    return bad(fmt::format("size: expected {} windows of {} ids and {} positions of {} numbers, found {} bytes", count_,
                           window_, rows_, vocab_size_, file_->size()));
  }
  values_.resize(vocab_size_);
  return {};
}

Result<std::vector<std::int32_t>> LogprobReader::ids(std::uint32_t window) const {
  std::vector<std::int32_t> ids(window_);
  const std::uint64_t offset = sizeof(Header) + std::uint64_t{window} * window_ * sizeof(std::int32_t);
  if (const auto read = file_->read(offset, std::as_writable_bytes(std::span(ids))); !read) return read.error();
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= vocab_size_) {
      return bad(fmt::format("window {}: expected ids from 0 to {}, found {}", window, vocab_size_ - 1, id));
    }
  }
  return ids;
}

Result<void> LogprobReader::check_same(const Windows& windows, std::uint32_t vocab_size) const {
  const auto other = [&](std::string_view what, std::uint64_t expected, std::uint64_t found) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("{}: {}: expected {} as in this run, found {}",
                                                               file_->path().native(), what, expected, found));
  };
  if (vocab_size_ != vocab_size) return other("vocabulary", vocab_size, vocab_size_);
  if (window_ != windows.length) return other("tokens a window", windows.length, window_);
  if (count_ != windows.count) return other("windows", windows.count, count_);
  for (std::uint32_t w = 0; w < count_; ++w) {
    const auto here = windows.window(w);
    const auto there = ids(w);
    if (!there) return there.error();
    for (std::size_t i = 0; i < window_; ++i) {
      if ((*there)[i] == here[i]) continue;
      return make_error(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: window {}, position {}: expected id {} as in this run, found {}: another text or tokenizer",
                      file_->path().native(), w, i, here[i], (*there)[i]));
    }
  }
  return {};
}

Result<std::span<const float>> LogprobReader::next() {
  constexpr double kRounding = 1e-3;
  if (row_ >= rows_) return make_error(ErrorCode::kInternal, "log-probabilities: read beyond the last position");
  const std::uint64_t offset =
      sizeof(Header) + std::uint64_t{count_} * window_ * sizeof(std::int32_t) + row_ * vocab_size_ * sizeof(float);
  if (const auto read = file_->read(offset, std::as_writable_bytes(std::span(values_))); !read) return read.error();
  double sum = 0;
  for (std::uint32_t id = 0; id < vocab_size_; ++id) {
    const float value = values_[id];
    if (std::isnan(value) || value > kRounding) {
      return bad(fmt::format("position {}, id {}: expected a log-probability, found {}", row_, id, value));
    }
    sum += std::exp(double{value});
  }
  if (!(std::abs(sum - 1) <= kRounding)) {
    return bad(fmt::format("position {}: expected probabilities that add up to 1, found {}", row_, sum));
  }
  ++row_;
  return std::span<const float>(values_);
}

}  // namespace llorch::tools
