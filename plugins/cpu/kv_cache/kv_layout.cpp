#include "cpu/kv_cache/kv_layout.hpp"

#include <algorithm>
#include <cstring>

#include "cpu/base/buffer.hpp"

namespace llorch::cpu {
namespace {

constexpr std::int64_t kScaleBytes = sizeof(F16);

std::int64_t parts_of(std::int64_t head_dim) {
  return (head_dim + kKvPart - 1) / kKvPart;
}

}  // namespace

std::int64_t KvLayout::padded() const {
  return order_ == Order::kKeys ? head_dim_ : round_up(head_dim_, kKvBlock);
}

std::int64_t KvLayout::head_bytes() const {
  const std::int64_t scales = type_ == KvType::kQ8_0 ? parts_of(head_dim_) * kScaleBytes : 0;
  return kKvBlock * (padded() * common::kv_element_bytes(type_) + scales);
}

std::int64_t KvLayout::part_bytes(std::int64_t d) const {
  return components(d) * common::kv_element_bytes(type_) + (type_ == KvType::kQ8_0 ? kScaleBytes : 0);
}

std::int64_t KvLayout::scale_offset(std::int64_t slot, std::int64_t d) const {
  return kKvBlock * padded() + (d / kKvPart * kKvBlock + slot) * kScaleBytes;
}

template <class T>
void KvLayout::scatter(unsigned char* head, std::int64_t slot, std::int64_t d, const unsigned char* from) const {
  const std::int64_t n = components(d);
  auto* elements = reinterpret_cast<T*>(head);
  const auto* values = reinterpret_cast<const T*>(from);
  if (order_ == Order::kKeys) {
    for (std::int64_t i = 0; i < n; ++i)
      elements[(d + i) * kKvBlock + slot] = values[i];
    return;
  }
  for (std::int64_t i = 0; i < n; i += kKvBlock)
    std::copy_n(values + i, std::min(kKvBlock, n - i), elements + (d + i + slot) * kKvBlock);
}

template <class T>
void KvLayout::gather(const unsigned char* head, std::int64_t slot, std::int64_t d, unsigned char* to) const {
  const std::int64_t n = components(d);
  const auto* elements = reinterpret_cast<const T*>(head);
  auto* values = reinterpret_cast<T*>(to);
  if (order_ == Order::kKeys) {
    for (std::int64_t i = 0; i < n; ++i)
      values[i] = elements[(d + i) * kKvBlock + slot];
    return;
  }
  for (std::int64_t i = 0; i < n; i += kKvBlock)
    std::copy_n(elements + (d + i + slot) * kKvBlock, std::min(kKvBlock, n - i), values + i);
}

void KvLayout::put(unsigned char* head, std::int64_t slot, std::int64_t d, const unsigned char* part) const {
  switch (type_) {
    case KvType::kF32:
      return scatter<float>(head, slot, d, part);
    case KvType::kF16:
      return scatter<F16>(head, slot, d, part);
    case KvType::kQ8_0:
      std::memcpy(head + scale_offset(slot, d), part, kScaleBytes);
      return scatter<std::int8_t>(head, slot, d, part + kScaleBytes);
  }
}

void KvLayout::get(const unsigned char* head, std::int64_t slot, std::int64_t d, unsigned char* part) const {
  switch (type_) {
    case KvType::kF32:
      return gather<float>(head, slot, d, part);
    case KvType::kF16:
      return gather<F16>(head, slot, d, part);
    case KvType::kQ8_0:
      std::memcpy(part, head + scale_offset(slot, d), kScaleBytes);
      return gather<std::int8_t>(head, slot, d, part + kScaleBytes);
  }
}

void KvLayout::put_row(unsigned char* head, std::int64_t slot, const unsigned char* row) const {
  alignas(float) unsigned char part[kLargestPart];  // a row of codes leaves what follows it at any address
  for (std::int64_t d = 0; d < head_dim_; d += kKvPart) {
    std::memcpy(part, row, static_cast<std::size_t>(part_bytes(d)));
    put(head, slot, d, part);
    row += part_bytes(d);
  }
}

void KvLayout::get_row(const unsigned char* head, std::int64_t slot, unsigned char* row) const {
  alignas(float) unsigned char part[kLargestPart];
  for (std::int64_t d = 0; d < head_dim_; d += kKvPart) {
    get(head, slot, d, part);
    std::memcpy(row, part, static_cast<std::size_t>(part_bytes(d)));
    row += part_bytes(d);
  }
}

void KvLayout::store(const KernelTable& kernels, unsigned char* head, std::int64_t slot, std::int64_t d,
                     const float* x) const {
  alignas(float) unsigned char part[kLargestPart];
  switch (type_) {
    case KvType::kF32:
      return scatter<float>(head, slot, d, reinterpret_cast<const unsigned char*>(x + d));
    case KvType::kF16:
      kernels.narrow(x + d, components(d), reinterpret_cast<F16*>(part));
      break;
    case KvType::kQ8_0:
      kernels.quantize_part(x + d, components(d), reinterpret_cast<F16*>(part),
                            reinterpret_cast<std::int8_t*>(part + kScaleBytes));
      break;
  }
  put(head, slot, d, part);
}

void KvLayout::fetch(const KernelTable& kernels, const unsigned char* head, std::int64_t slot, std::int64_t d,
                     float* x) const {
  alignas(float) unsigned char part[kLargestPart];
  get(head, slot, d, part);
  switch (type_) {
    case KvType::kF32:
      std::memcpy(x + d, part, static_cast<std::size_t>(part_bytes(d)));
      return;
    case KvType::kF16:
      kernels.widen(part, WeightType::kF16, components(d), x + d);
      return;
    case KvType::kQ8_0:
      float scale = 0.0f;
      kernels.widen(part, WeightType::kF16, 1, &scale);
      const auto* codes = reinterpret_cast<const std::int8_t*>(part + kScaleBytes);
      for (std::int64_t i = 0; i < components(d); ++i)
        x[d + i] = scale * static_cast<float>(codes[i]);
      return;
  }
}

}  // namespace llorch::cpu
