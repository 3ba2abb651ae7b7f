#include "isa/cpu.h"

#include <cstdint>

#if defined(INTAGLIO_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(INTAGLIO_ARM) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace intaglio {

#if defined(INTAGLIO_X86)
namespace {

bool bit(unsigned word, int index) { return (word >> index) & 1u; }

uint64_t enabled_state() {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

// Linux hands out the tile registers only to processes that ask.
bool ask_for_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace

Features detect() {
  Features found;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  const bool fma = bit(c, 12), f16c = bit(c, 29), xsave = bit(c, 27);
  if (!xsave || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const uint64_t state = enabled_state();
  constexpr uint64_t ymm = 0x6, zmm = 0xe6, tiles = 0x60000;
  unsigned a1 = 0, b1 = 0, c1 = 0, d1 = 0;
  __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
  found.avx2 = (state & ymm) == ymm && bit(b, 5) && fma && f16c;
  found.avx_vnni = found.avx2 && bit(a1, 4);
  found.avx512 = found.avx2 && (state & zmm) == zmm && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
  found.avx512_vnni = found.avx512 && bit(c, 11);
  found.avx512_bf16 = found.avx512 && bit(a1, 5);
  found.amx = found.avx512 && (state & tiles) == tiles && bit(d, 22) && bit(d, 24) && bit(d, 25) && ask_for_tiles();
  return found;
}

#elif defined(INTAGLIO_ARM)

Features detect() {
  Features found;
#if defined(__linux__)
  found.neon_dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  found.neon_dot = true;
#endif
  return found;
}

#else

Features detect() { return {}; }

#endif

}  // namespace intaglio
