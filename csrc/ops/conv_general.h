// Convolutions that the kernels do not do: groups, dilation, borders that differ or are mirrored, kernels of any sides.
#pragma once

#include <memory>

#include "engine/op.h"
#include "engine/spec.h"
#include "kernels/conv_args.h"
#include "ops/activation_spec.h"

namespace intaglio {

std::unique_ptr<Op> make_general_conv(const OpSpec& spec, const KernelTable& kernels);

// The activation that is part of a fused convolution, with one slope for each output; none if there is none.
ActivationSpec conv_activation(const OpSpec& spec, int64_t outputs);
// The scales of a fused sum, or that it is a product.
ConvResidual conv_residual(const OpSpec& spec);

}  // namespace intaglio
