#include "tokenizer/gguf_pre_tokenizers.hpp"

#include <algorithm>
#include <array>

#include "tokenizer/pre_tokenizer.hpp"

namespace llorch::tokenizer {
namespace {

using Pattern = std::string_view;

// The patterns are those of the models' own tokenizer.json files.
constexpr Pattern kDigit = R"re(\p{N})re";
constexpr Pattern kUpToThreeDigits = R"re(\p{N}{1,3})re";
constexpr Pattern kNewline = R"re([\r\n])re";

constexpr std::array kGpt2 = {kGpt2Pattern};
constexpr std::array kLlama3 = {kLlama3Pattern};
constexpr std::array kQwen2 = {kQwen2Pattern};
constexpr std::array kDigitsThenGpt2 = {kDigit, kGpt2Pattern};

constexpr std::array<Pattern, 1> kQwen35 = {
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)re"
    R"re(\s*[\r\n]+|\s+(?!\S)|\s+)re"};

// Mistral's Tekken: words begin where lower case ends.
constexpr std::array<Pattern, 1> kTekken = {
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)re"
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)re"
    R"re( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"};

constexpr std::array<Pattern, 1> kGpt4o = {
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)re"
    R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)re"
    R"re(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"};

// Letters of scripts with case, then punctuation, trailing white space, Chinese and Korean, numbers.
constexpr std::array<Pattern, 6> kDeepSeekLlm = {
    kNewline,
    R"re(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ)re"
    R"re(-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ)re"
    R"re(-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)re",
    R"re(\s?[!-/:-~！-／：-～‘-‟　-。]+)re",
    R"re(\s+$)re",
    R"re([一-龥ࠀ-一가-퟿]+)re",
    R"re(\p{N}+)re"};

constexpr std::array<Pattern, 5> kDeepSeekCoder = {kNewline, R"re(\s?\p{L}+)re", R"re(\s?\p{P}+)re",
                                                   R"re([一-龥ࠀ-一가-퟿]+)re", kDigit};

constexpr std::array<Pattern, 3> kDeepSeekV3 = {
    kUpToThreeDigits, R"re([一-龥぀-ゟ゠-ヿ]+)re",
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)re"
    R"re( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"};

constexpr std::array<Pattern, 3> kFalcon = {R"re([\p{P}$+<=>^~|`]+)re", kGpt2Pattern, R"re([0-9][0-9][0-9])re"};

constexpr std::array<Pattern, 1> kBloom = {R"re( ?[^(\s|.,!?…。，、।۔،)]+)re"};
constexpr std::array<Pattern, 2> kViking = {kBloom[0], kDigit};

constexpr std::array<Pattern, 1> kBailingMoe = {
    R"re('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)re"};

constexpr std::array<Pattern, 1> kSeedCoder = {
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|)re"
    R"re(\s*[\r\n]+|\s+(?!\S)|\s+)re"};

constexpr std::array<Pattern, 2> kMiniCpm5 = {
    kUpToThreeDigits, R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|)re"
                      R"re(\s*[\r\n]+|\s+(?!\S)|\s+)re"};

// Llama-3's, with runs of white space in powers of two.
constexpr std::array<Pattern, 1> kJais2 = {
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)re"
    R"re(\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|)re"
    R"re(\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})re"};

struct Entry {
  std::string_view name;
  GgufPreTokenizer pre;
};

constexpr GgufPreTokenizer kPlainGpt2 = {kGpt2};
constexpr GgufPreTokenizer kWholeLlama3 = {.patterns = kLlama3, .ignore_merges = true, .add_bos = true};
constexpr GgufPreTokenizer kPlainLlama3 = {kLlama3};
constexpr GgufPreTokenizer kPlainQwen2 = {kQwen2};
constexpr GgufPreTokenizer kPlainDigits = {kDigitsThenGpt2};
constexpr GgufPreTokenizer kPlainGpt4o = {kGpt4o};
constexpr GgufPreTokenizer kPlainDeepSeekV3 = {kDeepSeekV3};
constexpr GgufPreTokenizer kPlainBloom = {kBloom};
constexpr GgufPreTokenizer kPlainBailingMoe = {kBailingMoe};

// "default" is what converters write that did not know better: files of GPT-2's time.
constexpr Entry kEntries[] = {
    {"default", kPlainGpt2},
    {"gpt-2", kPlainGpt2},
    {"phi-2", kPlainGpt2},
    {"jina-es", kPlainGpt2},
    {"jina-de", kPlainGpt2},
    {"jina-v2-es", kPlainGpt2},
    {"jina-v2-de", kPlainGpt2},
    {"gigachat", kPlainGpt2},
    {"a.x-4.0", kPlainGpt2},
    {"mellum", kPlainGpt2},
    {"modern-bert", kPlainGpt2},
    {"mpt", kPlainGpt2},
    {"olmo", kPlainGpt2},
    {"jais", kPlainGpt2},
    {"trillion", kPlainGpt2},
    {"granite-docling", kPlainGpt2},
    {"exaone4", kPlainGpt2},
    {"llama3", kWholeLlama3},
    {"llama-v3", kWholeLlama3},
    {"llama-bpe", kWholeLlama3},
    {"falcon3", kWholeLlama3},
    {"falcon-h1", kWholeLlama3},
    {"pixtral", kWholeLlama3},
    {"midm-2.0", kWholeLlama3},
    {"lfm2", kWholeLlama3},
    {"dbrx", kPlainLlama3},
    {"smaug-bpe", kPlainLlama3},
    {"chatglm-bpe", kPlainLlama3},
    {"glm4", {.patterns = kLlama3, .ignore_merges = true}},
    {"qwen2", kPlainQwen2},
    {"deepseek-r1-qwen", kPlainQwen2},
    {"kormo", kPlainQwen2},
    {"megrez", kPlainQwen2},
    {"stablelm2", kPlainQwen2},
    {"hunyuan", kPlainQwen2},
    {"grok-2", kPlainQwen2},
    {"solar-open", kPlainQwen2},
    {"qwen35", {.patterns = kQwen35}},
    {"starcoder", kPlainDigits},
    {"refact", kPlainDigits},
    {"command-r", kPlainDigits},
    {"smollm", kPlainDigits},
    {"codeshell", kPlainDigits},
    {"exaone", kPlainDigits},
    {"minerva-7b", kPlainDigits},
    {"mellum2", kPlainDigits},
    {"tekken", {.patterns = kTekken, .ignore_merges = true, .add_bos = true}},
    {"gpt-4o", kPlainGpt4o},
    {"llama4", kPlainGpt4o},
    {"kanana2", kPlainGpt4o},
    {"minimax-m2", kPlainGpt4o},
    {"deepseek-llm", {.patterns = kDeepSeekLlm}},
    {"deepseek-coder", {.patterns = kDeepSeekCoder}},
    {"deepseek-v3", kPlainDeepSeekV3},
    {"hunyuan-dense", kPlainDeepSeekV3},
    {"joyai-llm", kPlainDeepSeekV3},
    {"falcon", {.patterns = kFalcon}},
    {"bloom", kPlainBloom},
    {"poro-chat", kPlainBloom},
    {"gpt3-finnish", kPlainBloom},
    {"viking", {.patterns = kViking}},
    {"bailingmoe", kPlainBailingMoe},
    {"bailingmoe2", kPlainBailingMoe},
    {"llada-moe", kPlainBailingMoe},
    {"seed-coder", {.patterns = kSeedCoder}},
    {"minicpm5", {.patterns = kMiniCpm5, .ignore_merges = true}},
    {"jais-2", {.patterns = kJais2}},
};

}  // namespace

const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kEntries), std::end(kEntries), [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(kEntries) ? nullptr : &found->pre;
}

}  // namespace llorch::tokenizer
