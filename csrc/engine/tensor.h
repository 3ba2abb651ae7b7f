// Values of a program: tensors of rank 0 to 8, dense, or maps (1, c, h, w) whose planes may lie further apart.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "engine/map.h"

namespace intaglio {

inline constexpr int max_rank = 8;

struct Dims {
  int rank = 0;
  int64_t n[max_rank] = {};

  Dims() = default;
  Dims(std::initializer_list<int64_t> lengths) {
    for (int64_t length : lengths) n[rank++] = length;
  }
  int64_t operator[](int axis) const { return n[axis]; }
  int64_t& operator[](int axis) { return n[axis]; }
  int64_t last() const { return n[rank - 1]; }
  void append(int64_t length) { n[rank++] = length; }
  // Entries along the axes [from, to).
  int64_t count(int from, int to) const {
    int64_t product = 1;
    for (int axis = from; axis < to; ++axis) product *= n[axis];
    return product;
  }
  int64_t count() const { return count(0, rank); }
  // Whether planes may lie apart: a map of one picture.
  bool is_map() const { return rank == 4 && n[0] == 1; }
  bool operator==(const Dims& other) const {
    for (int axis = 0; axis < rank; ++axis) {
      if (axis >= other.rank || n[axis] != other.n[axis]) return false;
    }
    return rank == other.rank;
  }
};

struct Tensor {
  float* data = nullptr;
  Dims dims;
  int64_t plane = 0;  // floats from one entry of axis 1 to the next, where that is more than a dense tensor has; else 0

  // Floats from one entry of the axis to the next.
  int64_t stride(int axis) const {
    if (plane && axis == 1) return plane;
    if (plane && axis == 0) return plane * dims[1];
    return dims.count(axis + 1, dims.rank);
  }
  // Runs of floats without a gap: all of it, or one for each plane.
  int64_t runs() const { return dims.is_map() ? dims[1] : 1; }
  int64_t run_length() const { return dims.is_map() ? dims[2] * dims[3] : dims.count(); }
  int64_t run_stride() const { return plane ? plane : run_length(); }
  float* run(int64_t index) const { return data + index * run_stride(); }

  // The last three axes as maps, of which there may be several.
  int64_t maps() const { return dims.count(0, dims.rank - 3); }
  Map map(int64_t index = 0) const {
    const Shape shape{dims[dims.rank - 3], dims[dims.rank - 2], dims[dims.rank - 1]};
    const int64_t apart = plane ? plane : shape.h * shape.w;
    return {data + index * shape.c * apart, shape, apart};
  }
};

}  // namespace intaglio
