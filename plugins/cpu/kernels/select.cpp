#include "cpu/kernels/select.hpp"

#include <cstdlib>

#include "cpu/base/failure.hpp"

namespace llorch::cpu {

const std::vector<const KernelTable*>& available_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found = {&scalar_kernels()};
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (avx2) found.push_back(&avx2_kernels());
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      found.push_back(&avx512_kernels());
    }
#endif
    return found;
  }();
  return tables;
}

const KernelTable& select_kernels(const std::string& forced) {
  const auto& tables = available_kernels();
  if (forced.empty()) return *tables.back();
  std::string names;
  for (const KernelTable* table : tables) {
    if (forced == table->name) return *table;
    names += names.empty() ? "" : ", ";
    names += table->name;
  }
  fail(LLORCH_UNSUPPORTED, "LLORCH_CPU_ISA asks for \"", forced, "\"; this machine runs: ", names);
}

std::string forced_instruction_set() {
  const char* value = std::getenv("LLORCH_CPU_ISA");  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

}  // namespace llorch::cpu
