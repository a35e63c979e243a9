// A whole llorch plugin in one file, to start your own from.
//
// The model is the smallest one that needs a cache: the mean of the embeddings of all tokens so far, compared with
// every token's embedding:
//     h_i = (e_0 + ... + e_i) / (i + 1)        logits_i = h_i . E^T        E: token_embd.weight, (vocab_size, dim)
// It writes nonsense, but it is a real model: it runs every file that has a token_embd.weight, keeps state, can be
// cut, copied, shifted, saved and observed. Replace Weights, Sequence and Context::compute() by yours.
#include <llorch/plugin_table.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using llorch::abi::fail;
using llorch::abi::MemoryReport;
using llorch::abi::Source;

constexpr std::uint64_t kTaps = (1U << LLORCH_TAP_EMBED) | (1U << LLORCH_TAP_LOGITS);

/// What the file must hold, checked before anything is allocated.
struct Config {
  std::uint32_t vocab_size, dim, max_positions;

  static Config from(const Source& source) {
    const auto embedding = source.find("token_embd.weight");
    if (!embedding || embedding->n_dims != 2) {
      fail(LLORCH_BAD_MODEL, "tensor token_embd.weight: expected (vocab_size, dim), found ",
           embedding ? std::to_string(embedding->n_dims) + " dims" : "none");
    }
    (void)source.tensor("token_embd.weight", {embedding->dims[0], embedding->dims[1]});  // f32, f16 or bf16
    const std::string length_key = source.string("general.architecture") + ".context_length";
    return {static_cast<std::uint32_t>(embedding->dims[0]), static_cast<std::uint32_t>(embedding->dims[1]),
            source.u32_within(length_key, 1, 1U << 30U)};
  }
};

/// One cached token. A transformer would keep its keys and values here.
struct Cell {
  std::int32_t position, token;
};
using Sequence = std::vector<Cell>;  // ascending positions

/// The cells of [p0, p1); a negative bound is open.
std::pair<Sequence::iterator, Sequence::iterator> cells_of(Sequence& cells, std::int32_t p0, std::int32_t p1) {
  const auto below = [](const Cell& cell, std::int32_t position) { return cell.position < position; };
  const auto begin = p0 < 0 ? cells.begin() : std::lower_bound(cells.begin(), cells.end(), p0, below);
  const auto end = p1 < 0 ? cells.end() : std::lower_bound(begin, cells.end(), p1, below);
  return {begin, std::max(begin, end)};
}

struct SavedHeader {
  char magic[8];
  std::uint32_t vocab_size, n_cells;
  std::uint64_t checksum;
};
constexpr char kMagic[8] = {'b', 'a', 'g', '-', 'k', 'v', '0', '1'};

std::uint64_t fnv1a(const Sequence& cells) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const Cell& cell : cells) {
    for (const std::int32_t value : {cell.position, cell.token}) {
      hash = (hash ^ static_cast<std::uint32_t>(value)) * 0x100000001b3U;
    }
  }
  return hash;
}

struct Weights {
  Config config;
  std::vector<float> token_embd;  // (vocab_size, dim)
  [[nodiscard]] const float* embedding(std::int32_t token) const {
    return token_embd.data() + static_cast<std::size_t>(token) * config.dim;
  }
};

class Context {
 public:
  Context(const Weights& weights, llorch::abi::Host host, const llorch_context_params& params)
      : w_(weights),
        host_(host),
        max_tokens_(params.max_tokens),
        limits_{params.max_batch_tokens, params.max_output_rows, params.max_seqs, weights.config.max_positions,
                weights.config.vocab_size},
        sequences_(params.max_seqs),
        hidden_(weights.config.dim),
        logits_(std::size_t{params.max_output_rows} * weights.config.vocab_size) {
    for (Sequence& cells : sequences_)
      cells.reserve(max_tokens_);  // forward allocates nothing
  }

  /// Every check comes before the first change; whatever happens after it is undone.
  llorch_output forward(const llorch_batch& batch) {
    check_batch(batch, limits_, [&](std::int32_t seq) {
      const Sequence& cells = sequences_[static_cast<std::size_t>(seq)];
      return cells.empty() ? -1 : cells.back().position;
    });
    if (batch.n_tokens > max_tokens_ - used()) {
      fail(LLORCH_NO_KV_SPACE, batch.n_tokens, " tokens do not fit, ", max_tokens_ - used(), " are free");
    }
    for (std::uint32_t row = 0; row < batch.n_tokens; ++row) {
      sequence(batch.seq_ids[row]).push_back({batch.positions[row], batch.tokens[row]});
    }
    try {
      return compute(batch);
    } catch (...) {
      for (std::uint32_t row = 0; row < batch.n_tokens; ++row)
        sequence(batch.seq_ids[row]).pop_back();
      throw;
    }
  }

  void kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
    Sequence& cells = sequence(seq);
    const auto [begin, end] = cells_of(cells, p0, p1);
    cells.erase(begin, end);
  }

  void kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) {
    Sequence& from = sequence(src);
    Sequence& to = sequence(dst);
    if (src == dst) fail(LLORCH_INVALID_ARGUMENT, "kv_seq_copy: source and target are both sequence ", src);
    const auto [begin, end] = cells_of(from, p0, p1);
    if (used() - to.size() + static_cast<std::size_t>(end - begin) > max_tokens_) {
      fail(LLORCH_NO_KV_SPACE, "the copy of ", end - begin, " tokens does not fit");
    }
    to.assign(begin, end);
  }

  void kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
    Sequence& cells = sequence(seq);
    const auto [begin, end] = cells_of(cells, p0, p1);
    if (begin == end) return;
    const std::int64_t first = std::int64_t{begin->position} + delta;
    const std::int64_t last = std::int64_t{(end - 1)->position} + delta;
    const std::int64_t low = begin == cells.begin() ? 0 : std::int64_t{(begin - 1)->position} + 1;
    const std::int64_t high = end == cells.end() ? std::int64_t{limits_.max_positions} : std::int64_t{end->position};
    if (first < low || last >= high) {
      fail(LLORCH_INVALID_ARGUMENT, "kv_seq_shift: positions ", first, " to ", last, ", free are ", low, " to ",
           high - 1);
    }
    for (auto cell = begin; cell != end; ++cell)
      cell->position += delta;
  }

  std::pair<std::int32_t, std::int32_t> kv_seq_range(std::int32_t seq) {
    const Sequence& cells = sequence(seq);
    if (cells.empty()) return {-1, -1};
    return {cells.front().position, cells.back().position};
  }

  void kv_seq_save(std::int32_t seq, const llorch_writer& writer) {
    const Sequence& cells = sequence(seq);
    SavedHeader header{{}, w_.config.vocab_size, static_cast<std::uint32_t>(cells.size()), fnv1a(cells)};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    llorch::abi::write_all(writer, &header, sizeof header);
    llorch::abi::write_all(writer, cells.data(), cells.size() * sizeof(Cell));
  }

  void kv_seq_load(std::int32_t seq, const llorch_reader& reader) {
    Sequence& cells = sequence(seq);
    SavedHeader header{};
    llorch::abi::read_all(reader, &header, sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.vocab_size != w_.config.vocab_size) {
      fail(LLORCH_BAD_STATE, "the saved state is not of this plugin and model");
    }
    if (header.n_cells > limits_.max_positions) {
      fail(LLORCH_BAD_STATE, "expected at most ", limits_.max_positions, " saved tokens, found ", header.n_cells);
    }
    if (used() - cells.size() + header.n_cells > max_tokens_) {
      fail(LLORCH_NO_KV_SPACE, header.n_cells, " saved tokens do not fit");
    }
    Sequence loaded(header.n_cells);
    llorch::abi::read_all(reader, loaded.data(), loaded.size() * sizeof(Cell));
    if (fnv1a(loaded) != header.checksum) fail(LLORCH_BAD_STATE, "the saved state is damaged: wrong check sum");
    std::int32_t next = 0;  // a check sum finds accidents, not intentions: what is used as an index is checked, too
    for (const Cell& cell : loaded) {
      if (cell.token < 0 || static_cast<std::uint32_t>(cell.token) >= w_.config.vocab_size) {
        fail(LLORCH_BAD_STATE, "saved token: expected 0 to ", w_.config.vocab_size - 1, ", found ", cell.token);
      }
      if (cell.position < next || static_cast<std::uint32_t>(cell.position) >= limits_.max_positions) {
        fail(LLORCH_BAD_STATE, "saved position: expected ", next, " to ", limits_.max_positions - 1, ", found ",
             cell.position);
      }
      next = cell.position + 1;
    }
    cells.assign(loaded.begin(), loaded.end());
  }

  [[nodiscard]] llorch_kv_usage kv_usage() const {
    const auto filled = std::count_if(sequences_.begin(), sequences_.end(), [](const auto& s) { return !s.empty(); });
    return {sizeof(llorch_kv_usage), max_tokens_ - used(), used(), static_cast<std::uint32_t>(filled)};
  }

  void set_tap(const llorch_tap* tap) { tap_.set(tap, kTaps); }

  void memory_usage(const MemoryReport& report) const {
    report.add(LLORCH_MEMORY_KV, std::uint64_t{max_tokens_} * sequences_.size() * sizeof(Cell));
    report.add(LLORCH_MEMORY_SCRATCH, (hidden_.size() + logits_.size()) * sizeof(float));
  }

 private:
  llorch_output compute(const llorch_batch& batch) {
    std::uint32_t n_rows = 0;
    std::vector<std::uint32_t> rows;
    for (std::uint32_t row = 0; row < batch.n_tokens; ++row) {
      if (host_.is_cancelled(llorch::abi::handle_of(this))) fail(LLORCH_CANCELLED, "cancelled");
      tap_.show(LLORCH_TAP_EMBED, -1, w_.embedding(batch.tokens[row]), {1, w_.config.dim}, &row);
      if ((batch.output_flags[row] & LLORCH_OUTPUT_LOGITS) == 0) continue;
      mean_embedding(sequence(batch.seq_ids[row]), batch.positions[row]);
      float* logits = logits_.data() + std::size_t{n_rows} * w_.config.vocab_size;  // (vocab_size)
      for (std::uint32_t token = 0; token < w_.config.vocab_size; ++token) {
        const float* embedding = w_.embedding(static_cast<std::int32_t>(token));
        logits[token] = std::inner_product(hidden_.begin(), hidden_.end(), embedding, 0.0F);
      }
      rows.push_back(row);
      ++n_rows;
    }
    if (n_rows > 0) tap_.show(LLORCH_TAP_LOGITS, -1, logits_.data(), {n_rows, w_.config.vocab_size}, rows.data());
    return {sizeof(llorch_output), n_rows, logits_.data(), w_.config.vocab_size};
  }

  /// hidden_ = mean of the embeddings up to `position`, always added in the order of the positions.
  void mean_embedding(const Sequence& cells, std::int32_t position) {
    std::fill(hidden_.begin(), hidden_.end(), 0.0F);
    std::size_t count = 0;
    for (; count < cells.size() && cells[count].position <= position; ++count) {
      const float* embedding = w_.embedding(cells[count].token);
      for (std::size_t i = 0; i < hidden_.size(); ++i)
        hidden_[i] += embedding[i];
    }
    for (float& x : hidden_)
      x /= static_cast<float>(count);
  }

  Sequence& sequence(std::int32_t seq) {
    if (seq < 0 || static_cast<std::size_t>(seq) >= sequences_.size()) {
      fail(LLORCH_INVALID_ARGUMENT, "sequence ", seq, ", expected 0 to ", sequences_.size() - 1);
    }
    return sequences_[static_cast<std::size_t>(seq)];
  }

  [[nodiscard]] std::uint32_t used() const {
    return static_cast<std::uint32_t>(std::accumulate(sequences_.begin(), sequences_.end(), std::size_t{0},
                                                      [](std::size_t n, const Sequence& s) { return n + s.size(); }));
  }

  const Weights& w_;
  llorch::abi::Host host_;
  std::uint32_t max_tokens_;
  llorch::abi::BatchLimits limits_;
  std::vector<Sequence> sequences_;
  std::vector<float> hidden_;  // (dim)
  std::vector<float> logits_;  // (max_output_rows, vocab_size)
  llorch::abi::Tap tap_;
};

/// Zeros replaced by defaults, impossible requests refused.
llorch_context_params complete(llorch_context_params params) {
  if (params.max_tokens == 0) fail(LLORCH_INVALID_ARGUMENT, "max_tokens is 0, expected at least 1");
  if (params.kv_dtype_k != 0 || params.kv_dtype_v != 0) fail(LLORCH_UNSUPPORTED, "the cache has no dtype to choose");
  if (params.max_seqs == 0) params.max_seqs = 1;
  if (params.max_batch_tokens == 0) params.max_batch_tokens = std::min(params.max_tokens, 512U);
  if (params.max_output_rows == 0) params.max_output_rows = params.max_batch_tokens;
  return params;
}

struct Model {
  Weights weights;
  llorch::abi::Host host;
  std::unique_ptr<Context> create_context(const llorch_context_params& params) const {
    return std::make_unique<Context>(weights, host, complete(params));
  }
  void memory_usage(const MemoryReport& report) const {
    report.add(LLORCH_MEMORY_WEIGHTS, weights.token_embd.size() * sizeof(float));
  }
};

class BagOfWords {
 public:
  using Model = ::Model;
  using Context = ::Context;
  static constexpr std::uint64_t kCapabilities =
      LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH | LLORCH_CAP_KV_PARTIAL_REMOVE | LLORCH_CAP_KV_SHIFT |
      LLORCH_CAP_KV_SAVE | LLORCH_CAP_SOURCE_NOT_RETAINED | LLORCH_CAP_BATCH_INVARIANT;
  explicit BagOfWords(llorch::abi::Host host) : host_(host) {}

  static std::optional<llorch_device> device(std::uint32_t index) {
    if (index != 0) return {};
    llorch_device cpu{};
    cpu.kind = LLORCH_DEVICE_CPU;
    llorch::abi::put_text(cpu.id, "cpu");
    llorch::abi::put_text(cpu.name, "this machine's processor");
    return cpu;
  }

  static llorch_model_info probe(const Source& source) {
    const Config config = Config::from(source);
    llorch_model_info info{};
    info.vocab_size = config.vocab_size;
    info.n_layers = 1;
    info.max_positions = config.max_positions;
    info.caps = kCapabilities;
    info.taps = kTaps;
    info.kv_block_tokens = 1;
    return info;
  }

  static void estimate_memory(const Source& source, const llorch_model_params&, const llorch_context_params& params,
                              const MemoryReport& report) {
    const Config config = Config::from(source);
    const llorch_context_params full = complete(params);
    report.add(LLORCH_MEMORY_WEIGHTS, std::uint64_t{config.vocab_size} * config.dim * sizeof(float));
    report.add(LLORCH_MEMORY_KV, std::uint64_t{full.max_tokens} * full.max_seqs * sizeof(Cell));
    report.add(LLORCH_MEMORY_SCRATCH,
               (std::uint64_t{full.max_output_rows} * config.vocab_size + config.dim) * sizeof(float));
  }

  [[nodiscard]] std::unique_ptr<Model> create_model(const Source& source, const llorch_model_params& params) const {
    if (params.device != 0) fail(LLORCH_NOT_FOUND, "device ", params.device, ": there is only device 0");
    const Config config = Config::from(source);
    const llorch_tensor embedding = source.tensor("token_embd.weight", {config.vocab_size, config.dim});
    return std::make_unique<Model>(Model{{config, llorch::abi::read_f32(source, embedding)}, host_});
  }

 private:
  llorch::abi::Host host_;
};

}  // namespace

LLORCH_DEFINE_PLUGIN(BagOfWords, "bag_of_words", "0.1.0", "template");
