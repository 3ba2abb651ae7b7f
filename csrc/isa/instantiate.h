// Instantiates every kernel of kernels.inc for one vector type. Included once by each isa/<isa>.cc.
#pragma once

#include "isa/kernel_table.h"
#include "kernels/attention_head.h"
#include "kernels/block.h"
#include "kernels/conv.h"
#include "kernels/conv_matrix.h"
#include "kernels/conv_winograd.h"
#include "kernels/dot.h"
#include "kernels/elementwise.h"
#include "kernels/rows.h"

namespace intaglio {

template <class V>
constexpr KernelTable make_table(const char* isa) {
  return {isa, V::lanes, V::has_tiles,
#define INTAGLIO_KERNEL(name, argument) &kernels::name<V>,
#define INTAGLIO_PATCH_KERNEL(name, argument) [] { if constexpr (kernels::HasPatches<V>) return &kernels::name<V>; else return nullptr; }(),
#define INTAGLIO_WIDE_PATCH_KERNEL(name, argument) [] { if constexpr (kernels::HasPatches<V> && V::needs_wide) return &kernels::name<V>; else return nullptr; }(),
#define INTAGLIO_MATRIX_KERNEL(name, argument) [] { if constexpr (kernels::HasMatrixRegisters<V>) return &kernels::name<V>; else return nullptr; }(),
#include "kernels.inc"
#undef INTAGLIO_KERNEL
  };
}

}  // namespace intaglio
