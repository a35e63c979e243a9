// Which safetensors files make up a Hugging Face model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace llorch::model_file {

struct Shards {
  std::vector<std::filesystem::path> files;         ///< each once, in the order of their names
  std::map<std::string, std::uint32_t> weight_map;  ///< tensor -> index into files; empty without an index file
};

/// Reads model.safetensors.index.json. Each file must be a plain name that stays inside the directory, links followed.
[[nodiscard]] Result<Shards> read_shard_index(const std::filesystem::path& index);

}  // namespace llorch::model_file
