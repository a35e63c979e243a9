// Tokenizer throughput on one core: English, hostile text, decoding, loading.
//   tokenizer_bench MODEL [TEXT-FILE] [Google Benchmark's options]
// MODEL is anything `llorch-host tokenize --model` takes. Without a file, a page of English is repeated to 2 MiB.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "model_file/model_file.hpp"
#include "tokenizer/incremental_decoder.hpp"
#include "tokenizer/tokenizer.hpp"

namespace {

using namespace llorch;
using tokenizer::Tokenizer;

constexpr std::string_view kEnglish =
    "The harbour was quiet when Anna came down to the boats. \"You're early,\" her uncle said, and he didn't look up "
    "from "
    "the net he was mending. It had rained for 3 days; the ropes were stiff, the planks were dark, and nobody had sold "
    "a "
    "single fish since Tuesday.\n\nShe sat on an upturned crate and counted the gulls: 14, then 15, then none at all, "
    "because something - a dog, perhaps - had run along the wall. \"They'll be back,\" he said. \"They always come "
    "back.\"\n";

std::string repeated(std::string_view unit, std::size_t size) {
  std::string text;
  while (text.size() < size)
    text += unit;
  return text;
}

std::unique_ptr<Tokenizer> load(const std::filesystem::path& path) {
  const auto model = model_file::ModelFile::open(path, {.vocabulary_only = true}).value();
  return tokenizer::load_tokenizer(*model).value();
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  std::size_t tokens = 0;
  for (auto _ : state) {
    const auto ids = tokenizer.encode(text);
    tokens = ids.size();
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

void decode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.encode(text);
  for (auto _ : state) {
    tokenizer::IncrementalDecoder decoder;
    for (const auto id : ids)
      benchmark::DoNotOptimize(decoder.push(tokenizer.token_bytes(id)));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * ids.size()));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s MODEL [TEXT-FILE]\n", argv[0]);
    return 2;
  }
  const std::filesystem::path model = argv[1];
  std::string english = repeated(kEnglish, 2u << 20);
  if (argc == 3) {
    std::ifstream file(argv[2], std::ios::binary);
    english.assign(std::istreambuf_iterator<char>(file), {});
    if (!file || english.empty()) {
      std::fprintf(stderr, "%s: cannot read\n", argv[2]);
      return 1;
    }
  }
  const auto tokenizer = load(model);
  constexpr std::size_t kMegabyte = 1'000'000;
  const auto add = [&](const char* name, std::string text) {
    benchmark::RegisterBenchmark(name, [&tokenizer, text = std::move(text)](benchmark::State& state) {
      encode(state, *tokenizer, text);
    })->Unit(benchmark::kMillisecond);
  };
  add("encode/english", english);
  add("encode/one_letter", repeated("a", kMegabyte));
  add("encode/spaces", repeated(" ", kMegabyte));
  add("encode/emoji", repeated("\xF0\x9F\xA6\x99", kMegabyte));
  add("encode/invalid_bytes", repeated("\xFF", kMegabyte));
  benchmark::RegisterBenchmark("decode/english", [&](benchmark::State& state) {
    decode(state, *tokenizer, english);
  })->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("load", [&](benchmark::State& state) {
    for (auto _ : state)
      benchmark::DoNotOptimize(load(model));
  })->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
