// The factories that the registry lists, one for each kind of operation.
#pragma once

#include <memory>

#include "engine/op.h"
#include "engine/spec.h"

namespace intaglio {

#define INTAGLIO_FACTORY(kind) std::unique_ptr<Op> make_##kind(const OpSpec& spec, const KernelTable& kernels)
INTAGLIO_FACTORY(input);
INTAGLIO_FACTORY(output);
INTAGLIO_FACTORY(conv2d);
INTAGLIO_FACTORY(linear);
INTAGLIO_FACTORY(matmul);
INTAGLIO_FACTORY(softmax);
INTAGLIO_FACTORY(layer_norm);
INTAGLIO_FACTORY(normalize);
INTAGLIO_FACTORY(activation);
INTAGLIO_FACTORY(affine);
INTAGLIO_FACTORY(add);
INTAGLIO_FACTORY(sub);
INTAGLIO_FACTORY(mul);
INTAGLIO_FACTORY(div);
INTAGLIO_FACTORY(maximum);
INTAGLIO_FACTORY(minimum);
INTAGLIO_FACTORY(reduce);
INTAGLIO_FACTORY(reshape);
INTAGLIO_FACTORY(planes_of);
INTAGLIO_FACTORY(permute);
INTAGLIO_FACTORY(expand);
INTAGLIO_FACTORY(slice);
INTAGLIO_FACTORY(concat);
INTAGLIO_FACTORY(pad);
INTAGLIO_FACTORY(roll);
INTAGLIO_FACTORY(take);
INTAGLIO_FACTORY(pool2d);
INTAGLIO_FACTORY(resize);
INTAGLIO_FACTORY(pixel_shuffle);
INTAGLIO_FACTORY(pixel_unshuffle);
INTAGLIO_FACTORY(constant);
INTAGLIO_FACTORY(position_bias);
INTAGLIO_FACTORY(shift_mask);
INTAGLIO_FACTORY(unfold);
// Made by fusion only (fuse/): no file may hold them.
INTAGLIO_FACTORY(window_block);
INTAGLIO_FACTORY(attention);
INTAGLIO_FACTORY(channel_norm);
INTAGLIO_FACTORY(scaled_add);
#undef INTAGLIO_FACTORY

}  // namespace intaglio
