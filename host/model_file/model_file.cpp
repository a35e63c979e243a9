#include "model_file/model_file.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "model_file/formats.hpp"

namespace llorch::model_file {
namespace {

namespace fs = std::filesystem;

bool is_pickle(const fs::path& path) {
  constexpr std::array<std::string_view, 5> kEndings = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
  const std::string ending = path.extension().native();
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

Result<Parts> read_model(const fs::path& path, const OpenOptions& options) {
  const std::string name = path.filename().native();
  std::error_code ec;
  if (fs::is_directory(path, ec) || name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"))
    return read_hugging_face_model(path, options);
  if (is_pickle(path)) return pickle_error(path);
  return read_gguf_model(path, options);
}

}  // namespace

Result<std::unique_ptr<ModelFile>> ModelFile::open(const fs::path& path, const OpenOptions& options) {
  try {
    auto parts = read_model(path, options);
    if (!parts) return parts.error();
    return std::unique_ptr<ModelFile>(std::make_unique<LoadedModel>(std::move(*parts)));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kOutOfMemory, fmt::format("{}: no memory for its tables", path.native()));
  }
}

}  // namespace llorch::model_file
