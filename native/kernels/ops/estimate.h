// Estimates of the sum of a row's terms, for draws without filters: by the exponential of softmax less its last
// coefficient, added up as floats in short runs. In 60 % of the time of the sums that softmax divides by.
#pragma once
#include "weights.h"

namespace UNITS {

// How far a sum may be off, in parts of itself. In units of 2^-24: 2.6 for the coefficient left out (|r| <= 0.504), 0.1
// for other errors of 2^r, 1 for its rounding, 8 for the roundings of a run.
constexpr double estimate_error = 12 * 0x1p-24;

struct Estimate {
  double max = -__builtin_inf(), top = -__builtin_inf();
  double sum = 0;  // in units of 2^top; NaN if a logit is

  void add(const Estimate& e) {
    sum = sum * unit(top, e.top) + e.sum * unit(e.top, top);
    if (e.max > max) max = e.max;
    if (e.top > top) top = e.top;
  }

  // 2^top in units of 2^other, where that is not less.
  static double unit(double top, double other) {
    const double down = other - top;  // NaN where neither has a sum yet
    return !(down > 0) ? 1 : down < 1000 ? power_of_two(-int(down)) : 0;
  }
};

INLINE F32 estimated_term(const Exp<F32, false>& exp, F32 x, F32 plus) {
  const Reduced<F32> e = exp.reduce(x);
  const float* const p = IN_MEMORY(exp_f32);
  const F32 q = muladd(muladd(splat<F32>(p[2]), e.r, splat<F32>(p[1])), e.r, splat<F32>(p[0]));
  return muladd(e.t, muladd(q, e.r, splat<F32>(1)), plus);
}

// What stands for weights where a draw is told by sums that are not quite exact, all of a row under one shift, by its maximum:
// estimated terms of floats, of doubles the weights themselves.
template <class V>
struct Estimator;

template <>
struct Estimator<F32> {
  // How far a term may be off, in parts of itself: the coefficient left out, other errors of 2^r, two roundings of its own
  // (three without fused operations), and the 1e-10 of a weight. And what a term loses where it is added to others.
  static constexpr double error = 6 * 0x1p-24, rounding = 0x1p-24;
  const Shift<float> shift;
  const Exp<F32, false> exp;

  Estimator(float max, double, const Scale<F32>& scale) : shift(shift_for<F32>(max, scale)), exp(scale, shift) {}
  // Otherwise it tells nothing.
  bool sound() const { return !shift.moved; }
  INLINE F32 of(F32 x) const { return estimated_term(exp, x, splat<F32>(0)); }
  // In weights.
  double unit(double max, double temperature) const {
    return 1 / term_of_max<F32>(max, shift.top, scale_of<F64>(temperature)).hi;
  }
};

template <>
struct Estimator<F64> {
  // Weights are what they are; but those that they are compared with are added up in another order.
  static constexpr double error = 0, rounding = 0x1p-44;
  const Weigher weigher;

  Estimator(double max, double temperature, const Scale<F64>&) : weigher(max, temperature) {}
  bool sound() const { return !weigher.moved(); }
  INLINE F64 of(F64 x) const { return weigher.weight<false>(x); }
  double unit(double, double) const { return 1; }
};

// Of n classes, up to a chunk. Sums vanish whose terms lie too far below 0 for float32 to reduce.
__attribute__((noinline)) inline Estimate estimate_of(const float* x, size_t n, const Scale<F32>& scale) {
  constexpr size_t L = F32::lanes, run = 8;
  const float max = max_of<F32>(x, n);
  const Shift<float> shift = shift_for<F32>(max, scale);
  Estimate estimate;
  estimate.max = double(max);
  if (shift.origin != 0 || !(__builtin_fabsf(max) < infinity)) {
    if (has_nan<F32>(x, n)) estimate.sum = __builtin_nan("");
    return estimate;
  }
  const Exp<F32, false> exp(scale, shift);
  F64 lo = splat<F64>(0), hi = lo;
  const auto add_run = [&](F32 sum) INLINE_LAMBDA {
    F64 wide[2];
    widen(sum, wide);
    lo = add(lo, wide[0]), hi = add(hi, wide[1]);
  };
  size_t i = 0;
  for (; i + run * L <= n; i += run * L) {
    F32 sum = splat<F32>(0);
    for (size_t k = 0; k < run * L; k += L) {
      __builtin_prefetch(x + i + k + segment_length);
      sum = estimated_term(exp, load<F32>(x + i + k), sum);
    }
    add_run(sum);
  }
  F32 sum = splat<F32>(0);
  for (; i + L <= n; i += L) sum = estimated_term(exp, load<F32>(x + i), sum);
  if (i < n) sum = estimated_term(exp, load_first<F32>(x + i, n - i, -infinity), sum);
  add_run(sum);
  estimate.top = shift.top, estimate.sum = reduce_add(add(lo, hi));
  return estimate;
}

}  // namespace UNITS
