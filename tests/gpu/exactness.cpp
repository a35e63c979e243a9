// The same bytes, whatever surrounds a row.
#include <algorithm>

#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

constexpr std::int32_t kPrompt = 70, kNew = 12;

/// Logits of the last row of the prompt and of kNew rows behind it, the prompt in pieces of `chunk`, in sequence `seq`.
std::vector<float> run(Context& context, const std::vector<std::int32_t>& prompt, std::size_t chunk,
                       std::int32_t seq = 0) {
  context.remove(seq, -1, -1);
  std::vector<float> out, logits;
  for (std::size_t at = 0; at < prompt.size(); at += chunk) {
    const std::vector<std::int32_t> piece(
        prompt.begin() + static_cast<std::ptrdiff_t>(at),
        prompt.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, prompt.size())));
    logits = context.forward(rows_of(piece, static_cast<std::int32_t>(at), seq, false));
  }
  out = logits;
  for (std::int32_t i = 0; i < kNew; ++i) {
    const std::int32_t token = argmax(logits.data(), context.n_vocab());
    logits = context.forward({{token, static_cast<std::int32_t>(prompt.size()) + i, seq, true}});
    out.insert(out.end(), logits.begin(), logits.end());
  }
  return out;
}

struct Setting {
  const char* name;
  std::uint32_t kv_type;
};
constexpr Setting kSettings[] = {
    {"default", LLORCH_DTYPE_DEFAULT}, {"f32", LLORCH_DTYPE_F32}, {"q8_0", LLORCH_DTYPE_Q8_0}};

}  // namespace

void check_exactness(const Subject& subject, Report& report) {
  const auto source = open_gguf(subject.root / "models/tiny-llama2.gguf");
  for (const Setting& kv : kSettings) {
    const std::string suffix = ", KV " + std::string(kv.name);
    const auto with_context = [&](auto&& body) {
      return [&, body] {
        const Model model(subject.plugin, *source);
        Context context(model, {512, 4, 128, kv.kv_type});
        return body(context, some_tokens(kPrompt, model.info().vocab_size, 1));
      };
    };
    report.run("exactness", "again and again" + suffix, with_context([&](Context& context, const auto& prompt) {
                 const int runs = subject.quick ? 3 : 100;
                 const auto first = run(context, prompt, 128);
                 for (int i = 1; i < runs; ++i)
                   require(run(context, prompt, 128) == first, "run " + std::to_string(i) + " differs");
                 return std::to_string(runs) + " runs of " + std::to_string(kPrompt) + " + " + std::to_string(kNew) +
                        " tokens";
               }));
    report.run("exactness", "any chunking" + suffix, with_context([&](Context& context, const auto& prompt) {
                 const auto whole = run(context, prompt, 128);
                 const std::vector<std::size_t> chunks = subject.quick
                                                             ? std::vector<std::size_t>{1, 9, 64}
                                                             : std::vector<std::size_t>{1, 2, 5, 8, 9, 16, 33, 64, 69};
                 for (const std::size_t chunk : chunks) {
                   require(run(context, prompt, chunk) == whole,
                           "in pieces of " + std::to_string(chunk) + " the bytes differ");
                 }
                 return std::to_string(chunks.size() + 1) + " sizes of pieces, 1 to " + std::to_string(kPrompt);
               }));
    report.run(
        "exactness", "any neighbours" + suffix, with_context([&](Context& context, const auto& prompt) {
          const std::uint32_t vocab = context.n_vocab();
          const std::vector<float> alone = context.forward(rows_of(prompt, 0, 0, true));
          context.remove(0, -1, -1);
          std::vector<Row> rows = rows_of(some_tokens(11, vocab, 2), 0, 2, false);
          const std::size_t before = 1;  // row with logits
          for (const Row& row : rows_of(prompt, 0, 1, true))
            rows.push_back(row);
          for (const Row& row : rows_of(some_tokens(29, vocab, 3), 0, 3, false))
            rows.push_back(row);
          const std::vector<float> among = context.forward(rows);
          require(std::equal(alone.begin(), alone.end(), among.begin() + static_cast<std::ptrdiff_t>(before * vocab)),
                  "a prompt between two others gives other bytes");
          // One step of three sequences at once against each alone.
          const Row steps[] = {{5, 70, 1, true}, {6, 11, 2, true}, {7, 29, 3, true}};
          const std::vector<float> together = context.forward({steps[0], steps[1], steps[2]});
          for (std::size_t i = 0; i < 3; ++i) {
            context.remove(steps[i].seq, steps[i].position, -1);
            const std::vector<float> single = context.forward({steps[i]});
            require(std::equal(single.begin(), single.end(), together.begin() + static_cast<std::ptrdiff_t>(i * vocab)),
                    "a step beside two others gives other bytes");
          }
          return std::string("three sequences in one batch");
        }));
  }
}

}  // namespace llorch::gpu_check
