// K-12 and K-13: older and newer hosts. Structs that end early, and structs that go on with poison behind version 1.
#include "conformance/context.hpp"
#include "conformance/model_source.hpp"

namespace llorch::conformance {
namespace {

constexpr std::size_t kLater = 64;  // bytes that a later version might add

void takes_shorter_and_longer_input(Subject& subject) {
  const llorch_plugin_api& api = subject.api();
  // The kit's services and sources are longer than version 1 throughout; here the parameters are, too.
  const FaultySource source(subject.source());
  Poisoned<llorch_model_params> model_params(sizeof(llorch_model_params) + kLater);
  llorch_model* created = nullptr;
  expect_ok(ask("model_create",
                [&](llorch_error* error) {
                  return api.model_create(subject.handle(), &source.source(), model_params.get(), &created, error);
                }),
            "llorch_model_params and llorch_source longer than version 1");
  Model model(api, created, subject.probe());

  const auto make = [&](Poisoned<llorch_context_params>& params, const char* what) {
    llorch_context* context = nullptr;
    expect_ok(
        ask("context_create",
            [&](llorch_error* error) { return api.context_create(model.handle(), params.get(), &context, error); }),
        what);
    return context;
  };
  Poisoned<llorch_context_params> shorter(LLORCH_END(llorch_context_params, max_tokens));
  shorter.get()->max_tokens = 64;
  api.context_destroy(make(shorter, "llorch_context_params that end with max_tokens: the rest means defaults"));
  llorch_context_params content{};
  content.max_tokens = 64;
  Poisoned<llorch_context_params> longer(sizeof(llorch_context_params) + kLater, content);
  api.context_destroy(make(longer, "llorch_context_params longer than version 1"));

  Context context(subject, 16);
  const std::int32_t token = subject.ids(1)[0];
  const std::int32_t zero = 0;
  const std::uint32_t flag = LLORCH_OUTPUT_LOGITS;
  const llorch_batch version_1{0, 1, &token, &zero, &zero, &flag};
  const auto forward = [&](std::size_t size) {
    Poisoned<llorch_batch> batch(size, version_1);
    llorch_output output{};
    output.struct_size = sizeof output;
    return ask("forward",
               [&](llorch_error* error) { return api.forward(context.handle(), batch.get(), &output, error); });
  };
  expect(forward(LLORCH_END(llorch_batch, seq_ids)), {LLORCH_INVALID_ARGUMENT}, "a batch that ends before its arrays");
  context.require_range(0, -1, -1, "after a batch that was refused");
  expect_ok(forward(sizeof(llorch_batch) + kLater), "a batch longer than version 1");
  if (subject.probe().taps != 0) {
    llorch_tap tap{};
    tap.mask = 0;
    Poisoned<llorch_tap> grown(sizeof(llorch_tap) + kLater, tap);
    expect_ok(ask("set_tap", [&](llorch_error* error) { return api.set_tap(context.handle(), grown.get(), error); }),
              "a tap longer than version 1 with mask 0");
  }
}

template <class T, class Call>
void check_answers(const char* function, std::initializer_list<std::size_t> sizes, Call&& call) {
  for (const std::size_t size : sizes) {
    Poisoned<T> out(size);
    expect_ok(ask(function, [&](llorch_error* error) { return call(out.get(), error); }),
              fmt::format("an answer of {} bytes", size));
    require(out.untouched_from(std::min(size, sizeof(T))), "{} wrote behind the end of an answer of {} bytes", function,
            size);
    require(out.get()->struct_size == size, "{} changed struct_size {} to {}", function, size, out.get()->struct_size);
  }
}

void gives_shorter_and_longer_answers(Subject& subject) {
  const llorch_plugin_api& api = subject.api();
  check_answers<llorch_model_info>("model_probe",
                                   {8, 12, 20, sizeof(llorch_model_info), sizeof(llorch_model_info) + kLater},
                                   [&](llorch_model_info* out, llorch_error* error) {
                                     return api.model_probe(subject.handle(), &subject.source(), out, error);
                                   });
  Context context(subject, 64);
  const std::int32_t token = subject.ids(1)[0];
  std::int32_t position = 0;
  const std::int32_t zero = 0;
  const std::uint32_t flag = LLORCH_OUTPUT_LOGITS;
  check_answers<llorch_output>("forward", {LLORCH_END(llorch_output, logits), sizeof(llorch_output) + kLater},
                               [&](llorch_output* out, llorch_error* error) {
                                 const std::int32_t at = position++;
                                 const llorch_batch batch{sizeof batch, 1, &token, &at, &zero, &flag};
                                 return api.forward(context.handle(), &batch, out, error);
                               });
  check_answers<llorch_kv_usage>(
      "kv_usage", {8, 12, sizeof(llorch_kv_usage), sizeof(llorch_kv_usage) + kLater},
      [&](llorch_kv_usage* out, llorch_error* error) { return api.kv_usage(context.handle(), out, error); });
  MemorySum sum;
  expect_ok(ask("memory_usage",
                [&](llorch_error* error) {
                  return api.memory_usage(subject.model().handle(), context.handle(), &MemorySum::add, &sum, error);
                }),
            "model and context");
  require(!sum.too_short, "memory_usage reports structs whose struct_size does not reach `bytes`");
}

}  // namespace

std::span<const Rule> struct_rules() {
  static constexpr Rule kRules[] = {
      {"K-12", "parameters may end early or go on: defaults for what is absent, no look at what is behind",
       "Hosts older and newer than the plugin can use it.", Stage::kRunning, &takes_shorter_and_longer_input},
      {"K-13", "answers of probe, forward and the cache stay within struct_size",
       "An older host with shorter structs keeps its memory.", Stage::kRunning, &gives_shorter_and_longer_answers},
  };
  return kRules;
}

}  // namespace llorch::conformance
