// A working plugin (the template's model) that breaks one rule on demand: the option "misbehave" says which.
#include <llorch/plugin_table.hpp>

#undef LLORCH_DEFINE_PLUGIN
#define LLORCH_DEFINE_PLUGIN(...) static_assert(true, "this file defines the two symbols itself")
#include "../../../plugin_api/template/bag_of_words.cpp"  // NOLINT(bugprone-suspicious-include)

namespace {

std::string misbehaviour;  // of the plugin opened last; the tests open one at a time
const llorch_plugin_api* good() {
  return llorch::abi::Table<BagOfWords>::get();
}
bool asked_for(const char* what) {
  return misbehaviour == what;
}

llorch_status forward(llorch_context* context, const llorch_batch* batch, llorch_output* out, llorch_error* error) {
  if (asked_for("throw")) throw std::runtime_error("forward broke");
  if (asked_for("throw int")) throw 7;
  if (asked_for("guarded throw")) {
    return llorch::abi::guard(error, [] { throw std::runtime_error("forward broke inside the guard"); });
  }
  if (asked_for("guarded bad_alloc")) {
    return llorch::abi::guard(error, [] { throw std::bad_alloc(); });
  }
  if (asked_for("guarded int")) {
    return llorch::abi::guard(error, [] { throw 7; });
  }
  if (asked_for("unknown error")) return -77;
  if (asked_for("unknown retry")) return 9;
  if (asked_for("endless message")) {
    std::memset(error->message, 'x', sizeof error->message);
    return LLORCH_INTERNAL;
  }
  if (asked_for("wrong rows")) {
    const llorch_status status = good()->forward(context, batch, out, error);
    out->n_rows += 1;
    return status;
  }
  if (asked_for("no logits")) {
    const llorch_status status = good()->forward(context, batch, out, error);
    out->logits = nullptr;
    return status;
  }
  return good()->forward(context, batch, out, error);
}

llorch_status model_create(llorch_plugin* plugin, const llorch_source* source, const llorch_model_params* params,
                           llorch_model** out, llorch_error* error) {
  if (asked_for("create throws")) throw std::runtime_error("create broke");
  if (asked_for("no model")) return LLORCH_OK;
  return good()->model_create(plugin, source, params, out, error);
}

llorch_status context_create(llorch_model* model, const llorch_context_params* params, llorch_context** out,
                             llorch_error* error) {
  if (asked_for("no context")) return LLORCH_OK;
  if (asked_for("no memory")) return llorch::abi::write_error(error, LLORCH_OUT_OF_MEMORY, "no 12 GiB for the cache");
  return good()->context_create(model, params, out, error);
}

void context_destroy(llorch_context* context) {
  good()->context_destroy(context);
  if (asked_for("destroy throws")) throw std::runtime_error("destroy broke");
}

llorch_status model_probe(llorch_plugin* plugin, const llorch_source* source, llorch_model_info* out,
                          llorch_error* error) {
  const llorch_status status = good()->model_probe(plugin, source, out, error);
  if (asked_for("empty probe")) out->vocab_size = 0;
  return status;
}

llorch_status device_at(llorch_plugin* plugin, std::uint32_t index, llorch_device* out, llorch_error* error) {
  if (asked_for("no device")) return llorch::abi::write_error(error, LLORCH_NOT_FOUND, "no driver\nis installed");
  const llorch_status status = good()->device_at(plugin, index, out, error);
  if (status == LLORCH_OK && asked_for("on a gpu")) out->kind = LLORCH_DEVICE_GPU;
  return status;
}

llorch_status memory_usage(llorch_model* model, llorch_context* context, llorch_memory_fn fn, void* user,
                           llorch_error* error) {
  if (asked_for("on a gpu")) llorch::abi::MemoryReport(fn, user).add(LLORCH_MEMORY_SCRATCH, 1000, LLORCH_HOST_MEMORY);
  return good()->memory_usage(model, context, fn, user, error);
}

llorch_plugin_api make_table() {
  llorch_plugin_api table = *good();
  table.device_at = &device_at;
  table.memory_usage = &memory_usage;
  table.forward = &forward;
  table.model_create = &model_create;
  table.model_probe = &model_probe;
  table.context_create = &context_create;
  table.context_destroy = &context_destroy;
  return table;
}

/// A table as a later version might have it: more members behind the ones of version 1.
struct GrownTable {
  llorch_plugin_api known;
  unsigned char later[96];
};

}  // namespace

extern "C" LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info* out) {
  return llorch::abi::answer_query<BagOfWords>(out, "misbehaving", "0.0.1", "test");
}

extern "C" LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t abi, const llorch_host_api* host,
                                                          llorch_plugin** out, const llorch_plugin_api** api,
                                                          llorch_error* err) {
  static const GrownTable table = [] {
    GrownTable grown{make_table(), {}};
    grown.known.struct_size = sizeof grown;
    std::memset(grown.later, 0x5a, sizeof grown.later);
    return grown;
  }();
  misbehaviour = llorch::abi::Host(host).option("misbehave").value_or("");
  const llorch_status status = llorch::abi::open_plugin<BagOfWords>(abi, host, out, api, err);
  if (status == LLORCH_OK) *api = &table.known;
  return status;
}
