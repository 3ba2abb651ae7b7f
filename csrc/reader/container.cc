#include "reader/container.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/limits.h"
#include "reader/json.h"

namespace intaglio {
namespace {

struct Type {
  std::string_view name, pool;
  int64_t size;
};
constexpr Type types[] = {
#define POOL(...) {__VA_ARGS__},
#include "engine/limits.inc"
};

struct Entry {
  std::string name;
  StoredArray array;
  int64_t start, end;
};

int64_t size_of(const std::string& type) {
  for (const Type& one : types) {
    if (one.name == type) return one.size;
  }
  return 0;
}

bool whole_list(const Json* value, std::vector<int64_t>& out) {
  const auto* items = value ? value->items() : nullptr;
  if (!items) return false;
  for (const Json& item : *items) {
    const int64_t* number = item.whole();
    if (!number || *number < 0 || *number >= limits::max_count) return false;
    out.push_back(*number);
  }
  return true;
}

// Bytes of an array; -1 if there are more than 63 bits count.
int64_t bytes_of(const std::vector<int64_t>& shape, int64_t size) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  for (int64_t length : shape) {
    if (__builtin_mul_overflow(size, length, &size)) return -1;
  }
  return size;
}

Entry entry(const std::string& name, const Json& fields) {
  Entry result{name, {}, 0, 0};
  std::vector<int64_t> offsets;
  const Json* type = fields.find("dtype");
  const bool sound = fields.members() && fields.members()->size() == 3 && type && type->text() && size_of(*type->text()) &&
                     whole_list(fields.find("shape"), result.array.shape) && whole_list(fields.find("data_offsets"), offsets) && offsets.size() == 2 &&
                     result.array.shape.size() <= static_cast<size_t>(limits::max_rank);
  if (!sound) throw Error("a tensor of the file is ill described; give a file written by `intaglio quantize`");
  result.array.type = *type->text();
  result.start = offsets[0], result.end = offsets[1];
  if (result.end < result.start || bytes_of(result.array.shape, size_of(result.array.type)) != result.end - result.start) {
    throw Error("a tensor of the file has another size than its shape says; fetch it again");
  }
  return result;
}

}  // namespace

Container read_container(std::string_view file) {
  uint64_t length = 0;
  for (size_t i = 0; i < 8 && i < file.size(); ++i) length |= static_cast<uint64_t>(static_cast<uint8_t>(file[i])) << (8 * i);
  if (file.size() < 10 || length > static_cast<uint64_t>(limits::max_header)) {
    throw Error("this is no packed model (no safetensors file); give a file written by `intaglio quantize`");
  }
  if (length > file.size() - 8) throw Error("the file ends within its header; fetch it again");
  const std::string_view head = file.substr(8, static_cast<size_t>(length)), data = file.substr(8 + static_cast<size_t>(length));
  if (!each_code_point(head, false, [](uint32_t) {})) throw Error("the header of the file is no text; give a file written by `intaglio quantize`");
  const Json table = parse_json(head, "the header of the file");
  if (!table.members()) throw Error("the header of the file is no table; give a file written by `intaglio quantize`");
  Container result;
  std::vector<Entry> entries;
  for (const auto& [name, fields] : *table.members()) {
    if (name != "__metadata__") {
      entries.push_back(entry(name, fields));
      continue;
    }
    if (!fields.members()) throw Error("the metadata of the file are no strings; give a file written by `intaglio quantize`");
    for (const auto& [key, value] : *fields.members()) {
      if (!value.text()) throw Error("the metadata of the file are no strings; give a file written by `intaglio quantize`");
      result.metadata[key] = *value.text();
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.start != b.start ? a.start < b.start : a.end < b.end; });
  int64_t end = 0;
  for (Entry& one : entries) {
    if (one.start != end || one.end > static_cast<int64_t>(data.size())) throw Error("tensors of the file overlap, leave bytes unused or end early; fetch it again");
    end = one.end;
    one.array.bytes = data.substr(static_cast<size_t>(one.start), static_cast<size_t>(one.end - one.start));
    result.arrays[one.name] = std::move(one.array);
  }
  if (end != static_cast<int64_t>(data.size())) throw Error("the file is longer than its header says; fetch it again");
  return result;
}

}  // namespace intaglio
