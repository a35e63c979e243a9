#include "common/kv/kv_types.hpp"

#include "common/base/failure.hpp"

namespace llorch::common {

KvType kv_type_of(const char* field, std::uint32_t dtype, KvType otherwise) {
  switch (dtype) {
    case LLORCH_DTYPE_DEFAULT:
      return otherwise;
    case LLORCH_DTYPE_F32:
      return KvType::kF32;
    case LLORCH_DTYPE_F16:
      return KvType::kF16;
    case LLORCH_DTYPE_Q8_0:
      return KvType::kQ8_0;
    default:
      fail(LLORCH_UNSUPPORTED, field, ": expected 0, F32 (", LLORCH_DTYPE_F32, "), F16 (", LLORCH_DTYPE_F16,
           ") or Q8_0 (", LLORCH_DTYPE_Q8_0, "), found ", dtype);
  }
}

std::uint32_t dtype_of(KvType type) {
  if (type == KvType::kF16) return LLORCH_DTYPE_F16;
  return type == KvType::kQ8_0 ? LLORCH_DTYPE_Q8_0 : LLORCH_DTYPE_F32;
}

const char* kv_type_name(KvType type) {
  if (type == KvType::kF16) return "f16";
  return type == KvType::kQ8_0 ? "q8_0" : "f32";
}

std::int64_t kv_element_bytes(KvType type) {
  if (type == KvType::kF16) return 2;
  return type == KvType::kQ8_0 ? 1 : 4;
}

std::int64_t kv_row_bytes(KvType type, std::int64_t head_dim) {
  const std::int64_t scales = type == KvType::kQ8_0 ? (head_dim + kKvPart - 1) / kKvPart * 2 : 0;
  return head_dim * kv_element_bytes(type) + scales;
}

}  // namespace llorch::common
