#include "llama2_cuda/inputs.hpp"

#include <algorithm>
#include <cstddef>

#include "common/base/sizes.hpp"
#include "cuda/kernels/query_tiles.hpp"

namespace llorch::llama2_cuda {
namespace {

using common::KvBook;
using common::LiveRows;
using common::QueryRun;

constexpr std::uint64_t kAlignment = 64;

}  // namespace

/// Bytes from the start, each aligned.
struct Inputs::Offsets {
  std::uint64_t tokens, places, cosines, sines, blocks, visible, tiles, outputs, wanted_visible, wanted_tiles,
      bytes = 0;

  Offsets(const InputCounts& c, std::int64_t rotated) {
    const auto take = [this](std::int64_t n, std::size_t size) {
      const std::uint64_t at = bytes;
      const std::uint64_t wanted = common::checked_product(static_cast<std::uint64_t>(n), size, "inputs of a batch");
      bytes = at + (wanted + kAlignment - 1) / kAlignment * kAlignment;
      return at;
    };
    tokens = take(c.n_rows, sizeof(std::int32_t));
    places = take(c.n_rows, sizeof(std::uint32_t));
    cosines = take(c.n_rows * rotated, sizeof(float));
    sines = take(c.n_rows * rotated, sizeof(float));
    visible = take(c.n_rows, sizeof(cuda::VisibleRows));
    tiles = take(c.n_tiles, sizeof(cuda::QueryTile));
    outputs = take(c.n_outputs, sizeof(std::int32_t));
    wanted_visible = take(c.n_outputs, sizeof(cuda::VisibleRows));
    wanted_tiles = take(c.n_output_tiles, sizeof(cuda::QueryTile));
    blocks = take(c.n_blocks, sizeof(std::uint32_t));
  }
};

Inputs::Offsets Inputs::offsets(const InputCounts& counts) const {
  return {counts, config_.rope.rotated};
}

std::uint64_t Inputs::bytes_for(const llama::Config& config, std::int64_t max_rows, std::int64_t max_seqs,
                                std::int64_t longest) {
  const std::int64_t tables = std::max(std::min(max_rows, max_seqs), cuda::kDecodeRows);
  // Decode steps have tables of a power of two of rows.
  const std::int64_t table = 2 * KvBook::blocks_of(std::max(longest, cuda::kAttentionChunk));
  const std::int64_t rows = std::max(max_rows, cuda::kDecodeRows);
  const std::int64_t tiles = rows;  // a tile has one row at least
  return Offsets(
             {.n_rows = rows, .n_blocks = tables * table, .n_tiles = tiles, .n_outputs = rows, .n_output_tiles = tiles},
             config.rope.rotated)
      .bytes;
}

Inputs::Inputs(int device, const llama::Config& config, std::int64_t max_rows, std::int64_t max_seqs,
               std::int64_t longest)
    : config_(config),
      device_(device, bytes_for(config, max_rows, max_seqs, longest), "inputs of a batch"),
      host_(device, device_.bytes(), "inputs of a batch") {}

InputCounts Inputs::decode_counts(std::int64_t n_rows, std::int64_t most_visible) {
  return {.n_rows = n_rows, .n_blocks = n_rows * KvBook::blocks_of(most_visible)};
}

InputCounts Inputs::prefill_counts(const LiveRows& rows) {
  InputCounts counts;
  counts.n_rows = rows.n;
  for (const QueryRun& run : rows.runs)
    counts.n_blocks += KvBook::blocks_of(run.n_visible + run.n_rows - 1);
  tiles_ = cuda::query_tiles(rows.runs, config_.n_heads, config_.n_heads_kv);
  counts.n_tiles = static_cast<std::int64_t>(tiles_.size());
  outputs_.clear();
  wanted_tiles_.clear();
  if (static_cast<std::int64_t>(rows.outputs.size()) == rows.n) return counts;
  wanted_ = rows;
  outputs_ = common::keep_output_rows(wanted_);
  wanted_tiles_ = cuda::query_tiles(wanted_.runs, config_.n_heads, config_.n_heads_kv);
  counts.n_outputs = wanted_.n;
  counts.n_output_tiles = static_cast<std::int64_t>(wanted_tiles_.size());
  return counts;
}

void Inputs::put_queries(const std::vector<QueryRun>& runs, const KvBook& book,
                         const std::vector<std::uint32_t>& tables, cuda::VisibleRows* visible) const {
  for (const QueryRun& run : runs) {
    for (std::int64_t i = 0; i < run.n_rows; ++i) {
      const std::int64_t end = run.n_visible + i;
      const std::int64_t begin = book.window_begin(run.seq, end - 1, config_.window);
      visible[run.first_row + i] = {tables[static_cast<std::size_t>(run.seq)], static_cast<std::int32_t>(begin),
                                    static_cast<std::int32_t>(end)};
    }
  }
}

void Inputs::fill(const InputCounts& counts, const llorch_batch& batch, const LiveRows& rows, const KvBook& book,
                  const common::Rope& rope) {
  const Offsets at = offsets(counts);
  auto* host = host_.as<std::byte>();
  std::copy_n(batch.tokens, counts.n_rows, reinterpret_cast<std::int32_t*>(host + at.tokens));
  const std::int64_t rotated = config_.rope.rotated;
  auto* cosines = reinterpret_cast<float*>(host + at.cosines);
  auto* sines = reinterpret_cast<float*>(host + at.sines);
  for (std::int64_t i = 0; i < counts.n_rows; ++i)
    rope.angles(batch.positions[i], cosines + i * rotated, sines + i * rotated);

  auto* places = reinterpret_cast<std::uint32_t*>(host + at.places);
  auto* blocks = reinterpret_cast<std::uint32_t*>(host + at.blocks);
  std::vector<std::uint32_t> tables(static_cast<std::size_t>(book.max_seqs()));  // where each sequence's begins
  std::uint32_t next = 0;
  for (const QueryRun& run : rows.runs) {
    const std::uint32_t* table = book.blocks(run.seq);
    const std::int64_t n = KvBook::blocks_of(run.n_visible + run.n_rows - 1);
    tables[static_cast<std::size_t>(run.seq)] = next;
    std::copy_n(table, n, blocks + next);
    next += static_cast<std::uint32_t>(n);
    for (std::int64_t i = 0; i < run.n_rows; ++i) {
      const std::int64_t row = run.n_visible - 1 + i;
      places[run.first_row + i] = table[row / common::kKvBlock] * static_cast<std::uint32_t>(common::kKvBlock) +
                                  static_cast<std::uint32_t>(row % common::kKvBlock);
    }
  }
  // Blocks behind the tables are never looked at, but they are copied.
  std::fill(blocks + next, blocks + counts.n_blocks, 0u);
  put_queries(rows.runs, book, tables, reinterpret_cast<cuda::VisibleRows*>(host + at.visible));
  if (counts.n_tiles > 0) std::copy(tiles_.begin(), tiles_.end(), reinterpret_cast<cuda::QueryTile*>(host + at.tiles));
  if (counts.n_outputs == 0) return;
  std::copy(outputs_.begin(), outputs_.end(), reinterpret_cast<std::int32_t*>(host + at.outputs));
  put_queries(wanted_.runs, book, tables, reinterpret_cast<cuda::VisibleRows*>(host + at.wanted_visible));
  std::copy(wanted_tiles_.begin(), wanted_tiles_.end(), reinterpret_cast<cuda::QueryTile*>(host + at.wanted_tiles));
}

InputViews Inputs::views(const InputCounts& counts) const {
  const Offsets at = offsets(counts);
  const auto* base = device_.as<const std::byte>();
  InputViews v;
  v.tokens = reinterpret_cast<const std::int32_t*>(base + at.tokens);
  v.places = reinterpret_cast<const std::uint32_t*>(base + at.places);
  v.cosines = reinterpret_cast<const float*>(base + at.cosines);
  v.sines = reinterpret_cast<const float*>(base + at.sines);
  v.blocks = reinterpret_cast<const std::uint32_t*>(base + at.blocks);
  v.all = {reinterpret_cast<const cuda::VisibleRows*>(base + at.visible),
           reinterpret_cast<const cuda::QueryTile*>(base + at.tiles), counts.n_tiles};
  v.outputs = reinterpret_cast<const std::int32_t*>(base + at.outputs);
  v.wanted = {reinterpret_cast<const cuda::VisibleRows*>(base + at.wanted_visible),
              reinterpret_cast<const cuda::QueryTile*>(base + at.wanted_tiles), counts.n_output_tiles};
  return v;
}

void Inputs::send(cuda::Stream& stream, const InputCounts& counts) {
  stream.to_device(device_.data(), host_.data(), offsets(counts).bytes);
}

}  // namespace llorch::llama2_cuda
