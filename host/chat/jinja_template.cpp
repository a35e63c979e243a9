#include "chat/jinja_template.hpp"

#include <spdlog/fmt/fmt.h>

#include <new>

#include "base/text.hpp"
#include "chat/frame.hpp"
#include "chat/parser.hpp"

namespace llorch::chat {

struct JinjaTemplate::Tree {
  Body body;
};

JinjaTemplate::JinjaTemplate(std::string source, std::unique_ptr<const Tree> tree)
    : source_(std::move(source)), tree_(std::move(tree)) {}
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;
JinjaTemplate::~JinjaTemplate() = default;

Result<JinjaTemplate> JinjaTemplate::parse(std::string source) {
  if (source.size() > RenderLimits::kMaxSource) {
    return make_error(ErrorCode::kBadModel, fmt::format("chat template: expected at most {} bytes, found {}",
                                                        RenderLimits::kMaxSource, source.size()));
  }
  if (!is_utf8(source)) return make_error(ErrorCode::kBadModel, "chat template: expected UTF-8, found other bytes");
  try {
    auto tree = std::make_unique<Tree>(Tree{parse_template(source)});
    return JinjaTemplate(std::move(source), std::move(tree));
  } catch (const Failure& failure) {
    return make_error(ErrorCode::kBadModel, fmt::format("chat template, line {}: {}", failure.line, failure.message()));
  }
}

Result<Text> JinjaTemplate::render(const Context& context, const RenderOptions& options) const {
  Runtime runtime(options.limits, options.now);
  const auto root = std::make_shared<Scope>(nullptr);
  for (const auto& [name, value] : context)
    root->set(name, value);
  try {
    TextBuilder out(runtime);
    Frame frame{runtime, root, out};
    static_cast<void>(execute(tree_->body, frame));
    if (out.text().size() > options.limits.output_bytes) {
      throw LimitReached(fmt::format("the rendered text exceeds {} bytes", options.limits.output_bytes));
    }
    return out.take();
  } catch (const Raised& refusal) {
    const std::string& reason = refusal.message();
    return make_error(ErrorCode::kInvalidArgument, reason.empty() ? "the chat template refuses the messages" : reason);
  } catch (const Failure& failure) {
    const bool limit = dynamic_cast<const LimitReached*>(&failure) != nullptr;
    const std::uint32_t line = failure.line != 0 ? failure.line : runtime.line;
    return make_error(limit ? ErrorCode::kUnsupported : ErrorCode::kBadModel,
                      fmt::format("chat template, line {}: {}", line, failure.message()));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kOutOfMemory, "chat template: no memory to render it");
  }
}

}  // namespace llorch::chat
