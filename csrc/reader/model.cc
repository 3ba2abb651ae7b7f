#include "reader/model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/engine.h"
#include "engine/error.h"
#include "engine/limits.h"
#include "reader/container.h"
#include "reader/inflate.h"
#include "reader/json.h"
#include "reader/records.h"

namespace intaglio {
namespace {

struct Letters {
  uint32_t first, last;
};
constexpr Letters unprintable[] = {
#define UNPRINTABLE(...) {__VA_ARGS__},
#include "engine/limits.inc"
};
constexpr std::string_view coverages[] = {
#define COVERAGE(word) word,
#include "engine/limits.inc"
};
struct Probe {
  int64_t height, width;
};
constexpr Probe probes[] = {
#define PROBE(...) {__VA_ARGS__},
#include "engine/limits.inc"
};

[[noreturn]] void refuse_header() { throw Error("the header of the model has other members than it should; quantize the model again"); }

enum class Type { whole, text, object, object_or_null };

bool is(const Json& value, Type type) {
  switch (type) {
    case Type::whole: return value.whole();
    case Type::text: return value.text();
    case Type::object: return value.members();
    default: return value.members() || value.is_null();
  }
}

// An object of exactly these members.
void check_members(const Json& object, std::initializer_list<std::pair<std::string_view, Type>> wanted) {
  if (!object.members() || object.members()->size() != wanted.size()) refuse_header();
  for (const auto& [key, type] : wanted) {
    const Json* value = object.find(key);
    if (!value || !is(*value, type)) refuse_header();
  }
}

Json document_of(const Container& container) {
  const auto found = container.metadata.find("intaglio");
  if (found == container.metadata.end()) throw Error("the file is a checkpoint: it holds tensors but no program; `intaglio quantize` makes a packed model of it");
  Json document = parse_json(found->second, "the header of the model");
  const Json* version = document.find("version");
  if (!version || !version->whole()) throw Error("the file tells no version of its format; quantize the model again");
  if (*version->whole() != limits::version) {
    throw Error("the file has format version " + std::to_string(*version->whole()) + ", this release reads " + std::to_string(limits::version) +
                "; " + (*version->whole() < limits::version ? "make it anew with `intaglio quantize`" : "take a newer release"));
  }
  check_members(document, {{"version", Type::whole}, {"scale", Type::whole}, {"architecture", Type::text}, {"coverage", Type::text}, {"header", Type::object}});
  const std::string& coverage = *document.find("coverage")->text();
  if (std::find(std::begin(coverages), std::end(coverages), coverage) == std::end(coverages)) throw Error("coverage is of no known kind; quantize the model again");
  const Json& header = *document.find("header");
  check_members(header, {{"recipe", Type::object}, {"calibration", Type::object_or_null}, {"protocol", Type::text}, {"provenance", Type::object}});
  const Json& calibration = *header.find("calibration");
  if (!calibration.is_null()) check_members(calibration, {{"name", Type::text}, {"content_hash", Type::text}, {"count", Type::whole}});
  check_members(*header.find("provenance"), {{"source_sha256", Type::text}, {"version", Type::text}, {"created", Type::text}});
  return document;
}

Json operations_of(const Container& container) {
  const auto found = container.arrays.find("operations");
  if (found == container.arrays.end()) throw Error("the file lacks the tensor 'operations'; fetch it again or quantize anew");
  if (found->second.type != "U8") throw Error("the operations are of type " + found->second.type + ", expected U8; quantize the model again");
  for (const auto& [name, array] : container.arrays) {
    static const std::set<std::string_view> known = {"grids", "operations", "singles", "indices", "halves", "codes"};
    if (!known.contains(name)) throw Error("no operation uses one of the tensors of the file; fetch it again or quantize anew");
  }
  const std::string text = inflate(found->second.bytes, static_cast<size_t>(limits::max_text));
  if (!each_code_point(text, false, [](uint32_t) {})) throw Error("the operations are no text; fetch the file again or quantize anew");
  return parse_json(text, "the list of operations");
}

void check_name(const std::string& name) {
  int64_t letters = 0;
  bool sound = each_code_point(name, true, [&](uint32_t code) {
    ++letters;
    for (const Letters& range : unprintable) {
      if (code >= range.first && code <= range.last) letters = limits::max_name + 1;
    }
  });
  if (!sound || letters == 0 || letters > limits::max_name) {
    throw Error("a name is empty, unprintable or longer than " + std::to_string(limits::max_name) + " letters; rename it and quantize the model again");
  }
}

// Names are printable, each operation has its own, and equally named sites are one site.
void check_names(const std::string& architecture, const std::vector<Record>& records) {
  check_name(architecture);
  std::set<std::string_view> names;
  std::map<std::string_view, const std::vector<Grid>*> seen;
  for (const Record& record : records) {
    check_name(record.spec.name);
    check_name(record.spec.output);
    if (!names.insert(record.spec.name).second) record.spec.refuse("has the name of another operation");
    for (const auto& [role, name] : record.site_names) {
      check_name(name);
      const std::vector<Grid>& grids = record.spec.sites.at(role);
      if (*seen.emplace(name, &grids).first->second != grids) record.spec.refuse("has a site that occurs elsewhere with other grids");
    }
  }
}

Model read(std::string_view file) {
  const Container container = read_container(file);
  const Json document = document_of(container);
  std::vector<Record> records = read_records(operations_of(container), container);
  Model model;
  model.scale = *document.find("scale")->whole();
  model.architecture = *document.find("architecture")->text(), model.coverage = *document.find("coverage")->text();
  check_names(model.architecture, records);
  for (Record& record : records) model.specs.push_back(std::move(record.spec));
  // Made once for its checks alone: operations by themselves, on pictures of sides that cannot be taken for one another.
  const Engine engine(model.specs, model.scale, {{}, 1, 0, false});
  model.multiple = model.specs.front().integer("multiple", 1, limits::max_side);
  for (const Probe& probe : probes) engine.check(probe.height * model.multiple, probe.width * model.multiple);
  return model;
}

// Messages may name what a file holds, which need be neither text nor one line.
std::string readable(std::string message) {
  const bool sound = each_code_point(message, false, [](uint32_t) {});
  for (char& c : message) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !sound)) c = '?';
  }
  return message;
}

}  // namespace

Model read_model(std::string_view file) {
  try {
    return read(file);
  } catch (const Error& error) {
    throw Error(readable(error.what()));
  }
}

}  // namespace intaglio
