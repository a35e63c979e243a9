#include "api/token_log.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace llorch::api {
namespace {

// What OpenAI sends for a probability of zero, which JSON has no number for.
constexpr float kLowestLogprob = -9999.0F;

float finite(float logprob) {
  return std::max(logprob, kLowestLogprob);
}

// The members that a token and its alternatives share.
void write_token(JsonWriter& json, const tokenizer::Tokenizer& tokenizer, std::int32_t token, float logprob) {
  json.member("token", token_text(tokenizer, token)).member("logprob", finite(logprob)).key("bytes").begin_array();
  for (const char c : tokenizer.token_bytes(token))
    json.value(static_cast<unsigned>(static_cast<std::uint8_t>(c)));
  json.end_array();
}

}  // namespace

std::string token_text(const tokenizer::Tokenizer& tokenizer, std::int32_t token) {
  const std::string_view bytes = tokenizer.token_bytes(token);
  if (is_utf8(bytes)) return std::string(bytes);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "bytes:";
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    text += "\\x";
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

void TokenLog::add(std::int32_t token, std::optional<sampling::Logprobs> score) {
  entries_.push_back({token, std::move(score), characters_});
  characters_ += count_code_points(tokenizer_->token_bytes(token));
}

void TokenLog::write(JsonWriter& json, std::size_t begin) const {
  json.begin_object().key("tokens").begin_array();
  for (std::size_t i = begin; i < entries_.size(); ++i)
    json.value(token_text(*tokenizer_, entries_[i].token));
  json.end_array().key("token_logprobs").begin_array();
  for (std::size_t i = begin; i < entries_.size(); ++i) {
    if (entries_[i].score) {
      json.value(finite(entries_[i].score->chosen.logprob));
    } else {
      json.value(nullptr);
    }
  }
  json.end_array().key("top_logprobs").begin_array();
  for (std::size_t i = begin; i < entries_.size(); ++i) {
    if (!entries_[i].score) {
      json.value(nullptr);
      continue;
    }
    json.begin_object();
    std::vector<std::string> seen;  // two tokens may spell the same text; the likelier one keeps the key
    for (const sampling::TokenLogprob& one : entries_[i].score->top) {
      std::string text = token_text(*tokenizer_, one.token);
      if (std::find(seen.begin(), seen.end(), text) != seen.end()) continue;
      json.member(text, finite(one.logprob));
      seen.push_back(std::move(text));
    }
    json.end_object();
  }
  json.end_array().key("text_offset").begin_array();
  for (std::size_t i = begin; i < entries_.size(); ++i)
    json.value(entries_[i].offset);
  json.end_array().end_object();
}

void TokenLog::write_chat(JsonWriter& json, std::size_t begin) const {
  json.begin_object().key("content").begin_array();
  for (std::size_t i = begin; i < entries_.size(); ++i) {
    const std::optional<sampling::Logprobs>& score = entries_[i].score;
    json.begin_object();
    write_token(json, *tokenizer_, entries_[i].token, score ? score->chosen.logprob : kLowestLogprob);
    json.key("top_logprobs").begin_array();
    for (const sampling::TokenLogprob& one : score ? score->top : std::vector<sampling::TokenLogprob>()) {
      json.begin_object();
      write_token(json, *tokenizer_, one.token, one.logprob);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().member("refusal", nullptr).end_object();
}

}  // namespace llorch::api
