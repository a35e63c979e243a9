// The quantized blocks of GGUF files, taken apart into codes and scales. Formulas: the format's definition, as the
// `gguf` package computes it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/quant/weight_type.hpp"

namespace llorch::common {

inline constexpr int kMostBlockColumns = 256;
inline constexpr int kMostBlockParts = 16;

/// One block. The weight of column k is scale * (codes[k] - offset) + minimum with the offset of the type's
/// QuantFormat (or scale * value of codes[k] in the table of IQ4).
struct BlockParts {
  std::uint8_t codes[kMostBlockColumns];
  std::uint16_t scale;                    ///< f16
  std::uint16_t minimum;                  ///< f16; of K-quants the factor of the minimums, which are subtracted
  std::int8_t scales[kMostBlockParts];    ///< of K-quants and IQ4_XS: factors of `scale`, part by part
  std::int8_t minimums[kMostBlockParts];  ///< of Q2_K, Q4_K, Q5_K: factors of `minimum`
};

struct BlockFormat {
  const char* name;         ///< "Q4_K"
  std::uint32_t gguf_type;  ///< id of the type in GGUF files
  WeightType type;
  int columns;  ///< of a block: 32 or 256
  int bytes;    ///< of a block
  void (*split)(const std::uint8_t* block, BlockParts& out);
};

/// The format of a quantized type, by our name or by GGUF's id; null when there is none. [any-thread]
const BlockFormat* block_format(WeightType type);
const BlockFormat* block_format_of_gguf(std::uint32_t gguf_type);

/// "F32", "Q4_K", ... [any-thread]
const char* weight_type_name(WeightType type);

// The families; every function fills only the fields that its format has.
void split_q4_0(const std::uint8_t* block, BlockParts& out);
void split_q4_1(const std::uint8_t* block, BlockParts& out);
void split_q5_0(const std::uint8_t* block, BlockParts& out);
void split_q5_1(const std::uint8_t* block, BlockParts& out);
void split_q8_0(const std::uint8_t* block, BlockParts& out);
void split_q2_k(const std::uint8_t* block, BlockParts& out);
void split_q3_k(const std::uint8_t* block, BlockParts& out);
void split_q4_k(const std::uint8_t* block, BlockParts& out);
void split_q5_k(const std::uint8_t* block, BlockParts& out);
void split_q6_k(const std::uint8_t* block, BlockParts& out);
void split_iq4_nl(const std::uint8_t* block, BlockParts& out);
void split_iq4_xs(const std::uint8_t* block, BlockParts& out);

inline std::uint16_t little_endian_half(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] | p[1] << 8);
}

}  // namespace llorch::common
