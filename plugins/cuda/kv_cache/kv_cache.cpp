#include "cuda/kv_cache/kv_cache.hpp"

#include <algorithm>
#include <cstring>

#include "common/base/failure.hpp"
#include "common/base/sizes.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

using common::checked_product;
using common::KvPlace;
using common::KvShape;

static_assert(kKvRows == common::kKvBlock && kKvParts == common::kKvPart);

constexpr const char* kWhat = "KV cache";
constexpr std::int64_t kMostStageRows = 512;
constexpr std::uint64_t kAlignment = 256;  // of everything in the stage

std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Elements and scales of one side. Checked: a model file and a caller decide the numbers.
struct PlaneBytes {
  std::uint64_t elements = 0, scales = 0;

  PlaneBytes(const KvShape& shape, KvType type, std::int64_t max_tokens) {
    const std::int64_t blocks = common::KvBook::blocks_of(max_tokens);
    const auto heads = checked_product(static_cast<std::uint64_t>(shape.n_layers * shape.n_heads),
                                       static_cast<std::uint64_t>(blocks), kWhat);
    elements =
        checked_product(heads, static_cast<std::uint64_t>(kv_element_bytes_of(type, 1, 1, 1, shape.head_dim)), kWhat);
    scales =
        checked_product(heads, static_cast<std::uint64_t>(kv_scale_bytes_of(type, 1, 1, 1, shape.head_dim)), kWhat);
  }
};

std::int64_t stage_rows(const KvShape& shape, std::int64_t max_tokens) {
  return std::min({kMostStageRows, common::KvBook::blocks_of(max_tokens) * common::kKvBlock, shape.max_positions});
}

/// Where things lie in the stage: places (or moves, or a rotation's tables behind the places), then rows.
struct Stage {
  std::uint64_t tables = 0, k = 0, v = 0, bytes = 0;

  Stage(const KvShape& shape, std::int64_t n_rows) {
    const auto rows = static_cast<std::uint64_t>(n_rows);
    const auto heads = static_cast<std::uint64_t>(shape.n_heads);
    tables = aligned(rows * 2 * sizeof(std::uint32_t));
    k = tables + aligned(static_cast<std::uint64_t>(shape.head_dim) * sizeof(float));
    v = k + aligned(rows * heads * static_cast<std::uint64_t>(common::kv_row_bytes(shape.k_type, shape.head_dim)));
    bytes = v + aligned(rows * heads * static_cast<std::uint64_t>(common::kv_row_bytes(shape.v_type, shape.head_dim)));
  }
};

std::uint32_t packed(const KvPlace& place) {
  return place.block * static_cast<std::uint32_t>(kKvRows) + place.slot;
}
void put_places(std::span<const KvPlace> rows, std::uint32_t* to) {
  std::transform(rows.begin(), rows.end(), to, packed);
}

/// f(first, n) for pieces of at most `most` of n things.
template <class F>
void in_pieces(std::size_t n, std::int64_t most, const F& f) {
  for (std::size_t first = 0; first < n; first += static_cast<std::size_t>(most))
    f(first, std::min(n - first, static_cast<std::size_t>(most)));
}

}  // namespace

KvMemory::KvMemory(int device, const KvShape& shape, std::int64_t max_tokens) {
  const PlaneBytes k(shape, shape.k_type, max_tokens);
  const PlaneBytes v(shape, shape.v_type, max_tokens);
  k_elements_ = DeviceMemory(device, k.elements, "keys of the KV cache");
  k_scales_ = DeviceMemory(device, k.scales, "scales of the keys of the KV cache");
  v_elements_ = DeviceMemory(device, v.elements, "values of the KV cache");
  v_scales_ = DeviceMemory(device, v.scales, "scales of the values of the KV cache");
}

KvCache::KvCache(Stream& stream, const KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs,
                 std::uint64_t fingerprint)
    : KvMemory(stream.device(), shape, max_tokens),
      KvBook(shape, max_tokens, max_seqs, fingerprint),
      stream_(stream),
      stage_rows_(stage_rows(shape, max_tokens)),
      k_row_bytes_(shape.n_heads * common::kv_row_bytes(shape.k_type, shape.head_dim)),
      v_row_bytes_(shape.n_heads * common::kv_row_bytes(shape.v_type, shape.head_dim)),
      device_stage_(stream.device(), Stage(shape, stage_rows_).bytes, "rows of the KV cache on their way"),
      host_stage_(stream.device(), Stage(shape, stage_rows_).bytes, "rows of the KV cache on their way") {
  view_.k = {k_elements_.as<unsigned char>(), k_scales_.as<std::uint16_t>(), shape.k_type};
  view_.v = {v_elements_.as<unsigned char>(), v_scales_.as<std::uint16_t>(), shape.v_type};
  view_.n_layers = static_cast<std::int32_t>(shape.n_layers);
  view_.n_blocks = static_cast<std::int32_t>(n_blocks());
  view_.n_heads = static_cast<std::int32_t>(shape.n_heads);
  view_.head_dim = static_cast<std::int32_t>(shape.head_dim);
  // What pads rows and blocks is read with them, so it must be numbers.
  for (const DeviceMemory* memory : {&k_elements_, &k_scales_, &v_elements_, &v_scales_}) {
    if (memory->bytes() > 0) stream_.fill(memory->data(), 0, memory->bytes());
  }
}

std::uint64_t KvCache::bytes_for(const KvShape& shape, std::int64_t max_tokens) {
  const PlaneBytes k(shape, shape.k_type, max_tokens);
  const PlaneBytes v(shape, shape.v_type, max_tokens);
  return k.elements + k.scales + v.elements + v.scales;
}

std::uint64_t KvCache::bytes() const {
  return k_elements_.bytes() + k_scales_.bytes() + v_elements_.bytes() + v_scales_.bytes();
}

std::uint64_t KvCache::scratch_bytes_for(const KvShape& shape, std::int64_t max_tokens) {
  return Stage(shape, stage_rows(shape, max_tokens)).bytes;
}

void KvCache::copy_block(std::uint32_t from, std::uint32_t to) {
  copy_kv_block(stream_, view_, from, to);
}

void KvCache::copy_rows(std::span<const Move> moves) {
  in_pieces(moves.size(), stage_rows_, [&](std::size_t first, std::size_t n) {
    auto* to = host_stage_.as<std::uint32_t>();
    for (const Move& move : moves.subspan(first, n)) {
      *to++ = packed(move.from);
      *to++ = packed(move.to);
    }
    stream_.to_device(device_stage_.data(), host_stage_.data(), n * 2 * sizeof(std::uint32_t));
    copy_kv_rows(stream_, view_, device_stage_.as<std::uint32_t>(), static_cast<std::int64_t>(n));
    stream_.synchronize();
  });
}

void KvCache::rotate_keys(std::span<const KvPlace> rows, const common::KeyRotation& rotation) {
  const Stage stage(shape(), stage_rows_);
  const auto n_pairs = static_cast<std::size_t>(rotation.n_pairs);
  auto* tables = reinterpret_cast<float*>(host_stage_.as<std::byte>() + stage.tables);
  const auto* on_device = reinterpret_cast<const float*>(device_stage_.as<std::byte>() + stage.tables);
  std::copy_n(rotation.cosines, n_pairs, tables);
  std::copy_n(rotation.sines, n_pairs, tables + n_pairs);
  in_pieces(rows.size(), stage_rows_, [&](std::size_t first, std::size_t n) {
    put_places(rows.subspan(first, n), host_stage_.as<std::uint32_t>());
    stream_.to_device(device_stage_.data(), host_stage_.data(), stage.tables + 2 * n_pairs * sizeof(float));
    rotate_kv_keys(stream_, view_, device_stage_.as<std::uint32_t>(), static_cast<std::int64_t>(n), on_device,
                   on_device + n_pairs, rotation.n_pairs);
    stream_.synchronize();
  });
}

void KvCache::read_rows(std::int64_t layer, std::span<const KvPlace> rows, unsigned char* k, unsigned char* v) const {
  const Stage stage(shape(), stage_rows_);
  auto* host = host_stage_.as<unsigned char>();
  auto* device = device_stage_.as<unsigned char>();
  in_pieces(rows.size(), stage_rows_, [&](std::size_t first, std::size_t n) {
    put_places(rows.subspan(first, n), host_stage_.as<std::uint32_t>());
    stream_.to_device(device, host, n * sizeof(std::uint32_t));
    read_kv_rows(stream_, view_, layer, device_stage_.as<std::uint32_t>(), static_cast<std::int64_t>(n),
                 device + stage.k, device + stage.v);
    const std::size_t k_bytes = n * static_cast<std::size_t>(k_row_bytes_);
    const std::size_t v_bytes = n * static_cast<std::size_t>(v_row_bytes_);
    stream_.to_host(host + stage.k, device + stage.k, k_bytes);
    stream_.to_host(host + stage.v, device + stage.v, v_bytes);
    stream_.synchronize();
    std::memcpy(k + first * static_cast<std::size_t>(k_row_bytes_), host + stage.k, k_bytes);
    std::memcpy(v + first * static_cast<std::size_t>(v_row_bytes_), host + stage.v, v_bytes);
  });
}

void KvCache::write_rows(std::int64_t layer, std::span<const KvPlace> rows, const unsigned char* k,
                         const unsigned char* v) {
  const Stage stage(shape(), stage_rows_);
  auto* host = host_stage_.as<unsigned char>();
  auto* device = device_stage_.as<unsigned char>();
  in_pieces(rows.size(), stage_rows_, [&](std::size_t first, std::size_t n) {
    const std::size_t k_bytes = n * static_cast<std::size_t>(k_row_bytes_);
    const std::size_t v_bytes = n * static_cast<std::size_t>(v_row_bytes_);
    put_places(rows.subspan(first, n), host_stage_.as<std::uint32_t>());
    std::memcpy(host + stage.k, k + first * static_cast<std::size_t>(k_row_bytes_), k_bytes);
    std::memcpy(host + stage.v, v + first * static_cast<std::size_t>(v_row_bytes_), v_bytes);
    stream_.to_device(device, host, n * sizeof(std::uint32_t));
    stream_.to_device(device + stage.k, host + stage.k, k_bytes);
    stream_.to_device(device + stage.v, host + stage.v, v_bytes);
    write_kv_rows(stream_, view_, layer, device_stage_.as<std::uint32_t>(), static_cast<std::int64_t>(n),
                  device + stage.k, device + stage.v);
    stream_.synchronize();
  });
}

}  // namespace llorch::cuda
