#include "conformance/kit.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "conformance/model_source.hpp"
#include "conformance/subject.hpp"
#include "model_file/model_file.hpp"
#include "plugin/elf_file.hpp"

namespace llorch::conformance {
namespace {

/// The model that rules are asked about, and what keeps it alive.
struct ChosenModel {
  std::string description;
  const llorch_source* source = nullptr;
  std::vector<std::string> keys;
  bool generated = false;
  std::unique_ptr<MemoryModel> small;
  std::unique_ptr<model_file::ModelFile> file;
};

Result<ChosenModel> open_model(const std::filesystem::path& path) {
  auto opened = model_file::ModelFile::open(path);
  if (!opened) return opened.error();
  ChosenModel out;
  out.description = path.string();
  out.file = std::move(*opened);
  out.source = &out.file->source();
  const std::string prefix = std::string(out.file->architecture()) + ".";
  for (const auto& [key, value] : out.file->metadata().entries()) {
    const bool scalar = !std::holds_alternative<model_file::Array>(value);
    if (scalar && (key.starts_with(prefix) || key == "general.architecture")) out.keys.push_back(key);
  }
  return out;
}

/// The families that llorch_plugin_query names, in its order; when it names none, all that the kit can make.
std::vector<std::string> families_of(const std::string& architectures) {
  if (architectures.empty()) return {"embedding", "gpt2", "llama"};
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= architectures.size();) {
    const std::size_t end = std::min(architectures.find(',', begin), architectures.size());
    const std::string_view name = std::string_view(architectures).substr(begin, end - begin);
    const std::size_t from = name.find_first_not_of(' ');
    if (from != std::string_view::npos) out.emplace_back(name.substr(from, name.find_last_not_of(' ') - from + 1));
    begin = end + 1;
  }
  return out;
}

/// A small model of the first family that the kit knows and, if there is a choice, the plugin accepts.
ChosenModel make_model(const Options& options) {
  ChosenModel out;
  const Target bare{options.plugin, nullptr, {}, false, 0, 0};
  const Outcome asked = run_in_child(
      [&] {
        Subject subject(bare);
        return std::string(subject.info().architectures);
      },
      options.limit);
  if (asked.verdict != Verdict::kPassed) {
    out.description = "none: the plugin does not say which models it runs";
    return out;
  }
  const auto families = families_of(asked.detail);
  for (const std::string& family : families) {
    auto small = std::make_unique<MemoryModel>();
    if (!make_small_model(family, *small)) continue;
    const Target target{options.plugin, &small->source(), small->keys(), true, 0, 0};
    const auto accepts = [&] {
      Subject subject(target);
      return (void)subject.probe(), std::string();
    };
    const bool first = out.source == nullptr;
    const bool taken = run_in_child(accepts, options.limit).verdict == Verdict::kPassed;
    // One that the plugin names and refuses all the same is kept for the rule that says so.
    if (!first && !taken) continue;
    out.description = fmt::format("a small random model, {}", family);
    out.source = &small->source();
    out.keys = small->keys();
    out.generated = true;
    out.small = std::move(small);
    if (taken) return out;
  }
  if (out.source == nullptr) {
    out.description = fmt::format("none: the kit cannot make one for {}; give one with --model", asked.detail);
  }
  return out;
}

/// An error when the plugin lacks the types of the cache that the rules' contexts would have: a choice, not a breach.
Result<void> check_kv_types(const Target& target, std::chrono::milliseconds limit) {
  if (target.source == nullptr || (target.kv_dtype_k == 0 && target.kv_dtype_v == 0)) return {};
  const auto refusal = [&](std::uint32_t kv_dtype_k, std::uint32_t kv_dtype_v) {
    return run_in_child(
        [&] {
          Subject subject(target);
          llorch_context_params params{};
          params.struct_size = sizeof params;
          params.max_tokens = std::min(16U, subject.probe().max_positions);
          params.kv_dtype_k = kv_dtype_k;
          params.kv_dtype_v = kv_dtype_v;
          llorch_context* context = nullptr;
          const Answer answer = ask("context_create", [&](llorch_error* error) {
            return subject.api().context_create(subject.model().handle(), &params, &context, error);
          });
          subject.api().context_destroy(context);
          return answer.status == LLORCH_UNSUPPORTED ? answer.text() : std::string();
        },
        limit);
  };
  const Outcome asked = refusal(target.kv_dtype_k, target.kv_dtype_v);
  // What fails in another way, or with the plugin's own types too, is for the rules to say.
  if (asked.verdict != Verdict::kPassed || asked.detail.empty() || !refusal(0, 0).detail.empty()) return {};
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("--kv-type: {} lacks the types of the KV cache that were asked for: {}",
                                target.plugin.string(), asked.detail));
}

RuleResult ask_rule(const Rule& rule, const Target& target, const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = run_in_child(
      [&] {
        Subject subject(target);
        rule.check(subject);
        return subject.note;
      },
      options.limit);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return {rule, outcome.verdict, outcome.detail, took.count()};
}

}  // namespace

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> rules = [] {
    std::vector<Rule> out;
    for (const auto& part : {library_rules(), struct_rules(), source_rules(), limit_rules(), cache_rules(),
                             state_rules(), compute_rules(), resource_rules()}) {
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }();
  return rules;
}

std::size_t Report::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::count_if(results.begin(), results.end(),
                                                [&](const RuleResult& result) { return result.verdict == verdict; }));
}

Result<void> check_ids(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    const auto& rules = all_rules();
    if (std::none_of(rules.begin(), rules.end(), [&](const Rule& rule) { return id == rule.id; })) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("no rule {}: expected {} to {}", id, rules.front().id, rules.back().id));
    }
  }
  return {};
}

Result<Report> validate(const Options& options) {
  if (auto known = check_ids(options.only); !known) return known.error();
  if (auto elf = plugin::read_elf_file(options.plugin); !elf) return elf.error();
  ChosenModel model;
  if (options.model.empty()) {
    model = make_model(options);
  } else {
    auto opened = open_model(options.model);
    if (!opened) return opened.error();
    model = std::move(*opened);
  }
  const Target target{options.plugin,  model.source,       model.keys,
                      model.generated, options.kv_dtype_k, options.kv_dtype_v};
  if (auto has = check_kv_types(target, options.limit); !has) return has.error();
  Report report{options.plugin, model.description, {}};
  std::string missing;  // why rules beyond `reached` cannot be asked
  auto reached = Stage::kRunning;
  if (target.source == nullptr) {
    reached = Stage::kOpened;
    missing = "there is no model";
  }
  for (const Rule& rule : all_rules()) {
    const bool wanted =
        options.only.empty() || std::find(options.only.begin(), options.only.end(), rule.id) != options.only.end();
    if (!wanted && rule.opens == Stage::kFile) continue;
    if (rule.needs > reached) {
      report.results.push_back({rule, Verdict::kSkipped, missing, 0});
      continue;
    }
    report.results.push_back(ask_rule(rule, target, options));
    const RuleResult& result = report.results.back();
    if (result.verdict == Verdict::kPassed || rule.opens == Stage::kFile) continue;
    reached = std::min(reached, static_cast<Stage>(static_cast<int>(rule.opens) - 1));
    missing = result.verdict == Verdict::kFailed ? fmt::format("it rests on {}, which failed", rule.id) : result.detail;
  }
  return report;
}

}  // namespace llorch::conformance
