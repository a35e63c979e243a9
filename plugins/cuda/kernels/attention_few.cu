// Kernels for few rows over every pair of cache types.
#include "cuda/kernels/attention_few.cuh"

#include "cuda/kernels/attention_dispatch.hpp"
#include "cuda/kernels/matmul_params.hpp"

namespace llorch::cuda {

void attend_few(Stream& stream, const AttentionParams& p) {
  const Dim grid = {static_cast<unsigned>(p.n_chunks), static_cast<unsigned>(p.kv.n_heads * p.groups),
                    static_cast<unsigned>(p.q.n_rows)};
  const bool staged = few_shared_bytes(p.kv, true) <= most_shared_bytes(stream);
  with_cache_types(p, [&]<KvType kKeys, KvType kValues, int kParts>() {
    launch(stream, "attend_chunk",
           staged ? attend_chunk<kKeys, kValues, kParts, true> : attend_chunk<kKeys, kValues, kParts, false>, grid,
           {kFewWarps * 32}, few_shared_bytes(p.kv, staged), p);
  });
  merge_few(stream, p);
}

}  // namespace llorch::cuda
