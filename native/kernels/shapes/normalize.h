// Terms in memory times a factor.
#pragma once
#include "../math/factor.h"
#include "long_maxima.h"

namespace UNITS {

// terms * factor, in place, of as many terms as groups of eight blocks hold; returns how many. The lift is taken
// out of the factor and not of the result, a multiplication less, where that gives the same bits: where the lower
// part of the factor and what it makes of the smallest term are still normal numbers (or it is 0).
template <class V>
INLINE size_t normalize_groups(typename V::Scalar* terms, size_t n, Factor<typename V::Scalar> factor) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes, group = 8;
  constexpr T down = T(power_of_two(-ExpTraits<V>::lift)), normal = T(sizeof(T) == 4 ? 0x1p-126 : 0x1p-1022);
  const Factor<T> lowered = {factor.hi * down, factor.lo * down};
  const T lower = factor.lo == 0 ? lowered.hi : T(__builtin_fabs(lowered.lo));
  const V least = splat<V>(lower >= normal ? normal / lower * T(1 + 0x1p-20) : T(infinity));
  const V hi = splat<V>(factor.hi), lo = splat<V>(factor.lo);
  const V lowered_hi = splat<V>(lowered.hi), lowered_lo = splat<V>(lowered.lo);
  size_t i = 0;
  for (; i + group * L <= n; i += group * L) {
    V term[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) term[k] = load<V>(terms + i + k * L);
    V smallest = term[0];
#pragma GCC unroll 8
    for (size_t k = 1; k < group; k++) smallest = min_number(term[k], smallest);
    const bool exact = all_less(least, smallest);
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) {
      store(terms + i + k * L,
            exact ? fma(term[k], lowered_hi, mul(term[k], lowered_lo)) : scaled(term[k], hi, lo));
    }
  }
  return i;
}

// probabilities = terms * unit (an exact power of two) * factor, in place.
template <class V>
INLINE void normalize(typename V::Scalar* terms, size_t n, typename V::Scalar unit,
                      Factor<typename V::Scalar> factor) {
  constexpr size_t L = V::lanes;
  const V hi = splat<V>(factor.hi), lo = splat<V>(factor.lo), u = splat<V>(unit);
  const size_t head = until_aligned<V>(terms, n);
  V first;  // block, written last: what follows the head reads terms
  if (head) first = scaled(mul(load<V>(terms), u), hi, lo);
  size_t i = head;
  if (unit == 1) {
    if constexpr (V::registers == 1) i += normalize_groups<V>(terms + i, n - i, factor);
    for (; i + L <= n; i += L) store(terms + i, scaled(load<V>(terms + i), hi, lo));
  } else {
    for (; i + L <= n; i += L) store(terms + i, scaled(mul(load<V>(terms + i), u), hi, lo));
  }
  if (i < n) store_first(terms + i, scaled(mul(load_first<V>(terms + i, n - i, 0), u), hi, lo), n - i);
  if (head) store(terms, first);
}

// Where all terms but one are too small to change the sum, the probability of that one is 1. Its term was rounded
// when it was stored and not when it was summed (see TermSum), so that the number before 1 may have come out.
template <class T>
INLINE void make_one(T* y, size_t n, size_t stride) {
  for (size_t i = 0; i < n; i++) {
    if (y[i * stride] > T(0.5)) y[i * stride] = 1;
  }
}

}  // namespace UNITS
