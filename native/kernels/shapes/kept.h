// The terms of a row under a mask, which is applied where logits are loaded. For softmax, of rows that lie as the kernels want
// them; other masked rows are collected first (source.h).
#pragma once
#include "source.h"
#include "terms.h"

namespace UNITS {

// The bits of a block.
template <size_t lanes>
struct MaskOf {
  using Bits = uint16_t;
};
template <>
struct MaskOf<8> {
  using Bits = uint8_t;
};

// Which lanes of the blocks of a row take part. `by_words`: said by a bitmask alone, whose blocks lie within words.
template <class V, bool by_words>
struct Kept {
  const Source& row;
  INLINE uint32_t operator()(size_t at) const {
    if constexpr (
        by_words) {  // straight to a mask register, where there are any (no address, so no need to read it once)
      typename MaskOf<V::lanes>::Bits bits;
      __builtin_memcpy(&bits, reinterpret_cast<const char*>(row.words) + at / 8, sizeof bits);
      return bits;
    }
    return row.kept(at, V::lanes);
  }
};

template <class V, class Kept>
INLINE V load_kept(const typename V::Scalar* x, size_t i, size_t at, const Kept& kept) {
  return keep(kept(at + i), load<V>(x + i), splat<V>(typename V::Scalar(-infinity)));
}
template <class V>
INLINE V load_first_kept(const typename V::Scalar* x, size_t n, uint32_t bits) {
  constexpr auto none = typename V::Scalar(-infinity);
  return keep(bits, load_first<V>(x, n, none), splat<V>(none));
}

// The maximum of each lane of n classes at x, which are class `at` of the row and what follows.
template <class V, bool by_words>
__attribute__((noinline)) V kept_maxima(const Source& row, const typename V::Scalar* x, size_t n, size_t at) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const Kept<V, by_words> kept{row};
  V a = splat<V>(T(-infinity)), b = a;
  size_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    a = max_number(load_kept<V>(x, i, at, kept), a);
    b = max_number(load_kept<V>(x, i + L, at, kept), b);
  }
  for (; i + L <= n; i += L) a = max_number(load_kept<V>(x, i, at, kept), a);
  if (i < n) b = max_number(load_first_kept<V>(x + i, n - i, row.kept(at + i, n - i)), b);
  return max_number(a, b);
}

// The sums of their terms, which are stored in `terms` where that is not null: 0 where a class takes no part, so that nothing
// underflows later. Memory is fetched `ahead` elements further on. `next`, where it exists, is as much of the row as this, and its maxima are found on the way.
template <class V, bool moved, bool by_words, bool peeking>
__attribute__((noinline)) void sum_kept(const Source& row, const typename V::Scalar* x, size_t n, size_t at,
                                        const Exp<V, moved>& exponential, typename V::Scalar* terms,
                                        TermSum<V>& total, Next<V>* next, size_t ahead) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes, group = together<V>;
  const Exp<V, moved> exp = exponential;
  const Kept<V, by_words> kept{row};
  const V zero = splat<V>(T(0)), none = splat<V>(T(-infinity));
  TermSum<V> sum = total;
  V max = none;
  const auto take = [&](size_t i, Term<V> e, uint32_t bits) INLINE_LAMBDA {
    e.t = keep(bits, e.t, zero);
    if (terms) store(terms + i, e.value());
    sum.add_term(e);
    if constexpr (peeking) max = max_number(load_kept<V>(next->x, i, at + n, kept), max);
  };
  size_t i = 0;
  for (; i + group * L <= n; i += group * L) {
    fetch<false>(x + i + ahead, group * L);
    Reduced<V> reduced[group];
    uint32_t bits[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) {
      bits[k] = kept(at + i + k * L);
      reduced[k] = exp.reduce(keep(bits[k], load<V>(x + i + k * L), none));
    }
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) take(i + k * L, exp.term(reduced[k]), bits[k]);
  }
  for (; i + L <= n; i += L) {
    const uint32_t bits = kept(at + i);
    take(i, exp.term(keep(bits, load<V>(x + i), none)), bits);
  }
  if (i < n) {
    const uint32_t bits = row.kept(at + i, n - i);
    Term<V> e = exp.term(load_first_kept<V>(x + i, n - i, bits));
    e.t = keep(bits, e.t, zero);
    if (terms) store_first(terms + i, e.value(), n - i);
    sum.add_term(e);
  }
  total = sum;
  if constexpr (peeking) next->max = max, next->found = true;
}

}  // namespace UNITS
