// Models of any shape and type of weights that exist only while they are read.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include "sources.hpp"

namespace llorch::gpu_check {
namespace {

constexpr std::uint64_t kPoolElements = std::uint64_t{1} << 20U;

/// f16, cut off rather than rounded; of what f16 has as normal or subnormal numbers.
std::uint16_t half_of(float v) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
  const std::uint32_t sign = bits >> 16U & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  constexpr std::uint32_t kLeastNormal = 113U << 23U;  // 2^-14
  if (magnitude < kLeastNormal) return static_cast<std::uint16_t>(sign | std::lround(std::fabs(v) * 0x1p24F));
  return static_cast<std::uint16_t>(sign | ((magnitude - (112U << 23U)) >> 13U));
}

/// Where the halves of a quantized block lie that scale its codes, and what makes weights of about 0.02 around 0 of
/// random codes. Offsets below 0: there is none.
struct Halves {
  std::uint32_t type;
  int scale_at;
  float scale;
  int minimum_at;
  float minimum;
};
constexpr Halves kHalves[] = {
    {8, 0, 0.0003F, -1, 0},           // Q8_0: codes -128..127
    {2, 0, 0.004F, -1, 0},            // Q4_0: -8..7
    {3, 0, 0.004F, 2, -0.03F},        // Q4_1: 0..15, plus a minimum
    {6, 0, 0.002F, -1, 0},            // Q5_0: -16..15
    {7, 0, 0.002F, 2, -0.031F},       // Q5_1: 0..31, plus a minimum
    {10, 80, 0.0018F, 82, 0.0027F},   // Q2_K: 4-bit scales, codes 0..3, minus 4-bit minimums
    {11, 108, 0.0005F, -1, 0},        // Q3_K: scales -32..31, codes -4..3
    {12, 0, 0.0001F, 2, 0.00075F},    // Q4_K: 6-bit scales, codes 0..15, minus 6-bit minimums
    {13, 0, 0.000062F, 2, 0.00096F},  // Q5_K: 6-bit scales, codes 0..31, minus 6-bit minimums
    {14, 208, 0.000062F, -1, 0},      // Q6_K: scales -128..127, codes -32..31
    {20, 0, 0.0003F, -1, 0},          // IQ4_NL: -127..113 by a table
    {23, 0, 0.000016F, -1, 0},        // IQ4_XS: scales -32..31, the same table
};

const Halves& halves_of(std::uint32_t type) {
  for (const Halves& halves : kHalves) {
    if (halves.type == type) return halves;
  }
  throw std::runtime_error("no random weights of type " + name_of(type));
}

/// A whole number of blocks with weights of a usual size, about 0.02 * gain around 0. No two blocks have the same
/// scale, so that none can stand for another.
std::string random_blocks(std::uint32_t type, float gain) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> weight(-0.035F * gain, 0.035F * gain);
  std::uniform_real_distribution<float> around_one(0.6F, 1.4F);
  std::string out(bytes_of(type, kPoolElements), '\0');
  const auto put16 = [&](std::size_t at, std::uint16_t v) { std::memcpy(out.data() + at, &v, sizeof v); };
  if (type == 0 || type == 1 || type == 30) {
    for (std::size_t i = 0; i < kPoolElements; ++i) {
      const float v = weight(random);
      if (type == 0) {
        std::memcpy(out.data() + i * 4, &v, 4);
      } else {
        put16(i * 2, type == 1 ? half_of(v) : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16U));
      }
    }
    return out;
  }
  // Codes and factors of scales may be any bits; the halves that scale them must be sane.
  for (char& byte : out)
    byte = static_cast<char>(random() >> 56U);
  const Halves& halves = halves_of(type);
  for (std::size_t block = 0; block < out.size(); block += block_bytes_of(type)) {
    const float factor = gain * around_one(random);
    put16(block + static_cast<std::size_t>(halves.scale_at), half_of(halves.scale * factor));
    if (halves.minimum_at >= 0)
      put16(block + static_cast<std::size_t>(halves.minimum_at), half_of(halves.minimum * factor));
  }
  return out;
}

class RandomModel final : public ModelSource {
 public:
  RandomModel(const RandomShape& s, std::uint32_t type) : type_(type), blocks_(random_blocks(type, s.gain)) {
    set("general.architecture", std::string("llama"));
    set("llama.block_count", s.layers);
    set("llama.embedding_length", s.dim);
    set("llama.feed_forward_length", s.ffn_dim);
    set("llama.context_length", s.context);
    set("llama.attention.head_count", s.heads);
    set("llama.attention.head_count_kv", s.kv_heads);
    set("llama.attention.layer_norm_rms_epsilon", 1e-5);
    const std::uint64_t kv = s.dim / s.heads * s.kv_heads;
    matrix("token_embd.weight", s.vocab, s.dim);
    for (std::uint64_t i = 0; i < s.layers; ++i) {
      const std::string b = "blk." + std::to_string(i) + ".";
      norm(b + "attn_norm.weight", s.dim);
      matrix(b + "attn_q.weight", s.dim, s.dim);
      matrix(b + "attn_k.weight", kv, s.dim);
      matrix(b + "attn_v.weight", kv, s.dim);
      matrix(b + "attn_output.weight", s.dim, s.dim);
      norm(b + "ffn_norm.weight", s.dim);
      matrix(b + "ffn_gate.weight", s.ffn_dim, s.dim);
      matrix(b + "ffn_up.weight", s.ffn_dim, s.dim);
      matrix(b + "ffn_down.weight", s.dim, s.ffn_dim);
    }
    norm("output_norm.weight", s.dim);
    matrix("output.weight", s.vocab, s.dim);
    seal();
  }

 private:
  /// Each matrix starts at another block of the pool, so that none can be taken for another.
  void matrix(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    constexpr std::uint64_t kApart = 1237;  // blocks; a prime
    const std::uint64_t block = block_bytes_of(type_);
    const std::uint64_t start = tensors_.size() * kApart % (blocks_.size() / block) * block;
    tensors_.push_back({name, type_, {rows, columns}, bytes_of(type_, rows * columns), start});
  }
  void norm(const std::string& name, std::uint64_t n) { tensors_.push_back({name, 0, {n}, n * 4, 0}); }
  void read(const Tensor& tensor, std::uint64_t offset, void* out, std::uint64_t n) const override {
    auto* bytes = static_cast<char*>(out);
    if (tensor.dims.size() == 1) {
      for (std::uint64_t i = 0; i < n; ++i) {
        const std::uint64_t at = offset + i;
        // Of no simple ratio to each other: else int8 roundings of scaled codes would be ties again and again.
        const float v = 0.9F + 0.2F * static_cast<float>(at / 4 * 2654435761U % 1021) / 1020.0F;
        bytes[i] = std::bit_cast<std::array<char, 4>>(v)[at % 4];
      }
      return;
    }
    for (std::uint64_t done = 0; done < n;) {
      const std::uint64_t at = (tensor.offset + offset + done) % blocks_.size();
      const std::uint64_t piece = std::min<std::uint64_t>(n - done, blocks_.size() - at);
      std::memcpy(bytes + done, blocks_.data() + at, piece);
      done += piece;
    }
  }
  std::uint32_t type_;
  std::string blocks_;
};

}  // namespace

RandomShape llama_2_7b() {
  return {"Llama-2-7B", 32, 4096, 11008, 32, 32, 32000, 4096};
}
RandomShape small_shape() {
  return {"small", 2, 256, 768, 4, 2, 2560, 512};
}
RandomShape wide_heads_shape(std::uint64_t kv_heads) {
  return {"wide heads", 2, 512, 1536, 4, kv_heads, 1000, 1024, 2.5F};
}
RandomShape long_rows_shape() {
  return {"long rows", 1, 2304, 6400, 18, 6, 1000, 1024};
}
std::unique_ptr<ModelSource> make_random(const RandomShape& shape, std::uint32_t gguf_type) {
  return std::make_unique<RandomModel>(shape, gguf_type);
}

}  // namespace llorch::gpu_check
