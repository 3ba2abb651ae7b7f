// The one exception of the core; the binding turns it into intaglio.errors.EngineError.
#pragma once

#include <stdexcept>

namespace intaglio {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace intaglio
