#include "llama2_cuda/taps.hpp"

#include "cuda/device/runtime.hpp"

namespace llorch::llama2_cuda {

void Taps::show(cuda::Stream& stream, std::uint32_t id, std::int64_t layer, const cuda::RowsView& x,
                const std::uint32_t* rows, std::uint32_t flags) {
  if (!wants(id, layer)) return;
  host_.resize(static_cast<std::size_t>(x.n_rows * x.n_cols));
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(x.n_cols) * sizeof(float);
  stream.rows_to_host(host_.data(), row_bytes, x.data, static_cast<std::uint64_t>(x.stride) * sizeof(float), row_bytes,
                      static_cast<std::uint64_t>(x.n_rows));
  stream.synchronize();
  tap_.show(id, static_cast<std::int32_t>(layer), host_.data(),
            {static_cast<std::uint64_t>(x.n_rows), static_cast<std::uint64_t>(x.n_cols)}, rows, flags);
}

void Taps::show_scores(cuda::Stream& stream, const cuda::AttentionArgs& args, std::int64_t first_row,
                       std::int64_t n_rows, std::int64_t n_columns, const std::uint32_t* rows) {
  host_.resize(static_cast<std::size_t>(args.n_heads * n_rows * n_columns));
  const cuda::DeviceMemory scores(stream.device(), host_.size() * sizeof(float), "scores for a tap");
  cuda::attention_scores(stream, args, first_row, n_rows, n_columns, scores.as<float>());
  stream.to_host(host_.data(), scores.data(), scores.bytes());
  stream.synchronize();
  tap_.show(LLORCH_TAP_SCORES, static_cast<std::int32_t>(args.layer), host_.data(),
            {static_cast<std::uint64_t>(args.n_heads), static_cast<std::uint64_t>(n_rows),
             static_cast<std::uint64_t>(n_columns)},
            rows, LLORCH_TAP_UNFUSED);
}

}  // namespace llorch::llama2_cuda
