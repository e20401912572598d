// Polynomials by their even and odd powers: two chains of half the length, of which neither waits for the other.
#pragma once
#include "../isa/block.h"

namespace UNITS {

// c[0] + c[1] x + ... + c[n - 1] x^(n - 1); `square` is that of x.
template <size_t n, class C, class D>
INLINE D series(const C* c, D x, D square) {
  constexpr int top_even = int(n - 1) / 2 * 2, top_odd = int(n) / 2 * 2 - 1;
  D even = constant<D>(c[top_even]), odd = constant<D>(c[top_odd]);
#pragma GCC unroll 8
  for (int i = top_even - 2; i >= 0; i -= 2) even = muladd(even, square, constant<D>(c[i]));
#pragma GCC unroll 8
  for (int i = top_odd - 2; i >= 1; i -= 2) odd = muladd(odd, square, constant<D>(c[i]));
  return muladd(odd, x, even);
}

}  // namespace UNITS
