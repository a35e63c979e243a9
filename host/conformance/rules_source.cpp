// K-14 to K-19: models with faults. The host validates files; a plugin still checks what it is going to rely on.
#include <algorithm>
#include <cstring>

#include "conformance/context.hpp"
#include "conformance/model_source.hpp"

namespace llorch::conformance {
namespace {

constexpr std::uint32_t kTypeI32 = 0x100 + 26;
constexpr std::uint32_t kTypeOfTheFuture = 0x1FF;

/// Probe, and creation where probe agrees. Broken when the plugin refuses without naming `culprit`.
/// Returns whether it took the model.
bool takes(Subject& subject, const FaultySource& source, const std::string& culprit, const std::string& what) {
  llorch_model_info info{};
  const Answer answer = subject.try_probe(source.source(), info);
  expect(answer, {LLORCH_OK, LLORCH_BAD_MODEL, LLORCH_UNSUPPORTED}, what);
  if (answer.ok()) return true;
  require(answer.message.find(culprit) != std::string::npos, "model_probe, {}: refused without naming it: \"{}\"", what,
          answer.message);
  llorch_model* created = nullptr;
  const Answer creation = subject.try_model(source.source(), &created);
  require(!creation.ok() && created == nullptr, "model_create, {}: model_probe refused it, model_create {}", what,
          creation.ok() ? "did not" : "set *out");
  return false;
}

void needs_its_tensors(Subject& subject) {
  std::size_t refused = 0;
  for (const std::string& name : tensor_names(subject.source())) {
    FaultySource source(subject.source());
    source.hidden_tensor = name;
    const bool taken = takes(subject, source, name, fmt::format("without tensor {}", name));
    const bool may_be_absent = name == "output.weight";  // the embedding serves as head then
    require(!taken || may_be_absent || !subject.target().generated, "model_probe, without tensor {}: accepted", name);
    refused += taken ? 0 : 1;
  }
  require(refused > 0, "model_probe accepts the model whichever tensor is missing");
}

void checks_shapes(Subject& subject) {
  const auto names = tensor_names(subject.source());
  for (const std::string& name : names) {
    const auto check = [&](const std::string& fault, const std::function<void(llorch_tensor&)>& change) {
      FaultySource source(subject.source());
      source.changed_tensor = name;
      source.change = change;
      const bool taken = takes(subject, source, name, fmt::format("tensor {} with {}", name, fault));
      if (taken && subject.target().generated) {
        broken("model_probe, tensor {} with {}: accepted", name, fault);
      }
    };
    check("one dimension more", [](llorch_tensor& tensor) { tensor.dims[tensor.n_dims++] = 1; });
    check("no dimensions", [](llorch_tensor& tensor) { tensor.n_dims = 0; });
    if (names.size() == 1) continue;  // nothing that its width could contradict
    check("a row too long", [](llorch_tensor& tensor) {
      std::uint64_t& last = tensor.dims[tensor.n_dims - 1];
      tensor.nbytes = tensor.nbytes / last * (last + 1);
      ++last;
    });
  }
}

void checks_types(Subject& subject) {
  for (const std::string& name : tensor_names(subject.source())) {
    for (const std::uint32_t dtype : {kTypeI32, kTypeOfTheFuture}) {
      FaultySource source(subject.source());
      source.changed_tensor = name;
      source.change = [dtype](llorch_tensor& tensor) { tensor.dtype = dtype; };
      const std::string what = fmt::format("tensor {} with element type {:#x}", name, dtype);
      const bool taken = takes(subject, source, name, what);
      require(!taken || !subject.target().generated, "model_probe, {}: accepted", what);
    }
  }
}

struct ValueFault {
  const char* what;
  std::uint32_t type;
  std::uint64_t number;
};

/// A key that is absent, of another type or absurd: an answer in words, or a model that still runs.
void survives_metadata(Subject& subject) {
  constexpr ValueFault kFaults[] = {{"absent", 0, 0},
                                    {"0", LLORCH_VALUE_U64, 0},
                                    {"2^40", LLORCH_VALUE_U64, std::uint64_t{1} << 40U},
                                    {"-1", LLORCH_VALUE_I64, ~std::uint64_t{0}},
                                    {"2^32 + 3", LLORCH_VALUE_U64, (std::uint64_t{1} << 32U) + 3},
                                    {"a text", LLORCH_VALUE_STR, 0},
                                    {"an array", LLORCH_VALUE_ARRAY, 0},
                                    {"a type of the future", 77, 5}};
  const bool named = subject.info().architectures[0] != '\0';
  for (const std::string& key : subject.target().keys) {
    for (const ValueFault& fault : kFaults) {
      FaultySource source(subject.source());
      source.changed_key = key;
      source.value.type = fault.type;
      source.value.u.u64 = fault.number;
      if (fault.type == LLORCH_VALUE_STR) source.value.u.str = {"conformance", 11};
      if (fault.type == LLORCH_VALUE_ARRAY) source.value.u.array = {nullptr, 0};
      const std::string what = fmt::format("{} is {}", key, fault.what);
      llorch_model_info info{};
      const Answer answer = subject.try_probe(source.source(), info);
      expect(answer, {LLORCH_OK, LLORCH_BAD_MODEL, LLORCH_UNSUPPORTED}, what);
      const bool decides = key == "general.architecture";
      require(!(answer.ok() && decides && named), "model_probe, {}: accepted", what);
      if (!answer.ok() || !subject.target().generated) continue;
      llorch_model* created = nullptr;
      const Answer creation = subject.try_model(source.source(), &created);
      expect(creation, {LLORCH_OK, LLORCH_BAD_MODEL, LLORCH_UNSUPPORTED, LLORCH_OUT_OF_MEMORY}, what);
      if (creation.ok()) subject.api().model_destroy(created);
    }
  }
}

void reports_failed_reads(Subject& subject) {
  FaultySource whole(subject.source());
  whole.without_data = true;
  (void)subject.make_model(whole.source());
  const std::int64_t reads = whole.reads();
  require(reads > 0, "the model was created without reading a tensor, though `data` is NULL");
  // Every read of a small model; a few of a large one.
  const std::int64_t step = subject.target().generated ? 1 : std::max<std::int64_t>(1, reads / 4);
  for (std::int64_t allowed = 0; allowed < reads; allowed += step) {
    FaultySource source(subject.source());
    source.without_data = true;
    source.reads_allowed = allowed;
    llorch_model* created = nullptr;
    const Answer answer = subject.try_model(source.source(), &created);
    const std::string what = fmt::format("a source that fails after {} of {} reads", allowed, reads);
    expect(answer, {LLORCH_DEVICE_ERROR}, what);
    require(created == nullptr, "model_create, {}: refused, but *out is set", what);
  }
  const auto again = subject.make_model();
  (void)again;
}

void lets_the_source_go(Subject& subject) {
  subject.needs(LLORCH_CAP_SOURCE_NOT_RETAINED, "LLORCH_CAP_SOURCE_NOT_RETAINED");
  const auto ids = subject.ids(8);
  const Logits expected = alone(subject, ids);
  const auto source = std::make_unique<FaultySource>(subject.source());
  source->without_data = true;
  const auto model = subject.make_model(source->source());
  source->gone = true;
  llorch_context_params params{};
  params.max_tokens = 8;
  Context context(subject, *model, params);
  require_same(subject, context.feed(ids, 0), expected, "a model whose source is gone against one whose is not");
  require(!source->was_used_when_gone(),
          "the source was asked after model_create had returned, against "
          "LLORCH_CAP_SOURCE_NOT_RETAINED");
}

}  // namespace

std::span<const Rule> source_rules() {
  static constexpr Rule kRules[] = {
      {"K-14", "a missing tensor is refused by name", "A broken model is an error at start, not in the first request.",
       Stage::kRunning, &needs_its_tensors},
      {"K-15", "a tensor of another shape is refused by name", "No read behind the end of a tensor.", Stage::kRunning,
       &checks_shapes},
      {"K-16", "a tensor of an unknown type is refused by name", "Bytes are never taken for another type.",
       Stage::kRunning, &checks_types},
      {"K-17", "metadata that is absent, of another type or absurd is refused in words or survived",
       "A hostile file cannot crash the worker.", Stage::kRunning, &survives_metadata},
      {"K-18", "a failing read of the source is DEVICE_ERROR and leaves nothing behind",
       "A file on a failing disk does not become a model of zeros.", Stage::kRunning, &reports_failed_reads},
      {"K-19", "the source may go when model_create has returned, if the plugin says so",
       "The host may unmap the file.", Stage::kRunning, &lets_the_source_go},
  };
  return kRules;
}

}  // namespace llorch::conformance
