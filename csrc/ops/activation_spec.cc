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

ActivationSpec ActivationSpec::read(const OpSpec& spec, int64_t channels) {
  const std::string& wanted = spec.text("act");
  for (const auto& [text, act] : names) {
    if (wanted != text) continue;
    if (act == Activation::prelu) return {act, spec.tensor("prelu", {channels})};
    return {act, std::vector<float>(static_cast<size_t>(channels), act == Activation::leaky_relu ? spec.number("slope") : 0.0f)};
  }
  spec.refuse("the activation '" + wanted + "' is not one this engine knows");
}

}  // namespace intaglio
