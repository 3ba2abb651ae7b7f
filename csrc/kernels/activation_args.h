// The activation functions of docs/numerics.md, section 4, by name.
#pragma once

namespace intaglio {

enum class Activation { none, relu, leaky_relu, prelu, sigmoid, gelu, silu };

}  // namespace intaglio
