#include "tokenizer/spm_model_file.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/text.hpp"
#include "tokenizer/end_tokens.hpp"
#include "tokenizer/protobuf_reader.hpp"

namespace llorch::tokenizer {
namespace {

using Field = ProtobufReader::Field;

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Calls f(field) for every field of a message until one fails.
template <class F>
Result<void> for_each_field(ProtobufReader& reader, F&& f) {
  for (;;) {
    auto field = reader.next();
    if (!field) return field.error();
    if (!*field) return {};
    if (Result<void> ok = f(**field); !ok) return ok;
  }
}

template <class T>
Result<void> store(Result<T> value, T& into) {
  if (!value) return value.error();
  into = *value;
  return {};
}

Error unsupported(const SpmSpec& spec, std::string_view field, std::string_view expected, std::string_view found) {
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: {}: expected {}, found {}", spec.origin, field, expected, found));
}

// message SentencePiece { string piece = 1; float score = 2; Type type = 3; }
Result<void> read_piece(std::string_view bytes, SpmSpec& spec) {
  if (spec.tokens.size() >= kMaxVocabulary) {
    return bad_spec(spec, fmt::format("pieces: expected at most {}, found more", kMaxVocabulary));
  }
  const std::string path = fmt::format("pieces[{}]", spec.tokens.size());
  ProtobufReader reader(bytes, spec.origin, path);
  std::string_view spelling;
  float score = 0;
  std::int64_t type = static_cast<int>(PieceType::kNormal);
  auto ok = for_each_field(reader, [&](const Field& field) -> Result<void> {
    if (field.id == 1) return store(reader.text(field), spelling);
    if (field.id == 2) return store(reader.fixed_float(field), score);
    if (field.id == 3) return store(reader.integer(field), type);
    return {};
  });
  if (!ok) return ok;
  if (type < static_cast<int>(PieceType::kNormal) || type > static_cast<int>(PieceType::kByte)) {
    return bad_spec(spec, fmt::format("{}: type: expected 1 to 6, found {}", path, type));
  }
  if (spelling.empty()) return bad_spec(spec, fmt::format("{}: piece: expected a spelling, found none", path));
  spec.tokens.push_back(spelling);
  spec.scores.push_back(score);
  spec.types.push_back(static_cast<PieceType>(type));
  return {};
}

struct Trainer {
  std::int64_t model_type = 1;  // unigram, the format's default
  bool byte_fallback = false;
  bool space_as_suffix = false;
  std::string_view bos = "<s>";
  std::string_view eos = "</s>";
};

Result<void> read_trainer(std::string_view bytes, const SpmSpec& spec, Trainer& trainer) {
  ProtobufReader reader(bytes, spec.origin, "trainer_spec");
  return for_each_field(reader, [&](const Field& field) -> Result<void> {
    switch (field.id) {
      case 3:
        return store(reader.integer(field), trainer.model_type);
      case 24:
        return store(reader.boolean(field), trainer.space_as_suffix);
      case 35:
        return store(reader.boolean(field), trainer.byte_fallback);
      case 46:
        return store(reader.text(field), trainer.bos);
      case 47:
        return store(reader.text(field), trainer.eos);
      default:
        return {};
    }
  });
}

struct Normalizer {
  std::string_view name;
  std::size_t charsmap = 0;  // bytes
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;
};

Result<void> read_normalizer(std::string_view bytes, const SpmSpec& spec, Normalizer& normalizer) {
  ProtobufReader reader(bytes, spec.origin, "normalizer_spec");
  return for_each_field(reader, [&](const Field& field) -> Result<void> {
    std::string_view charsmap;
    switch (field.id) {
      case 1:
        return store(reader.text(field), normalizer.name);
      case 2: {
        auto ok = store(reader.text(field), charsmap);
        normalizer.charsmap = charsmap.size();
        return ok;
      }
      case 3:
        return store(reader.boolean(field), normalizer.add_dummy_prefix);
      case 4:
        return store(reader.boolean(field), normalizer.remove_extra_spaces);
      case 5:
        return store(reader.boolean(field), normalizer.escape_spaces);
      default:
        return {};
    }
  });
}

void add_special_tokens(const Trainer& trainer, SpmSpec& spec) {
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const PieceType type = spec.types[i];
    const std::string_view spelling = spec.tokens[i];
    if (type == PieceType::kUnknown && !spec.unknown) spec.unknown = id;
    if (type == PieceType::kControl && spelling == trainer.bos) spec.bos = id;
    if (type == PieceType::kControl && spelling == trainer.eos) spec.eos = id;
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    // A user-defined token that begins with U+2581 begins with a space in the text; merging finds it. But the end of an
    // answer is no text.
    const bool user_defined = type == PieceType::kUserDefined &&
                              (spelling.find(kSpaceMark) == std::string_view::npos || is_end_token_name(spelling));
    if (special || user_defined) {
      spec.added.push_back({.content = std::string(spelling), .id = id, .special = special});
    }
  }
  add_end_tokens_by_name(spec);
  if (spec.bos) spec.prefix = {*spec.bos};
}

}  // namespace

Result<SpmSpec> spm_from_model_file(std::string_view bytes, std::string origin) {
  SpmSpec spec;
  spec.origin = std::move(origin);
  spec.tokens_field = "pieces";
  spec.user_defined_is_text = true;
  Trainer trainer;
  Normalizer normalizer;
  ProtobufReader reader(bytes, spec.origin, "");
  const auto ok = for_each_field(reader, [&](const Field& field) -> Result<void> {
    if (field.id < 1 || field.id > 3) return {};
    auto message = reader.text(field);
    if (!message) return message.error();
    if (field.id == 1) return read_piece(*message, spec);
    return field.id == 2 ? read_trainer(*message, spec, trainer) : read_normalizer(*message, spec, normalizer);
  });
  if (!ok) return ok.error();
  if (spec.tokens.empty()) return bad_spec(spec, "pieces: expected at least one, found none");
  if (trainer.model_type != 2) {
    return unsupported(spec, "trainer_spec: model_type", "2 (BPE)", std::to_string(trainer.model_type));
  }
  if (trainer.space_as_suffix) {
    return unsupported(spec, "trainer_spec: treat_whitespace_as_suffix", "false", "true");
  }
  if (normalizer.charsmap > 0) {
    return unsupported(spec, "normalizer_spec", "the identity",
                       fmt::format("{} with a table of {} bytes", quote(normalizer.name), normalizer.charsmap));
  }
  if (!normalizer.escape_spaces) return unsupported(spec, "normalizer_spec: escape_whitespaces", "true", "false");
  spec.byte_fallback = trainer.byte_fallback;
  spec.remove_extra_spaces = normalizer.remove_extra_spaces;
  spec.space_prefix = normalizer.add_dummy_prefix ? SpacePrefix::kEveryText : SpacePrefix::kNone;
  add_special_tokens(trainer, spec);
  return spec;
}

}  // namespace llorch::tokenizer
