// The polynomial over GF(2) that restic's own chunker needs and that `config` contains.
#pragma once

#include <cstdint>

#include "common/base/random.h"

namespace holdfast::repository {

// Bit i is the coefficient of x^i. REQUIRES: degree of `polynomial` at most 53.
bool IsIrreducible(std::uint64_t polynomial);

// A random irreducible polynomial of degree 53.
std::uint64_t RandomPolynomial(Random& random);

}  // namespace holdfast::repository
