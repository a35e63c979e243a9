#include "tools/validate.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json.hpp>
#include <ostream>

namespace llorch::tools {
namespace {

namespace json = boost::json;
using conformance::Report;
using conformance::RuleResult;
using conformance::Verdict;

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed:
      return "pass";
    case Verdict::kFailed:
      return "FAIL";
    case Verdict::kSkipped:
      return "skip";
  }
  return "?";
}

void write_table(const Report& report, std::ostream& out) {
  out << fmt::format("plugin {}\nmodel  {}\n\n", report.plugin.string(), report.model);
  for (const RuleResult& result : report.results) {
    out << fmt::format("{}  {}  {}\n", result.rule.id, verdict_name(result.verdict), result.rule.title);
    if (!result.detail.empty()) out << fmt::format("            {}\n", result.detail);
    if (result.verdict == Verdict::kFailed) out << fmt::format("            why it matters: {}\n", result.rule.proves);
  }
  out << fmt::format("\n{} rules passed, {} failed, {} skipped\n", report.count(Verdict::kPassed),
                     report.count(Verdict::kFailed), report.count(Verdict::kSkipped));
}

json::object to_json(const Report& report) {
  json::array rules;
  for (const RuleResult& result : report.results) {
    rules.push_back(
        json::object{{"id", result.rule.id},
                     {"title", result.rule.title},
                     {"proves", result.rule.proves},
                     {"needs_model", result.rule.needs_model()},
                     {"verdict", result.verdict == Verdict::kFailed ? "fail" : verdict_name(result.verdict)},
                     {"detail", result.detail},
                     {"seconds", result.seconds}});
  }
  return {{"plugin", report.plugin.string()},
          {"model", report.model},
          {"conforms", report.conforms()},
          {"passed", report.count(Verdict::kPassed)},
          {"failed", report.count(Verdict::kFailed)},
          {"skipped", report.count(Verdict::kSkipped)},
          {"rules", std::move(rules)}};
}

}  // namespace

Result<bool> validate_plugin(const conformance::Options& options, bool as_json, std::ostream& out) {
  const auto report = conformance::validate(options);
  if (!report) return report.error();
  if (as_json) {
    out << json::serialize(to_json(*report)) << '\n';
  } else {
    write_table(*report, out);
  }
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "cannot write the report");
  return report->conforms();
}

}  // namespace llorch::tools
