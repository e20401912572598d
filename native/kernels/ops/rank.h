// The rank of a class in its row: 1 for the likeliest, ties by the lower class, NaN before all, as topK orders them. Classes
// that take no part are not counted.
#pragma once
#include "select.h"

namespace UNITS {

// How many of n logits are more than x, or where `or_equal` as much; none is NaN.
template <class V, bool or_equal>
__attribute__((noinline)) size_t count_above(const typename V::Scalar* logits, size_t n, typename V::Scalar x) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const V own = splat<V>(x);
  size_t count = 0, i = 0;
  const auto above = [&](V v) INLINE_LAMBDA {
    return size_t(__builtin_popcount(or_equal ? mask_greater(own, v) : mask_greater(v, own)));
  };
  for (; i + L <= n; i += L) count += above(load<V>(logits + i));
  if (i < n) count += above(load_first<V>(logits + i, n - i, or_equal ? T(infinity) : T(-infinity)));
  return or_equal ? n - count : count;
}

// The rank of class `own`, which takes part. `near` has the row's logits, those of masked classes as -Infinity. `ordered`: no
// logit is NaN.
template <class V>
size_t rank_of(const Source& row, const Source& near, size_t own, bool ordered) {
  using T = typename V::Scalar;
  alignas(64) T buffer[chunk_length];
  const T x = *near.fetch<T>(own, 1, buffer);
  const bool counts = ordered && (x != T(-infinity) || !row.is_masked());
  const auto key = order_of<T>(x);
  size_t rank = 1;
  for (size_t at = 0; row.goes_on(at); at += chunk_length) {
    const size_t n = lesser(row.length - at, chunk_length);
    const T* logits = near.fetch(at, n, buffer);
    if (counts) {
      const size_t lower = own <= at ? 0 : lesser(own - at, n);
      rank += count_above<V, true>(logits, lower, x) + count_above<V, false>(logits + lower, n - lower, x);
      continue;
    }
    for (size_t i = 0; i < n; i++) {
      const auto other = order_of<T>(logits[i]);
      if (other < key || row.masked_out(at + i)) continue;
      rank += other > key || at + i < own;
    }
  }
  return rank;
}

// Which classes of a row came already, a bit each.
class Seen {
 public:
  // Few are quickly compared with each other.
  Seen(size_t given, size_t classes) {
    if (given <= 16) return;
    const size_t words = classes / 64 + 1;
    bits = static_cast<uint64_t*>(__builtin_malloc(words * sizeof(uint64_t)));
    if (bits) __builtin_memset(bits, 0, words * sizeof(uint64_t));
  }
  ~Seen() { __builtin_free(bits); }
  Seen(const Seen&) = delete;

  bool has_memory() const { return bits != nullptr; }
  bool is_first(size_t c) {
    const uint64_t bit = uint64_t(1) << c % 64;
    const bool first = !(bits[c / 64] & bit);
    bits[c / 64] |= bit;
    return first;
  }

 private:
  uint64_t* bits = nullptr;
};

}  // namespace UNITS
