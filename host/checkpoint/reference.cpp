#include "checkpoint/reference.hpp"

#include <llorch/llorch_plugin.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <utility>

#include "base/json.hpp"

namespace llorch::checkpoint {
namespace {

namespace json = boost::json;

constexpr std::pair<std::uint32_t, std::string_view> kTapNames[] = {{LLORCH_TAP_EMBED, "embed"},
                                                                    {LLORCH_TAP_ATTN_NORM, "attn_norm"},
                                                                    {LLORCH_TAP_Q, "q"},
                                                                    {LLORCH_TAP_K, "k"},
                                                                    {LLORCH_TAP_V, "v"},
                                                                    {LLORCH_TAP_SCORES, "scores"},
                                                                    {LLORCH_TAP_ATTN_OUT, "attn_out"},
                                                                    {LLORCH_TAP_FFN_NORM, "ffn_norm"},
                                                                    {LLORCH_TAP_FFN_OUT, "ffn_out"},
                                                                    {LLORCH_TAP_BLOCK_OUT, "block_out"},
                                                                    {LLORCH_TAP_FINAL_NORM, "final_norm"},
                                                                    {LLORCH_TAP_LOGITS, "logits"},
                                                                    {LLORCH_TAP_Q_ROTATED, "q_rotated"},
                                                                    {LLORCH_TAP_K_ROTATED, "k_rotated"}};

/// Typed access to one object of the manifest. The first mistake found is kept; `where` names the object in messages.
class Reader {
 public:
  Reader(const json::value& value, std::string where, std::optional<Error>& error)
      : where_(std::move(where)), error_(error), object_(value.if_object()) {
    if (object_ == nullptr) complain("an object was expected");
  }

  [[nodiscard]] std::optional<std::string> text(std::string_view key) {
    const json::value* value = get(key);
    if (value == nullptr) return {};
    if (const auto* string = value->if_string()) return std::string(*string);
    complain(fmt::format("{} is not a string", key));
    return {};
  }
  [[nodiscard]] std::vector<std::int32_t> ids(std::string_view key) {
    std::vector<std::int32_t> out;
    for (const json::value& element : array(key)) {
      const std::int64_t id = element.is_int64() ? element.get_int64() : -1;
      if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
        complain(fmt::format("{} holds something that is no id", key));
        return {};
      }
      out.push_back(static_cast<std::int32_t>(id));
    }
    return out;
  }
  [[nodiscard]] json::array array(std::string_view key) {
    const json::value* value = get(key);
    if (value == nullptr) return {};
    if (const auto* found = value->if_array()) return *found;
    complain(fmt::format("{} is not an array", key));
    return {};
  }
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t otherwise) {
    const json::value* value = get(key);
    if (value == nullptr) return otherwise;
    if (value->is_int64()) return value->get_int64();
    complain(fmt::format("{} is not an integer", key));
    return otherwise;
  }
  [[nodiscard]] double number(std::string_view key) {
    const json::value* value = get(key);
    if (value != nullptr && value->is_number()) return value->to_number<double>();
    complain(fmt::format("{} is not a number", key));
    return 0.0;
  }
  [[nodiscard]] const json::value* find(std::string_view key) const { return get(key); }
  void complain(const std::string& what) {
    if (!error_) error_ = make_error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where_, what));
  }
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  [[nodiscard]] const json::value* get(std::string_view key) const {
    if (object_ == nullptr) return nullptr;
    const json::value* value = object_->if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  std::string where_;
  std::optional<Error>& error_;
  const json::object* object_;
};

ReferenceCase read_case(Reader& reader, const std::filesystem::path& directory, std::optional<Error>& error) {
  ReferenceCase out;
  out.name = reader.text("name").value_or("");
  out.prompt = reader.text("prompt");
  out.prompt_ids = reader.ids("prompt_ids");
  if (out.prompt_ids.empty()) reader.complain("prompt_ids is missing or empty");
  for (const json::value& element : reader.array("tensors")) {
    Reader tensor(element, reader.where() + ", tensors", error);
    const std::string name = tensor.text("tap").value_or("");
    const auto tap = tap_of_name(name);
    if (!tap) tensor.complain(fmt::format("unknown tap \"{}\"", name));
    out.tensors.push_back({tap.value_or(0), static_cast<std::int32_t>(tensor.integer("layer", -1)),
                           directory / tensor.text("file").value_or("")});
  }
  if (const auto file = reader.text("logits")) out.logits = directory / *file;
  for (const std::int32_t row : reader.ids("logits_rows")) {
    if (static_cast<std::size_t>(row) >= out.prompt_ids.size()) reader.complain("logits_rows goes beyond the prompt");
    out.logits_rows.push_back(static_cast<std::uint32_t>(row));
  }
  if (const json::value* value = reader.find("baseline")) {
    Reader baseline(*value, reader.where() + ", baseline", error);
    out.baseline = {baseline.text("program").value_or(""), baseline.number("max_error"), baseline.number("mean_error"),
                    baseline.number("kl"), baseline.number("same_best")};
  }
  if (const auto file = reader.text("probabilities")) out.probabilities = directory / *file;
  out.top5 = reader.ids("top5");
  out.greedy_ids = reader.ids("greedy_ids");
  out.greedy_text = reader.text("greedy_text");
  return out;
}

}  // namespace

std::string tap_name(std::uint32_t tap) {
  for (const auto& [id, name] : kTapNames) {
    if (id == tap) return std::string(name);
  }
  return fmt::format("tap {}", tap);
}

std::optional<std::uint32_t> tap_of_name(std::string_view name) {
  for (const auto& [id, known] : kTapNames) {
    if (known == name) return id;
  }
  return {};
}

const ReferenceTensor* ReferenceCase::find(std::uint32_t tap, std::int32_t layer) const {
  const auto at = std::find_if(tensors.begin(), tensors.end(),
                               [&](const ReferenceTensor& t) { return t.tap == tap && t.layer == layer; });
  return at == tensors.end() ? nullptr : &*at;
}

const ReferenceCase* Reference::find(std::string_view name) const {
  const auto at = std::find_if(cases.begin(), cases.end(), [&](const ReferenceCase& c) { return c.name == name; });
  return at == cases.end() ? nullptr : &*at;
}

Result<Reference> Reference::read(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "manifest.json";
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return make_error(ErrorCode::kNotFound,
                      fmt::format("{}: cannot open; a reference directory holds a manifest.json", path.string()));
  }
  std::ostringstream text;
  text << file.rdbuf();
  const auto document = parse_json(text.view());
  if (!document)
    return make_error(document.error().code, fmt::format("{}: {}", path.string(), document.error().message));

  std::optional<Error> error;
  Reader root(*document, path.string(), error);
  if (const auto format = root.integer("format", 1); format != 1) {
    root.complain(fmt::format("format {}, expected 1", format));
  }
  Reference out;
  out.directory = directory;
  out.made_by = root.text("made_by").value_or("");
  std::size_t index = 0;
  for (const json::value& element : root.array("cases")) {
    Reader reader(element, fmt::format("{}: case {}", path.string(), index++), error);
    out.cases.push_back(read_case(reader, directory, error));
  }
  if (out.cases.empty()) root.complain("no cases");
  if (error) return *error;
  return out;
}

}  // namespace llorch::checkpoint
