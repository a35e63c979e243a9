// Models for the check: GGUF files read without the host, and shapes of large models with random weights that exist
// only while they are read.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace llorch::gpu_check {

std::string read_file(const std::filesystem::path& path);

/// Behind llorch_source. [any-thread] once it is filled.
class ModelSource {
 public:
  ModelSource();
  virtual ~ModelSource() = default;
  ModelSource(const ModelSource&) = delete;
  ModelSource& operator=(const ModelSource&) = delete;
  [[nodiscard]] const llorch_source& abi() const { return source_; }

  [[nodiscard]] std::uint64_t bytes() const;       ///< of all tensors
  [[nodiscard]] std::uint64_t parameters() const;  ///< elements of all tensors

 protected:
  struct Tensor {
    std::string name;
    std::uint32_t type = 0;  // of GGUF
    std::vector<std::uint64_t> dims;
    std::uint64_t bytes = 0, offset = 0;
  };
  /// `n` bytes of a tensor from `offset` on.
  virtual void read(const Tensor& tensor, std::uint64_t offset, void* out, std::uint64_t n) const = 0;

  std::vector<Tensor> tensors_;
  std::map<std::string, llorch_value> values_;
  std::vector<std::unique_ptr<std::string>> texts_;  // what values_ points into
  void set(const std::string& key, std::uint64_t value);
  void set(const std::string& key, double value);
  void set(const std::string& key, const std::string& value);
  /// Called once tensors_ is complete.
  void seal() { source_.n_tensors = tensors_.size(); }

 private:
  static const ModelSource& self(const llorch_source* source);
  void describe(std::uint64_t index, llorch_tensor* out) const;
  llorch_source source_{};
};

/// Bytes of n elements of a GGUF type; throws std::runtime_error for types that this check does not know.
std::uint64_t bytes_of(std::uint32_t gguf_type, std::uint64_t n);
/// "F16", ...
std::string name_of(std::uint32_t gguf_type);
std::uint32_t type_named(const std::string& name);
/// Bytes of one block of a type; of one element where it has no blocks.
std::uint64_t block_bytes_of(std::uint32_t gguf_type);
/// The names of all types that this check knows: those of llama2_cuda.
std::vector<std::string> all_types();

/// One of our own files: trusted, so only its magic and version are checked. Throws std::runtime_error.
std::unique_ptr<ModelSource> open_gguf(const std::filesystem::path& path);

struct RandomShape {
  std::string name;
  std::uint64_t layers, dim, ffn_dim, heads, kv_heads, vocab, context;
  float gain = 1;  ///< weights are about 0.02 * gain: with more, attention looks at fewer rows
};
[[nodiscard]] RandomShape llama_2_7b();
/// The shape with fewer layers, for a first look.
[[nodiscard]] RandomShape small_shape();
/// Heads of 128 components, four of queries, and a vocabulary that fills no tile: every kernel in the forms that large
/// models take, at a size that a CPU computes in a second.
[[nodiscard]] RandomShape wide_heads_shape(std::uint64_t kv_heads);
/// One layer with 18 such heads and so many columns that a decode step fills each of its stages several times.
[[nodiscard]] RandomShape long_rows_shape();
/// Random weights of that type (norms f32, near 1), the same ones each time. Matrices are pieces of one pool of random
/// blocks, each from another place on; where a matrix is longer than the pool, it repeats it.
std::unique_ptr<ModelSource> make_random(const RandomShape& shape, std::uint32_t gguf_type);

}  // namespace llorch::gpu_check
