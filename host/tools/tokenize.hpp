// `llorch-host tokenize`: text to token ids and back, with a model's own tokenizer.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace llorch::tools {

/// What the command line asks for.
struct TokenizeOptions {
  /// How the tokens of one text are shown.
  enum class Output : std::uint8_t {
    kTable,  ///< a line for each token: id and quoted bytes
    kIds,    ///< one line of ids
    kJson    ///< one object: text, ids and tokens
  };

  std::filesystem::path model;
  std::optional<std::string> text;  ///< else the file, else standard input
  std::optional<std::filesystem::path> file;
  std::vector<std::int64_t> decode;  ///< ids to turn into text; empty: encode
  Output output = Output::kTable;
  bool jsonl = false;  ///< one JSON string a line in, one array of ids a line out
  bool add_special = false;
  bool parse_special = false;
  bool skip_special = false;  ///< with `decode`: special tokens are left out of the text
};

/// Runs the command on `in` (when neither text nor file are given) and `out`. With `jsonl`, the answers to the lines
/// before a bad one are written; the error names the bad line's number.
[[nodiscard]] Result<void> tokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out);

/// Adds the subcommand; when it runs it stores its exit code: 0, or 1 after an error on standard error.
void add_tokenize(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
