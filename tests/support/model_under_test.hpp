// A real model in a real plugin, with the reference beside it: what checkpoint suites are written with.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/reference.hpp"
#include "checkpoint/session.hpp"
#include "model_file/model_file.hpp"
#include "plugin/plugin.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::testing {

/// The value of a result; the test ends with its message when there is none.
template <class T>
T take(Result<T> result) {
  BOOST_REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return std::move(result.value());
}
inline void succeed(const Result<void>& result) {
  BOOST_REQUIRE_MESSAGE(result.has_value(), result.error().message);
}

inline std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(LLORCH_SOURCE_DIR) / relative;
}
/// Where a plugin lies. LLORCH_TESTED_PLUGIN says it for one that is not among the others: its file begins with `name`.
inline std::filesystem::path plugin_path(const std::string& name) {
  if (const char* elsewhere = std::getenv("LLORCH_TESTED_PLUGIN")) {
    const std::filesystem::path path(elsewhere);
    if (path.filename().string().starts_with(name)) return path;
  }
  return std::filesystem::path(LLORCH_BINARY_DIR) / "lib/llorch/plugins" / (name + ".so");
}

/// LLORCH_DTYPE_* of keys and values; 0: the plugin's own.
struct KvTypes {
  std::uint32_t k = 0, v = 0;
  const char* suffix = "";  ///< of names
};

/// Immutable once made; one per process and model (see model_under_test()).
class ModelUnderTest {
 public:
  /// Paths are relative to the source folder.
  ModelUnderTest(const std::string& plugin_name, const std::string& model, const std::string& reference_directory,
                 const KvTypes& kv = {})
      : kv_(kv),
        file_(take(model_file::ModelFile::open(source_path(model)))),
        plugin_(take(plugin::Plugin::load(plugin_path(plugin_name)))),
        model_(take(plugin_->create_model(file_->source()))),
        reference_(take(checkpoint::Reference::read(source_path(reference_directory)))) {}

  [[nodiscard]] const model_file::ModelFile& file() const { return *file_; }
  [[nodiscard]] plugin::Plugin& plugin() const { return *plugin_; }
  [[nodiscard]] plugin::Model& model() const { return *model_; }
  [[nodiscard]] const llorch_model_info& info() const { return model_->info(); }
  [[nodiscard]] const checkpoint::Reference& reference() const { return reference_; }
  [[nodiscard]] const checkpoint::ReferenceCase& reference_case(const std::string& name) const {
    const auto* found = reference_.find(name);
    BOOST_REQUIRE_MESSAGE(found != nullptr, "the reference has no case " << name);
    return *found;
  }

  /// Room for `n_seqs` full sequences; any batch, any number of output rows.
  [[nodiscard]] std::unique_ptr<plugin::Context> context(std::uint32_t n_seqs = 1, std::uint32_t n_threads = 1) const {
    return context(n_seqs, n_threads, kv_);
  }
  [[nodiscard]] std::unique_ptr<plugin::Context> context(std::uint32_t n_seqs, std::uint32_t n_threads,
                                                         const KvTypes& kv) const {
    plugin::ContextParams params;
    params.max_seqs = n_seqs;
    params.max_tokens = n_seqs * (info().max_positions + info().kv_block_tokens);
    params.max_batch_tokens = params.max_tokens;
    params.max_output_rows = params.max_tokens;
    params.n_threads = n_threads;
    params.kv_dtype_k = kv.k;
    params.kv_dtype_v = kv.v;
    return take(model_->create_context(params));
  }

  /// What every tap showed for the case's prompt in one batch; computed once.
  [[nodiscard]] const checkpoint::TapRecord& taps(const checkpoint::ReferenceCase& reference_case) {
    auto found = records_.find(reference_case.name);
    if (found == records_.end()) {
      const auto fresh = context();
      found =
          records_
              .emplace(reference_case.name, take(checkpoint::record_taps(*fresh, info(), reference_case.prompt_ids)))
              .first;
    }
    return found->second;
  }

 private:
  KvTypes kv_;
  std::unique_ptr<model_file::ModelFile> file_;
  std::shared_ptr<plugin::Plugin> plugin_;
  std::shared_ptr<plugin::Model> model_;
  checkpoint::Reference reference_;
  std::map<std::string, checkpoint::TapRecord> records_;
};

/// A prompt of `count` ids below `vocab_size`, always the same ones.
inline std::vector<std::int32_t> some_ids(std::size_t count, std::uint32_t vocab_size, std::uint32_t seed = 1) {
  std::vector<std::int32_t> out;
  std::uint32_t state = seed * 2654435761U + 12345U;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    out.push_back(static_cast<std::int32_t>((state >> 8U) % vocab_size));
  }
  return out;
}

}  // namespace llorch::testing
