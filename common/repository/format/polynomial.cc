#include "common/repository/format/polynomial.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "common/base/result.h"

namespace holdfast::repository {
namespace {

constexpr int kDegree = 53;

int DegreeOf(std::uint64_t polynomial) { return static_cast<int>(std::bit_width(polynomial)) - 1; }

// a * b modulo `modulus`. REQUIRES: a and b have a lower degree than the modulus.
std::uint64_t MultiplyModulo(std::uint64_t a, std::uint64_t b, std::uint64_t modulus) {
  const std::uint64_t top = 1ULL << DegreeOf(modulus);
  std::uint64_t product = 0;
  for (; b != 0; b >>= 1) {
    if ((b & 1) != 0) product ^= a;
    a <<= 1;
    if ((a & top) != 0) a ^= modulus;
  }
  return product;
}

std::uint64_t GreatestCommonDivisor(std::uint64_t a, std::uint64_t b) {
  while (b != 0) {
    while (a != 0 && DegreeOf(a) >= DegreeOf(b)) a ^= b << (DegreeOf(a) - DegreeOf(b));
    std::swap(a, b);
  }
  return a;
}

}  // namespace

// Ben-Or: f of degree n is irreducible if and only if, for every i up to n/2, it shares no factor
// with x^(2^i) - x, the product of all irreducible polynomials whose degree divides i.
bool IsIrreducible(std::uint64_t polynomial) {
  const int degree = DegreeOf(polynomial);
  HF_CHECK(degree <= kDegree);
  if (degree < 1) return false;
  if (degree == 1) return true;
  constexpr std::uint64_t kX = 2;
  std::uint64_t power = kX;
  for (int i = 1; i <= degree / 2; ++i) {
    power = MultiplyModulo(power, power, polynomial);
    if (GreatestCommonDivisor(polynomial, power ^ kX) != 1) return false;
  }
  return true;
}

std::uint64_t RandomPolynomial(Random& random) {
  for (;;) {  // about one in 53 is irreducible; with the constant term set one in 27
    std::array<std::uint8_t, 8> bytes;
    random.Fill(bytes);
    std::uint64_t polynomial;
    std::memcpy(&polynomial, bytes.data(), sizeof polynomial);
    polynomial &= (1ULL << kDegree) - 1;
    polynomial |= 1ULL << kDegree | 1;
    if (IsIrreducible(polynomial)) return polynomial;
  }
}

}  // namespace holdfast::repository
