// A GPT-2 of random weights that exist only while they are read: a model of any size without a file.
#pragma once

#include <llorch/llorch_plugin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace llorch::bench {

struct Shape {
  std::uint64_t n_layers, n_heads, dim, ffn_dim, n_vocab, n_positions;
};

inline constexpr Shape kGpt2Small = {12, 12, 768, 3072, 50257, 1024};  // 124 M weights

/// source() lives as long as this object.
class RandomGpt2 {
 public:
  RandomGpt2(const Shape& shape, std::uint32_t dtype) : shape_(shape), dtype_(dtype), noise_(kNoise) {
    std::uint32_t state = 12345;
    for (std::uint32_t& word : noise_) {
      state = state * 1664525u + 1013904223u;
      const float value = (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * 0.08f;
      if (dtype == LLORCH_DTYPE_F32) {
        std::memcpy(&word, &value, sizeof word);
      } else {
        const std::uint32_t half = dtype == LLORCH_DTYPE_F16 ? 0x2400u + (state >> 22) : 0x3c80u + (state >> 25);
        word = half | (half ^ 0x8000u) << 16;
      }
    }
    const auto [n_layers, n_heads, dim, ffn_dim, n_vocab, n_positions] = shape;
    add("token_embd.weight", {n_vocab, dim});
    add("position_embd.weight", {n_positions, dim});
    for (std::uint64_t i = 0; i < n_layers; ++i) {
      const std::string block = "blk." + std::to_string(i) + ".";
      layer(block + "attn_norm", {dim});
      layer(block + "attn_qkv", {3 * dim, dim});
      layer(block + "attn_output", {dim, dim});
      layer(block + "ffn_norm", {dim});
      layer(block + "ffn_up", {ffn_dim, dim});
      layer(block + "ffn_down", {dim, ffn_dim});
    }
    layer("output_norm", {dim});
    source_.struct_size = sizeof source_;
    source_.impl = this;
    source_.n_tensors = tensors_.size();
    source_.tensor_at = [](const llorch_source* s, std::uint64_t index, llorch_tensor* out) {
      return self(s).at(index, out);
    };
    source_.tensor_find = [](const llorch_source* s, llorch_str name, llorch_tensor* out) {
      const auto found = self(s).index_.find(std::string(name.data, name.size));
      return found == self(s).index_.end() ? static_cast<llorch_status>(LLORCH_NOT_FOUND)
                                           : self(s).at(found->second, out);
    };
    source_.tensor_read = [](const llorch_source* s, std::uint64_t index, std::uint64_t offset, void* dst,
                             std::uint64_t n) { return self(s).read(index, offset, dst, n); };
    source_.meta_get = [](const llorch_source* s, llorch_str key, llorch_value* out) {
      return self(s).meta(std::string(key.data, key.size), out);
    };
  }
  RandomGpt2(const RandomGpt2&) = delete;
  RandomGpt2& operator=(const RandomGpt2&) = delete;

  [[nodiscard]] const llorch_source& source() const { return source_; }

 private:
  static constexpr std::size_t kNoise = (std::size_t{1} << 18) + 7;
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t dtype;
  };
  static const RandomGpt2& self(const llorch_source* s) { return *static_cast<const RandomGpt2*>(s->impl); }

  void add(const std::string& name, std::vector<std::uint64_t> dims) {
    index_[name] = tensors_.size();
    const bool matrix = dims.size() == 2;
    tensors_.push_back({name, std::move(dims), matrix ? dtype_ : static_cast<std::uint32_t>(LLORCH_DTYPE_F32)});
  }
  void layer(const std::string& name, std::vector<std::uint64_t> dims) {
    add(name + ".weight", dims);
    add(name + ".bias", {dims[0]});
  }
  llorch_status at(std::uint64_t index, llorch_tensor* out) const {
    const Tensor& t = tensors_.at(index);
    out->dtype = t.dtype;
    out->name = {t.name.data(), t.name.size()};
    out->n_dims = static_cast<std::uint32_t>(t.dims.size());
    out->index = static_cast<std::uint32_t>(index);
    std::copy(t.dims.begin(), t.dims.end(), out->dims);
    out->data = nullptr;
    const std::uint64_t count = std::accumulate(t.dims.begin(), t.dims.end(), std::uint64_t{1}, std::multiplies<>());
    out->nbytes = count * (t.dtype == LLORCH_DTYPE_F32 ? 4 : 2);
    return LLORCH_OK;
  }
  llorch_status read(std::uint64_t index, std::uint64_t offset, void* dst, std::uint64_t n) const {
    auto* out = static_cast<unsigned char*>(dst);
    if (tensors_.at(index).dims.size() == 1) {
      std::memset(out, 0, n);
      return LLORCH_OK;
    }
    const auto* noise = reinterpret_cast<const unsigned char*>(noise_.data());
    const std::uint64_t period = noise_.size() * sizeof(std::uint32_t);
    for (std::uint64_t from = (offset + index * 4096) % period; n > 0; from = 0) {
      const std::uint64_t step = std::min(n, period - from);
      std::memcpy(out, noise + from, step);
      out += step;
      n -= step;
    }
    return LLORCH_OK;
  }
  [[nodiscard]] llorch_status meta(const std::string& key, llorch_value* out) const {
    const auto number = [&](std::uint64_t value) {
      out->type = LLORCH_VALUE_U64;
      out->u.u64 = value;
      return static_cast<llorch_status>(LLORCH_OK);
    };
    if (key == "general.architecture") {
      out->type = LLORCH_VALUE_STR;
      out->u.str = {"gpt2", 4};
      return LLORCH_OK;
    }
    if (key == "gpt2.block_count") return number(shape_.n_layers);
    if (key == "gpt2.embedding_length") return number(shape_.dim);
    if (key == "gpt2.attention.head_count") return number(shape_.n_heads);
    if (key == "gpt2.feed_forward_length") return number(shape_.ffn_dim);
    if (key == "gpt2.context_length") return number(shape_.n_positions);
    return LLORCH_NOT_FOUND;
  }

  Shape shape_;
  std::uint32_t dtype_;
  std::vector<std::uint32_t> noise_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::uint64_t> index_;
  llorch_source source_{};
};

}  // namespace llorch::bench
