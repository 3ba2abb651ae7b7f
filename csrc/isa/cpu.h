// What the processor and the operating system allow. Detection only.
#pragma once

namespace intaglio {

struct Features {
  bool avx2 = false;  // with FMA and F16C
  bool avx_vnni = false;
  bool avx512 = false;  // F, BW, VL, DQ
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool amx = false;  // tiles, INT8 and BF16
  bool neon_dot = false;
};

Features detect();

}  // namespace intaglio
