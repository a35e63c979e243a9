// Kernels for many rows over every pair of cache types.
#include "cuda/kernels/attention_many.cuh"

#include "cuda/device/launch.hpp"
#include "cuda/kernels/attention_dispatch.hpp"
#include "cuda/kernels/matmul_params.hpp"

namespace llorch::cuda {

void attend_many(Stream& stream, const AttentionParams& p) {
  const Dim grid = {static_cast<unsigned>((p.n_tiles + kManyWarps - 1) / kManyWarps),
                    static_cast<unsigned>(p.kv.n_heads * p.groups)};
  int n_stages = 2;
  while (n_stages > 0 && many_shared_bytes(p.kv, n_stages) > most_shared_bytes(stream))
    --n_stages;
  with_cache_types(p, [&]<KvType kKeys, KvType kValues, int kParts>() {
    launch(stream, "attend_tile", attend_tile<kKeys, kValues, kParts>, grid, {kManyWarps * 32},
           many_shared_bytes(p.kv, n_stages), p, n_stages);
  });
}

}  // namespace llorch::cuda
