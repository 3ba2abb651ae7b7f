#include "ops/activation_spec.h"

namespace intaglio {
namespace {

struct Name {
  const char* text;
  Activation act;
};

constexpr Name names[] = {
    {"none", Activation::none},       {"relu", Activation::relu}, {"leaky_relu", Activation::leaky_relu}, {"prelu", Activation::prelu},
    {"sigmoid", Activation::sigmoid}, {"gelu", Activation::gelu}, {"silu", Activation::silu},
};

}  // namespace

ActivationSpec ActivationSpec::read(const OpSpec& spec) {
  const std::string& wanted = spec.text("act");
  for (const auto& [text, act] : names) {
    if (wanted != text) continue;
    if (act == Activation::leaky_relu) return {act, {spec.number("slope")}};
    if (act != Activation::prelu) return {act, {0.0f}};
    const auto found = spec.floats.find("prelu");
    if (found == spec.floats.end() || found->second.shape.size() != 1) spec.refuse("prelu has no list of slopes");
    return {act, spec.tensor("prelu", {found->second.shape[0]})};
  }
  spec.refuse("the activation '" + wanted + "' is not one this engine knows");
}

}  // namespace intaglio
