#include "conformance/subject.hpp"

#include <dlfcn.h>

namespace llorch::conformance {

std::string Answer::text() const {
  return message.empty() ? plugin::status_name(status) : fmt::format("{} ({})", plugin::status_name(status), message);
}

void expect(const Answer& answer, std::initializer_list<llorch_status> allowed, std::string_view when) {
  if (std::find(allowed.begin(), allowed.end(), answer.status) == allowed.end()) {
    std::string names;
    for (const llorch_status status : allowed)
      names += (names.empty() ? "" : " or ") + plugin::status_name(status);
    broken("{}, {}: expected {}, found {}", answer.function, when, names, answer.text());
  }
  require(answer.status >= 0 || !answer.message.empty(), "{}, {}: {} without a message", answer.function, when,
          plugin::status_name(answer.status));
}

Services::Services() {
  std::memset(grown_.later, Poisoned<llorch_host_api>::kPoison, sizeof grown_.later);
  llorch_host_api& known = grown_.known;
  known.struct_size = sizeof grown_;
  known.abi_version = LLORCH_ABI_VERSION;
  known.host = this;
  known.log = [](void*, std::int32_t, llorch_str) {};
  known.get_option = [](void*, const char*, llorch_str* out) -> llorch_status {
    *out = {nullptr, 0};
    return LLORCH_NOT_FOUND;
  };
  known.is_cancelled = [](void* host, const llorch_context*) -> std::int32_t {
    return static_cast<Services*>(host)->cancelled.load(std::memory_order_relaxed) ? 1 : 0;
  };
  known.get_extension = [](void*, const char*) -> const void* { return nullptr; };
}

Model::~Model() {
  api_.model_destroy(handle_);
}

Subject::~Subject() {
  model_.reset();
  if (handle_ != nullptr) api_->close(handle_);
}

void* Subject::library() {
  if (library_ == nullptr) {
    library_ = ::dlopen(std::filesystem::absolute(target_.plugin).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) broken("it does not load: {}", ::dlerror());
  }
  return library_;
}

decltype(&llorch_plugin_query) Subject::query() {
  const auto found = reinterpret_cast<decltype(&llorch_plugin_query)>(::dlsym(library(), "llorch_plugin_query"));
  require(found != nullptr, "symbol llorch_plugin_query is missing");
  return found;
}

decltype(&llorch_plugin_open) Subject::open() {
  const auto found = reinterpret_cast<decltype(&llorch_plugin_open)>(::dlsym(library(), "llorch_plugin_open"));
  require(found != nullptr, "symbol llorch_plugin_open is missing");
  return found;
}

llorch_plugin_info Subject::info() {
  llorch_plugin_info out{};
  out.struct_size = sizeof out;
  const auto status = plugin::at_boundary("the plugin", "llorch_plugin_query", [&] { return query()(&out); });
  if (!status) broken("{}", status.error().message);
  require(*status == LLORCH_OK, "llorch_plugin_query: expected OK, found {}", plugin::status_name(*status));
  return out;
}

const llorch_plugin_api& Subject::api() {
  if (api_ == nullptr) {
    llorch_plugin* opened = nullptr;
    const llorch_plugin_api* table = nullptr;
    expect_ok(
        ask("llorch_plugin_open",
            [&](llorch_error* error) { return open()(LLORCH_ABI_VERSION, services_.table(), &opened, &table, error); }),
        "the version of this header");
    require(opened != nullptr && table != nullptr, "llorch_plugin_open answered OK without a {}",
            opened == nullptr ? "handle" : "table");
    handle_ = opened;
    api_ = table;
  }
  return *api_;
}

llorch_plugin* Subject::handle() {
  (void)api();
  return handle_;
}

Answer Subject::try_probe(const llorch_source& from, llorch_model_info& out) {
  out = {};
  out.struct_size = sizeof out;
  return ask("model_probe", [&](llorch_error* error) { return api().model_probe(handle(), &from, &out, error); });
}

llorch_model_info Subject::probe() {
  if (!info_) {
    llorch_model_info found{};
    expect_ok(try_probe(source(), found), "the model as it is");
    info_ = found;
  }
  return *info_;
}

void Subject::needs(std::uint64_t caps, const char* name) {
  if (!has(caps)) throw NotApplicable(fmt::format("the plugin does not offer {} for this model", name));
}

Answer Subject::try_model(const llorch_source& from, llorch_model** out) {
  const llorch_model_params params{sizeof params, 0};
  return ask("model_create",
             [&](llorch_error* error) { return api().model_create(handle(), &from, &params, out, error); });
}

std::unique_ptr<Model> Subject::make_model(const llorch_source& from) {
  llorch_model* created = nullptr;
  expect_ok(try_model(from, &created), "a model that model_probe accepts");
  require(created != nullptr, "model_create answered OK without a model");
  return std::make_unique<Model>(api(), created, probe());
}

Model& Subject::model() {
  if (!model_) model_ = make_model();
  return *model_;
}

std::vector<std::int32_t> Subject::ids(std::size_t count, std::uint32_t seed) {
  const std::uint64_t vocabulary = probe().vocab_size;
  std::vector<std::int32_t> out(count);
  std::uint64_t state = 12345 + 977 * std::uint64_t{seed};
  for (std::int32_t& id : out) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    id = static_cast<std::int32_t>((state >> 33U) % vocabulary);
  }
  return out;
}

std::int32_t Subject::length() {
  constexpr std::uint32_t kUsual = 24;
  const std::uint32_t positions = probe().max_positions;
  if (positions < 12) throw NotApplicable(fmt::format("the model has only {} positions", positions));
  return static_cast<std::int32_t>(std::min(kUsual, positions / 2));
}

}  // namespace llorch::conformance
