// The logarithm of a row of few classes, a row per lane, in floats of two parts: of two classes it takes half the time of
// doubles, which have half the lanes and are converted to and from.
#pragma once
#include "finish.h"

namespace UNITS {

// Rows of so many floats have their logarithms so, wherever they lie: each class is then alone in its lane of a sum.
constexpr size_t few_for_logs = F32::lanes;

template <class V>
constexpr bool has_few_for_logs(size_t classes) {
  return sizeof(typename V::Scalar) == 4 && classes <= few_for_logs;
}

// What the addition rounds off stays (Knuth's two-sum); `rest` goes there too.
template <class V>
INLINE Wide<V> sum_of(V a, V b, V rest) {
  const V sum = add(a, b), back = sub(sum, a);
  return {sum, add(rest, add(sub(a, sub(sum, back)), sub(b, back)))};
}
template <class V>
INLINE Wide<V> add(const Wide<V>& a, const Wide<V>& b) {
  return sum_of(a.hi, b.hi, add(a.lo, b.lo));
}
// Of parts that may overlap, the second smaller: the sum rounded, and the rest.
INLINE Wide<F32> apart(const Wide<F32>& a) {
  const F32 sum = add(a.hi, a.lo);
  return {sum, sub(a.lo, sub(sum, a.hi))};
}

// The terms of rows no longer than a block ...
template <class V>
struct FewTerms : Exp<V, false> {
  // What waits for the term of the maximum.
  static INLINE V of_max() { return splat<V>(typename V::Scalar(0)); }
  INLINE FewTerms(const Scale<V>& scale, V magic, V lower, V) : Exp<V, false>(scale, magic, lower) {}
};
// ... of floats in units of the maximum's, whose own is then `unit` and nothing more: a sum of them needs no quotient. What is left
// of the maximum's logit by its reduction is taken off from all.
template <>
struct FewTerms<F32> {
  // The table's own 1, times 2^offset.
  static constexpr double unit =
      double(__builtin_bit_cast(float, pow2_table[0])) * power_of_two(int(ExpTraits<F32>::offset));
  Exp<F32, false> exp;
  F32 left;

  INLINE FewTerms(const Scale<F32>& scale, F32 magic, F32 lower, F32 max) : exp(scale, magic, lower) {
    using E = ExpTraits<F32>;
    const F32 z = muladd(max, exp.c_hi, magic), n = sub(z, magic);
    left = muladd(max, exp.c_lo, fms(max, exp.c_hi, n));
    // Whole numbers below 2^23 throughout: exact. The row's own shift is a whole power of 2.
    exp.magic = sub(magic, sub(z, splat<F32>(float(E::magic + E::steps * E::offset))));
  }
  INLINE Reduced<F32> reduce(F32 x) const {
    const Reduced<F32> own = exp.reduce(x);
    return {own.t, sub(own.r, left)};
  }
  static INLINE Term<F32> term(Reduced<F32> x) {
    F32 q = muladd(splat<F32>(exp_beside_f32[4]), x.r, splat<F32>(exp_beside_f32[3]));
    for (int i = 2; i >= 0; i--) q = muladd(q, x.r, splat<F32>(exp_beside_f32[i]));
    return {x.t, x.r, q};
  }
  INLINE Term<F32> term(F32 x) const { return term(reduce(x)); }
  static INLINE F32 of_max() { return splat<F32>(float(unit)); }
};
// A term as its table entry and what is beyond that.
INLINE Wide<F32> two_parts(const Term<F32>& e) { return {e.t, mul(mul(e.t, e.r), e.q)}; }

// A sum of such terms over the maximum's.
INLINE Wide<F32> in_units_of_max(const Wide<F32>& terms) {
  const Wide<F32> below = apart(terms);
  constexpr double inverse = 1 / FewTerms<F32>::unit;
  const F32 by = splat<F32>(float(inverse)), by_lo = splat<F32>(float(inverse - double(float(inverse))));
  const F32 ratio = mul(below.hi, by);
  return {ratio, muladd(below.hi, by_lo, muladd(below.lo, by, fms(below.hi, by, ratio)))};
}

// The sum of the terms below the maximum, and that of all, from `count` logits that equal it on; both over its term.
struct FewSum {
  Wide<F32> below, all;
};
INLINE FewSum few_sum(const Wide<F32>& terms, F32 count) {
  const Wide<F32> below = in_units_of_max(terms);
  return {below, sum_of(count, below.hi, below.lo)};
}
// 1 over a sum, within 2^-45.
INLINE Wide<F32> inverse_of(const Wide<F32>& sum) {
  const F32 hi = div(splat<F32>(1), sum.hi);
  return {hi, mul(excess_of(hi, sum.hi, sum.lo), sub(splat<F32>(0), hi))};
}

INLINE Wide<F32> product(const Wide<F32>& a, const Wide<F32>& b) {
  const F32 hi = mul(a.hi, b.hi);
  return {hi, muladd(a.lo, b.hi, muladd(a.hi, b.lo, fms(a.hi, b.hi, hi)))};
}
INLINE F32 rounded_product(const Wide<F32>& a, const Wide<F32>& b) {
  return muladd(a.hi, b.hi, muladd(a.lo, b.hi, mul(a.hi, b.lo)));
}

// The logarithm of a sum, in two steps: what is made of it, 2^k * (1 + f + f_lo) ...
struct FewLog {
  F32 k, f, f_lo;
};
INLINE FewLog split_few(const FewSum& sum) {
  const F32 half = splat<F32>(0.5f);
  FewLog e;
  F32 down;
  exponent_of(sum.all.hi, e.k, down);
  // Where no power of 2 is split off, f is what is below the maximum.
  e.f = select_greater(e.k, half, sub(mul(sum.all.hi, down), splat<F32>(1)), sum.below.hi);
  e.f_lo = select_greater(e.k, half, mul(sum.all.lo, down), sum.below.lo);
  return e;
}
// ... and its logarithm. Within 2^-25.5, tiny ones too.
INLINE Wide<F32> log_of_few(const FewLog& e) {
  // So that no product is subnormal: below this, the logarithm is f.
  const F32 g = select_greater(absolute(e.f), splat<F32>(0x1p-40f), e.f, splat<F32>(0)), g2 = mul(g, g);
  const F32 near = muladd(e.k, splat<F32>(ln2_f32_lo), muladd(e.f_lo, sub(g2, g), e.f_lo));
  const F32 tail = muladd(g2, splat<F32>(-0.5f), muladd(mul(g2, g), series<9>(log1p_f32, g, g2), near));
  const F32 whole = mul(e.k, splat<F32>(ln2_f32_hi)), hi = add(whole, e.f);
  return {hi, add(sub(e.f, sub(hi, whole)), tail)};
}
// Of two parts, as a double for each row.
INLINE void widen(const Wide<F32>& a, F64* wide) {
  F64 rest[2];
  widen(a.hi, wide), widen(a.lo, rest);
  wide[0] = add(wide[0], rest[0]), wide[1] = add(wide[1], rest[1]);
}

// At the temperature 1: the loss of a row, max - target + log, also of a target that is -Infinity ...
INLINE Wide<F32> loss_of_few(F32 max, F32 target, const Wide<F32>& log) {
  const F32 near = max_number(target, splat<F32>(-0x1p100f)), beyond = sub(near, target);
  const Wide<F32> far = sum_of(max, sub(splat<F32>(0), near), log.lo);
  return sum_of(far.hi, log.hi, add(far.lo, beyond));
}
// ... and max + log, with the rows, as bits, where they cancel.
INLINE F32 log_sum_exp_of_few(F32 max, const Wide<F32>& log, uint32_t& cancelling) {
  const Wide<F32> sum = sum_of(max, log.hi, log.lo);
  const F32 value = add(sum.hi, sum.lo);
  cancelling = mask_greater(mul(log.hi, splat<F32>(float(cancelled_part))), absolute(value));
  return value;
}

}  // namespace UNITS
