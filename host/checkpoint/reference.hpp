// A reference directory: what an independent implementation computed for a model, and where it wrote it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/npy.hpp"

namespace llorch::checkpoint {

/// One intermediate tensor of one case.
struct ReferenceTensor {
  std::uint32_t tap = 0;  ///< LLORCH_TAP_*
  std::int32_t layer = -1;
  std::filesystem::path file;
};

/// What another program shows for the logits of a case, on the same file against the same reference.
struct Baseline {
  std::string program;
  double max_error = 0.0, mean_error = 0.0, kl = 0.0;
  double same_best = 0.0;  ///< share of the rows
};

/// One prompt and everything known about it. What the reference does not have is empty.
struct ReferenceCase {
  std::string name;
  std::optional<std::string> prompt;  ///< text, when the model has a tokenizer
  std::vector<std::int32_t> prompt_ids;
  std::vector<ReferenceTensor> tensors;
  std::optional<std::filesystem::path> logits;  ///< (rows, vocab_size)
  std::vector<std::uint32_t> logits_rows;       ///< rows of the prompt that `logits` holds; empty: all
  std::optional<Baseline> baseline;
  std::optional<std::filesystem::path> probabilities;  ///< (vocab_size) softmax of the last row
  std::vector<std::int32_t> top5;
  std::vector<std::int32_t> greedy_ids;  ///< new ids only
  std::optional<std::string> greedy_text;

  [[nodiscard]] const ReferenceTensor* find(std::uint32_t tap, std::int32_t layer) const;
};

struct Reference {
  std::filesystem::path directory;
  std::string made_by;
  std::vector<ReferenceCase> cases;

  /// Reads `<directory>/manifest.json` (docs/checkpoints.md describes it); tensors are read when they are needed.
  [[nodiscard]] static Result<Reference> read(const std::filesystem::path& directory);
  /// The case of that name, or null.
  [[nodiscard]] const ReferenceCase* find(std::string_view name) const;
};

/// "attn_norm" for LLORCH_TAP_ATTN_NORM, ...; "tap 99" for an unknown one.
[[nodiscard]] std::string tap_name(std::uint32_t tap);
[[nodiscard]] std::optional<std::uint32_t> tap_of_name(std::string_view name);

}  // namespace llorch::checkpoint
