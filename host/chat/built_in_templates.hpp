// Chat templates that llorch brings, for models that have none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llorch::chat {

struct BuiltInTemplate {
  std::string_view name;
  std::string_view source;
  /// Text that ends an answer where the vocabulary has no token for it; empty: the tokens suffice.
  std::string_view stop;
  /// Tokens by which a vocabulary shows that its model was trained on this format; empty: only by name.
  std::vector<std::string_view> tokens;
};

/// chatml, llama2, llama3, mistral, zephyr, vicuna, gemma, plain.
[[nodiscard]] const std::vector<BuiltInTemplate>& built_in_templates();
/// Null when there is none of that name.
[[nodiscard]] const BuiltInTemplate* find_built_in(std::string_view name);
/// The names with commas between, for messages.
[[nodiscard]] std::string built_in_names();
/// The format for messages that nothing else fits: a transcript.
inline constexpr std::string_view kPlainTemplate = "plain";

}  // namespace llorch::chat
