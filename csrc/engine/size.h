// Lengths of axes that depend on the picture: sums of num / den * h^a * w^b, h and w the sides of the padded picture, rounded up to multiples of p and q.
#pragma once

#include <cstdint>
#include <vector>

namespace intaglio {

struct Term {
  int64_t num = 0, den = 1;
  int a = 0, b = 0;
  int64_t p = 1, q = 1;
  bool operator==(const Term&) const = default;
};

struct Extent {
  std::vector<Term> terms;

  static Extent of(int64_t number) { return {{Term{number, 1, 0, 0}}}; }
  bool is_constant() const { return terms.size() == 1 && terms[0].a == 0 && terms[0].b == 0 && terms[0].den == 1; }
  bool is(int64_t number) const { return is_constant() && terms[0].num == number; }
  // The constant, or -1.
  int64_t constant() const { return is_constant() ? terms[0].num : -1; }
  // Each term times a small number, in lowest terms again.
  Extent times(int64_t factor) const;
  bool operator==(const Extent&) const = default;

  // Within the limits of the format: numbers of terms, powers, coefficients.
  bool is_sound() const;
  // Exact. Throws Error if a term does not divide, leaves 63 bits, or the sum lies outside [0, 2^40].
  int64_t evaluate(int64_t h, int64_t w) const;
};

}  // namespace intaglio
