#include "common/quant/block_formats.hpp"

namespace llorch::common {
namespace {

constexpr BlockFormat kFormats[] = {
    {"Q4_0", 2, WeightType::kQ4_0, 32, 18, split_q4_0},
    {"Q4_1", 3, WeightType::kQ4_1, 32, 20, split_q4_1},
    {"Q5_0", 6, WeightType::kQ5_0, 32, 22, split_q5_0},
    {"Q5_1", 7, WeightType::kQ5_1, 32, 24, split_q5_1},
    {"Q8_0", 8, WeightType::kQ8_0, 32, 34, split_q8_0},
    {"Q2_K", 10, WeightType::kQ2_K, 256, 84, split_q2_k},
    {"Q3_K", 11, WeightType::kQ3_K, 256, 110, split_q3_k},
    {"Q4_K", 12, WeightType::kQ4_K, 256, 144, split_q4_k},
    {"Q5_K", 13, WeightType::kQ5_K, 256, 176, split_q5_k},
    {"Q6_K", 14, WeightType::kQ6_K, 256, 210, split_q6_k},
    {"IQ4_NL", 20, WeightType::kIq4Nl, 32, 18, split_iq4_nl},
    {"IQ4_XS", 23, WeightType::kIq4Xs, 256, 136, split_iq4_xs},
};

template <class Predicate>
const BlockFormat* find(Predicate predicate) {
  for (const BlockFormat& format : kFormats) {
    if (predicate(format)) return &format;
  }
  return nullptr;
}

}  // namespace

const BlockFormat* block_format(WeightType type) {
  return find([&](const BlockFormat& format) { return format.type == type; });
}

const BlockFormat* block_format_of_gguf(std::uint32_t gguf_type) {
  return find([&](const BlockFormat& format) { return format.gguf_type == gguf_type; });
}

const char* weight_type_name(WeightType type) {
  if (type == WeightType::kF32) return "F32";
  if (type == WeightType::kF16) return "F16";
  return type == WeightType::kBf16 ? "BF16" : block_format(type)->name;
}

}  // namespace llorch::common
