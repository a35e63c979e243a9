// The key-value section of a GGUF file.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "model_file/byte_cursor.hpp"
#include "model_file/metadata.hpp"

namespace llorch::model_file {

/// Reads `count` pairs from the cursor's position on.
[[nodiscard]] Result<Metadata> read_gguf_metadata(ByteCursor& cursor, std::uint64_t count);

}  // namespace llorch::model_file
