// Which chat template a model is served with.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "chat/chat_template.hpp"
#include "model_file/model_file.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::chat {

/// In this order: `option` (the name of a built-in template, or a file with one); the model's own (chat_template.jinja
/// or tokenizer_config.json of a directory, tokenizer.chat_template of a GGUF file); the built-in whose special tokens
/// the vocabulary has; the built-in "plain". facts().origin says which it was. Errors name file and line. [any-thread]
[[nodiscard]] Result<std::shared_ptr<const ChatTemplate>> choose_template(const model_file::ModelFile& file,
                                                                          const tokenizer::Tokenizer& tokenizer,
                                                                          const std::string& option);

}  // namespace llorch::chat
