#include "checkpoint/npy.hpp"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace llorch::checkpoint {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 30;

/// What follows 'key': in the header's dictionary literal.
std::string_view value_of(std::string_view header, std::string_view key) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + key.size());
  const auto colon = header.find(':');
  if (colon == std::string_view::npos) return {};
  header.remove_prefix(colon + 1);
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

/// "(3, 40, 40)", "(5,)" or "()".
std::optional<std::vector<std::uint64_t>> parse_shape(std::string_view text) {
  if (!text.starts_with('(') || text.find(')') == std::string_view::npos) return {};
  text = text.substr(1, text.find(')') - 1);
  std::vector<std::uint64_t> dims;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    if (text.empty()) break;
    std::uint64_t dim = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (code != std::errc{}) return {};
    dims.push_back(dim);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  return dims;
}

}  // namespace

Result<Tensor> read_npy(const std::filesystem::path& path) {
  const auto bad = [&](std::string_view what) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", path.string(), what));
  };
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return make_error(ErrorCode::kNotFound, fmt::format("{}: cannot open the reference tensor", path.string()));
  unsigned char head[12] = {};
  file.read(reinterpret_cast<char*>(head), 10);
  if (!file || std::memcmp(head, kMagic.data(), kMagic.size()) != 0) return bad("not a .npy file");
  const unsigned version = head[6];
  if (version < 1 || version > 3) return bad(fmt::format("format version {}, expected 1 to 3", version));
  std::size_t header_size = head[8] + (std::size_t{head[9]} << 8U);
  if (version > 1) {
    file.read(reinterpret_cast<char*>(head) + 10, 2);
    header_size += (std::size_t{head[10]} << 16U) + (std::size_t{head[11]} << 24U);
  }
  if (header_size > 65536) return bad(fmt::format("a header of {} bytes", header_size));
  std::string header(header_size, '\0');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (!file) return bad("ends within its header");

  if (!value_of(header, "'descr'").starts_with("'<f4'")) return bad("element type is not '<f4' in: " + header);
  if (!value_of(header, "'fortran_order'").starts_with("False")) return bad("not in C order");
  const auto dims = parse_shape(value_of(header, "'shape'"));
  if (!dims) return bad("no shape in: " + header);
  std::uint64_t count = 1;
  for (const std::uint64_t dim : *dims) {
    if (dim != 0 && count > kMaxElements / dim) return bad("more than 2^30 elements");
    count *= dim;
  }
  // Before memory is taken: a header of a hundred bytes may claim gigabytes.
  const auto values_at = file.tellg();
  file.seekg(0, std::ios::end);
  const auto rest = static_cast<std::uint64_t>(file.tellg() - values_at);
  file.seekg(values_at);
  if (!file) return bad("a file that does not say how long it is");
  const std::uint64_t bytes = count * sizeof(float);
  if (rest < bytes) return bad(fmt::format("ends before its {} elements: {} bytes follow the header", count, rest));
  if (rest > bytes) return bad(fmt::format("goes on after its {} elements", count));
  Tensor out{*dims, std::vector<float>(count)};
  file.read(reinterpret_cast<char*>(out.values.data()), static_cast<std::streamsize>(bytes));
  if (!file) return bad(fmt::format("cannot read its {} elements", count));
  return out;
}

}  // namespace llorch::checkpoint
