// Sums for logarithms of a group of rows, each along its blocks: what there is of each row is folded to 16 bytes and goes into
// lanes, as in blocks.h. The same for every op.
#pragma once
#include "lanes.h"

namespace UNITS {

// What an op keeps of rows along their blocks: class c of row i of the group is at x + i * beside + c.
template <class V, class Op>
struct AlongGroup : Group<V, Op> {
  using T = typename V::Scalar;
  static constexpr bool along = true;
  size_t beside;
  const T* lane_maxima;  // where the op writes no classes and asks for all terms: a block for each row
  INLINE T* row_of(size_t i) const { return this->x + i * beside; }
};

template <class V>
struct RowsBelow {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, P = panel_columns<V>;
  const Scale<V>& scale;
  const size_t n;
  alignas(64) T max[L], magic[L], lower[L];
  alignas(64) T quarter[L * P];                  // of the maximum
  alignas(64) T equal[L * P];                    // of the number of logits that equal it
  alignas(64) double taken[L * 2], left[L * 2];  // of the sum
  bool found = false;                            // the maxima, by the rows before

  RowsBelow(const Scale<V>& scale, size_t n) : scale(scale), n(n) {}

  // The maxima of the rows at x and their shifts; false where a row needs more care (infinities, huge logits).
  __attribute__((noinline)) bool begin(Lanes<V, Sums::below>& g, const T* x) {
    for (size_t k = 0; !found && k < g.count; k++)
      store_register(quarter + k * P, fold_max(row_maxima<V>(x + k * n, n).r));
    V column[P];
    load_panel(quarter, P, g.count, column);
    for (size_t j = 1; j < P; j++) column[0] = max_number(column[j], column[0]);
    g.max = column[0];
    found = false;
    if (!g.find_shift(scale)) return false;
    store(max, g.max), store(magic, g.shift.magic), store(lower, g.shift.lower);
    return true;
  }

  // Adds up the rows; finds the maxima of as many of those behind them as there are `peeked`. Terms wait in `terms`, where it is
  // said to be `stored`.
  template <bool stored>
  void add(const T* x, size_t count, size_t peeked, T* terms) {
    if constexpr (peeks_below<V>) {
      add_some<stored, true>(x, 0, peeked, count, terms);
      found = peeked > 0;
    }
    add_some<stored, false>(x, peeks_below<V> ? peeked : 0, count, count, terms);
  }

  __attribute__((noinline)) void put(Lanes<V, Sums::below>& g) const {
    constexpr size_t D = F64::lanes;
#pragma GCC unroll 4
    for (size_t w = 0; w < wides<V>; w++) {
      const size_t first = w * D < g.count ? w * D : 0, some = g.count - first < D ? g.count - first : D;
      g.sum[w] = {sum_quarters<F64>(taken + first * 2, some), splat<F64>(0)};
      if (sizeof(T) == 8) g.sum[w].lo = sum_quarters<F64>(left + first * 2, some);
    }
    g.count_of_max = sum_quarters<V>(equal, g.count);
  }

 private:
  template <bool stored, bool peeking>
  __attribute__((noinline)) void add_some(const T* x, size_t from, size_t to, size_t count, T* terms) {
    for (size_t k = from; k < to; k++) {
      const Exp<V, false> exp(scale, splat<V>(magic[k]), splat<V>(lower[k]));
      RestSum<V> sum;
      V tops = splat<V>(0);
      Next<V> next;
      next.x = x + (count + k) * n;
      // (Who peeks reads ahead.)
      sum_below<V, false, stored, peeking, !peeks_below<V>>(x + k * n, n, exp, peeking ? 0 : count * n,
                                                            splat<V>(max[k]), sum, tops,
                                                            stored ? terms + k * n : nullptr, &next);
      if (peeking) store_register(quarter + k * P, fold_max(next.max.r));
      store_register(equal + k * P, fold_add(tops.r));
      F64 whole, error;
      sum.parts(whole, error);
      store_register(taken + k * 2, fold_add(whole.r));
      if (sizeof(T) == 8) store_register(left + k * 2, fold_add(error.r));
    }
  }
};

}  // namespace UNITS
