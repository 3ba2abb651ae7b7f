// Subnormal numbers as zeros while it lives: exponentials that no code can show would otherwise cost a hundred cycles each.
#pragma once

#include <immintrin.h>

namespace intaglio::simd {

class FlushSubnormals {
 public:
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // results, and operands
  ~FlushSubnormals() { _mm_setcsr(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace intaglio::simd
