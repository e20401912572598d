#include "dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace {

#if defined(__x86_64__)
// __builtin_cpu_supports does not link under every toolchain and does not always ask the operating system, so CPUID
// (Intel SDM vol. 2, leaves 1 and 7) and XGETBV are read here.
struct Cpu {
  bool avx2 = false, avx512 = false;

  Cpu() {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool fma = c & bit_FMA, f16c = c & bit_F16C, xsave = c & bit_OSXSAVE;
    if (!xsave || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    constexpr unsigned ymm = 0x6, zmm = 0xe6;  // registers that the operating system saves
    avx2 = (low & ymm) == ymm && fma && f16c && (b & bit_AVX2);
    const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    avx512 = avx2 && (low & zmm) == zmm && (b & wanted) == wanted;
  }
};
#endif

std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> list;
#if defined(__x86_64__)
  const Cpu cpu;
#endif
#ifdef HAS_AVX512
  if (cpu.avx512) list.push_back(&kernels_avx512);
#endif
#ifdef HAS_AVX2
  if (cpu.avx2) list.push_back(&kernels_avx2);
#endif
#ifdef HAS_NEON
  list.push_back(&kernels_neon);
#endif
#ifdef HAS_PORTABLE
  list.push_back(&kernels_portable);
#endif
  return list;
}

}  // namespace

const std::vector<const Kernels*>& supported_kernels() {
  static const std::vector<const Kernels*> list = detect();
  return list;
}
