#include "ops/activation_spec.h"

#include <algorithm>

namespace intaglio {
namespace {

struct Name {
  const char* text;
  Activation act;
};

constexpr Name names[] = {
    {"relu", Activation::relu},       {"leaky_relu", Activation::leaky_relu}, {"prelu", Activation::prelu},
    {"sigmoid", Activation::sigmoid}, {"gelu", Activation::gelu},             {"silu", Activation::silu},
};

const Name* find(const std::string& function) {
  const auto* found = std::find_if(std::begin(names), std::end(names), [&](const Name& name) { return function == name.text; });
  return found == std::end(names) ? nullptr : found;
}

}  // namespace

bool ActivationSpec::knows(const std::string& function) { return find(function) != nullptr; }

ActivationSpec ActivationSpec::read(const OpSpec& spec, const std::string& slopes) {
  const Name* name = find(spec.text("function"));
  if (!name) spec.refuse("the activation is not one that kernels have");
  if (name->act == Activation::leaky_relu) return {name->act, {spec.number("slope")}};
  if (name->act != Activation::prelu) return {name->act, {0.0f}};
  const auto found = spec.floats.find(slopes);
  if (found == spec.floats.end() || found->second.shape.size() != 1) spec.refuse("prelu has no list of slopes");
  return {name->act, spec.tensor(slopes, found->second.shape)};
}

}  // namespace intaglio
