#include "model_file/shards.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string_view>
#include <system_error>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/config_reader.hpp"
#include "model_file/file.hpp"

namespace llorch::model_file {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{32} << 20;
constexpr std::size_t kMaxEntries = 200'000;

Error bad(const fs::path& index, std::string_view what) {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", index.native(), what));
}

/// The file inside the directory that an index entry names.
Result<fs::path> resolve(const fs::path& index, std::string_view name) {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
                     name.find('\0') == std::string_view::npos;
  if (!plain) {
    return bad(index, fmt::format("weight_map: expected the plain name of a file in the same directory, found {}",
                                  quote(name)));
  }
  const fs::path file = index.parent_path() / fs::path(std::string(name));
  std::error_code ec;
  const fs::path directory = fs::canonical(index.parent_path().empty() ? "." : index.parent_path(), ec);
  if (ec) return make_error(ErrorCode::kIo, fmt::format("{}: {}", index.parent_path().native(), ec.message()));
  const fs::path target = fs::canonical(file, ec);
  if (ec)
    return make_error(ErrorCode::kNotFound,
                      fmt::format("{}: named by {}: {}", file.native(), index.native(), ec.message()));
  if (target.parent_path() != directory) {
    return bad(index, fmt::format("weight_map: {} is a link that leads out of the directory; copy the files themselves "
                                  "there (cp -L)",
                                  quote(name)));
  }
  return file;
}

}  // namespace

Result<Shards> read_shard_index(const fs::path& index) {
  const auto text = read_text_file(index, kMaxIndexBytes);
  if (!text) return text.error();
  JsonLimits limits;
  limits.max_values = kMaxEntries;
  const auto parsed = parse_json(*text, limits);
  if (!parsed) return bad(index, parsed.error().message);
  const json::object* root = parsed->if_object();
  if (root == nullptr) return bad(index, fmt::format("expected a JSON object, found {}", found_text(*parsed)));
  const json::value* map = root->if_contains("weight_map");
  if (map == nullptr) return bad(index, "weight_map: is missing, expected an object");
  if (!map->is_object()) return bad(index, fmt::format("weight_map: expected an object, found {}", found_text(*map)));
  if (map->get_object().empty()) return bad(index, "weight_map: expected at least one tensor, found none");

  Shards shards;
  std::map<std::string, std::uint32_t> numbers;  // by file name, which gives the order
  for (const auto& member : map->get_object()) {
    if (!member.value().is_string())
      return bad(index, fmt::format("weight_map: file of tensor {}: expected a string, found {}", quote(member.key()),
                                    found_text(member.value())));
    numbers.emplace(std::string(member.value().get_string()), 0);
  }
  for (auto& [name, number] : numbers) {
    auto file = resolve(index, name);
    if (!file) return file.error();
    number = static_cast<std::uint32_t>(shards.files.size());
    shards.files.push_back(std::move(*file));
  }
  for (const auto& member : map->get_object()) {
    shards.weight_map.emplace(std::string(member.key()), numbers.at(std::string(member.value().get_string())));
  }
  return shards;
}

}  // namespace llorch::model_file
