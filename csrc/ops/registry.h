// From the kind of an operation to the factory that checks and packs it.
#pragma once

#include <memory>

#include "engine/op.h"
#include "engine/spec.h"

namespace intaglio {

// Whether fusion alone makes operations of this kind.
bool is_internal(const std::string& kind);

// Throws Error if the kind is unknown or the spec is not sound.
std::unique_ptr<Op> make_op(const OpSpec& spec, const KernelTable& kernels);

}  // namespace intaglio
