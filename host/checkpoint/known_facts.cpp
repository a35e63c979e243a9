#include "checkpoint/known_facts.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "checkpoint/ladder_internal.hpp"
#include "sampling/sampler.hpp"

namespace llorch::checkpoint {
namespace {

constexpr std::string_view kTransformers =
    "huggingface/transformers tests/models/gpt2/test_modeling_gpt2.py@031e0ac81793a27f2466ca34972846ee592c5406";
constexpr std::string_view kTinygrad = "tinygrad/tinygrad examples/gpt2.py@a9069c177a9da9cca18593edf55acd2e6073cca6";
constexpr std::string_view kPicoGpt = "jaymody/picoGPT README.md@817292baea75f194fb0bb8ba2aa5f947af4e45ee";
constexpr std::string_view kLlamaCpp = "ggml-org/llama.cpp models/ggml-vocab-llama-spm.gguf.out, with <s> before it";
constexpr std::string_view kLlamaTokenizer =
    "huggingface/transformers tests/models/llama/test_tokenization_llama.py@01b6c9cb45700190afcc77e7499c60187450d244";
constexpr std::string_view kLlama =
    "huggingface/transformers tests/models/llama/test_modeling_llama.py@0166869ec9f9a9aa666c5422b2c66f7bd1757a6a";
constexpr std::string_view kTinygradLlama =
    "tinygrad/tinygrad examples/llama.py@a9069c177a9da9cca18593edf55acd2e6073cca6";

std::vector<KnownModel> make_known_models() {
  KnownModel small{"gpt2", "gpt2", 12, 12, 768, 50257, 1024, {}};
  small.texts = {
      {"",
       {464, 3290},
       {373, 1043, 287, 257, 2214, 1474, 262, 16246, 286, 2688, 290, 2688, 27262, 13, 198, 198, 464, 3290},
       "",
       kTransformers},
      {"Hello, my dog is a little", {}, {}, " bit of a mess. I'm not sure if he's going", kTransformers},
      {"Today, I", {}, {}, "'m going to be doing a lot of research on this. I", kTransformers},
      {"Alan Turing theorized that computers would one day become",
       {},
       {},
       " the most powerful machines on the planet.\n\nThe computer is a machine that can perform complex calculations, "
       "and it can perform these calculations in a way that is very similar to the human brain.",
       kPicoGpt},
  };
  KnownModel medium{"gpt2-medium", "gpt2", 24, 16, 1024, 50257, 1024, {}};
  medium.texts = {
      {"Hello.", {15496, 13}, {}, " I'm a little late to the party, but", kTinygrad},
      {"What is the answer to life, the universe, and everything?",
       {},
       {},
       "\n\nThe answer is that we are all one",
       kTinygrad},
  };
  KnownModel llama{"llama-2-7b", "llama", 32, 32, 4096, 32000, 4096, {}};
  llama.texts = {
      {"Hello", {1, 15043}, {}, "", kLlamaCpp, true},
      {"This is a test", {1, 910, 338, 263, 1243}, {}, "", kLlamaTokenizer, true},
      {"Hello.", {}, {}, " I'm a 20 year old girl", kTinygradLlama, true},
      {"Simply put, the theory of relativity states that ",
       {},
       {},
       "1) the speed of light is constant in all inertial reference frames",
       kLlama,
       true},
  };
  return {std::move(small), std::move(medium), std::move(llama)};
}

/// Compares the sizes in the file with those of the known model.
Result<Rung> check_shape(const model_file::ModelFile& file, const KnownModel& known, const llorch_model_info& info) {
  Rung rung{"0", "foundation", {}};
  const std::string found_architecture(file.architecture());
  rung.findings.push_back(property(
      "architecture", found_architecture == known.architecture,
      fmt::format("found {}, {} is a {}: this is another model", found_architecture, known.name, known.architecture)));
  if (rung.verdict() == Verdict::kNo) return rung;
  const std::string prefix = found_architecture + ".";
  const std::pair<const char*, std::uint64_t> expected[] = {{"block_count", known.n_layers},
                                                            {"attention.head_count", known.n_heads},
                                                            {"embedding_length", known.n_embd},
                                                            {"context_length", known.context_length}};
  for (const auto& [key, value] : expected) {
    const auto found = file.metadata().u64(prefix + key);
    if (!found) return found.error();
    rung.findings.push_back(property(
        key, *found == value, fmt::format("found {}, {} has {}: this is another model", *found, known.name, value)));
  }
  rung.findings.push_back(property(
      "vocabulary", info.vocab_size == known.vocab_size,
      fmt::format("found {} ids, {} has {}: this is another model", info.vocab_size, known.name, known.vocab_size)));
  return rung;
}

/// Continues until `enough` says so; the context is emptied first.
template <class Enough>
Result<std::vector<std::int32_t>> continue_until(plugin::Context& context, const std::vector<std::int32_t>& prompt,
                                                 std::size_t limit, const Enough& enough) {
  if (auto empty = context.kv_seq_remove(0, -1, -1); !empty) return empty.error();
  std::vector<std::int32_t> out;
  auto rows = feed(context, prompt, 0, Wanted::kLast);
  while (rows) {
    if (auto sound = sampling::check_logits(rows->back()); !sound) return sound.error();
    out.push_back(sampling::argmax(rows->back()));
    if (out.size() == limit || enough(out)) return out;
    const auto position = static_cast<std::int32_t>(prompt.size() + out.size() - 1);
    rows = feed(context, std::span(out).last(1), position, Wanted::kLast);
  }
  return rows.error();
}

/// The text of ids that go on with another: a space at its beginning is part of it.
std::string written(const tokenizer::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  std::string text;
  for (const std::int32_t id : ids)
    text += tokenizer.token_bytes(id);
  return text;
}

Result<Finding> check_text(plugin::Context& context, const tokenizer::Tokenizer& tokenizer, const KnownText& known) {
  std::vector<std::int32_t> prompt = known.prompt_ids;
  std::string subject = quote(known.prompt);
  if (known.prompt.empty()) {
    subject = quote(tokenizer.decode(prompt));
  } else {
    prompt = tokenizer.encode(known.prompt, {.add_special = known.add_special});
    if (!known.prompt_ids.empty() && prompt != known.prompt_ids) {
      return property(std::move(subject), false,
                      fmt::format("the prompt's ids are {}, published: {} ({})", fmt::join(prompt, " "),
                                  fmt::join(known.prompt_ids, " "), known.source));
    }
  }
  if (known.new_ids.empty() && known.new_text.empty()) return property(std::move(subject), true, "");
  constexpr std::size_t kMostIds = 64;
  const auto ids =
      continue_until(context, prompt, known.new_ids.empty() ? kMostIds : known.new_ids.size(),
                     [&](const std::vector<std::int32_t>& so_far) {
                       return known.new_ids.empty() && written(tokenizer, so_far).size() >= known.new_text.size();
                     });
  if (!ids) return ids.error();
  const std::string text = written(tokenizer, *ids);
  if (!known.new_ids.empty()) {
    return property(std::move(subject), *ids == known.new_ids,
                    fmt::format("continued {}, published: {} ({})", quote(text),
                                quote(written(tokenizer, known.new_ids)), known.source));
  }
  return property(std::move(subject), text.starts_with(known.new_text),
                  fmt::format("continued {}, published: {} ({})", quote(text), quote(known.new_text), known.source));
}

}  // namespace

const std::vector<KnownModel>& known_models() {
  static const std::vector<KnownModel> models = make_known_models();
  return models;
}

Result<const KnownModel*> find_known_model(std::string_view name) {
  std::string names;
  for (const KnownModel& model : known_models()) {
    if (model.name == name) return &model;
    names += (names.empty() ? "" : ", ") + std::string(model.name);
  }
  return make_error(ErrorCode::kNotFound, fmt::format("no facts about {}; known are: {}", name, names));
}

Result<LadderResult> check_known(const Subject& subject, const model_file::ModelFile& file, const KnownModel& known,
                                 const std::function<void(const Rung&)>& on_rung) {
  if (subject.tokenizer == nullptr) {
    return make_error(ErrorCode::kUnsupported, "the facts are texts: the model needs its tokenizer");
  }
  LadderResult out;
  const auto finish = [&](Rung rung) {
    if (on_rung) on_rung(rung);
    for (const Finding& finding : rung.findings) {
      if (finding.verdict != Verdict::kNo || !out.first_difference.empty()) continue;
      out.first_difference = fmt::format("{}: {}", finding.subject, finding.detail);
    }
    out.rungs.push_back(std::move(rung));
    return out.rungs.back().verdict() != Verdict::kNo;
  };
  auto shape = check_shape(file, known, subject.model->info());
  if (!shape) return shape.error();
  if (!finish(std::move(*shape))) return out;

  plugin::ContextParams params;
  params.max_tokens = std::min<std::uint32_t>(subject.model->info().max_positions, 256);
  params.max_batch_tokens = params.max_tokens;
  params.n_threads = subject.n_threads;
  params.kv_dtype_k = subject.kv_dtype_k;
  params.kv_dtype_v = subject.kv_dtype_v;
  const auto context = subject.model->create_context(params);
  if (!context) return context.error();
  Rung rung{"12", "end to end", {}};
  for (const KnownText& text : known.texts) {
    auto finding = check_text(**context, *subject.tokenizer, text);
    if (!finding) return finding.error();
    rung.findings.push_back(std::move(*finding));
  }
  finish(std::move(rung));
  return out;
}

}  // namespace llorch::checkpoint
