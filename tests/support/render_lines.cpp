// Renders templates for tools/compare_jinja.py: one JSON object {"template", "context"} a line in, one {"text"} or
// {"error"} a line out.
#include <boost/json/serialize.hpp>
#include <iostream>
#include <string>

#include "base/json.hpp"
#include "chat/jinja_template.hpp"
#include "chat/printing.hpp"

namespace {

using llorch::Result;
using namespace llorch::chat;

Result<Text> render(const boost::json::object& job) {
  Result<JinjaTemplate> parsed = JinjaTemplate::parse(std::string(job.at("template").as_string()));
  if (parsed.has_error()) return parsed.error();
  Context context;
  for (const auto& member : job.at("context").as_object())
    context.emplace_back(member.key(), from_json(member.value(), Origin::kForeign));
  RenderOptions options;
  options.now = std::chrono::system_clock::from_time_t(1'735'689'600);  // 2025-01-01 in UTC
  return parsed->render(context, options);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto job = llorch::parse_json(line);
    if (!job || !job->is_object()) return 1;
    const Result<Text> text = render(job->get_object());
    boost::json::object answer;
    answer[text.has_value() ? "text" : "error"] = text.has_value() ? text->bytes() : text.error().message;
    std::cout << boost::json::serialize(answer) << '\n';
  }
}
