#include "sources.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace llorch::gpu_check {
namespace {

struct TypeInfo {
  std::uint32_t id;
  const char* name;
  std::uint64_t block, bytes;
};
constexpr TypeInfo kTypes[] = {
    {0, "F32", 1, 4},       {1, "F16", 1, 2},       {30, "BF16", 1, 2},       {8, "Q8_0", 32, 34},
    {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {10, "Q2_K", 256, 84},  {11, "Q3_K", 256, 110}, {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210}, {20, "IQ4_NL", 32, 18}, {23, "IQ4_XS", 256, 136},
};
const TypeInfo& info_of(std::uint32_t type) {
  for (const TypeInfo& info : kTypes) {
    if (info.id == type) return info;
  }
  throw std::runtime_error("GGUF type " + std::to_string(type) + " is not one that this check knows");
}

std::uint64_t product(const std::vector<std::uint64_t>& dims) {
  std::uint64_t out = 1;
  for (const std::uint64_t d : dims)
    out *= d;
  return out;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::uint64_t bytes_of(std::uint32_t type, std::uint64_t n) {
  const TypeInfo& info = info_of(type);
  return n / info.block * info.bytes;
}
std::string name_of(std::uint32_t type) {
  return info_of(type).name;
}
std::vector<std::string> all_types() {
  std::vector<std::string> names;
  for (const TypeInfo& info : kTypes)
    names.emplace_back(info.name);
  return names;
}
std::uint64_t block_bytes_of(std::uint32_t type) {
  return info_of(type).bytes;
}
std::uint32_t type_named(const std::string& name) {
  for (const TypeInfo& info : kTypes) {
    if (name == info.name) return info.id;
  }
  throw std::runtime_error("no GGUF type is called " + name);
}

// ---- the table -----------------------------------------------------------------------------------------------------

ModelSource::ModelSource() {
  source_.struct_size = sizeof source_;
  source_.impl = this;
  source_.tensor_at = [](const llorch_source* s, std::uint64_t index, llorch_tensor* out) -> llorch_status {
    if (index >= self(s).tensors_.size()) return LLORCH_INVALID_ARGUMENT;
    self(s).describe(index, out);
    return LLORCH_OK;
  };
  source_.tensor_find = [](const llorch_source* s, llorch_str name, llorch_tensor* out) -> llorch_status {
    const auto& all = self(s).tensors_;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Tensor& t) {
      return t.name == std::string_view(name.data, static_cast<std::size_t>(name.size));
    });
    if (found == all.end()) return LLORCH_NOT_FOUND;
    self(s).describe(static_cast<std::uint64_t>(found - all.begin()), out);
    return LLORCH_OK;
  };
  source_.tensor_read = [](const llorch_source* s, std::uint64_t index, std::uint64_t offset, void* out,
                           std::uint64_t n) -> llorch_status {
    const auto& all = self(s).tensors_;
    if (index >= all.size() || offset > all[index].bytes || n > all[index].bytes - offset) {
      return LLORCH_INVALID_ARGUMENT;
    }
    self(s).read(all[index], offset, out, n);
    return LLORCH_OK;
  };
  source_.meta_get = [](const llorch_source* s, llorch_str key, llorch_value* out) -> llorch_status {
    const auto found = self(s).values_.find(std::string(key.data, static_cast<std::size_t>(key.size)));
    if (found == self(s).values_.end()) return LLORCH_NOT_FOUND;
    const std::uint32_t size = out->struct_size;
    *out = found->second;
    out->struct_size = size;
    return LLORCH_OK;
  };
}

const ModelSource& ModelSource::self(const llorch_source* source) {
  return *static_cast<const ModelSource*>(source->impl);
}

void ModelSource::describe(std::uint64_t index, llorch_tensor* out) const {
  const Tensor& tensor = tensors_[index];
  llorch_tensor t{};
  t.struct_size = out->struct_size;
  t.dtype = 0x100 + tensor.type;
  t.name = {tensor.name.data(), tensor.name.size()};
  t.n_dims = static_cast<std::uint32_t>(tensor.dims.size());
  t.index = static_cast<std::uint32_t>(index);
  std::copy(tensor.dims.begin(), tensor.dims.end(), t.dims);
  t.nbytes = tensor.bytes;
  *out = t;
}

std::uint64_t ModelSource::bytes() const {
  std::uint64_t sum = 0;
  for (const Tensor& t : tensors_)
    sum += t.bytes;
  return sum;
}
std::uint64_t ModelSource::parameters() const {
  std::uint64_t sum = 0;
  for (const Tensor& t : tensors_)
    sum += product(t.dims);
  return sum;
}

void ModelSource::set(const std::string& key, std::uint64_t value) {
  llorch_value v{};
  v.type = LLORCH_VALUE_U64;
  v.u.u64 = value;
  values_[key] = v;
}
void ModelSource::set(const std::string& key, double value) {
  llorch_value v{};
  v.type = LLORCH_VALUE_F64;
  v.u.f64 = value;
  values_[key] = v;
}
void ModelSource::set(const std::string& key, const std::string& value) {
  texts_.push_back(std::make_unique<std::string>(value));
  llorch_value v{};
  v.type = LLORCH_VALUE_STR;
  v.u.str = {texts_.back()->data(), texts_.back()->size()};
  values_[key] = v;
}

// ---- GGUF ----------------------------------------------------------------------------------------------------------

namespace {

class GgufFile final : public ModelSource {
 public:
  explicit GgufFile(const std::filesystem::path& path) : data_(read_file(path)) {
    if (data_.substr(0, 4) != "GGUF") throw std::runtime_error(path.string() + ": no GGUF file");
    at_ = 4;
    const auto version = number<std::uint32_t>();
    if (version != 3) throw std::runtime_error(path.string() + ": expected version 3 of GGUF");
    const auto n_tensors = number<std::uint64_t>();
    const auto n_values = number<std::uint64_t>();
    std::uint64_t alignment = 32;
    for (std::uint64_t i = 0; i < n_values; ++i) {
      const std::string key = text();
      const auto type = number<std::uint32_t>();
      value(key, type);
      if (key == "general.alignment") alignment = values_[key].u.u64;
    }
    for (std::uint64_t i = 0; i < n_tensors; ++i) {
      Tensor t;
      t.name = text();
      t.dims.resize(number<std::uint32_t>());
      for (std::uint64_t& d : t.dims)
        d = number<std::uint64_t>();
      std::reverse(t.dims.begin(), t.dims.end());  // the file has the innermost first
      t.type = number<std::uint32_t>();
      t.offset = number<std::uint64_t>();
      t.bytes = bytes_of(t.type, product(t.dims));
      tensors_.push_back(std::move(t));
    }
    base_ = (at_ + alignment - 1) / alignment * alignment;
    for (const Tensor& t : tensors_)
      need(base_ + t.offset, t.bytes);
    seal();
  }

 private:
  void need(std::uint64_t offset, std::uint64_t n) const {
    if (offset > data_.size() || n > data_.size() - offset) throw std::runtime_error("the GGUF file is cut short");
  }
  template <class T>
  T number() {
    need(at_, sizeof(T));
    T out;
    std::memcpy(&out, data_.data() + at_, sizeof out);
    at_ += sizeof out;
    return out;
  }
  std::string text() {
    const auto size = number<std::uint64_t>();
    need(at_, size);
    std::string out = data_.substr(at_, size);
    at_ += size;
    return out;
  }
  /// Scalars are kept; arrays, which only tokenizers need, are passed over.
  void value(const std::string& key, std::uint32_t type) {
    switch (type) {
      case 0:
        return set(key, std::uint64_t{number<std::uint8_t>()});
      case 1:
        return signed_number(key, number<std::int8_t>());
      case 2:
        return set(key, std::uint64_t{number<std::uint16_t>()});
      case 3:
        return signed_number(key, number<std::int16_t>());
      case 4:
        return set(key, std::uint64_t{number<std::uint32_t>()});
      case 5:
        return signed_number(key, number<std::int32_t>());
      case 6:
        return set(key, static_cast<double>(number<float>()));
      case 7:
        return set(key, std::uint64_t{number<std::uint8_t>()});
      case 8:
        return set(key, text());
      case 9: {
        const auto element = number<std::uint32_t>();
        const auto n = number<std::uint64_t>();
        for (std::uint64_t i = 0; i < n; ++i)
          value({}, element);
        values_.erase(std::string{});
        return;
      }
      case 10:
        return set(key, number<std::uint64_t>());
      case 11:
        return signed_number(key, number<std::int64_t>());
      case 12:
        return set(key, number<double>());
      default:
        throw std::runtime_error("GGUF: value type " + std::to_string(type));
    }
  }
  void signed_number(const std::string& key, std::int64_t v) {
    llorch_value out{};
    out.type = LLORCH_VALUE_I64;
    out.u.i64 = v;
    values_[key] = out;
  }
  void read(const Tensor& tensor, std::uint64_t offset, void* out, std::uint64_t n) const override {
    std::memcpy(out, data_.data() + base_ + tensor.offset + offset, n);
  }

  std::string data_;
  std::uint64_t at_ = 0, base_ = 0;
};

}  // namespace

std::unique_ptr<ModelSource> open_gguf(const std::filesystem::path& path) {
  return std::make_unique<GgufFile>(path);
}

}  // namespace llorch::gpu_check
