// What a program that comes from outside must be, before anything is made of it.
#pragma once

#include <vector>

#include "engine/spec.h"

namespace intaglio {

// One operation against the definition of its kind: inputs, attributes, tensors, sites; nothing missing and nothing more. Throws Error.
void verify(const OpSpec& spec);

// A straight line from `input` to `output`, each value written once and before it is read. Throws Error.
void verify(const std::vector<OpSpec>& specs);

}  // namespace intaglio
