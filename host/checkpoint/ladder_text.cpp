// Rungs 10 to 12: from logits to tokens and text.
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "checkpoint/ladder_internal.hpp"

namespace llorch::checkpoint {
namespace {

/// The decoded ids, with a message that names the first that differs.
Finding same_ids(std::string subject, const std::vector<std::int32_t>& actual,
                 const std::vector<std::int32_t>& expected) {
  const auto [a, e] = std::mismatch(actual.begin(), actual.end(), expected.begin(), expected.end());
  if (a == actual.end() && e == expected.end()) return property(std::move(subject), true, "");
  const auto text = [](const auto& at, const auto& ids) { return at == ids.end() ? "none" : std::to_string(*at); };
  return property(std::move(subject), false,
                  fmt::format("id {}: found {}, expected {}", a - actual.begin(), text(a, actual), text(e, expected)));
}

/// The best ids in order. Two rows whose logits differ by at most `tolerance` may have another id in a place only where
/// the reference's own logits (here: logarithms of its probabilities) of the two lie within twice of that.
Finding best_ids(const std::string& subject, const std::vector<std::int32_t>& actual, const ReferenceCase& c,
                 const std::vector<float>& probabilities, double tolerance) {
  Finding exact = same_ids(subject, actual, c.top5);
  if (exact.verdict == Verdict::kYes || actual.size() != c.top5.size()) return exact;
  double worst = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto found = static_cast<std::size_t>(actual[i]);
    const auto expected = static_cast<std::size_t>(c.top5[i]);
    if (std::max(found, expected) >= probabilities.size()) return exact;
    worst = std::max(worst, std::fabs(std::log(double{probabilities[found]} / double{probabilities[expected]})));
  }
  const bool fits = worst <= 2.0 * tolerance;
  return {subject + ", near ties apart", worst, 2.0 * tolerance, fits ? Verdict::kYes : Verdict::kNo,
          fits ? std::string() : std::move(exact.detail)};
}

}  // namespace

Result<Rung> check_argmax(Climb& climb) {
  Rung rung{"10", "argmax", {}};
  for (const ReferenceCase& c : climb.reference.cases) {
    if (c.greedy_ids.empty()) continue;
    if (auto empty = forget(*climb.context, climb); !empty) return empty.error();
    const auto ids = decode_greedily(*climb.context, c.prompt_ids, c.greedy_ids.size());
    if (!ids) return ids.error();
    rung.findings.push_back(
        same_ids(fmt::format("case {}: {} greedy steps", c.name, c.greedy_ids.size()), *ids, c.greedy_ids));
  }
  if (rung.findings.empty()) rung.findings.push_back(skipped("-", "the reference has no greedy ids"));
  return rung;
}

Result<Rung> check_softmax(Climb& climb) {
  Rung rung{"11", "softmax probabilities", {}};
  for (const ReferenceCase& c : climb.reference.cases) {
    if (!c.probabilities && c.top5.empty()) continue;
    if (auto empty = forget(*climb.context, climb); !empty) return empty.error();
    const auto rows = feed(*climb.context, c.prompt_ids, 0, Wanted::kLast);
    if (!rows) return rows.error();
    const std::vector<double> probabilities = softmax(rows->back());
    std::vector<float> reference;
    if (c.probabilities) {
      auto expected = read_npy(*c.probabilities);
      if (!expected) return expected.error();
      const std::vector<float> actual(probabilities.begin(), probabilities.end());
      const std::string subject = fmt::format("case {}: probabilities", c.name);
      if (actual.size() != expected->values.size()) {
        rung.findings.push_back(property(
            subject, false, fmt::format("{} of them, the reference has {}", actual.size(), expected->values.size())));
        continue;
      }
      const Difference difference = compare(actual, expected->values);
      const double tolerance = climb.tolerances.probabilities.absolute;
      const bool fits = difference.max_error <= tolerance;
      Finding finding{subject, difference.max_error, tolerance, fits ? Verdict::kYes : Verdict::kNo, {}};
      if (!fits) {
        finding.detail =
            fmt::format("id {}: found {}, expected {}", difference.index, difference.actual, difference.expected);
      }
      rung.findings.push_back(std::move(finding));
      reference = std::move(expected->values);
    }
    const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
    Finding total{fmt::format("case {}: sum", c.name), std::fabs(sum - 1.0), 1e-6, Verdict::kYes, {}};
    if (!(total.max_error <= total.tolerance)) {
      total.verdict = Verdict::kNo;
      total.detail = fmt::format("the probabilities add up to {}", sum);
    }
    rung.findings.push_back(std::move(total));
    if (!c.top5.empty()) {
      std::vector<std::int32_t> order(probabilities.size());
      std::iota(order.begin(), order.end(), 0);
      const auto best = order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), c.top5.size()));
      std::partial_sort(order.begin(), best, order.end(), [&](std::int32_t a, std::int32_t b) {
        const double pa = rows->back()[static_cast<std::size_t>(a)];
        const double pb = rows->back()[static_cast<std::size_t>(b)];
        return pa > pb || (pa == pb && a < b);
      });
      order.erase(best, order.end());
      const std::string subject = fmt::format("case {}: top {}", c.name, c.top5.size());
      const Tolerances& tolerances = climb.tolerances;
      rung.findings.push_back(tolerances.rounds_activations() && !reference.empty()
                                  ? best_ids(subject, order, c, reference, tolerances.logits.of(rows->back()))
                                  : same_ids(subject, order, c.top5));
    }
  }
  if (rung.findings.empty()) rung.findings.push_back(skipped("-", "the reference has no probabilities"));
  return rung;
}

Result<Rung> check_end_to_end(Climb& climb) {
  Rung rung{"12", "end to end", {}};
  const tokenizer::Tokenizer* tokenizer = climb.subject.tokenizer;
  for (const ReferenceCase& c : climb.reference.cases) {
    if (c.greedy_ids.empty()) continue;
    std::vector<std::int32_t> prompt = c.prompt_ids;
    if (tokenizer != nullptr && c.prompt) {
      prompt = tokenizer->encode(*c.prompt, {.add_special = true});
      rung.findings.push_back(same_ids(fmt::format("case {}: prompt to ids", c.name), prompt, c.prompt_ids));
      if (rung.findings.back().verdict == Verdict::kNo) continue;
    }
    std::vector<std::int32_t> first;
    for (int run = 0; run < 2; ++run) {
      if (auto empty = forget(*climb.context, climb); !empty) return empty.error();
      auto ids = decode_greedily(*climb.context, prompt, c.greedy_ids.size());
      if (!ids) return ids.error();
      rung.findings.push_back(run == 0 ? same_ids(fmt::format("case {}: ids", c.name), *ids, c.greedy_ids)
                                       : same_ids(fmt::format("case {}: the same again", c.name), *ids, first));
      first = std::move(*ids);
    }
    if (tokenizer != nullptr && c.greedy_text) {
      const std::string text = tokenizer->decode(first);
      rung.findings.push_back(property(fmt::format("case {}: text", c.name), text == *c.greedy_text,
                                       fmt::format("found \"{}\", expected \"{}\"", text, *c.greedy_text)));
    }
  }
  if (rung.findings.empty()) rung.findings.push_back(skipped("-", "the reference has no greedy ids"));
  if (tokenizer == nullptr) rung.findings.push_back(skipped("text", "the model has no tokenizer"));
  return rung;
}

}  // namespace llorch::checkpoint
