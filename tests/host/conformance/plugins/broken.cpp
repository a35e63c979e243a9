// A working plugin (the template's model) that breaks one rule of the conformance kit: the environment variable
// LLORCH_BROKEN says which. The fault is as small as it can be, so that no other rule notices.
#include <llorch/plugin_table.hpp>

#undef LLORCH_DEFINE_PLUGIN
#define LLORCH_DEFINE_PLUGIN(...) static_assert(true, "this file defines the two symbols itself")
#include "../../../../plugin_api/template/bag_of_words.cpp"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <set>
#include <thread>
#include <vector>

// Hidden by the version script; the object that is linked without one shows it.
extern "C" LLORCH_EXPORT int llorch_test_extra_symbol() {
  return 1;
}
// Defined in broken_base.cpp; the object that is linked without it lacks it.
extern "C" int llorch_test_base_symbol();

namespace {

using llorch::abi::write_error;

bool fault(std::string_view name) {
  const char* chosen = std::getenv("LLORCH_BROKEN");
  return chosen != nullptr && name == chosen;
}
const llorch_plugin_api* good() {
  return llorch::abi::Table<BagOfWords>::get();
}
constexpr std::uint64_t kNoCapabilities = LLORCH_CAP_SOURCE_NOT_RETAINED;

const llorch_source* last_source = nullptr;
void* volatile lost = nullptr;  // volatile, so that the leak is not optimised away
bool tapped = false;
bool seven_threads = false;
std::atomic<int> running = 0;

void move_first_logit(const llorch_output* out, float by) {
  if (out->n_rows > 0) const_cast<float*>(out->logits)[0] += by;
}

llorch_model_info plausible_info() {
  llorch_model_info info{};
  info.vocab_size = 61;
  info.n_layers = info.kv_block_tokens = 1;
  info.max_positions = 128;
  return info;
}

/// A tensor's description in full, whatever the source knows.
llorch_tensor embedding_of(const llorch_source* source) {
  llorch_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  if (source->tensor_find(source, llorch::abi::to_str("token_embd.weight"), &tensor) != LLORCH_OK) tensor.nbytes = 0;
  return tensor;
}

llorch_status model_probe(llorch_plugin* plugin, const llorch_source* source, llorch_model_info* out,
                          llorch_error* error) {
  const llorch_tensor embedding = embedding_of(source);
  const bool absent = embedding.nbytes == 0;
  if (fault("probe reads weights") && !absent) {
    std::vector<unsigned char> bytes(embedding.nbytes);
    for (int i = 0; i < 2; ++i)
      (void)source->tensor_read(source, embedding.index, 0, bytes.data(), bytes.size());
  }
  const auto accept_anything = [&] { return llorch::abi::give(out, plausible_info()), LLORCH_OK; };
  if (fault("missing tensor accepted") && absent) return accept_anything();
  if (fault("any shape accepted") && !absent && embedding.n_dims != 2) return accept_anything();
  const bool known = embedding.dtype == LLORCH_DTYPE_F32 || embedding.dtype == LLORCH_DTYPE_F16;
  if (fault("any type accepted") && !absent && !known) return accept_anything();
  if (fault("crashes on a key") || fault("hangs on a key") || fault("exits on a key")) {
    llorch_value value{};
    value.struct_size = sizeof value;
    const llorch_status found = source->meta_get(source, llorch::abi::to_str("embedding.context_length"), &value);
    const bool zero = found == LLORCH_OK && value.type == LLORCH_VALUE_U64 && value.u.u64 == 0;
    if (zero && fault("crashes on a key")) std::abort();
    if (zero && fault("exits on a key")) std::exit(0);
    while (zero && fault("hangs on a key"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  llorch_model_info full{};
  full.struct_size = sizeof full;
  const llorch_status status = good()->model_probe(plugin, source, &full, error);
  if (status != LLORCH_OK) return status;
  if (fault("no capabilities")) full.caps = kNoCapabilities;
  llorch::abi::give(out, full);
  return LLORCH_OK;
}

llorch_status device_at(llorch_plugin* plugin, std::uint32_t index, llorch_device* out, llorch_error* error) {
  if (fault("no device")) return llorch::abi::write_error(error, LLORCH_NOT_FOUND, "no driver is installed");
  return good()->device_at(plugin, fault("endless devices") ? 0 : index, out, error);
}

/// Passes on what the plugin says of its memory, times `factor`.
struct Scaled {
  llorch_memory_fn fn;
  void* user;
  double factor;
  static void report(void* self, const llorch_memory* memory) {
    const auto& scaled = *static_cast<Scaled*>(self);
    llorch_memory other = *memory;
    other.bytes = static_cast<std::uint64_t>(static_cast<double>(other.bytes) * scaled.factor);
    scaled.fn(scaled.user, &other);
  }
};

/// Lies that estimate and usage agree on.
double agreed_factor() {
  if (fault("half of all memory")) return 0.5;
  return fault("twice all memory") ? 2 : 1;
}

llorch_status estimate_memory(llorch_plugin* plugin, const llorch_source* source, const llorch_model_params* model,
                              const llorch_context_params* context, llorch_memory_fn fn, void* user,
                              llorch_error* error) {
  Scaled scaled{fn, user, fault("half the memory") ? 0.5 : agreed_factor()};
  return good()->estimate_memory(plugin, source, model, context, &Scaled::report, &scaled, error);
}

llorch_status memory_usage(llorch_model* model, llorch_context* context, llorch_memory_fn fn, void* user,
                           llorch_error* error) {
  Scaled scaled{fn, user, agreed_factor()};
  return good()->memory_usage(model, context, &Scaled::report, &scaled, error);
}

llorch_status model_create(llorch_plugin* plugin, const llorch_source* source, const llorch_model_params* params,
                           llorch_model** out, llorch_error* error) {
  last_source = source;
  if (fault("leaks")) {
    lost = std::malloc(1000);
    if (lost == nullptr) return LLORCH_OUT_OF_MEMORY;
  }
  if (fault("keeps a list of all")) {  // which grows when it has doubled
    static std::vector<std::array<char, 4096>> all;
    all.emplace_back();
  }
  if (fault("leaks mapped pages")) {
    lost = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lost == MAP_FAILED) return LLORCH_OUT_OF_MEMORY;
  }
  llorch_source forgiving = *source;
  forgiving.tensor_read = [](const llorch_source* self, std::uint64_t index, std::uint64_t offset, void* to,
                             std::uint64_t n) -> llorch_status {
    if (last_source->tensor_read(self, index, offset, to, n) != LLORCH_OK) std::memset(to, 0, n);
    return LLORCH_OK;
  };
  return good()->model_create(plugin, fault("failed reads ignored") ? &forgiving : source, params, out, error);
}

llorch_status context_create(llorch_model* model, const llorch_context_params* params, llorch_context** out,
                             llorch_error* error) {
  if (fault("sizes compared") && params->struct_size != sizeof *params) {
    return write_error(error, LLORCH_INVALID_ARGUMENT, "another struct_size");
  }
  if (fault("source kept") && embedding_of(last_source).nbytes == 0) {
    return write_error(error, LLORCH_INTERNAL, "the source is gone");
  }
  llorch_context_params own{};
  std::memcpy(&own, params, std::min<std::size_t>(params->struct_size, sizeof own));
  own.struct_size = sizeof own;
  if (fault("no tokens accepted") && own.max_tokens == 0) own.max_tokens = 16;
  if (fault("no capabilities") && own.max_seqs > 1) {
    return write_error(error, LLORCH_INVALID_ARGUMENT, "one sequence at most");
  }
  seven_threads = own.n_threads == 7;
  const llorch_status status = good()->context_create(model, &own, out, error);
  if (fault("dies without memory") && status == LLORCH_OUT_OF_MEMORY) std::abort();
  return status;
}

llorch_status forward(llorch_context* context, const llorch_batch* batch, llorch_output* out, llorch_error* error) {
  llorch_batch own{};
  std::memcpy(&own, batch, std::min<std::size_t>(batch->struct_size, sizeof own));
  if (batch->struct_size < LLORCH_END(llorch_batch, output_flags) || own.tokens == nullptr ||
      own.output_flags == nullptr || own.seq_ids == nullptr || own.n_tokens == 0) {
    return good()->forward(context, batch, out, error);
  }
  own.struct_size = sizeof own;
  std::vector<std::int32_t> tokens(own.tokens, own.tokens + own.n_tokens);
  std::vector<std::uint32_t> flags(own.output_flags, own.output_flags + own.n_tokens);
  const std::set<std::int32_t> seqs(own.seq_ids, own.seq_ids + own.n_tokens);
  for (std::uint32_t i = 0; i < own.n_tokens; ++i) {
    if (fault("negative tokens accepted") && tokens[i] == -1) tokens[i] = 0;
    if (fault("flags masked")) flags[i] &= LLORCH_OUTPUT_LOGITS;
  }
  own.tokens = tokens.data();
  own.output_flags = flags.data();
  const bool beside_others = running++ > 0;
  if (fault("contexts share")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  llorch_status status = good()->forward(context, &own, out, error);
  --running;
  if (status == LLORCH_NO_KV_SPACE && fault("half appended")) {
    own.n_tokens = 1;
    (void)good()->forward(context, &own, out, error);
    return status;
  }
  if (status != LLORCH_OK) return status;
  if (fault("not a number") && out->n_rows > 0) move_first_logit(out, NAN);
  if (fault("rows reversed") && out->n_rows > 1 && out->n_rows < own.n_tokens) {
    auto* logits = const_cast<float*>(out->logits);
    std::swap_ranges(logits, logits + 61, logits + out->row_stride);
  }
  const bool moved = (fault("pairs differ") && own.n_tokens == 2) || (fault("sequences mix") && seqs.size() > 2) ||
                     (fault("taps move") && tapped) || (fault("threads move") && seven_threads) ||
                     (fault("contexts share") && beside_others);
  if (moved) move_first_logit(out, 0.125F);
  return status;
}

llorch_status kv_seq_remove(llorch_context* context, std::int32_t seq, std::int32_t p0, std::int32_t p1,
                            llorch_error* error) {
  const bool part = p0 > 0 || p1 >= 0;
  if (fault("no capabilities") && part && (p1 < 0 || p0 < p1) && p0 < 24) {
    return write_error(error, LLORCH_UNSUPPORTED, "whole sequences only");
  }
  const bool less = fault("one too few removed") && p0 > 0 && p1 < 0;
  return good()->kv_seq_remove(context, seq, less ? p0 + 1 : p0, p1, error);
}

llorch_status kv_seq_copy(llorch_context* context, std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1,
                          llorch_error* error) {
  const llorch_status status = good()->kv_seq_copy(context, src, dst, p0, p1, error);
  if (fault("copies share") && status == LLORCH_OK) (void)good()->kv_seq_remove(context, src, -1, 1, nullptr);
  return status;
}

llorch_status kv_seq_shift(llorch_context* context, std::int32_t seq, std::int32_t p0, std::int32_t p1,
                           std::int32_t delta, llorch_error* error) {
  const llorch_status status = good()->kv_seq_shift(context, seq, p0, p1, delta, error);
  return fault("any shift accepted") ? LLORCH_OK : status;
}

llorch_status kv_seq_save(llorch_context* context, std::int32_t seq, const llorch_writer* writer, llorch_error* error) {
  if (fault("no capabilities")) return write_error(error, LLORCH_UNSUPPORTED, "states cannot be saved");
  const llorch_status status = good()->kv_seq_save(context, seq, writer, error);
  return fault("full disk ignored") && status == LLORCH_DEVICE_ERROR ? LLORCH_OK : status;
}

llorch_status kv_seq_load(llorch_context* context, std::int32_t seq, const llorch_reader* reader, llorch_error* error) {
  if (fault("no capabilities")) return write_error(error, LLORCH_UNSUPPORTED, "states cannot be loaded");
  const llorch_status status = good()->kv_seq_load(context, seq, reader, error);
  unsigned char next = 0;
  if (fault("reads too much") && status == LLORCH_OK) (void)reader->read(reader->impl, &next, 1);
  if (fault("damage clears") && status == LLORCH_BAD_STATE) (void)good()->kv_seq_remove(context, seq, -1, -1, nullptr);
  return status;
}

llorch_status kv_usage(llorch_context* context, llorch_kv_usage* out, llorch_error* error) {
  if (!fault("whole answers")) return good()->kv_usage(context, out, error);
  llorch_kv_usage full{};
  full.struct_size = sizeof full;
  const llorch_status status = good()->kv_usage(context, &full, error);
  full.struct_size = out->struct_size;
  *out = full;
  return status;
}

llorch_status set_tap(llorch_context* context, const llorch_tap* tap, llorch_error* error) {
  tapped = tap != nullptr && tap->mask != 0;
  return good()->set_tap(context, tap, error);
}

llorch_plugin_api make_table() {
  llorch_plugin_api table = *good();
  table.device_at = &device_at;
  table.model_probe = &model_probe;
  table.estimate_memory = &estimate_memory;
  table.memory_usage = &memory_usage;
  table.model_create = &model_create;
  table.context_create = &context_create;
  table.forward = &forward;
  table.kv_seq_remove = &kv_seq_remove;
  table.kv_seq_copy = &kv_seq_copy;
  table.kv_seq_shift = &kv_seq_shift;
  table.kv_seq_save = &kv_seq_save;
  table.kv_seq_load = &kv_seq_load;
  table.kv_usage = &kv_usage;
  table.set_tap = &set_tap;
  if (fault("function missing")) table.get_extension = nullptr;
  return table;
}

}  // namespace

extern "C" LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info* out) {
  static int asked = 0;
  llorch_plugin_info full{};
  full.struct_size = sizeof full;
  const std::string version = fault("query counts") ? std::to_string(++asked) : "0.0.1";
  const llorch_status status = llorch::abi::answer_query<BagOfWords>(&full, "broken", version, "test");
  if (fault("query leaves traces")) ::setenv("LLORCH_BROKEN_WAS_HERE", "1", 1);
  if (fault("no capabilities")) full.caps = kNoCapabilities;
  full.struct_size = out->struct_size;
  if (fault("whole info")) {
    *out = full;
  } else {
    llorch::abi::give(out, full);
  }
  return status;
}

extern "C" LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t abi, const llorch_host_api* host,
                                                          llorch_plugin** out, const llorch_plugin_api** api,
                                                          llorch_error* err) {
  static llorch_plugin_api table{};
  static llorch_host_api deaf{};
  table = make_table();
  std::memcpy(&deaf, host, sizeof deaf);
  deaf.is_cancelled = nullptr;
  if (fault("any version opened")) abi = LLORCH_ABI_VERSION;
  const llorch_status status =
      llorch::abi::open_plugin<BagOfWords>(abi, fault("never cancelled") ? &deaf : host, out, api, err);
  if (status == LLORCH_OK && llorch_test_base_symbol() == 1) *api = &table;
  return status;
}
