#include "conformance/model_source.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace llorch::conformance {
namespace {

constexpr unsigned char kPoison = 0xA5;
constexpr std::uint64_t kSmallVocabulary = 61;
constexpr std::uint64_t kSmallContext = 128;

/// Copies an answer within the size that the caller gave.
template <class T>
void give(T* out, T answer) {
  const std::uint32_t size = out->struct_size;
  std::memcpy(out, &answer, std::min<std::size_t>(size, sizeof answer));
  out->struct_size = size;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

void make_gpt2(MemoryModel& out) {
  constexpr std::uint64_t kDim = 24;
  constexpr std::uint64_t kHidden = 40;
  constexpr std::uint64_t kBlocks = 2;
  out.set("general.architecture", std::string("gpt2"));
  out.set("gpt2.block_count", kBlocks);
  out.set("gpt2.embedding_length", kDim);
  out.set("gpt2.feed_forward_length", kHidden);
  out.set("gpt2.context_length", kSmallContext);
  out.set("gpt2.attention.head_count", std::uint64_t{3});
  out.set("gpt2.attention.layer_norm_epsilon", 1e-5);
  const auto with_bias = [&](const std::string& name, std::vector<std::uint64_t> dims, float spread, float mean) {
    const std::uint64_t rows = dims.front();
    out.add(name + ".weight", std::move(dims), spread, mean);
    out.add(name + ".bias", {rows}, 0.1F);
  };
  out.add("token_embd.weight", {kSmallVocabulary, kDim});
  out.add("position_embd.weight", {kSmallContext, kDim});
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    const std::string prefix = "blk." + std::to_string(block) + ".";
    with_bias(prefix + "attn_norm", {kDim}, 0.2F, 1.0F);
    with_bias(prefix + "attn_qkv", {3 * kDim, kDim}, 0.3F, 0.0F);
    with_bias(prefix + "attn_output", {kDim, kDim}, 0.3F, 0.0F);
    with_bias(prefix + "ffn_norm", {kDim}, 0.2F, 1.0F);
    with_bias(prefix + "ffn_up", {kHidden, kDim}, 0.3F, 0.0F);
    with_bias(prefix + "ffn_down", {kDim, kHidden}, 0.3F, 0.0F);
  }
  with_bias("output_norm", {kDim}, 0.2F, 1.0F);
}

void make_llama(MemoryModel& out) {
  constexpr std::uint64_t kDim = 32;
  constexpr std::uint64_t kHidden = 56;
  constexpr std::uint64_t kBlocks = 2;
  constexpr std::uint64_t kHeads = 4;
  constexpr std::uint64_t kHeadsKv = 2;
  constexpr std::uint64_t kKeys = kDim / kHeads * kHeadsKv;
  out.set("general.architecture", std::string("llama"));
  out.set("llama.block_count", kBlocks);
  out.set("llama.embedding_length", kDim);
  out.set("llama.feed_forward_length", kHidden);
  out.set("llama.context_length", kSmallContext);
  out.set("llama.attention.head_count", kHeads);
  out.set("llama.attention.head_count_kv", kHeadsKv);
  out.set("llama.attention.layer_norm_rms_epsilon", 1e-5);
  out.set("llama.rope.freq_base", 10000.0);
  out.add("token_embd.weight", {kSmallVocabulary, kDim});
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    const std::string prefix = "blk." + std::to_string(block) + ".";
    out.add(prefix + "attn_norm.weight", {kDim}, 0.2F, 1.0F);
    out.add(prefix + "attn_q.weight", {kDim, kDim});
    out.add(prefix + "attn_k.weight", {kKeys, kDim});
    out.add(prefix + "attn_v.weight", {kKeys, kDim});
    out.add(prefix + "attn_output.weight", {kDim, kDim});
    out.add(prefix + "ffn_norm.weight", {kDim}, 0.2F, 1.0F);
    out.add(prefix + "ffn_gate.weight", {kHidden, kDim});
    out.add(prefix + "ffn_up.weight", {kHidden, kDim});
    out.add(prefix + "ffn_down.weight", {kDim, kHidden});
  }
  out.add("output_norm.weight", {kDim}, 0.2F, 1.0F);
  out.add("output.weight", {kSmallVocabulary, kDim});
}

void make_embedding(MemoryModel& out) {
  out.set("general.architecture", std::string("embedding"));
  out.set("embedding.context_length", kSmallContext);
  out.add("token_embd.weight", {kSmallVocabulary, 16});
}

}  // namespace

MemoryModel::MemoryModel() {
  source_.struct_size = sizeof source_;
  source_.impl = this;
  source_.tensor_at = &tensor_at;
  source_.tensor_find = &tensor_find;
  source_.tensor_read = &tensor_read;
  source_.meta_get = &meta_get;
}

void MemoryModel::add(const std::string& name, std::vector<std::uint64_t> dims, float spread, float mean) {
  std::uint64_t count = 1;
  for (const std::uint64_t n : dims)
    count *= n;
  std::vector<float> values(count);
  std::uint64_t state = hash_of(name);
  for (float& value : values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const float unit = static_cast<float>(state >> 40U) / 8388608.0F - 1.0F;  // [-1, 1)
    value = mean + spread * unit;
  }
  tensors_.push_back({name, std::move(dims), std::move(values)});
  source_.n_tensors = tensors_.size();
}

std::vector<std::string> MemoryModel::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : values_)
    out.push_back(key);
  return out;
}

llorch_status MemoryModel::tensor_at(const llorch_source* source, std::uint64_t index, llorch_tensor* out) noexcept {
  const auto& tensors = self(source).tensors_;
  if (index >= tensors.size()) return LLORCH_INVALID_ARGUMENT;
  const Tensor& tensor = tensors[index];
  llorch_tensor answer{};
  answer.dtype = LLORCH_DTYPE_F32;
  answer.name = {tensor.name.data(), tensor.name.size()};
  answer.n_dims = static_cast<std::uint32_t>(tensor.dims.size());
  answer.index = static_cast<std::uint32_t>(index);
  std::copy(tensor.dims.begin(), tensor.dims.end(), answer.dims);
  answer.data = tensor.values.data();
  answer.nbytes = tensor.values.size() * sizeof(float);
  give(out, answer);
  return LLORCH_OK;
}

llorch_status MemoryModel::tensor_find(const llorch_source* source, llorch_str name, llorch_tensor* out) noexcept {
  const auto& tensors = self(source).tensors_;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == std::string_view(name.data, name.size)) return tensor_at(source, i, out);
  }
  return LLORCH_NOT_FOUND;
}

llorch_status MemoryModel::tensor_read(const llorch_source* source, std::uint64_t index, std::uint64_t offset,
                                       void* dst, std::uint64_t n) noexcept {
  const auto& tensors = self(source).tensors_;
  if (index >= tensors.size()) return LLORCH_INVALID_ARGUMENT;
  const std::uint64_t size = tensors[index].values.size() * sizeof(float);
  if (offset > size || n > size - offset) return LLORCH_INVALID_ARGUMENT;
  std::memcpy(dst, reinterpret_cast<const unsigned char*>(tensors[index].values.data()) + offset, n);
  return LLORCH_OK;
}

llorch_status MemoryModel::meta_get(const llorch_source* source, llorch_str key, llorch_value* out) noexcept {
  const auto& values = self(source).values_;
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) {
    return entry.first == std::string_view(key.data, key.size);
  });
  if (found == values.end()) return LLORCH_NOT_FOUND;
  llorch_value answer{};
  if (const auto* number = std::get_if<std::uint64_t>(&found->second)) {
    answer.type = LLORCH_VALUE_U64;
    answer.u.u64 = *number;
  } else if (const auto* real = std::get_if<double>(&found->second)) {
    answer.type = LLORCH_VALUE_F64;
    answer.u.f64 = *real;
  } else {
    const auto& text = std::get<std::string>(found->second);
    answer.type = LLORCH_VALUE_STR;
    answer.u.str = {text.data(), text.size()};
  }
  give(out, answer);
  return LLORCH_OK;
}

bool make_small_model(const std::string& family, MemoryModel& out) {
  if (family == "gpt2") return make_gpt2(out), true;
  if (family == "llama") return make_llama(out), true;
  if (family == "embedding") return make_embedding(out), true;
  return false;
}

FaultySource::FaultySource(const llorch_source& base) : base_(base) {
  std::memset(grown_.later, kPoison, sizeof grown_.later);
  llorch_source& known = grown_.known;
  known.struct_size = sizeof grown_;
  known.impl = this;
  known.n_tensors = base.n_tensors;
  known.tensor_at = &tensor_at;
  known.tensor_find = &tensor_find;
  known.tensor_read = &tensor_read;
  known.meta_get = &meta_get;
}

bool FaultySource::is_gone() {
  if (gone) used_when_gone_ = true;
  return gone;
}

llorch_status FaultySource::edit(llorch_status status, llorch_tensor& tensor, llorch_tensor* out) const {
  if (status != LLORCH_OK) return status;
  const std::string_view name(tensor.name.data, tensor.name.size);
  if (!hidden_tensor.empty() && name == hidden_tensor) {
    constexpr std::string_view kOther = "conformance.unused";  // what a walk by index meets in its place
    tensor.name = {kOther.data(), kOther.size()};
  }
  if (without_data) tensor.data = nullptr;
  if (!changed_tensor.empty() && name == changed_tensor && change) change(tensor);
  give(out, tensor);
  return LLORCH_OK;
}

llorch_status FaultySource::tensor_at(const llorch_source* source, std::uint64_t index, llorch_tensor* out) noexcept {
  FaultySource& me = self(source);
  if (me.is_gone()) return LLORCH_DEVICE_ERROR;
  llorch_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  return me.edit(me.base_.tensor_at(&me.base_, index, &tensor), tensor, out);
}

llorch_status FaultySource::tensor_find(const llorch_source* source, llorch_str name, llorch_tensor* out) noexcept {
  FaultySource& me = self(source);
  if (me.is_gone()) return LLORCH_DEVICE_ERROR;
  if (!me.hidden_tensor.empty() && me.hidden_tensor == std::string_view(name.data, name.size)) return LLORCH_NOT_FOUND;
  llorch_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  return me.edit(me.base_.tensor_find(&me.base_, name, &tensor), tensor, out);
}

llorch_status FaultySource::tensor_read(const llorch_source* source, std::uint64_t index, std::uint64_t offset,
                                        void* dst, std::uint64_t n) noexcept {
  FaultySource& me = self(source);
  if (me.is_gone()) return LLORCH_DEVICE_ERROR;
  const std::int64_t before = me.reads_++;
  if (me.reads_allowed >= 0 && before >= me.reads_allowed) return LLORCH_DEVICE_ERROR;
  me.bytes_read_ += n;
  return me.base_.tensor_read(&me.base_, index, offset, dst, n);
}

llorch_status FaultySource::meta_get(const llorch_source* source, llorch_str key, llorch_value* out) noexcept {
  FaultySource& me = self(source);
  if (me.is_gone()) return LLORCH_DEVICE_ERROR;
  if (!me.changed_key.empty() && me.changed_key == std::string_view(key.data, key.size)) {
    if (me.value.type == 0) return LLORCH_NOT_FOUND;
    give(out, me.value);
    return LLORCH_OK;
  }
  return me.base_.meta_get(&me.base_, key, out);
}

std::vector<std::string> tensor_names(const llorch_source& source) {
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < source.n_tensors; ++i) {
    llorch_tensor tensor{};
    tensor.struct_size = sizeof tensor;
    if (source.tensor_at(&source, i, &tensor) == LLORCH_OK) out.emplace_back(tensor.name.data, tensor.name.size);
  }
  return out;
}

}  // namespace llorch::conformance
