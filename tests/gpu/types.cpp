// Every type of weights with heads of 128 components and prompts of hundreds of rows: the forms of the kernels that
// large models take. Their blocks for 9 to 32, 33 to 64 and more rows, chunks that take turns in shared memory,
// attention that merges several of them.
#include <algorithm>
#include <thread>

#include "compare.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

/// Against llama2_cpu, as a share of the root of the mean square of the logits.
///
/// Where keys and values are rounded too, the two plugins' rounding errors of attention (2^-11 and more) make some of
/// the int8 codes of activations their neighbours, 1/127 of 32 activations' largest away, and each layer makes more of
/// them: in the end both are as far from each other as roundings to int8 are, about 2 % after two layers. That is what
/// `rounded` allows, and only blunt errors exceed it. With f32 in the cache nothing differs but the order of sums,
/// 1e-7, and a code changes once in many rows. Those rows and what sees them are far off, but most sequences have none:
/// their median is what `exact` bounds, for F16 and BF16 weights the rounding of activations to 11 and 16 bits.
struct Tolerance {
  double rounded, exact;
};
Tolerance tolerance_of(const std::string& type) {
  if (type == "F32") return {5e-3, 2e-5};
  if (type == "F16") return {1.5e-2, 4e-3};
  if (type == "BF16") return {5e-3, 1e-4};
  return {6e-2, 1e-5};
}

/// Of a sequence, where many of them fill a batch.
constexpr std::uint32_t kShort = 10;
constexpr std::uint32_t kLeastSequences = 5;  // for the median to be of one that has none

constexpr std::int32_t kBefore = 11, kBehind = 29;  // rows of the neighbours in a batch

struct Extent {
  std::uint32_t rows;
  std::vector<std::size_t> pieces;
  std::vector<std::string> types;
};

Extent extent_of(const Subject& subject) {
  Extent out{300, {1, 8, 9, 33, 65, 130}, all_types()};
  if (subject.quick) {
    // More than two chunks of 64 rows, the widest blocks, and one type of each arrangement of codes and scales.
    out = {140, {8, 9, 33, 65}, {"F32", "F16", "BF16", "Q8_0", "Q4_K", "Q5_1", "Q6_K", "Q3_K", "IQ4_XS"}};
  }
  if (subject.rows > 0) out.rows = subject.rows;
  if (!subject.types.empty()) out.types = subject.types;
  return out;
}

struct Case {
  std::string type;
  std::uint32_t kv_type;
  std::string kv_name;
  RandomShape shape;
  std::uint32_t rows;
};

class Check {
 public:
  Check(const Subject& subject, Report& report) : subject_(subject), report_(report), extent_(extent_of(subject)) {}

  void run(const Case& c) {
    const auto source = make_random(c.shape, type_named(c.type));
    prompt_ = some_tokens(c.rows, static_cast<std::uint32_t>(c.shape.vocab), 1);
    const std::string name =
        c.type + ", KV " + c.kv_name + ", " + c.shape.name + ", " + std::to_string(c.shape.kv_heads) + " key heads: ";
    std::vector<float> whole;  // logits of every row
    report_.run("types", name + "same bytes", [&] {
      const Model model(subject_.plugin, *source);
      Context context(model, size(c, 4));
      whole = context.forward(rows_of(prompt_, 0, 0, true));
      require_logits(whole.data(), whole.size(), "the whole prompt");
      in_pieces(context, whole);
      beside_others(context, whole);
      return std::to_string(c.rows) + " rows at once, in " + std::to_string(extent_.pieces.size()) +
             " sizes of pieces, beside others";
    });
    report_.run("types", name + "as llama2_cpu", [&]() -> std::string {
      if (subject_.cpu == nullptr) throw Report::Skip{"no llama2_cpu was given"};
      require(!whole.empty(), "the plugin gave no logits");
      const Model reference(*subject_.cpu, *source);
      Context context(reference, size(c, 1));
      const double error = relative_rms(whole, context.forward(rows_of(prompt_, 0, 0, true)), context.n_vocab()).all;
      const double most = tolerance_of(c.type).rounded;
      require(error < most, "relative error " + number(error) + ", at most " + number(most));
      return "relative error " + number(error);
    });
  }

  /// Short sequences, all in one batch, keys and values in f32.
  void short_sequences(const std::string& type) {
    report_.run(
        "types", type + ", KV f32, " + std::to_string(kShort) + " rows a sequence: as llama2_cpu",
        [&]() -> std::string {
          if (subject_.cpu == nullptr) throw Report::Skip{"no llama2_cpu was given"};
          const RandomShape shape = wide_heads_shape(2);
          const auto source = make_random(shape, type_named(type));
          const Model model(subject_.plugin, *source), reference(*subject_.cpu, *source);
          const std::uint32_t width = model.info().vocab_size;
          // A code that is rounded the other way shows in all rows of its sequence that follow: the median wants
          // several.
          const std::uint32_t n_rows = std::max(extent_.rows, kLeastSequences * kShort);
          const std::vector<std::int32_t> tokens = some_tokens(n_rows, width, 4);
          std::vector<Row> rows;
          for (std::uint32_t i = 0; i < n_rows; ++i) {
            rows.push_back(
                {tokens[i], static_cast<std::int32_t>(i % kShort), static_cast<std::int32_t>(i / kShort), true});
          }
          const Case c{type, LLORCH_DTYPE_F32, "f32", shape, n_rows};
          const ContextSize many = size(c, n_rows / kShort + 1);
          Context context(model, many), expected(reference, many);
          const double error = relative_rms(context.forward(rows), expected.forward(rows), width).median_row;
          const double most = tolerance_of(type).exact;
          require(error < most, "relative error of the median row " + number(error) + ", at most " + number(most));
          return "relative error of the median row " + number(error);
        });
  }

 private:
  [[nodiscard]] static ContextSize size(const Case& c, std::uint32_t seqs) {
    const std::uint32_t batch = c.rows + kBefore + kBehind;
    const std::uint32_t threads = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
    // Blocks of the cache belong to one sequence: one more for each.
    return {c.rows + batch + 16 * 2 * seqs, seqs, batch, c.kv_type, threads};
  }

  void in_pieces(Context& context, const std::vector<float>& whole) const {
    const std::size_t width = context.n_vocab();
    for (const std::size_t piece : extent_.pieces) {
      context.remove(0, -1, -1);
      for (std::size_t at = 0; at < prompt_.size(); at += piece) {
        const std::vector<std::int32_t> tokens(
            prompt_.begin() + static_cast<std::ptrdiff_t>(at),
            prompt_.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, prompt_.size())));
        require_same(context.forward(rows_of(tokens, static_cast<std::int32_t>(at), 0, true)), whole, at, width,
                     "in pieces of " + std::to_string(piece));
      }
    }
    // Where only one row is asked for, the last block computes no other.
    context.remove(0, -1, -1);
    require_same(context.forward(rows_of(prompt_, 0, 0, false)), whole, prompt_.size() - 1, width,
                 "only the last row asked for");
  }

  /// In a batch between two other sequences; then one step of all three against each alone.
  void beside_others(Context& context, const std::vector<float>& whole) const {
    const std::uint32_t vocab = context.n_vocab();
    context.remove(0, -1, -1);
    std::vector<Row> rows = rows_of(some_tokens(kBefore, vocab, 2), 0, 2, false);
    for (const Row& row : rows_of(prompt_, 0, 1, true))
      rows.push_back(row);
    for (const Row& row : rows_of(some_tokens(kBehind, vocab, 3), 0, 3, false))
      rows.push_back(row);
    const std::vector<float> among = context.forward(rows);
    require(among.size() == whole.size() + 2 * std::size_t{vocab}, "other numbers of rows with logits");
    require_same({among.begin() + vocab, among.end() - vocab}, whole, 0, vocab, "between two others");

    const std::vector<Row> steps{
        {5, kBefore, 2, true}, {6, static_cast<std::int32_t>(prompt_.size()), 1, true}, {7, kBehind, 3, true}};
    const std::vector<float> together = context.forward(steps);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      context.remove(steps[i].seq, steps[i].position, -1);
      require_same(context.forward({steps[i]}), together, i, vocab, "a step beside two others");
    }
  }

  const Subject& subject_;
  Report& report_;
  Extent extent_;
  std::vector<std::int32_t> prompt_;
};

}  // namespace

void check_types(const Subject& subject, Report& report) {
  constexpr std::uint32_t kLongRows = 70;  // of a prompt: enough for the widest blocks
  Check check(subject, report);
  const Extent extent = extent_of(subject);
  const std::vector<std::string>& types = extent.types;
  const auto run = [&](const std::string& type, std::uint32_t kv_type, const char* kv_name, std::uint64_t kv_heads) {
    check.run({type, kv_type, kv_name, wide_heads_shape(kv_heads), extent.rows});
  };
  for (std::size_t i = 0; i < types.size(); ++i) {
    check.short_sequences(types[i]);
    // A short look takes the types of the cache in turn.
    if (!subject.quick || i % 2 == 0) run(types[i], LLORCH_DTYPE_F16, "f16", 2);
    if (!subject.quick || i % 2 == 1) run(types[i], LLORCH_DTYPE_Q8_0, "q8_0", 2);
    if (!subject.quick) check.run({types[i], LLORCH_DTYPE_F16, "f16", long_rows_shape(), kLongRows});
  }
  // What a head of its own for each query's changes has nothing to do with the type of the weights.
  run(types.front(), LLORCH_DTYPE_F16, "f16", 4);
  if (!subject.quick) run(types.front(), LLORCH_DTYPE_Q8_0, "q8_0", 4);
}

}  // namespace llorch::gpu_check
