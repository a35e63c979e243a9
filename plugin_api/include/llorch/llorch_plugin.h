/* llorch_plugin.h: the llorch model plugin ABI, version 1. C99; needs <stddef.h> and <stdint.h> only.
 * Every struct: struct_size first, append-only, zero = default. */
#ifndef LLORCH_PLUGIN_H
#define LLORCH_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#  define LLORCH_EXPORT __attribute__((visibility("default")))
#else
#  define LLORCH_EXPORT
#endif
#define LLORCH_ABI_VERSION 1u   /* bumped only for a break; additions grow structs instead */
#define LLORCH_END(T, f)     (offsetof(T, f) + sizeof(((T *)0)->f))          /* no tail padding */
#define LLORCH_HAS(p, T, f)  ((p)->struct_size >= LLORCH_END(T, f))

typedef int32_t llorch_status; /* 0 ok; >0 retryable, nothing changed; <0 error (unknown <0 = INTERNAL) */
enum { LLORCH_OK = 0, LLORCH_NO_KV_SPACE = 1, LLORCH_CANCELLED = 2,
       LLORCH_INVALID_ARGUMENT = -1, LLORCH_UNSUPPORTED = -2, LLORCH_NOT_FOUND = -3, LLORCH_OUT_OF_MEMORY = -4,
       LLORCH_BAD_MODEL = -5, LLORCH_BAD_STATE = -6, LLORCH_DEVICE_ERROR = -7, LLORCH_INTERNAL = -8 };

typedef struct llorch_str { const char *data; uint64_t size; } llorch_str; /* UTF-8, borrowed, may lack NUL. Frozen. */
typedef struct llorch_error { uint32_t struct_size; llorch_status code; char message[504]; } llorch_error; /* caller's buffer */

typedef struct llorch_plugin  llorch_plugin;
typedef struct llorch_model   llorch_model;
typedef struct llorch_context llorch_context;

/* ---- services the host passes in (valid until close returns) ---- */
typedef struct llorch_host_api {
  uint32_t struct_size, abi_version;
  void *host;
  void (*log)(void *host, int32_t level, llorch_str msg);                        /* [any-thread] */
  llorch_status (*get_option)(void *host, const char *key, llorch_str *out);     /* [any-thread] */
  int32_t (*is_cancelled)(void *host, const llorch_context *ctx);                /* [any-thread] polled in forward */
  const void *(*get_extension)(void *host, const char *id);                      /* [any-thread] */
} llorch_host_api;

/* ---- read-only model source (host owns the mmap) ---- */
typedef struct llorch_tensor {
  uint32_t struct_size, dtype;          /* 0 = none/default, else 0x100 + ggml_type (ids fixed by GGUF files) */
  llorch_str name;                      /* canonical (GGUF) names, whatever the file format */
  uint32_t n_dims, index;
  uint64_t dims[8];                     /* outermost first, row-major */
  const void *data;                     /* may be NULL: then tensor_read only */
  uint64_t nbytes;
} llorch_tensor;
typedef struct llorch_value {
  uint32_t struct_size, type;           /* 1 bool 2 i64 3 u64 4 f64 5 str 6 array */
  uint32_t elem_type, reserved;
  union { int64_t i64; uint64_t u64; double f64; llorch_str str; struct { const void *data; uint64_t count; } array; } u;
} llorch_value;
typedef struct llorch_source {
  uint32_t struct_size, flags;
  void *impl;
  uint64_t n_tensors;
  llorch_status (*tensor_at)(const struct llorch_source *, uint64_t index, llorch_tensor *out);
  llorch_status (*tensor_find)(const struct llorch_source *, llorch_str name, llorch_tensor *out);
  llorch_status (*tensor_read)(const struct llorch_source *, uint64_t index, uint64_t offset, void *dst, uint64_t n);
  llorch_status (*meta_get)(const struct llorch_source *, llorch_str key, llorch_value *out);
} llorch_source;                        /* all [any-thread] */

/* ---- parameters and answers ---- */
typedef struct llorch_device { uint32_t struct_size, kind; uint64_t mem_total, mem_free; char id[64], name[128]; } llorch_device;
typedef struct llorch_model_info {
  uint32_t struct_size, vocab_size, n_layers, max_positions;
  uint64_t caps;                        /* LLORCH_CAP_*; a new non-ignorable input field needs a new bit */
  uint64_t taps;                        /* bit per tap id this plugin can expose */
  uint32_t kv_block_tokens, reserved;   /* allocation granularity, >= 1 */
} llorch_model_info;
enum { LLORCH_CAP_MULTI_SEQ = 1 << 0, LLORCH_CAP_MIXED_BATCH = 1 << 1, LLORCH_CAP_KV_PARTIAL_REMOVE = 1 << 2,
       LLORCH_CAP_KV_SHIFT = 1 << 3, LLORCH_CAP_KV_COPY_SHARES = 1 << 4, LLORCH_CAP_KV_SAVE = 1 << 5,
       LLORCH_CAP_SOURCE_NOT_RETAINED = 1 << 6, LLORCH_CAP_BATCH_INVARIANT = 1 << 7 };
typedef struct llorch_model_params   { uint32_t struct_size, device; } llorch_model_params;
typedef struct llorch_context_params {
  uint32_t struct_size, max_tokens;     /* KV capacity over all sequences */
  uint32_t max_seqs, max_batch_tokens, max_output_rows, n_threads;
  uint32_t kv_dtype_k, kv_dtype_v;      /* dtype id; 0 = plugin default */
} llorch_context_params;
typedef struct llorch_memory { uint32_t struct_size, device, kind, reserved; uint64_t bytes; } llorch_memory; /* kind: weights, kv, scratch, fixed */
typedef void (*llorch_memory_fn)(void *user, const llorch_memory *);

/* ---- forward ---- */
typedef struct llorch_batch {
  uint32_t struct_size, n_tokens;
  const int32_t  *tokens;               /* each [n_tokens]; read only during the call */
  const int32_t  *positions;
  const int32_t  *seq_ids;              /* 0..max_seqs-1; one per row; a sequence's rows adjacent, positions ascending */
  const uint32_t *output_flags;         /* bit 0 logits; unknown bit -> UNSUPPORTED */
} llorch_batch;
typedef struct llorch_output {
  uint32_t struct_size, n_rows;
  const float *logits;                  /* context-owned, valid until the next call on it */
  uint64_t row_stride;
} llorch_output;

/* ---- kv state streams (partial reads and writes allowed; 0 = end, -1 = error) ---- */
typedef struct llorch_writer { void *impl; int64_t (*write)(void *impl, const void *p, uint64_t n); } llorch_writer;
typedef struct llorch_reader { void *impl; int64_t (*read)(void *impl, void *p, uint64_t n); } llorch_reader;
typedef struct llorch_kv_usage { uint32_t struct_size, free_tokens, used_tokens, n_seqs; } llorch_kv_usage;

/* ---- checkpoint taps ---- */
enum { LLORCH_TAP_EMBED = 0, LLORCH_TAP_ATTN_NORM, LLORCH_TAP_Q, LLORCH_TAP_K, LLORCH_TAP_V, LLORCH_TAP_SCORES,
       LLORCH_TAP_ATTN_OUT, LLORCH_TAP_FFN_NORM, LLORCH_TAP_FFN_OUT, LLORCH_TAP_BLOCK_OUT, LLORCH_TAP_FINAL_NORM, LLORCH_TAP_LOGITS,
       LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED };
typedef struct llorch_tap_event {
  uint32_t struct_size, tap; int32_t layer; uint32_t flags;  /* flag 0: came from an unfused reference path */
  uint32_t dtype, n_dims; uint64_t dims[4];
  const void *data; const uint32_t *rows;                    /* host memory, valid in the callback only */
} llorch_tap_event;
typedef struct llorch_tap {
  uint32_t struct_size, flags; uint64_t mask; int32_t layer_begin, layer_end;
  int32_t (*on_tensor)(void *user, const llorch_tap_event *); void *user;   /* nonzero return cancels */
} llorch_tap;

/* ---- the plugin's table ---- */
typedef struct llorch_plugin_api {
  uint32_t struct_size, abi_version;
  void (*close)(llorch_plugin *);
  const void *(*get_extension)(llorch_plugin *, const char *id);
  llorch_status (*device_at)(llorch_plugin *, uint32_t i, llorch_device *, llorch_error *);
  llorch_status (*model_probe)(llorch_plugin *, const llorch_source *, llorch_model_info *, llorch_error *);
  llorch_status (*estimate_memory)(llorch_plugin *, const llorch_source *, const llorch_model_params *,
                                   const llorch_context_params *, llorch_memory_fn, void *user, llorch_error *);
  llorch_status (*model_create)(llorch_plugin *, const llorch_source *, const llorch_model_params *, llorch_model **, llorch_error *);
  void (*model_destroy)(llorch_model *);
  llorch_status (*context_create)(llorch_model *, const llorch_context_params *, llorch_context **, llorch_error *);
  void (*context_destroy)(llorch_context *);
  llorch_status (*forward)(llorch_context *, const llorch_batch *, llorch_output *, llorch_error *);
  llorch_status (*kv_seq_remove)(llorch_context *, int32_t seq, int32_t p0, int32_t p1, llorch_error *);
  llorch_status (*kv_seq_copy)(llorch_context *, int32_t src, int32_t dst, int32_t p0, int32_t p1, llorch_error *);
  llorch_status (*kv_seq_shift)(llorch_context *, int32_t seq, int32_t p0, int32_t p1, int32_t delta, llorch_error *);
  llorch_status (*kv_seq_range)(llorch_context *, int32_t seq, int32_t *p_min, int32_t *p_max, llorch_error *);
  llorch_status (*kv_seq_save)(llorch_context *, int32_t seq, const llorch_writer *, llorch_error *);
  llorch_status (*kv_seq_load)(llorch_context *, int32_t seq, const llorch_reader *, llorch_error *);
  llorch_status (*kv_usage)(llorch_context *, llorch_kv_usage *, llorch_error *);
  llorch_status (*set_tap)(llorch_context *, const llorch_tap *, llorch_error *);
  llorch_status (*memory_usage)(llorch_model *, llorch_context *, llorch_memory_fn, void *user, llorch_error *);
} llorch_plugin_api;

/* ---- the two exported symbols: signatures frozen for ever ---- */
typedef struct llorch_plugin_info { uint32_t struct_size, abi_min, abi_max, reserved; char id[64], version[32], build[128]; } llorch_plugin_info;
LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info *out);
LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t abi, const llorch_host_api *host, llorch_plugin **out,
                                               const llorch_plugin_api **api, llorch_error *err);
#ifdef __cplusplus
}
#endif
#endif
