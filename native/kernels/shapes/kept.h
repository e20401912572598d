// The terms of a row under a mask, which is applied where logits are loaded. For softmax, of rows that lie as the kernels want
// them; other masked rows are collected first (source.h). A mask is a string of bits, some for each block of the row:
//
//   classes   0 1 2 ... 15 | 16 17 ... 31 | 32 33 ...
//   bits      1 0 1 ...  1 |  0  1 ...  1 |  1  1 ...     one number for each block: as a bitmask has them in its words
#pragma once
#include "../choose.h"
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
template <class V>
using BitsOf = typename MaskOf<V::lanes>::Bits;

// The bits of a row of up to grouped_classes of which all take part.
struct AllBits {
  alignas(8) uint8_t byte[grouped_classes / 8];
  constexpr AllBits() : byte() {
    for (uint8_t& b : byte) b = 0xff;
  }
};
template <class V>
INLINE const BitsOf<V>* all_kept() {
  static constexpr AllBits all;
  return reinterpret_cast<const BitsOf<V>*>(all.byte);
}

// The bits of rows of up to most_reduced<V> classes of which the first `length` take part: for each remainder of whole blocks a
// string, which is read from where as many blocks are left as such a row has.
//
//   remainder 3      1111 1111 ... 1111 | 1110 | 0000 ... 0000
//   length 2 * L + 3           ^ from here
template <class V>
struct PrefixBits {
  static constexpr size_t L = V::lanes, most = most_reduced<V> / L;
  BitsOf<V> of[L][2 * most + 1];
  constexpr PrefixBits() : of() {
    for (size_t r = 0; r < L; r++) {
      for (size_t b = 0; b <= most; b++) of[r][b] = BitsOf<V>(b < most ? ~0u : (1u << r) - 1);
    }
  }
};
template <class V>
INLINE const BitsOf<V>* first_kept(size_t length) {
  static constexpr PrefixBits<V> prefix;
  return prefix.of[length % V::lanes] + prefix.most - length / V::lanes;
}

INLINE uint32_t set_in_block(const uint8_t* bytes, uint16_t) { return set_among_sixteen(bytes); }
INLINE uint32_t set_in_block(const uint8_t* bytes, uint8_t) { return set_among_eight(bytes); }

// The bits of n classes from `at` on, which starts a block: in the words of a bitmask, where that is all that hides classes, or
// at `to`.
template <class V>
INLINE void mark_kept(const Source& row, size_t at, size_t n, BitsOf<V>* to) {
  constexpr size_t L = V::lanes;
  size_t i = 0;
  if (!row.words && row.mask_stride == 1) {
    const uint8_t* const mask = row.mask + at;
    for (; i + L <= n; i += L) to[i / L] = BitsOf<V>(set_in_block(mask + i, BitsOf<V>()));
  }
  for (; i < n; i += L) to[i / L] = BitsOf<V>(row.kept(at + i, lesser(L, n - i)));
}
template <class V>
INLINE const BitsOf<V>* kept_of(const Source& row, size_t at, size_t n, BitsOf<V>* to) {
  if (!row.mask) return reinterpret_cast<const BitsOf<V>*>(row.words) + at / V::lanes;
  mark_kept<V>(row, at, n, to);
  return to;
}

// What of n classes is there at all, of a block's worth or less.
INLINE uint32_t first_bits(size_t n) { return (1u << n) - 1; }

// The maximum of each lane of n classes at x.
template <class V>
INLINE V kept_maxima(const typename V::Scalar* x, size_t n, const BitsOf<V>* kept) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  V a = splat<V>(T(-infinity)), b = a;
  const auto take = [&](size_t i, V& most)
                        INLINE_LAMBDA { most = keep(kept[i / L], max_number(load<V>(x + i), most), most); };
  size_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) take(i, a), take(i + L, b);
  for (; i + L <= n; i += L) take(i, a);
  if (i < n) {
    const V v = load_first<V>(x + i, n - i, T(-infinity));
    b = keep(kept[i / L] & first_bits(n - i), max_number(v, b), b);
  }
  return max_number(a, b);
}

// The sums of their terms, which are stored in `terms`; `padded`: both are in whole blocks. Memory is fetched `ahead` elements
// further on. `next`, where it exists, is as much of the row as this, of whole blocks, and its maxima are found on the way.
template <class V, bool moved, bool peeking, bool padded>
INLINE void add_kept(const typename V::Scalar* x, size_t n, const BitsOf<V>* kept,
                     const Exp<V, moved>& exponential, typename V::Scalar* terms, TermSum<V>& total, size_t ahead,
                     Next<V>* next = nullptr, const BitsOf<V>* next_kept = nullptr) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  constexpr size_t group = padded || V::registers > 2 ? 2
                           : V::registers == 1        ? 8
                                                      : 4;  // fewer than where nothing is masked: bits wait too
  const Exp<V, moved> exp = exponential;
  alignas(64) T nowhere[group * L];
  const bool is_stored = padded || terms;
  T* to = is_stored ? terms : nowhere;
  const T* peeked = peeking ? next->x : nullptr;
  const size_t step = is_stored ? group * L : 0;
  TermSum<V> sum = total;
  V max = splat<V>(T(-infinity));
  const auto take = [&](size_t k, Term<V> e) INLINE_LAMBDA {
    store(to + k * L, e.value());
    sum.add_term(e);
    if constexpr (peeking) max = keep(next_kept[k], max_number(load<V>(peeked + k * L), max), max);
  };
  // Pointers that move once for a group: gcc works out each place by itself otherwise.
  for (; n >= group * L; n -= group * L) {
    if (ahead) fetch<false>(x + ahead, group * L);
    Reduced<V> reduced[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + k * L), kept[k]);
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) take(k, exp.term(reduced[k]));
    x += group * L, kept += group, to += step;
    if constexpr (peeking) peeked += group * L, next_kept += group;
  }
  size_t k = 0;
  for (; (k + 1) * L <= n; k++) take(k, exp.term(exp.reduce(load<V>(x + k * L), kept[k])));
  if (const size_t rest = n - k * L; !padded && rest > 0) {
    const Term<V> e =
        exp.term(exp.reduce(load_first<V>(x + k * L, rest, T(-infinity)), kept[k] & first_bits(rest)));
    store_first(to + k * L, e.value(), rest);
    sum.add_term(e);
    if constexpr (peeking) {
      const V v = load_first<V>(peeked + k * L, rest, T(-infinity));
      max = keep(next_kept[k] & first_bits(rest), max_number(v, max), max);
    }
  }
  total = sum;
  if constexpr (peeking) next->max = max, next->found = true;
}

// The same as a function of its own, for long rows.
template <class V, bool moved, bool peeking>
__attribute__((noinline)) void sum_kept(const typename V::Scalar* x, size_t n, const BitsOf<V>* kept,
                                        const Exp<V, moved>& exp, typename V::Scalar* terms, TermSum<V>& total,
                                        size_t ahead, Next<V>* next = nullptr,
                                        const BitsOf<V>* next_kept = nullptr) {
  add_kept<V, moved, peeking, false>(x, n, kept, exp, terms, total, ahead, next, next_kept);
}

}  // namespace UNITS
