#include "model_file/formats.hpp"
namespace llorch::model_file {
Result<Parts> read_gguf_model(const std::filesystem::path& path, const OpenOptions&) {
  return make_error(ErrorCode::kUnsupported, path.native() + ": GGUF is not read yet");
}
}  // namespace llorch::model_file
