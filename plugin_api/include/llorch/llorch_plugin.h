/* llorch_plugin.h: the llorch model plugin ABI, version 1. C99; needs <stddef.h> and <stdint.h> only.
 *
 * A plugin is a shared object that runs one family of models: it owns weights, KV cache and the forward pass. The host
 * owns everything else: files, tokens, sampling, scheduling. docs/abi.md tells the same at length.
 *
 * RULES THAT HOLD EVERYWHERE
 *  Structs     The first member of every struct that may grow is struct_size, set by whoever provides the memory.
 * Structs grow only at the end; zero means default. Read a member only if LLORCH_HAS says it is there; write no byte
 * beyond struct_size. Accept any size that reaches the members you need: never compare for equality. llorch_str,
 * llorch_writer and llorch_reader are frozen. Input       An unknown flag bit or enum value is refused with
 * LLORCH_UNSUPPORTED, never ignored. A new input member that must not be ignored comes with a capability bit. Errors
 * Functions return a llorch_status and, below zero, a message in the caller's llorch_error (which may be NULL): what
 * was expected, what was found, where (tensor, key, value). A status above zero is retryable and means that nothing
 * changed. After INVALID_ARGUMENT and UNSUPPORTED nothing changed either. Ownership   Each side frees what it
 * allocated. Pointers handed in are borrowed for the call, unless said otherwise. Exceptions  None crosses, in either
 * direction. Neither side calls longjmp, exit or abort across. Symbols     A plugin shows llorch_plugin_query and
 * llorch_plugin_open, nothing else. It is never unloaded. Time        No function blocks for longer than its work
 * takes. Only forward may take long; it polls is_cancelled.
 *
 * LIFE CYCLE  query -> open -> (device_at, model_probe, estimate_memory) -> model_create -> context_create ->
 *  (set_tap, forward, kv_...)* -> context_destroy -> model_destroy -> close. Destroyed strictly in reverse: all
 * contexts of a model before the model, all models before close. A process may open a plugin more than once.
 *
 * THREADS  [any-thread] from any thread, also at the same time. [plugin], [model], [context]: from any thread, but one
 *  call at a time for the same handle; calls for different handles may overlap.
 *
 * SHAPES  Outermost dimension first, row-major, contiguous unless a stride is given. n_tokens is the number of rows in
 *  a batch, dim the width of the residual stream, n_kv the number of cached positions a row can see. */
#ifndef LLORCH_PLUGIN_H
#define LLORCH_PLUGIN_H
/* NOLINTBEGIN(modernize-use-using): this is C. */
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#define LLORCH_EXPORT __attribute__((visibility("default")))
#else
#define LLORCH_EXPORT
#endif
/* Bumped only for a break; additions grow structs instead. */
#define LLORCH_ABI_VERSION 1u
/* Bytes of struct T up to and including member f, without padding behind it. */
#define LLORCH_END(T, f) (offsetof(T, f) + sizeof(((T*)0)->f))
/* Is member f within what the provider of *p knows? */
#define LLORCH_HAS(p, T, f) ((p)->struct_size >= LLORCH_END(T, f))

/* 0: done. > 0: retryable, nothing changed (an unknown one too). < 0: error; an unknown one counts as INTERNAL. */
typedef int32_t llorch_status;
enum {
  LLORCH_OK = 0,
  LLORCH_NO_KV_SPACE = 1,       /* the cache cannot hold these tokens now */
  LLORCH_CANCELLED = 2,         /* is_cancelled or a tap asked for it */
  LLORCH_INVALID_ARGUMENT = -1, /* the caller broke a rule of this header; nothing changed */
  LLORCH_UNSUPPORTED = -2,      /* understood, but this plugin cannot; nothing changed */
  LLORCH_NOT_FOUND = -3,        /* no such tensor, key, option or device */
  LLORCH_OUT_OF_MEMORY = -4,    /* what was allocated for the call is given back */
  LLORCH_BAD_MODEL = -5,        /* the model lacks something or contradicts itself */
  LLORCH_BAD_STATE = -6,        /* a saved KV state is damaged or of another model; nothing changed */
  LLORCH_DEVICE_ERROR = -7,     /* a driver, a device or the operating system failed */
  LLORCH_INTERNAL = -8          /* a defect of the plugin */
};

/* Ids of tensor element types: 0 = none or default, otherwise 0x100 + the type's id in GGUF files. */
enum {
  LLORCH_DTYPE_DEFAULT = 0,
  LLORCH_DTYPE_F32 = 0x100,
  LLORCH_DTYPE_F16 = 0x101,
  LLORCH_DTYPE_Q8_0 = 0x108,
  LLORCH_DTYPE_BF16 = 0x11e
};

/* UTF-8, borrowed, `size` bytes, not NUL-terminated. Frozen. */
typedef struct llorch_str {
  const char* data;
  uint64_t size;
} llorch_str;

/* The caller's buffer for an error. The callee writes code and a NUL-terminated message, both optional. */
typedef struct llorch_error {
  uint32_t struct_size;
  llorch_status code;
  char message[504];
} llorch_error;

typedef struct llorch_plugin llorch_plugin;   /* one opened plugin */
typedef struct llorch_model llorch_model;     /* weights: immutable, shared by contexts */
typedef struct llorch_context llorch_context; /* KV cache and scratch memory: one caller at a time */

/* ---- services of the host --------------------------------------------------------------------------------------- */

enum { LLORCH_LOG_DEBUG = 1, LLORCH_LOG_INFO = 2, LLORCH_LOG_WARN = 3, LLORCH_LOG_ERROR = 4 };

/* Valid until close returns; `host` is the first argument of every function. None throws, none calls back. */
typedef struct llorch_host_api {
  uint32_t struct_size, abi_version;
  void* host;
  /* [any-thread] One line, no line break at its end. Level: LLORCH_LOG_*. Never prompt text. */
  void (*log)(void* host, int32_t level, llorch_str msg);
  /* [any-thread] The value of a NUL-terminated key from the host's configuration of this plugin. NOT_FOUND sets *out to
   * {NULL, 0}. *out stays valid until close returns. */
  llorch_status (*get_option)(void* host, const char* key, llorch_str* out);
  /* [any-thread] Nonzero when the forward() now running on ctx should stop. Cheap: poll it at least once per layer. */
  int32_t (*is_cancelled)(void* host, const llorch_context* ctx);
  /* [any-thread] A table of further services by id ("vendor.name/1"), or NULL. Valid until close returns. */
  const void* (*get_extension)(void* host, const char* id);
} llorch_host_api;

/* ---- the model, as the host presents it ------------------------------------------------------------------------- */

/* One tensor of the neutral table. The caller of tensor_at and tensor_find sets struct_size, the host fills the rest.
 */
typedef struct llorch_tensor {
  uint32_t struct_size, dtype; /* LLORCH_DTYPE_* or another 0x100 + GGUF type id */
  llorch_str name;             /* canonical (GGUF) name, whatever the file format */
  uint32_t n_dims, index;      /* index: for tensor_read */
  uint64_t dims[8];            /* outermost first, row-major: a projection is (out, in); unused ones are 1 or 0 */
  const void* data;            /* the bytes, or NULL (then tensor_read only); no alignment promised */
  uint64_t nbytes;
} llorch_tensor;

enum {
  LLORCH_VALUE_BOOL = 1, /* u.u64: 0 or 1 */
  LLORCH_VALUE_I64 = 2,
  LLORCH_VALUE_U64 = 3,
  LLORCH_VALUE_F64 = 4,
  LLORCH_VALUE_STR = 5,
  LLORCH_VALUE_ARRAY = 6
};

/* One metadata value: integers and floats of the file widened to 64 bits, or an array. For arrays elem_type is the GGUF
 * value type of the elements (0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 10 u64, 11 i64, 12 f64)
 * and `data` their packed little-endian bytes, no alignment promised; for strings it points to llorch_str[count]. */
typedef struct llorch_value {
  uint32_t struct_size, type; /* LLORCH_VALUE_* */
  uint32_t elem_type, reserved;
  union {
    int64_t i64;
    uint64_t u64;
    double f64;
    llorch_str str;
    struct {
      const void* data;
      uint64_t count;
    } array;
  } u;
} llorch_value;

/* A validated model file: tensor table and metadata under GGUF names and keys, in GGUF orientation, whatever the format
 * on disk. Everything it hands out is borrowed and lives as long as the source. The source lives until model_create
 * returns if the plugin says LLORCH_CAP_SOURCE_NOT_RETAINED, otherwise until model_destroy returns. All [any-thread].
 */
typedef struct llorch_source {
  uint32_t struct_size, flags; /* flags: 0 */
  void* impl;
  uint64_t n_tensors;
  /* INVALID_ARGUMENT when index >= n_tensors. */
  llorch_status (*tensor_at)(const struct llorch_source*, uint64_t index, llorch_tensor* out);
  /* NOT_FOUND when there is none. */
  llorch_status (*tensor_find)(const struct llorch_source*, llorch_str name, llorch_tensor* out);
  /* Copies n bytes from byte `offset` of a tensor. A file that became shorter is DEVICE_ERROR here, but a signal when
   * touched through `data`. INVALID_ARGUMENT when the range leaves the tensor. */
  llorch_status (*tensor_read)(const struct llorch_source*, uint64_t index, uint64_t offset, void* dst, uint64_t n);
  /* The value of a GGUF key. NOT_FOUND when there is none. */
  llorch_status (*meta_get)(const struct llorch_source*, llorch_str key, llorch_value* out);
} llorch_source;

/* ---- parameters and answers ------------------------------------------------------------------------------------- */

enum { LLORCH_DEVICE_CPU = 0, LLORCH_DEVICE_GPU = 1 };
typedef struct llorch_device {
  uint32_t struct_size, kind;   /* LLORCH_DEVICE_* */
  uint64_t mem_total, mem_free; /* bytes; 0 = not known */
  char id[64], name[128];       /* NUL-terminated: "cpu", "cuda:0"; "what people call it" */
} llorch_device;

typedef struct llorch_model_info {
  uint32_t struct_size, vocab_size, n_layers, max_positions; /* each >= 1; positions are 0..max_positions-1 */
  uint64_t caps;                                             /* LLORCH_CAP_* */
  uint64_t taps;                      /* bit (1 << LLORCH_TAP_x) for each tap that set_tap accepts */
  uint32_t kv_block_tokens, reserved; /* granularity of the cache's bookkeeping in tokens, >= 1 */
} llorch_model_info;

enum {
  LLORCH_CAP_MULTI_SEQ = 1 << 0,           /* max_seqs > 1 */
  LLORCH_CAP_MIXED_BATCH = 1 << 1,         /* rows of several sequences in one forward */
  LLORCH_CAP_KV_PARTIAL_REMOVE = 1 << 2,   /* kv_seq_remove of a part */
  LLORCH_CAP_KV_SHIFT = 1 << 3,            /* kv_seq_shift */
  LLORCH_CAP_KV_COPY_SHARES = 1 << 4,      /* kv_seq_copy takes no further memory until one side changes */
  LLORCH_CAP_KV_SAVE = 1 << 5,             /* kv_seq_save and kv_seq_load */
  LLORCH_CAP_SOURCE_NOT_RETAINED = 1 << 6, /* the source may go once model_create has returned */
  LLORCH_CAP_BATCH_INVARIANT =
      1 << 7 /* a row's results are the same bytes whatever its batch, chunking and n_threads */
};

typedef struct llorch_model_params {
  uint32_t struct_size, device; /* index of device_at */
} llorch_model_params;

/* Every number 0 means the plugin's default, except max_tokens, which must be given. */
typedef struct llorch_context_params {
  uint32_t struct_size, max_tokens; /* KV capacity over all sequences */
  uint32_t max_seqs;                /* sequence ids are 0..max_seqs-1; default 1 */
  uint32_t max_batch_tokens;        /* rows in one forward; default: max_tokens, at most 512 */
  uint32_t max_output_rows;         /* rows with logits in one forward; default: max_batch_tokens */
  uint32_t n_threads;               /* compute threads, the caller's included; default 1 */
  uint32_t kv_dtype_k, kv_dtype_v;  /* LLORCH_DTYPE_*; another type than the plugin has: UNSUPPORTED */
} llorch_context_params;

#define LLORCH_HOST_MEMORY 0xffffffffu /* in place of a device in llorch_memory: the host's own, beside a device's */
enum { LLORCH_MEMORY_WEIGHTS = 0, LLORCH_MEMORY_KV = 1, LLORCH_MEMORY_SCRATCH = 2, LLORCH_MEMORY_FIXED = 3 };
typedef struct llorch_memory {
  uint32_t struct_size, device, kind, reserved; /* device: of device_at, or LLORCH_HOST_MEMORY; kind: LLORCH_MEMORY_* */
  uint64_t bytes;
} llorch_memory;
/* Called any number of times before the function that takes it returns; the amounts add up. */
typedef void (*llorch_memory_fn)(void* user, const llorch_memory*);

/* ---- forward ---------------------------------------------------------------------------------------------------- */

enum { LLORCH_OUTPUT_LOGITS = 1 << 0 };

/* Rows to compute. n_tokens is 1..max_batch_tokens; each array has n_tokens entries and is read during the call only.
 *  tokens        0..vocab_size-1
 *  seq_ids       0..max_seqs-1; all rows of one sequence are adjacent
 *  positions     0..max_positions-1; within a sequence each is one more than the row before; the first is one more than
 *                the last position the sequence holds, or any position when it holds none
 *  output_flags  LLORCH_OUTPUT_LOGITS on the rows whose logits are wanted, on any row, on none; an unknown bit is
 *                refused
 * Anything else is INVALID_ARGUMENT and nothing changed; so is a position >= max_positions. */
typedef struct llorch_batch {
  uint32_t struct_size, n_tokens;
  const int32_t* tokens;
  const int32_t* positions;
  const int32_t* seq_ids;
  const uint32_t* output_flags;
} llorch_batch;

/* The caller sets struct_size, the plugin the rest. Owned by the context, valid until the next call on it. */
typedef struct llorch_output {
  uint32_t struct_size, n_rows; /* rows that asked for logits, in the order of the batch */
  const float* logits;          /* (n_rows, vocab_size), rows row_stride floats apart; may be NULL when n_rows is 0 */
  uint64_t row_stride;          /* >= vocab_size */
} llorch_output;

/* ---- KV state --------------------------------------------------------------------------------------------------- */

/* Streams given by the host. Both may move fewer bytes than asked for: call again with the rest. 0: end of the stream
 * (a full disk, the end of the file); -1: failed. Either before all bytes moved ends the operation. Frozen. */
typedef struct llorch_writer {
  void* impl;
  int64_t (*write)(void* impl, const void* p, uint64_t n);
} llorch_writer;
typedef struct llorch_reader {
  void* impl;
  int64_t (*read)(void* impl, void* p, uint64_t n);
} llorch_reader;
typedef struct llorch_kv_usage {
  uint32_t struct_size, free_tokens, used_tokens, n_seqs; /* n_seqs: sequences that hold at least one token */
} llorch_kv_usage;

/* ---- checkpoint taps -------------------------------------------------------------------------------------------- */

/* Intermediate tensors of a forward pass, f32 unless said otherwise. `layer` is -1 for those without one.
 *  EMBED       (rows, dim)                    the residual stream that enters block 0: token (+ position) embedding
 *  ATTN_NORM   (rows, dim)                    normed input of the attention
 *  Q           (rows, n_heads * head_dim)     bias added, before any rotation
 *  K, V        (rows, n_kv_heads * head_dim)  the rows of this batch only; K before any rotation
 *  SCORES      (n_heads, rows, n_kv)          Q.K^T / sqrt(head_dim), masked ones -inf, before softmax. One event per
 *                                             layer and sequence; column j is the sequence's j-th cached position in
 *                                             ascending order, this batch's rows included, none beyond the last
 *  ATTN_OUT    (rows, dim)                    after the output projection and its bias, before the residual addition
 *  FFN_NORM    (rows, dim)                    normed input of the feed-forward network
 *  FFN_OUT     (rows, dim)                    before the residual addition
 *  BLOCK_OUT   (rows, dim)                    after the second residual addition
 *  FINAL_NORM  (rows, dim)                    layer -1; rows with logits at least
 *  LOGITS      (rows, vocab_size)             layer -1; the rows with logits
 *  Q_ROTATED, K_ROTATED                       as Q and K, after rotary positions; only models that have them */
enum {
  LLORCH_TAP_EMBED = 0,
  LLORCH_TAP_ATTN_NORM,
  LLORCH_TAP_Q,
  LLORCH_TAP_K,
  LLORCH_TAP_V,
  LLORCH_TAP_SCORES,
  LLORCH_TAP_ATTN_OUT,
  LLORCH_TAP_FFN_NORM,
  LLORCH_TAP_FFN_OUT,
  LLORCH_TAP_BLOCK_OUT,
  LLORCH_TAP_FINAL_NORM,
  LLORCH_TAP_LOGITS,
  LLORCH_TAP_Q_ROTATED,
  LLORCH_TAP_K_ROTATED
};
enum { LLORCH_TAP_UNFUSED = 1 << 0 }; /* in flags: the tensor came from an unfused path, slower but the same sums */

typedef struct llorch_tap_event {
  uint32_t struct_size, tap; /* LLORCH_TAP_* */
  int32_t layer;
  uint32_t flags; /* LLORCH_TAP_UNFUSED */
  uint32_t dtype, n_dims;
  uint64_t dims[4];
  const void* data;     /* host memory, contiguous, valid during the callback only */
  const uint32_t* rows; /* for each of `rows` above its row in the batch, ascending; NULL: 0, 1, 2, ... */
} llorch_tap_event;

typedef struct llorch_tap {
  uint32_t struct_size, flags;    /* flags: 0 */
  uint64_t mask;                  /* bit (1 << LLORCH_TAP_x); only bits of llorch_model_info.taps */
  int32_t layer_begin, layer_end; /* layers begin <= l < end; taps without a layer are not filtered */
  /* Called on the thread that called forward. Nonzero cancels: forward returns LLORCH_CANCELLED, nothing changed. It
   * may not call into the plugin. */
  int32_t (*on_tensor)(void* user, const llorch_tap_event*);
  void* user;
} llorch_tap;

/* ---- the plugin's functions ------------------------------------------------------------------------------------- */

/* Owned by the plugin, constant, valid for ever. Every member is set: what a plugin cannot do returns UNSUPPORTED. */
typedef struct llorch_plugin_api {
  uint32_t struct_size, abi_version;

  /* [plugin] Ends what llorch_plugin_open began. No model may be left. */
  void (*close)(llorch_plugin*);

  /* [any-thread] A table of further functions by id ("vendor.name/1"), owned by the plugin, or NULL. */
  const void* (*get_extension)(llorch_plugin*, const char* id);

  /* [any-thread] Fills *out with device i, counted from 0. NOT_FOUND behind the last; where there is none at all, the
   * message says why. */
  llorch_status (*device_at)(llorch_plugin*, uint32_t i, llorch_device* out, llorch_error*);

  /* [any-thread] Can this plugin run this model, and within which limits? Checks keys, names, types and shapes; reads
   * no weights, allocates next to nothing. UNSUPPORTED: another architecture or a variant it does not implement.
   * BAD_MODEL: a key or tensor is missing or contradicts another. */
  llorch_status (*model_probe)(llorch_plugin*, const llorch_source*, llorch_model_info* out, llorch_error*);

  /* [any-thread] What model_create and context_create with these parameters will take, allocating nothing. An upper
   * bound, kept close. Errors as in model_probe, and INVALID_ARGUMENT as in context_create. */
  llorch_status (*estimate_memory)(llorch_plugin*, const llorch_source*, const llorch_model_params*,
                                   const llorch_context_params*, llorch_memory_fn, void* user, llorch_error*);

  /* [any-thread] Reads the weights. *out is set on OK only. Errors as in model_probe, OUT_OF_MEMORY, DEVICE_ERROR. */
  llorch_status (*model_create)(llorch_plugin*, const llorch_source*, const llorch_model_params*, llorch_model** out,
                                llorch_error*);
  /* [model] All its contexts are gone already. NULL is allowed. */
  void (*model_destroy)(llorch_model*);

  /* [any-thread] Allocates cache and scratch memory, so that forward allocates none. *out is set on OK only.
   * INVALID_ARGUMENT: max_tokens 0, max_seqs > 1 without the capability; OUT_OF_MEMORY names the bytes. */
  llorch_status (*context_create)(llorch_model*, const llorch_context_params*, llorch_context** out, llorch_error*);
  /* [context] NULL is allowed. */
  void (*context_destroy)(llorch_context*);

  /* [context] Computes the batch's rows and appends their keys and values to their sequences. Each row attends to the
   * positions of its own sequence that are not above its own, those of this batch included.
   * NO_KV_SPACE, CANCELLED, INVALID_ARGUMENT, UNSUPPORTED: nothing changed. After any other error the sequences of the
   * batch hold what they held before, or nothing: the host removes them. */
  llorch_status (*forward)(llorch_context*, const llorch_batch*, llorch_output* out, llorch_error*);

  /* In the kv functions [p0, p1) is half-open; p0 < 0 means from the first, p1 < 0 to the last position held; an empty
   * range is allowed and does nothing. A seq outside 0..max_seqs-1 is INVALID_ARGUMENT. */

  /* [context] Forgets the positions of the range. A hole in the middle stays until kv_seq_shift closes it; a sequence
   * with its end removed continues from its new end. UNSUPPORTED without the capability unless all positions go. */
  llorch_status (*kv_seq_remove)(llorch_context*, int32_t seq, int32_t p0, int32_t p1, llorch_error*);

  /* [context] dst first forgets all it holds, then holds the same keys and values as src in the range, and both
   * continue independently. src == dst: INVALID_ARGUMENT. NO_KV_SPACE: nothing changed. */
  llorch_status (*kv_seq_copy)(llorch_context*, int32_t src, int32_t dst, int32_t p0, int32_t p1, llorch_error*);

  /* [context] Adds delta to the positions in the range. Rotary keys are rotated to match; keys and values of models
   * with learned positions stay as computed, only their order numbers change. INVALID_ARGUMENT, nothing changed: a
   * position would leave 0..max_positions-1, or meet or pass one outside the range. */
  llorch_status (*kv_seq_shift)(llorch_context*, int32_t seq, int32_t p0, int32_t p1, int32_t delta, llorch_error*);

  /* [context] First and last position held, or -1 and -1. */
  llorch_status (*kv_seq_range)(llorch_context*, int32_t seq, int32_t* p_min, int32_t* p_max, llorch_error*);

  /* [context] Writes all the sequence holds. The bytes are the plugin's own: they say which plugin, model shape and
   * number of bytes they are for, and carry a check sum. DEVICE_ERROR when the writer fails. */
  llorch_status (*kv_seq_save)(llorch_context*, int32_t seq, const llorch_writer*, llorch_error*);

  /* [context] Replaces what the sequence holds by a saved state, also one saved from another sequence or context of the
   * same model; the next forward gives the same bytes as it would have there. Reads exactly what kv_seq_save wrote.
   * BAD_STATE: damaged, cut short, or of another model. DEVICE_ERROR: the reader failed. NO_KV_SPACE. After each of
   * them nothing changed. */
  llorch_status (*kv_seq_load)(llorch_context*, int32_t seq, const llorch_reader*, llorch_error*);

  /* [context] What is taken and what is left. */
  llorch_status (*kv_usage)(llorch_context*, llorch_kv_usage* out, llorch_error*);

  /* [context] Observes later forwards; replaces the tap set before. The struct is copied; on_tensor and user must stay
   * valid until the tap is removed: with NULL, with mask 0, or with the context. Without a tap it costs nothing.
   * UNSUPPORTED: a bit beyond llorch_model_info.taps. */
  llorch_status (*set_tap)(llorch_context*, const llorch_tap*, llorch_error*);

  /* [context] What is allocated now: the model's memory and, unless it is NULL, the context's. */
  llorch_status (*memory_usage)(llorch_model*, llorch_context*, llorch_memory_fn, void* user, llorch_error*);
} llorch_plugin_api;

/* ---- the two exported symbols: signatures frozen for ever -------------------------------------------------------- */

/* The caller sets struct_size, the plugin the rest, never more bytes than that. All strings NUL-terminated. */
typedef struct llorch_plugin_info {
  uint32_t struct_size, abi_min, abi_max, reserved; /* the ABI versions it speaks, inclusive */
  char id[64], version[32], build[128];             /* "gpt2_cpu"; "1.2.0"; compiler, features, revision: free text */
  uint64_t caps;                                    /* LLORCH_CAP_* that every model of this plugin has; for listings */
  char architectures[128]; /* values of general.architecture it runs, comma-separated; empty: it looks at tensors */
} llorch_plugin_info;

/* [any-thread] Who are you? No side effects, no threads, no devices touched. */
LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info* out);

/* [any-thread] Opens the plugin for one of the versions it named. `host` stays valid until close returns. *out and *api
 * are set on OK only. UNSUPPORTED: an ABI version it does not speak, or a machine it cannot run on. */
LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t abi, const llorch_host_api* host, llorch_plugin** out,
                                               const llorch_plugin_api** api, llorch_error* err);

/* ---- the layout of version 1, pinned (64-bit pointers) ----------------------------------------------------------- */

#if defined(__cplusplus)
#define LLORCH_PIN(condition) static_assert(condition, "the layout of ABI version 1 changed")
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define LLORCH_PIN(condition) _Static_assert(condition, "the layout of ABI version 1 changed")
#endif
#if defined(LLORCH_PIN) && UINTPTR_MAX == UINT64_MAX
/* Sizes only grow, so the end of the last member that version 1 knows is pinned, not sizeof. */
#define LLORCH_PIN_AT(T, f, offset) LLORCH_PIN(offsetof(T, f) == (offset))
#define LLORCH_PIN_END(T, f, end) LLORCH_PIN(LLORCH_END(T, f) == (end) && sizeof(T) >= (end))
LLORCH_PIN_AT(llorch_str, data, 0);
LLORCH_PIN_END(llorch_str, size, 16);
LLORCH_PIN_AT(llorch_error, struct_size, 0);
LLORCH_PIN_AT(llorch_error, code, 4);
LLORCH_PIN_END(llorch_error, message, 512);
LLORCH_PIN_AT(llorch_host_api, struct_size, 0);
LLORCH_PIN_AT(llorch_host_api, abi_version, 4);
LLORCH_PIN_AT(llorch_host_api, host, 8);
LLORCH_PIN_AT(llorch_host_api, log, 16);
LLORCH_PIN_AT(llorch_host_api, get_option, 24);
LLORCH_PIN_AT(llorch_host_api, is_cancelled, 32);
LLORCH_PIN_END(llorch_host_api, get_extension, 48);
LLORCH_PIN_AT(llorch_tensor, struct_size, 0);
LLORCH_PIN_AT(llorch_tensor, dtype, 4);
LLORCH_PIN_AT(llorch_tensor, name, 8);
LLORCH_PIN_AT(llorch_tensor, n_dims, 24);
LLORCH_PIN_AT(llorch_tensor, index, 28);
LLORCH_PIN_AT(llorch_tensor, dims, 32);
LLORCH_PIN_AT(llorch_tensor, data, 96);
LLORCH_PIN_END(llorch_tensor, nbytes, 112);
LLORCH_PIN_AT(llorch_value, struct_size, 0);
LLORCH_PIN_AT(llorch_value, type, 4);
LLORCH_PIN_AT(llorch_value, elem_type, 8);
LLORCH_PIN_AT(llorch_value, reserved, 12);
LLORCH_PIN_END(llorch_value, u, 32);
LLORCH_PIN_AT(llorch_source, struct_size, 0);
LLORCH_PIN_AT(llorch_source, flags, 4);
LLORCH_PIN_AT(llorch_source, impl, 8);
LLORCH_PIN_AT(llorch_source, n_tensors, 16);
LLORCH_PIN_AT(llorch_source, tensor_at, 24);
LLORCH_PIN_AT(llorch_source, tensor_find, 32);
LLORCH_PIN_AT(llorch_source, tensor_read, 40);
LLORCH_PIN_END(llorch_source, meta_get, 56);
LLORCH_PIN_AT(llorch_device, struct_size, 0);
LLORCH_PIN_AT(llorch_device, kind, 4);
LLORCH_PIN_AT(llorch_device, mem_total, 8);
LLORCH_PIN_AT(llorch_device, mem_free, 16);
LLORCH_PIN_AT(llorch_device, id, 24);
LLORCH_PIN_END(llorch_device, name, 216);
LLORCH_PIN_AT(llorch_model_info, struct_size, 0);
LLORCH_PIN_AT(llorch_model_info, vocab_size, 4);
LLORCH_PIN_AT(llorch_model_info, n_layers, 8);
LLORCH_PIN_AT(llorch_model_info, max_positions, 12);
LLORCH_PIN_AT(llorch_model_info, caps, 16);
LLORCH_PIN_AT(llorch_model_info, taps, 24);
LLORCH_PIN_AT(llorch_model_info, kv_block_tokens, 32);
LLORCH_PIN_END(llorch_model_info, reserved, 40);
LLORCH_PIN_AT(llorch_model_params, struct_size, 0);
LLORCH_PIN_END(llorch_model_params, device, 8);
LLORCH_PIN_AT(llorch_context_params, struct_size, 0);
LLORCH_PIN_AT(llorch_context_params, max_tokens, 4);
LLORCH_PIN_AT(llorch_context_params, max_seqs, 8);
LLORCH_PIN_AT(llorch_context_params, max_batch_tokens, 12);
LLORCH_PIN_AT(llorch_context_params, max_output_rows, 16);
LLORCH_PIN_AT(llorch_context_params, n_threads, 20);
LLORCH_PIN_AT(llorch_context_params, kv_dtype_k, 24);
LLORCH_PIN_END(llorch_context_params, kv_dtype_v, 32);
LLORCH_PIN_AT(llorch_memory, struct_size, 0);
LLORCH_PIN_AT(llorch_memory, device, 4);
LLORCH_PIN_AT(llorch_memory, kind, 8);
LLORCH_PIN_AT(llorch_memory, reserved, 12);
LLORCH_PIN_END(llorch_memory, bytes, 24);
LLORCH_PIN_AT(llorch_batch, struct_size, 0);
LLORCH_PIN_AT(llorch_batch, n_tokens, 4);
LLORCH_PIN_AT(llorch_batch, tokens, 8);
LLORCH_PIN_AT(llorch_batch, positions, 16);
LLORCH_PIN_AT(llorch_batch, seq_ids, 24);
LLORCH_PIN_END(llorch_batch, output_flags, 40);
LLORCH_PIN_AT(llorch_output, struct_size, 0);
LLORCH_PIN_AT(llorch_output, n_rows, 4);
LLORCH_PIN_AT(llorch_output, logits, 8);
LLORCH_PIN_END(llorch_output, row_stride, 24);
LLORCH_PIN_AT(llorch_writer, impl, 0);
LLORCH_PIN_END(llorch_writer, write, 16);
LLORCH_PIN_AT(llorch_reader, impl, 0);
LLORCH_PIN_END(llorch_reader, read, 16);
LLORCH_PIN_AT(llorch_kv_usage, struct_size, 0);
LLORCH_PIN_AT(llorch_kv_usage, free_tokens, 4);
LLORCH_PIN_AT(llorch_kv_usage, used_tokens, 8);
LLORCH_PIN_END(llorch_kv_usage, n_seqs, 16);
LLORCH_PIN_AT(llorch_tap_event, struct_size, 0);
LLORCH_PIN_AT(llorch_tap_event, tap, 4);
LLORCH_PIN_AT(llorch_tap_event, layer, 8);
LLORCH_PIN_AT(llorch_tap_event, flags, 12);
LLORCH_PIN_AT(llorch_tap_event, dtype, 16);
LLORCH_PIN_AT(llorch_tap_event, n_dims, 20);
LLORCH_PIN_AT(llorch_tap_event, dims, 24);
LLORCH_PIN_AT(llorch_tap_event, data, 56);
LLORCH_PIN_END(llorch_tap_event, rows, 72);
LLORCH_PIN_AT(llorch_tap, struct_size, 0);
LLORCH_PIN_AT(llorch_tap, flags, 4);
LLORCH_PIN_AT(llorch_tap, mask, 8);
LLORCH_PIN_AT(llorch_tap, layer_begin, 16);
LLORCH_PIN_AT(llorch_tap, layer_end, 20);
LLORCH_PIN_AT(llorch_tap, on_tensor, 24);
LLORCH_PIN_END(llorch_tap, user, 40);
LLORCH_PIN_AT(llorch_plugin_api, struct_size, 0);
LLORCH_PIN_AT(llorch_plugin_api, abi_version, 4);
LLORCH_PIN_AT(llorch_plugin_api, close, 8);
LLORCH_PIN_AT(llorch_plugin_api, get_extension, 16);
LLORCH_PIN_AT(llorch_plugin_api, device_at, 24);
LLORCH_PIN_AT(llorch_plugin_api, model_probe, 32);
LLORCH_PIN_AT(llorch_plugin_api, estimate_memory, 40);
LLORCH_PIN_AT(llorch_plugin_api, model_create, 48);
LLORCH_PIN_AT(llorch_plugin_api, model_destroy, 56);
LLORCH_PIN_AT(llorch_plugin_api, context_create, 64);
LLORCH_PIN_AT(llorch_plugin_api, context_destroy, 72);
LLORCH_PIN_AT(llorch_plugin_api, forward, 80);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_remove, 88);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_copy, 96);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_shift, 104);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_range, 112);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_save, 120);
LLORCH_PIN_AT(llorch_plugin_api, kv_seq_load, 128);
LLORCH_PIN_AT(llorch_plugin_api, kv_usage, 136);
LLORCH_PIN_AT(llorch_plugin_api, set_tap, 144);
LLORCH_PIN_END(llorch_plugin_api, memory_usage, 160);
LLORCH_PIN_AT(llorch_plugin_info, struct_size, 0);
LLORCH_PIN_AT(llorch_plugin_info, abi_min, 4);
LLORCH_PIN_AT(llorch_plugin_info, abi_max, 8);
LLORCH_PIN_AT(llorch_plugin_info, reserved, 12);
LLORCH_PIN_AT(llorch_plugin_info, id, 16);
LLORCH_PIN_AT(llorch_plugin_info, version, 80);
LLORCH_PIN_AT(llorch_plugin_info, build, 112);
LLORCH_PIN_AT(llorch_plugin_info, caps, 240);
LLORCH_PIN_END(llorch_plugin_info, architectures, 376);
#undef LLORCH_PIN_END
#undef LLORCH_PIN_AT
#endif
#undef LLORCH_PIN

#ifdef __cplusplus
}
#endif
/* NOLINTEND(modernize-use-using) */
#endif
