// Kernels for many rows over every pair of cache types.
#include "cuda/kernels/attention_many.cuh"

#include "cuda/device/launch.hpp"
#include "cuda/kernels/attention_dispatch.hpp"

namespace llorch::cuda {

void attend_many(Stream& stream, const AttentionParams& p) {
  const Dim grid = {static_cast<unsigned>((p.n_tiles + kManyWarps - 1) / kManyWarps),
                    static_cast<unsigned>(p.kv.n_heads * p.groups)};
  with_cache_types(p, [&]<KvType kKeys, KvType kValues, int kParts>() {
    launch(stream, "attend_tile", attend_tile<kKeys, kValues, kParts>, grid, {kManyWarps * 32},
           kManyWarps * sizeof(ManyShared), p);
  });
}

}  // namespace llorch::cuda
