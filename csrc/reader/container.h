// The safetensors container: a table in JSON, then bytes. Nothing is copied: entries point into the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace intaglio {

struct StoredArray {
  std::string type;  // as the format names it: F32, I32, F16, U8
  std::vector<int64_t> shape;
  std::string_view bytes;
};

struct Container {
  std::map<std::string, std::string> metadata;
  std::map<std::string, StoredArray> arrays;
};

// Throws Error unless every length holds against the size of the file and arrays follow each other without gap or overlap.
Container read_container(std::string_view file);

}  // namespace intaglio
