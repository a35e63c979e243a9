// Engine::create: options and the plugin's limits to one consistent setup.
#include "engine/engine.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>

#include "engine/engine_impl.hpp"

namespace llorch::engine {
namespace {

/// Rows with logits in one call beyond one for each slot: the chunk in which a prompt is scored. A row of GPT-2's
/// vocabulary is 200 KB, so this is what scoring costs in scratch memory.
constexpr std::uint32_t kScoredRows = 64;

Result<std::uint32_t> choose_context_length(std::uint32_t wanted, std::uint32_t model_limit) {
  if (wanted > model_limit) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("context length: expected at most {} (the model's), found {}", model_limit, wanted));
  }
  const std::uint32_t chosen = wanted == 0 ? model_limit : wanted;
  if (chosen < 2) {
    return make_error(
        ErrorCode::kInvalidArgument,
        fmt::format("context length: expected at least 2 tokens, one to read and one to write, found {}", chosen));
  }
  return chosen;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<plugin::Model> model,
                                               std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                               const Options& options) {
  const llorch_model_info& info = model->info();
  if (options.slots == 0 || options.batch_tokens == 0 || options.threads == 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("engine: expected slots, batch tokens and threads of at least 1, found {}, {} and {}",
                                  options.slots, options.batch_tokens, options.threads));
  }
  if (options.slots > 1 && (info.caps & LLORCH_CAP_MULTI_SEQ) == 0) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("slots: the plugin computes one sequence at a time, found {}", options.slots));
  }
  auto context_length = choose_context_length(options.context_length, info.max_positions);
  if (!context_length) return context_length.error();

  const std::uint64_t block = std::max(info.kv_block_tokens, 1U);
  const std::uint64_t capacity = (*context_length + block - 1) / block * block * options.slots;
  if (capacity > std::numeric_limits<std::int32_t>::max()) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("KV cache: expected at most {} tokens, found {} ({} slots of {})",
                                  std::numeric_limits<std::int32_t>::max(), capacity, options.slots, *context_length));
  }

  EngineImpl::Setup setup;
  setup.context_length = *context_length;
  setup.slots = options.slots;
  setup.queue_limit = options.queue_limit;
  setup.kv_capacity = static_cast<std::uint32_t>(capacity);
  // A prefill chunk never needs more rows than a context; one row is always left for a prompt beside the decoders.
  setup.limits.rows = std::max(std::min(options.batch_tokens, *context_length), options.slots);
  setup.limits.output_rows = options.slots + std::min(kScoredRows, setup.limits.rows);
  setup.limits.mixed = (info.caps & LLORCH_CAP_MIXED_BATCH) != 0;
  // Reused KV comes from other chunks and other neighbours than a fresh prefill: only a batch-invariant plugin gives
  // the same bits for both.
  constexpr std::uint64_t kReuseCaps = LLORCH_CAP_BATCH_INVARIANT | LLORCH_CAP_KV_PARTIAL_REMOVE;
  setup.reuse_prefix = options.reuse_prefix && (info.caps & kReuseCaps) == kReuseCaps;

  plugin::ContextParams params;
  params.max_tokens = setup.kv_capacity;
  params.max_seqs = options.slots;
  params.max_batch_tokens = setup.limits.rows;
  params.max_output_rows = setup.limits.output_rows;
  params.n_threads = options.threads;
  params.kv_dtype_k = options.kv_dtype_k;
  params.kv_dtype_v = options.kv_dtype_v;
  auto context = model->create_context(params);
  if (!context) {
    Error error = context.error();
    if (error.code == ErrorCode::kOutOfMemory) {
      error.message += fmt::format("; this context is of {} tokens: --context N and --kv-type f16 or q8_0 take less",
                                   params.max_tokens);
    }
    return error;
  }
  auto memory = (*context)->memory_usage();
  if (!memory) return memory.error();

  setup.model = std::move(model);
  setup.tokenizer = std::move(tokenizer);
  setup.context = std::move(*context);
  setup.memory = *memory;
  return std::unique_ptr<Engine>(std::make_unique<EngineImpl>(std::move(setup)));
}

}  // namespace llorch::engine
