// The table of kernels of one instruction set, made from kernels.inc. No intrinsics here.
#pragma once

#include "kernels/block_args.h"
#include "kernels/conv_args.h"
#include "kernels/dot_args.h"
#include "kernels/elementwise_args.h"
#include "kernels/rows_args.h"

namespace intaglio {

struct KernelTable {
  const char* isa;
  int lanes;  // float32 values in one vector: weights are packed for it
  bool tiles;  // products of whole tiles: linear weights are packed for them too
#define INTAGLIO_KERNEL(name, argument) void (*name)(argument);
#include "kernels.inc"
#undef INTAGLIO_KERNEL
};

}  // namespace intaglio
