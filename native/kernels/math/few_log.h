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
// A term as its table entry and what is beyond that.
INLINE Wide<F32> two_parts(const Term<F32>& e) { return {e.t, mul(mul(e.t, e.r), e.q)}; }
// Of parts that may overlap, the second smaller: the sum rounded, and the rest.
INLINE Wide<F32> apart(const Wide<F32>& a) {
  const F32 sum = add(a.hi, a.lo);
  return {sum, sub(a.lo, sub(sum, a.hi))};
}

// below / top, where `below` is the sum of the terms below the maximum, and `top` its term.
INLINE Wide<F32> ratio_to_top(const Wide<F32>& below, const Term<F32>& top) {
  const Wide<F32> rest = apart(below), largest = apart(two_parts(top));
  const F32 inverse = div(splat<F32>(1), largest.hi), ratio = mul(rest.hi, inverse);
  const F32 missed = sub(rest.lo, muladd(ratio, largest.lo, fms(ratio, largest.hi, rest.hi)));
  return {ratio, mul(missed, inverse)};
}

INLINE Wide<F32> product(const Wide<F32>& a, const Wide<F32>& b) {
  const F32 hi = mul(a.hi, b.hi);
  return {hi, muladd(a.lo, b.hi, muladd(a.hi, b.lo, fms(a.hi, b.hi, hi)))};
}
INLINE F32 rounded_product(const Wide<F32>& a, const Wide<F32>& b) {
  return muladd(a.hi, b.hi, muladd(a.lo, b.hi, mul(a.hi, b.lo)));
}

// log(count + ratio), where `count` logits equal the maximum, in two steps: what is made of it, 2^k * (1 + f + f_lo) ...
struct FewLog {
  F32 k, f, f_lo;
};
INLINE FewLog split_few(const Wide<F32>& ratio, F32 count) {
  const F32 half = splat<F32>(0.5f);
  const Wide<F32> u = sum_of(count, ratio.hi, ratio.lo);
  FewLog e;
  F32 down;
  exponent_of(u.hi, e.k, down);
  // Where no power of 2 is split off, f is the ratio itself.
  e.f = select_greater(e.k, half, sub(mul(u.hi, down), splat<F32>(1)), ratio.hi);
  e.f_lo = select_greater(e.k, half, mul(u.lo, down), ratio.lo);
  return e;
}
// ... and its logarithm, as a double for each row. Within 2^-25.5, tiny ones too.
INLINE void log_of_few(const FewLog& e, F64* log) {
  // So that no product is subnormal: below this, the logarithm is f.
  const F32 g = select_greater(absolute(e.f), splat<F32>(0x1p-40f), e.f, splat<F32>(0)), g2 = mul(g, g);
  const F32 near = muladd(e.k, splat<F32>(ln2_f32_lo), muladd(e.f_lo, sub(g2, g), e.f_lo));
  const F32 tail = muladd(g2, splat<F32>(-0.5f), muladd(mul(g2, g), series<9>(log1p_f32, g, g2), near));
  const F32 whole = mul(e.k, splat<F32>(ln2_f32_hi)), hi = add(whole, e.f);
  const F32 lo = add(sub(e.f, sub(hi, whole)), tail);
  F64 wide[2];
  widen(hi, log), widen(lo, wide);
  log[0] = add(log[0], wide[0]), log[1] = add(log[1], wide[1]);
}

}  // namespace UNITS
