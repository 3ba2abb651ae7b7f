// Instantiates the recording block for one vector type. Included once by each probe/isa/<isa>.cc.
#pragma once

#include "kernels/block.h"
#include "probe/recorder.h"

namespace intaglio::probe {

template <class V>
void traced(const WindowBlockArgs& args) {
  kernels::window_block_watched<V, Recorder>(args);
}

}  // namespace intaglio::probe
