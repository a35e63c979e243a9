// Answers of POST /v1/completions and /v1/chat/completions, whole and in chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/token_log.hpp"
#include "engine/engine.hpp"

namespace llorch::api {

enum class AnswerKind : std::uint8_t { kCompletion, kChat };

/// What every object of one answer repeats.
struct CompletionHead {
  AnswerKind kind = AnswerKind::kCompletion;
  std::string id;
  std::string model;
  std::int64_t created = 0;  ///< seconds since 1970
};

/// Token counts of a whole answer; a prompt with several choices counts once.
struct Usage {
  std::uint64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};

/// One choice as it grows.
struct Choice {
  explicit Choice(const tokenizer::Tokenizer& tokenizer) : log(tokenizer) {}
  std::string text;
  TokenLog log;
  std::optional<engine::FinishEvent> finish;
  bool begun = false;  ///< a chunk of it was written
};

/// {"id","object","created","model","choices":[...],"usage","timings"}. Every choice has finished.
[[nodiscard]] std::string completion_json(const CompletionHead& head, const std::vector<Choice>& choices,
                                          bool with_logprobs, const Usage& usage);

/// One piece of a streamed choice.
struct Chunk {
  std::uint32_t index = 0;
  bool is_first = false;  ///< of its choice
  std::string_view text;
  const TokenLog* log = nullptr;                ///< null: no logprobs
  std::size_t log_begin = 0;                    ///< first entry that belongs to this chunk
  const engine::FinishEvent* finish = nullptr;  ///< set in the last chunk of a choice
  bool usage_follows = false;                   ///< a usage chunk was asked for: the others carry "usage": null
};
/// In a chat, the first piece of a choice becomes two chunks, because the role comes alone, and so does the last,
/// because its delta is empty.
void append_chunk(std::string& out, const CompletionHead& head, const Chunk& chunk);
/// The chunk without choices that comes last when stream_options.include_usage is set.
void append_usage_chunk(std::string& out, const CompletionHead& head, const Usage& usage);

}  // namespace llorch::api
