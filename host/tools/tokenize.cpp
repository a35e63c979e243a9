#include "tools/tokenize.hpp"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/model_file.hpp"
#include "tokenizer/incremental_decoder.hpp"
#include "tokenizer/tokenizer.hpp"
#include "tools/text_input.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;
using tokenizer::TokenId;
using tokenizer::Tokenizer;
using Ids = std::vector<TokenId>;

std::string joined(const Ids& ids, std::string_view separator) {
  return fmt::format("{}", fmt::join(ids, separator));
}

// Bytes as a JSON string; what is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view bytes) {
  tokenizer::IncrementalDecoder decoder;
  std::string text = decoder.push(bytes);
  text += decoder.flush();
  return json::serialize(json::value(json::string_view(text)));
}

Result<void> written(std::ostream& out) {
  out.flush();
  if (out) return {};
  return make_error(ErrorCode::kIo, "cannot write the output");
}

void write_tokens(const Tokenizer& tokenizer, std::string_view text, const Ids& ids, TokenizeOptions::Output output,
                  std::ostream& out) {
  switch (output) {
    case TokenizeOptions::Output::kTable:
      for (const TokenId id : ids)
        out << fmt::format("{:>8}  {}\n", id, quote(tokenizer.token_bytes(id)));
      return;
    case TokenizeOptions::Output::kIds:
      out << joined(ids, " ") << '\n';
      return;
    case TokenizeOptions::Output::kJson:
      break;
  }
  out << "{\"text\":" << json_string(text) << ",\"ids\":[" << joined(ids, ",") << "],\"tokens\":[";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out << (i == 0 ? "" : ",") << json_string(tokenizer.token_bytes(ids[i]));
  }
  out << "]}\n";
}

Result<void> decode(const Tokenizer& tokenizer, const TokenizeOptions& options, std::ostream& out) {
  Ids ids;
  for (const std::int64_t id : options.decode) {
    if (id < 0 || id >= tokenizer.vocab_size()) {
      return make_error(ErrorCode::kInvalidArgument, fmt::format("--decode: expected token ids from 0 to {}, found {}",
                                                                 tokenizer.vocab_size() - 1, id));
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  const std::string text = tokenizer.decode(ids, !options.skip_special);
  if (options.output == TokenizeOptions::Output::kTable) {
    out << text << '\n';
  } else {
    write_tokens(tokenizer, text, ids, options.output, out);
  }
  return written(out);
}

Result<void> encode_lines(const Tokenizer& tokenizer, const tokenizer::EncodeOptions& encoding, std::istream& in,
                          std::ostream& out) {
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    const auto value = parse_json(line);
    if (!value) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("line {}: expected a JSON string: {}", number, value.error().message));
    }
    if (!value->is_string()) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("line {}: expected a JSON string, found {}", number, quote(line)));
    }
    const auto& text = value->get_string();
    out << '[' << joined(tokenizer.encode({text.data(), text.size()}, encoding), ",") << "]\n";
  }
  if (in.bad() || (&in == &std::cin && std::ferror(stdin) != 0)) {
    return make_error(ErrorCode::kIo, "cannot read the input");
  }
  return written(out);
}

}  // namespace

Result<void> tokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out) {
  const auto model = model_file::ModelFile::open(options.model, {.vocabulary_only = true});
  if (!model) return model.error();
  const auto loaded = tokenizer::load_tokenizer(**model);
  if (!loaded) return loaded.error();
  const Tokenizer& tokenizer = **loaded;
  if (!options.decode.empty()) return decode(tokenizer, options, out);

  std::ifstream file;
  if (options.file) {
    file.open(*options.file, std::ios::binary);
    if (!file) return make_error(ErrorCode::kIo, fmt::format("{}: cannot open", options.file->native()));
  }
  std::istream& source = options.file ? file : in;
  const tokenizer::EncodeOptions encoding{.add_special = options.add_special, .parse_special = options.parse_special};
  if (options.jsonl) return encode_lines(tokenizer, encoding, source, out);

  auto text = options.text ? Result<std::string>(*options.text)
                           : read_all(source, options.file ? options.file->native() : "standard input");
  if (!text) return text.error();
  write_tokens(tokenizer, *text, tokenizer.encode(*text, encoding), options.output, out);
  return written(out);
}

void add_tokenize(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("tokenize", "Show the tokens of a text, or the text of tokens");
  command->footer(
      "Only the vocabulary is read: vocabulary-only GGUF files and directories that hold nothing but tokenizer files\n"
      "will do.\n\n"
      "Examples:\n"
      "  llorch-host tokenize --model models/tiny-gpt2 \"Once upon a time\"\n"
      "  llorch-host tokenize --model models/tiny-gpt2 --ids --file story.txt\n"
      "  llorch-host tokenize --model models/tiny-gpt2 --decode 42 7 99\n"
      "  printf '\"one\"\\n\"two\"\\n' | llorch-host tokenize --model models/tiny-gpt2 --jsonl");

  // CLI11 fills these while it parses; the callback below is the last user.
  struct Arguments {
    TokenizeOptions options;
    bool ids = false;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  TokenizeOptions& options = arguments->options;
  command->add_option("-m,--model", options.model, "Model file or directory")->required();
  auto* text = command->add_option("text", options.text, "The text; without it and without --file, standard input");
  auto* file = command->add_option("-f,--file", options.file, "Read the text from this file, byte for byte");
  auto* ids = command->add_flag("--ids", arguments->ids, "Print the ids on one line");
  auto* json_flag = command->add_flag("--json", arguments->json, "Print one object: text, ids, tokens");
  auto* jsonl =
      command->add_flag("--jsonl", options.jsonl, "One JSON string a line in, one JSON array of ids a line out");
  auto* add_special =
      command->add_flag("--add-special", options.add_special, "Add BOS and EOS where the model's rules say so");
  auto* parse_special = command->add_flag("--parse-special", options.parse_special,
                                          "Text that spells a special token becomes that token");
  auto* decode_option = command->add_option("--decode", options.decode, "Token ids to turn into text")->delimiter(',');
  command->add_flag("--skip-special", options.skip_special, "With --decode: leave special tokens out of the text")
      ->needs(decode_option);
  text->excludes(file);
  ids->excludes(json_flag);
  jsonl->excludes(ids)->excludes(json_flag)->excludes(text);
  decode_option->excludes(text)->excludes(file)->excludes(jsonl)->excludes(add_special)->excludes(parse_special);

  command->callback([arguments, &exit_code] {
    using Output = TokenizeOptions::Output;
    arguments->options.output = arguments->json ? Output::kJson : arguments->ids ? Output::kIds : Output::kTable;
    const auto done = tokenize(arguments->options, std::cin, std::cout);
    if (!done) std::cerr << "llorch-host tokenize: " << done.error().message << '\n';
    exit_code = done ? 0 : 1;
  });
}

}  // namespace llorch::tools
