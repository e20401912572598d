// Maxima of long rows and of parts of them, and where in a row registers stop crossing lines of the cache.
#pragma once
#include "element.h"

namespace UNITS {

// The maximum of each lane; -Infinity where a lane holds nothing but NaN.
template <class V>
INLINE V lane_maxima(const typename V::Scalar* x, size_t n) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const V lowest = splat<V>(T(-infinity));
  V a = lowest, b = lowest, c = lowest, d = lowest;
  size_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    a = max_number(load<V>(x + i), a);
    b = max_number(load<V>(x + i + L), b);
    c = max_number(load<V>(x + i + 2 * L), c);
    d = max_number(load<V>(x + i + 3 * L), d);
  }
  for (; i + L <= n; i += L) a = max_number(load<V>(x + i), a);
  if (i < n) b = max_number(load_first<V>(x + i, n - i, T(-infinity)), b);
  return max_number(max_number(a, b), max_number(c, d));
}

// How many of n elements come before the first from which on no register crosses a line, where that is worth
// while. V8 has its arrays begin 16 bytes past a line, and every other register of AVX2 would, every one of
// AVX-512.
template <class V>
INLINE size_t until_aligned(const typename V::Scalar* p, size_t n) {
  constexpr size_t least = V::registers == 1 ? 32 : 16;
  if (V::registers > 2 || n < least * V::lanes) return 0;
  return (0 - reinterpret_cast<uintptr_t>(p)) % sizeof(typename V::Register) / sizeof(typename V::Scalar);
}

template <class V>
INLINE V row_maxima(const typename V::Scalar* x, size_t n) {
  const size_t head = until_aligned<V>(x, n);
  return head ? max_number(load<V>(x), lane_maxima<V>(x + head, n - head)) : lane_maxima<V>(x, n);
}

template <class V>
INLINE typename V::Scalar max_of(const typename V::Scalar* x, size_t n) {
  return reduce_max(row_maxima<V>(x, n));
}

template <class V>
INLINE bool has_nan(const typename V::Scalar* x, size_t n) {
  constexpr size_t L = V::lanes;
  const V one = splat<V>(1);
  V nan = splat<V>(0), more = nan;
  size_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    const V a = load<V>(x + i), b = load<V>(x + i + L);
    nan = max_number(zero_if_equal(a, a, one), nan);
    more = max_number(zero_if_equal(b, b, one), more);
  }
  for (; i < n; i += L) {
    const V a = n - i < L ? load_first<V>(x + i, n - i, 0) : load<V>(x + i);
    nan = max_number(zero_if_equal(a, a, one), nan);
  }
  return reduce_max(max_number(nan, more)) > 0;
}

}  // namespace UNITS
