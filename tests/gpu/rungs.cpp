// The checkpoint references, as docs/checkpoints.md describes them: every tensor that a tap shows, then logits, then
// ids.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "json.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

namespace fs = std::filesystem;

struct Tested {
  const char* model;
  const char* reference;
  /// Of the largest magnitude in the tensor. Float weights and float keys: what other orders of summation make of
  /// floats. Halves: activations are rounded to 11 bits before a product, and keys and values to 11 bits in the cache;
  /// 8 for bf16 weights, whose activations keep 16.
  double tolerance_f32, tolerance_default;
};
constexpr Tested kTested[] = {
    {"tests/fixtures/llama_random.gguf", "tests/fixtures/llama_random/reference", 5e-5, 5e-3},
    {"tests/fixtures/llama_random_linear.gguf", "tests/fixtures/llama_random_linear/reference", 5e-5, 5e-3},
    {"tests/fixtures/llama_random_llama3.gguf", "tests/fixtures/llama_random_llama3/reference", 5e-4, 5e-3},
    {"tests/fixtures/llama_random_yarn.gguf", "tests/fixtures/llama_random_yarn/reference", 5e-3, 5e-3},
    {"tests/fixtures/mistral_random.gguf", "tests/fixtures/mistral_random/reference", 5e-5, 5e-3},
    {"models/tiny-llama2.gguf", "tests/fixtures/tiny_llama2_reference", 5e-3, 1e-2},
};

const std::map<std::string, std::uint32_t> kTapIds{{"embed", LLORCH_TAP_EMBED},
                                                   {"attn_norm", LLORCH_TAP_ATTN_NORM},
                                                   {"q", LLORCH_TAP_Q},
                                                   {"k", LLORCH_TAP_K},
                                                   {"v", LLORCH_TAP_V},
                                                   {"scores", LLORCH_TAP_SCORES},
                                                   {"attn_out", LLORCH_TAP_ATTN_OUT},
                                                   {"ffn_norm", LLORCH_TAP_FFN_NORM},
                                                   {"ffn_out", LLORCH_TAP_FFN_OUT},
                                                   {"block_out", LLORCH_TAP_BLOCK_OUT},
                                                   {"final_norm", LLORCH_TAP_FINAL_NORM},
                                                   {"logits", LLORCH_TAP_LOGITS},
                                                   {"q_rotated", LLORCH_TAP_Q_ROTATED},
                                                   {"k_rotated", LLORCH_TAP_K_ROTATED}};

/// The floats of a .npy file (float32, C order), whose header ends with a line break.
std::vector<float> read_npy(const fs::path& path) {
  const std::string bytes = read_file(path);
  require(bytes.size() > 10 && bytes.compare(1, 5, "NUMPY") == 0, path.string() + ": no .npy file");
  const std::string header = bytes.substr(0, bytes.find('\n') + 1);
  require(header.find("'<f4'") != std::string::npos && header.find("False") != std::string::npos,
          path.string() + ": expected float32 in C order");
  std::vector<float> out((bytes.size() - header.size()) / sizeof(float));
  std::memcpy(out.data(), bytes.data() + header.size(), out.size() * sizeof(float));
  return out;
}

/// Largest difference over largest magnitude; -inf must meet -inf.
double difference(const float* found, const std::vector<float>& expected, const std::string& what) {
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isinf(expected[i]) || std::isinf(found[i])) {
      require(expected[i] == found[i], what + ": element " + std::to_string(i) + ": expected " + number(expected[i]) +
                                           ", found " + number(found[i]));
      continue;
    }
    const double d = std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
    require(!std::isnan(d), what + ": element " + std::to_string(i) + " is no number");
    most = std::max(most, d);
    scale = std::max(scale, std::fabs(static_cast<double>(expected[i])));
  }
  return scale == 0 ? most : most / scale;
}

constexpr std::size_t kFewIds = 4;  // in a quick run

using Key = std::pair<std::uint32_t, std::int32_t>;  // tap, layer

std::string climb(const Subject& subject, const Tested& tested, const Json& test, std::uint32_t kv_type,
                  double tolerance) {
  const fs::path folder = subject.root / tested.reference;
  const auto source = open_gguf(subject.root / tested.model);
  const Model model(subject.plugin, *source);
  const auto prompt = test.at("prompt_ids").numbers<std::int32_t>();
  const auto n = static_cast<std::uint32_t>(prompt.size());
  auto ids = test.at("greedy_ids").numbers<std::int32_t>();
  if (subject.quick && ids.size() > kFewIds) ids.resize(kFewIds);
  const ContextSize size{std::max(n, std::min<std::uint32_t>(model.info().max_positions, n + 96)), 1, n, kv_type};
  Context context(model, size);

  std::map<Key, std::vector<float>> seen;
  std::uint64_t mask = 0;
  for (const Json& tensor : test.at("tensors").elements)
    mask |= std::uint64_t{1} << kTapIds.at(tensor.at("tap").text);
  context.tap(mask & model.info().taps, [&](const llorch_tap_event& event) {
    std::size_t count = 1;
    for (std::uint32_t d = 0; d < event.n_dims; ++d)
      count *= event.dims[d];
    const auto* data = static_cast<const float*>(event.data);
    auto& out = seen[{event.tap, event.layer}];
    out.insert(out.end(), data, data + count);
  });
  const std::vector<float> logits = context.forward(rows_of(prompt, 0, 0, true));
  context.tap(0, {});

  double worst = 0;
  std::string where = "nothing";
  const auto compare = [&](const float* found, std::size_t count, const fs::path& file, const std::string& what) {
    const std::vector<float> expected = read_npy(folder / file);
    require(count == expected.size(),
            what + ": expected " + std::to_string(expected.size()) + " elements, found " + std::to_string(count));
    const double error = difference(found, expected, what);
    require(error <= tolerance, what + ": relative error " + number(error) + ", at most " + number(tolerance));
    if (error >= worst) {
      worst = error;
      where = what;
    }
  };
  int compared = 0;
  for (const Json& tensor : test.at("tensors").elements) {
    const auto layer = static_cast<std::int32_t>(tensor.at("layer").number);
    const auto found = seen.find({kTapIds.at(tensor.at("tap").text), layer});
    const std::string what = tensor.at("tap").text + (layer < 0 ? "" : " of layer " + std::to_string(layer));
    require(found != seen.end(), what + ": no tap showed it");
    compare(found->second.data(), found->second.size(), tensor.at("file").text, what);
    ++compared;
  }
  if (const Json* rows = test.find("logits_rows"); rows != nullptr && rows->kind == Json::Kind::kArray) {
    std::vector<float> some;
    for (const Json& row : rows->elements) {
      const auto at = logits.begin() + static_cast<std::ptrdiff_t>(row.number) * model.info().vocab_size;
      some.insert(some.end(), at, at + model.info().vocab_size);
    }
    compare(some.data(), some.size(), test.at("logits").text, "logits");
  } else {
    compare(logits.data(), logits.size(), test.at("logits").text, "logits");
  }
  // Ids, as far as the reference's own choice is clearer than the tolerance.
  const double gap = test.at("min_greedy_gap").number;
  context.remove(0, -1, -1);
  int equal = 0;
  if (!ids.empty()) {
    const auto found = greedy(context, prompt, static_cast<int>(ids.size()));
    while (equal < static_cast<int>(ids.size()) &&
           found[static_cast<std::size_t>(equal)] == ids[static_cast<std::size_t>(equal)])
      ++equal;
  }
  require(equal == static_cast<int>(ids.size()) || kv_type != LLORCH_DTYPE_F32 || gap < 1e-3,
          "greedy ids differ from number " + std::to_string(equal) + " on");
  return std::to_string(compared + 1) + " tensors, worst " + where + " " + number(worst) + "; " +
         std::to_string(equal) + " of " + std::to_string(ids.size()) + " ids";
}

}  // namespace

void check_rungs(const Subject& subject, Report& report) {
  for (const Tested& tested : kTested) {
    const Json manifest = Json::parse(read_file(subject.root / tested.reference / "manifest.json"));
    for (const Json& test : manifest.at("cases").elements) {
      for (const bool f32 : {true, false}) {
        const std::string name =
            fs::path(tested.model).stem().string() + ", " + test.at("name").text + ", KV " + (f32 ? "f32" : "default");
        report.run("rungs", name, [&] {
          return climb(subject, tested, test, f32 ? LLORCH_DTYPE_F32 : LLORCH_DTYPE_DEFAULT,
                       f32 ? tested.tolerance_f32 : tested.tolerance_default);
        });
      }
    }
  }
}

}  // namespace llorch::gpu_check
