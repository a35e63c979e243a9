// What the host knows about a model family: one table of tensors and the rules for its hyperparameters.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model_file/metadata.hpp"
#include "model_file/stored_tensor.hpp"

namespace llorch::model_file {

/// The most blocks of a model, and the most of every other size: positions and sizes are int32 elsewhere.
inline constexpr std::uint64_t kMostBlocks = 512;
inline constexpr std::uint64_t kMostOfASize = std::numeric_limits<std::int32_t>::max();
/// The most components of a head.
inline constexpr std::uint64_t kMostHeadSize = 1 << 16;

/// Hyperparameters that shapes are made of, read from the metadata of any known architecture.
struct Hyperparameters {
  std::uint64_t vocabulary = 0;  ///< 0: the file does not say, the embedding's rows decide
  std::uint64_t context = 0;
  std::uint64_t embedding = 0;
  std::uint64_t feed_forward = 0;
  std::uint64_t blocks = 0;
  std::uint64_t heads = 0;
  std::uint64_t heads_kv = 0;
  std::uint64_t head_size = 0;   ///< embedding / heads unless the file says otherwise
  std::uint64_t rope_pairs = 0;  ///< pairs of components that are rotated: all of a head
};

/// One axis of a shape.
enum class Axis : std::uint8_t {
  kNone,
  kVocabulary,
  kContext,
  kEmbedding,
  kQuery,
  kKeyValue,
  kQkv,
  kFeedForward,
  kRopePairs
};

/// How Hugging Face files hold a matrix whose canonical form is (rows, columns).
enum class Arrangement : std::uint8_t {
  kCanonical,
  kTransposed,   ///< (columns, rows)
  kRotaryHalves  ///< each head's rows: first components of all rotary pairs, then the second ones; canonical are pairs
};

/// One line of an architecture's table. '%' stands for the number of the block.
struct TensorRule {
  std::string_view name;          ///< canonical (GGUF) name
  std::string_view hugging_face;  ///< name in Hugging Face files, without the model's prefix
  std::array<Axis, 2> shape;      ///< canonical, outermost first; the second is kNone for vectors
  bool optional = false;
  Arrangement arrangement = Arrangement::kCanonical;
};

/// A tensor that no file holds because a Hugging Face configuration says in numbers what is in it.
struct MadeTensor {
  std::string_view name;      ///< canonical
  std::vector<float> values;  ///< one dimension
};

/// Keys and strings a Hugging Face configuration is translated into. Strings live in `strings`.
struct ConvertedConfig {
  Metadata metadata;
  std::deque<std::string> strings;
  std::vector<MadeTensor> tensors;
  bool tied_head = true;  ///< no output matrix of its own: "lm_head.weight", if present, repeats the embedding
};

struct Architecture {
  std::string_view name;                                 ///< general.architecture
  std::span<const std::string_view> hugging_face_types;  ///< model_type in config.json
  std::span<const TensorRule> tensors;
  std::string_view hugging_face_prefix;                    ///< may stand before each name
  std::span<const std::string_view> hugging_face_buffers;  ///< name endings of tensors that are no weights
  std::string_view epsilon_key;                            ///< after "<name>."
  Result<ConvertedConfig> (*convert_config)(const boost::json::object& config, const std::string& origin);
  /// Refuses variants of the family that no plugin knows; null: nothing to refuse.
  Result<void> (*check_metadata)(const Metadata& metadata, const std::string& origin) = nullptr;
};

/// Null when the family is not known here; such files are validated in structure only.
[[nodiscard]] const Architecture* find_architecture(std::string_view gguf_name);
[[nodiscard]] const Architecture* find_architecture_by_hugging_face_type(std::string_view model_type);

/// Reads and checks the hyperparameters; the errors name the key, the value and what was expected.
[[nodiscard]] Result<Hyperparameters> read_hyperparameters(const Architecture& architecture, const Metadata& metadata,
                                                           const std::string& origin);

/// A canonical tensor and the stored one that carries it.
struct Binding {
  std::string name;
  std::size_t stored = 0;           ///< index into what was given
  std::vector<std::uint64_t> dims;  ///< canonical
  Arrangement arrangement = Arrangement::kCanonical;
};

enum class Naming : std::uint8_t { kGguf, kHuggingFace };

/// Matches the stored tensors with the architecture's table: all there, none unknown, none twice, every shape as the
/// hyperparameters say. The result has the table's order. `tied_head` matters for Hugging Face names only.
[[nodiscard]] Result<std::vector<Binding>> bind_tensors(const Architecture& architecture,
                                                        const Hyperparameters& hyperparameters,
                                                        std::span<const StoredTensor> stored, Naming naming,
                                                        bool tied_head, const std::string& origin);

}  // namespace llorch::model_file
