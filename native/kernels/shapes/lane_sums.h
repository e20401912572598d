// Sums of V::lanes rows in the order that TermSum and RestSum have for each: class i goes to partial sum i % lanes, and a
// tree adds up those. So the bits are those of a row scored alone. Each partial sum is itself a block, a row per lane:
//
//            lane  0      1      2    ...            class 0   class 1   class 2  ...  class 16
//   row            a      b      c                   a0 b0 c0  a1 b1 c1  a2 b2 c2      a16 b16 c16
//   class 0        a0     b0     c0       partial        \________|_________|__________ sum 0, with class 16
//   class 1        a1     b1     c1       sums                    sum 1      |
//   class 2        a2     b2     c2                                         sum 2
#pragma once
#include "../choose.h"
#include "../math/factor.h"
#include "terms.h"

namespace UNITS {

template <class V>
constexpr size_t wides = V::lanes / F64::lanes;  // blocks of doubles to a block of V

// The sums of the rows in the lanes of V, rounded, and the factors that divide by them.
template <class V>
INLINE void factor_of(const Wide<F64>* sum, V& taken, V& rest, V& hi, V& lo) {
  F64 whole[wides<V>], left[wides<V>];
#pragma GCC unroll 4
  for (size_t w = 0; w < wides<V>; w++) whole[w] = sum[w].hi, left[w] = sum[w].lo;
  taken = narrow(whole, V()), rest = narrow(left, V());
  factor(sum, hi, lo);
}

// Adds up `live` partial sums as reduce_add adds up lanes: i and i + half, from half the lanes down.
template <size_t lanes, class V>
INLINE V tree(V* partial, size_t live) {
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i + half < live; i++) partial[i] = add(partial[i], partial[i + half]);
    if (live > half) live = half;
  }
  return partial[0];
}

// Of `count` blocks that were folded to a quarter what reduce_add would have made of each, a row per lane.
template <class D>
INLINE D sum_quarters(const typename D::Scalar* quarter, size_t count) {
  D column[panel_columns<D>];
  load_panel(quarter, panel_columns<D>, count, column);
  return tree<panel_columns<D>>(column, panel_columns<D>);
}
// The same of sums in doubles, with what they left, and the factors.
template <class V>
INLINE void factor_of_quarters(const double* quarter, size_t count, V& taken, V& rest, V& hi, V& lo) {
  constexpr size_t W = wides<V>;
  Wide<F64> sum[W];
  F64 left[W];
  widen(rest, left);
#pragma GCC unroll 4
  for (size_t w = 0; w < W; w++) {
    const size_t first = w * F64::lanes < count ? w * F64::lanes : 0, some = count - first;
    sum[w] = {sum_quarters<F64>(quarter + first * 2, some < F64::lanes ? some : F64::lanes), left[w]};
  }
  factor_of(sum, taken, rest, hi, lo);
}

// As `tree`, of N partial sums, each as leaf(i) gives it, which is asked in turn: what waits stays in registers.
template <size_t lanes, size_t N, size_t i = 0, size_t half = 1, class Leaf>
INLINE auto tree_of(Leaf&& leaf) {
  if constexpr (half == lanes) {
    return leaf(i);
  } else {
    const auto sum = tree_of<lanes, N, i, half * 2>(leaf);
    if constexpr (i + half < N) {
      return add(sum, tree_of<lanes, N, i + half, half * 2>(leaf));
    } else {
      return sum;
    }
  }
}

// The same of V::lanes of them, four at a time: compiled once for the four, and what else waits is a quarter of each tree.
template <class V, class Leaf>
INLINE auto tree_by_fours(Leaf&& leaf) {
  constexpr size_t L = V::lanes;
  decltype(leaf(0)) quarter[4];
#pragma GCC unroll 1
  for (size_t j = 0; j < 4; j++) {
    quarter[j] = tree_of<L / 4, L / 4>([&](size_t i) INLINE_LAMBDA { return leaf(4 * i + j); });
  }
  return add(add(quarter[0], quarter[2]), add(quarter[1], quarter[3]));
}

// The same of `live` of them: by way of memory unless that is `at_once`, they are as many as lanes, and there are
// registers for a block to wait in.
template <class V, bool at_once = true, class Leaf>
INLINE auto tree_of_lanes(Leaf&& leaf, size_t live = V::lanes) {
  if constexpr (at_once && V::registers <= 2) {
    if (live == V::lanes) return tree_by_fours<V>(leaf);
  }
  decltype(leaf(0)) partial[V::lanes];
  for (size_t i = 0; i < live; i++) partial[i] = leaf(i);
  return tree<V::lanes>(partial, live);
}

// A partial sum, or several added up: what it took of the terms, as doubles, and what that left.
template <class V>
struct PartialSum {
  F64 taken[wides<V>];
  V rest;
};
template <class V>
INLINE PartialSum<V> partial_sum(const TermSum<V>& sum, typename V::Scalar bias) {
  PartialSum<V> partial;
  widen(sum.taken(bias), partial.taken);
  partial.rest = sum.rest;
  return partial;
}
template <class V>
INLINE PartialSum<V> add(const PartialSum<V>& a, const PartialSum<V>& b) {
  PartialSum<V> sum;
#pragma GCC unroll 4
  for (size_t w = 0; w < wides<V>; w++) sum.taken[w] = add(a.taken[w], b.taken[w]);
  sum.rest = add(a.rest, b.rest);
  return sum;
}

// The same for logarithms: of floats the sums of rows 0 to 7 and 8 to 15, of doubles the sum and its error.
using PartialRest = WideTerm;
INLINE PartialRest add(const PartialRest& a, const PartialRest& b) {
  return {add(a.part[0], b.part[0]), add(a.part[1], b.part[1])};
}
INLINE PartialRest partial_rest(RestSum<F32> s) {
  s.end_run();
  return {s.lo, s.hi};
}
INLINE PartialRest partial_rest(const RestSum<F64>& s) { return {s.sum, s.error}; }
// Of one term, from its registers.
template <class V>
INLINE PartialRest partial_rest(Term<V> e) {
  return wide_term(e);
}

// Where it is all that a lane has.
INLINE Wide<F32> alone_in_lane(const Term<F32>& e) { return two_parts(e); }
INLINE PartialRest alone_in_lane(const Term<F64>& e) { return partial_rest(e); }

// The terms of the rows' maxima, as they are to those who measure one row: see term_of_max.
template <class V>
INLINE void terms_of_max(const LaneShift<V>& shift, const Scale<V>& scale, const Scale<F64>& scale64,
                         Wide<F64>* term) {
  if constexpr (sizeof(typename V::Scalar) == 8) {
    term[0] = term_of_max<V>(shift.max, shift.top, scale64);
  } else {
    const WideTerm wide = wide_term(Exp<V, false>(scale, shift.magic, shift.lower).term(shift.max));
    for (size_t w = 0; w < wides<V>; w++) term[w] = {wide.part[w], splat<F64>(0)};
  }
}

// How far a sum is from that of the largest term alone: 0 where it is no other; see is_single.
// (`bias`: of all rows, or of each.)
template <class V, class B>
INLINE V beside_largest(V sum, V rest, const Term<V>& largest, B bias) {
  TermSum<V> one(bias);
  one.add_first(largest);
  return add(absolute(sub(sum, one.taken(bias))), absolute(sub(rest, one.rest)));
}

// Of rows, how far each sum is from the term of its maximum alone; false where none is that.
template <class V, class S, class B>
INLINE bool beside_maximum(V sum, V rest, const LaneShift<V>& shift, const Scale<S>& scale, B bias, V& beside) {
  using T = typename V::Scalar;
  const Term<V> largest = Exp<V, false>(scale, shift.magic, shift.lower).term(shift.max);
  // A term alone is the sum, but for the roundings of both, between which one last bit lies at most.
  constexpr double last_bit = sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
  if (all_less(mul(largest.value(), splat<V>(T(1 + last_bit))), add(sum, rest))) return false;
  beside = beside_largest(sum, rest, largest, bias);
  return true;
}

// The rows, as bits, whose sum is the term of their maximum and nothing else.
template <class V, class B>
INLINE uint32_t alone_in_sum(V sum, V rest, const LaneShift<V>& shift, const Scale<V>& scale, B bias) {
  V beside;
  if (!beside_maximum(sum, rest, shift, scale, bias, beside)) return 0;
  return ~mask_greater(beside, splat<V>(0)) & ((1u << V::lanes) - 1);
}

// What the share of a maximum exceeds where that is so, and no share does elsewhere.
template <class V>
INLINE V limit_of(V beside) {
  const V one = splat<V>(1), half = splat<V>(typename V::Scalar(0.5));
  return add(half, zero_if_equal(beside, splat<V>(0), one));
}
template <class V, class S>
INLINE V limit_of_shares(V sum, V rest, const LaneShift<V>& shift, const Scale<S>& scale) {
  const Term<V> largest = Exp<V, false>(scale, shift.magic, shift.lower).term(shift.max);
  return limit_of(beside_largest(sum, rest, largest, bias_for<V>(1)));
}

// 1 where that is so, of up to exact_terms classes, a block of terms each, and the factor (hi, lo) by which they become shares. Seldom
// needed: terms give way to shares, and the factor to one that leaves them as they are.
template <class V, class S>
__attribute__((noinline)) void put_ones(typename V::Scalar* term, size_t classes, V sum, V rest,
                                        const LaneShift<V>& shift, const Scale<S>& scale, V& hi, V& lo) {
  using T = typename V::Scalar;
  V beside;
  if (!beside_maximum(sum, rest, shift, scale, bias_for<V>(1), beside)) return;
  const V one = splat<V>(1), limit = limit_of(beside);
  for (size_t c = 0; c < classes; c++, term += V::lanes) {
    const V share = scaled(load<V>(term), hi, lo);
    store(term, select_greater(share, limit, one, share));
  }
  hi = splat<V>(T(power_of_two(ExpTraits<V>::lift))), lo = splat<V>(0);
}
// The same where it may be, by the smallest of the terms; see make_one in normalize.h. A term is not alone beside one that changes
// what the sum leaves of it: that is at most half of the bias's last bit, of which no rounding hides more than 2^-digits.
template <class V, class S>
INLINE void make_ones(typename V::Scalar* term, size_t classes, V smallest, V sum, V rest,
                      const LaneShift<V>& shift, const Scale<S>& scale, V& hi, V& lo) {
  using T = typename V::Scalar;
  constexpr int digits = sizeof(T) == 4 ? 24 : 53;
  constexpr double noticed = ExpTraits<V>::short_bias * power_of_two(-2 * digits + 1);
  if (all_less(splat<V>(T(noticed)), smallest)) return;
  put_ones(term, classes, sum, rest, shift, scale, hi, lo);
}

}  // namespace UNITS
