// Writes the logits that llama.cpp computes for a prompt: a helper of tools/make_quantized_fixtures.py, which compiles
// it against a build of llama.cpp. Not part of llorch.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "llama.h"

// Without arguments: version and what the processor offers. llama_cpp_logits MODEL OUT f32|f16 ID...: rows of f32, one
// per id, for one batch on one thread. The third argument is the type of the cache; with f32 attention is computed
// without its fused form, which rounds to f16.
int main(int argc, char** argv) {
  if (argc == 1) {
    std::printf("%s\n%s\n", llama_version(), llama_print_system_info());
    return 0;
  }
  if (argc < 5) return 2;
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  llama_backend_init();
  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) return 1;
  std::vector<llama_token> ids;
  for (int i = 4; i < argc; ++i)
    ids.push_back(std::atoi(argv[i]));
  const auto count = static_cast<int32_t>(ids.size());
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = static_cast<uint32_t>(ids.size());
  params.n_threads = params.n_threads_batch = 1;
  if (argv[3][1] == '3') {
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) return 1;
  llama_batch batch = llama_batch_init(count, 0, 1);
  for (int32_t i = 0; i < count; ++i) {
    batch.token[i] = ids[static_cast<std::size_t>(i)];
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = count;
  if (llama_decode(context, batch) != 0) return 1;
  const auto width = static_cast<std::size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::FILE* out = std::fopen(argv[2], "wb");
  if (out == nullptr) return 1;
  for (int32_t i = 0; i < count; ++i) {
    if (std::fwrite(llama_get_logits_ith(context, i), sizeof(float), width, out) != width) return 1;
  }
  const bool written = std::fclose(out) == 0;
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
  llama_backend_free();
  return written ? 0 : 1;
}
