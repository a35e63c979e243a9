#include "cpu/kernels/select.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#include <cstdlib>

#include "common/base/failure.hpp"

namespace llorch::cpu {
#if defined(__x86_64__)
namespace {

/// Conversion of half precision; not every compiler's __builtin_cpu_supports knows it.
bool has_f16c() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

/// Matrix tiles for int8: the processor has them, and Linux lets this process use them when asked.
bool has_amx() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kAmxTile = 1u << 24;
  constexpr unsigned kAmxInt8 = 1u << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAmxTile) == 0 || (d & kAmxInt8) == 0) return false;
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace
#endif

const std::vector<const KernelTable*>& available_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found = {&scalar_kernels()};
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    if (avx2) found.push_back(&avx2_kernels());
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      found.push_back(&avx512_kernels());
      const bool vnni = __builtin_cpu_supports("avx512vnni");
      if (vnni) found.push_back(&avx512_vnni_kernels());
      if (vnni && has_amx()) found.push_back(&amx_kernels());
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
  common::fail(LLORCH_UNSUPPORTED, "LLORCH_CPU_ISA asks for \"", forced, "\"; this machine runs: ", names);
}

std::string forced_instruction_set() {
  const char* value = std::getenv("LLORCH_CPU_ISA");  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

}  // namespace llorch::cpu
