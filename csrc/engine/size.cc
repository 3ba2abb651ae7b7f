#include "engine/size.h"

#include <numeric>
#include <string>

#include "engine/error.h"
#include "engine/limits.h"

namespace intaglio {
namespace {

[[noreturn]] void refuse(int64_t h, int64_t w) {
  throw Error("a length of this network is no integer in range for a padded picture of " + std::to_string(h) + " x " + std::to_string(w) +
              "; give a picture of another size");
}

int64_t rounded_up(int64_t length, int64_t multiple) { return (length + multiple - 1) / multiple * multiple; }

}  // namespace

Extent Extent::times(int64_t factor) const {
  Extent product = *this;
  for (Term& term : product.terms) {
    const int64_t common = std::gcd(factor, term.den);
    term.den /= common;
    if (__builtin_mul_overflow(term.num, factor / common, &term.num)) term.num = 0, term.den = 1;  // no length of any picture
  }
  return product;
}

bool Extent::is_sound() const {
  if (terms.empty() || terms.size() > static_cast<size_t>(limits::max_terms)) return false;
  for (const Term& term : terms) {
    const bool constant = terms.size() == 1 && term.a == 0 && term.b == 0 && term.den == 1;
    const int64_t most = constant ? limits::max_length : limits::max_coefficient;
    if (term.num < -most || term.num > most || term.den < 1 || term.den > limits::max_coefficient) return false;
    if (term.a < 0 || term.a > limits::max_degree || term.b < 0 || term.b > limits::max_degree) return false;
    if (term.p < 1 || term.p > limits::max_multiple || term.q < 1 || term.q > limits::max_multiple) return false;
  }
  return true;
}

int64_t Extent::evaluate(int64_t h, int64_t w) const {
  int64_t total = 0;
  for (const Term& term : terms) {
    int64_t product = term.num;
    bool fits = true;
    const int64_t high = rounded_up(h, term.p), wide = rounded_up(w, term.q);
    for (int i = 0; i < term.a; ++i) fits = fits && !__builtin_mul_overflow(product, high, &product);
    for (int i = 0; i < term.b; ++i) fits = fits && !__builtin_mul_overflow(product, wide, &product);
    if (!fits || product == INT64_MIN || product % term.den != 0) refuse(h, w);
    if (__builtin_add_overflow(total, product / term.den, &total)) refuse(h, w);
  }
  if (total < 0 || total > limits::max_length) refuse(h, w);
  return total;
}

}  // namespace intaglio
