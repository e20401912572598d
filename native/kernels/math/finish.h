// From sums to results: reciprocals and logarithms, as blocks of doubles with one row per lane. Kernels that
// work on one row at a time use the first lane, so that both give the same bits.
#pragma once
#include "log.h"
#include "sum.h"

namespace UNITS {

// An unevaluated sum of two.
template <class D>
struct Wide {
  D hi, lo;
};

// The term of a row's maximum in the units of V's kernel, to more than double precision.
template <class V, class D>
INLINE Wide<D> term_of_max(D max, D top, const Scale<F64>& scale) {
  using E = ExpTraits<V>;
  const D unit = constant<D>(E::factor * power_of_two(int(E::offset)));
  const D r = muladd(max, constant<D>(scale.c_lo), fms(max, constant<D>(scale.c_hi), top));
  const D one = constant<D>(1), p = mul(Exp<F64, false>::polynomial(r), r), term = add(one, p);
  return {mul(term, unit), mul(sub(p, sub(term, one)), unit)};
}

// inverse * (s + lost) - 1, where inverse is about 1 / s.
template <class D>
INLINE D excess_of(D inverse, D s, D lost) {
  return muladd(inverse, lost, fms(inverse, s, constant<D>(1)));
}

// lift / (sum + rest), in two parts. (By reference: gcc takes a struct of blocks apart into integers.)
template <class D>
INLINE void invert(D sum, D rest, D lift, D& hi, D& lo) {
  const D s = add(sum, rest), inverse = div(constant<D>(1), s);
  const D excess = excess_of(inverse, s, add(sub(sum, s), rest));
  hi = mul(inverse, lift);
  lo = mul(excess, sub(constant<D>(0), hi));
}
template <class V, class D>
INLINE void invert(D sum, D rest, D& hi, D& lo) {
  invert(sum, rest, constant<D>(power_of_two(ExpTraits<V>::lift)), hi, lo);
}
template <class V, class D>
INLINE Wide<D> reciprocal(Wide<D> sum) {
  Wide<D> inverse;
  invert<V>(sum.hi, sum.lo, inverse.hi, inverse.lo);
  return inverse;
}

// 2^lift / sum for the rows in the lanes of V, as a factor in two parts. A division of floats and a Newton step
// (error < 2^-45) take a third of the time of a division of doubles.
INLINE void factor(const Wide<F64>* sum, F32& hi, F32& lo) {
  const F64 whole[2] = {add(sum[0].hi, sum[0].lo), add(sum[1].hi, sum[1].lo)};
  const F32 s = narrow(whole, F32()), inverse = div(splat<F32>(1), s);
  F64 back[2];
  widen(s, back);
  const F64 lost[2] = {add(sub(sum[0].hi, back[0]), sum[0].lo), add(sub(sum[1].hi, back[1]), sum[1].lo)};
  const F32 excess = excess_of(inverse, s, narrow(lost, F32()));
  hi = mul(inverse, splat<F32>(float(power_of_two(ExpTraits<F32>::lift))));
  lo = mul(excess, sub(splat<F32>(0), hi));
}
INLINE void factor(const Wide<F64>* sum, F64& hi, F64& lo) { invert<F64>(sum[0].hi, sum[0].lo, hi, lo); }

// What a row has beside one logit of its maximum, in units of that one's term; see log_of_sum.
template <class D>
INLINE D beside_max(Wide<D> rest, D count, Wide<D> top_term) {
  return add(sub(count, constant<D>(1)), div(add(rest.hi, rest.lo), top_term.hi));
}

// The sum of all terms, from that of those below the maximum; and what classes other than one of the largest are of it.
template <class D>
INLINE Wide<D> sum_with_max(Wide<D> rest, D count, Wide<D> top_term) {
  const D tops = mul(count, top_term.hi), lost = add(fms(count, top_term.hi, tops), mul(count, top_term.lo));
  const D sum = add(tops, rest.hi), back = sub(sum, tops);
  return {sum, add(add(add(sub(tops, sub(sum, back)), sub(rest.hi, back)), lost), rest.lo)};
}
template <class D>
INLINE D rest_of_max(Wide<D> rest, D count, Wide<D> top_term, Wide<D> sum) {
  const D others = add(rest.hi, add(mul(sub(count, constant<D>(1)), top_term.hi), rest.lo));
  return div(others, add(sum.hi, sum.lo));
}

// log(sum of all terms / term of the maximum), where `rest` is the sum of the terms below the maximum and `count`
// the number of logits equal to it.
template <class V, class D>
INLINE D log_of_sum(Wide<D> rest, D count, Wide<D> top_term) {
  if constexpr (sizeof(typename V::Scalar) == 4) return short_log1p(beside_max(rest, count, top_term));
  const D ratio = div(add(rest.hi, rest.lo), top_term.hi);
  const D off = mul(ratio, div(top_term.lo, top_term.hi));
  return log1p(add(sub(count, constant<D>(1)), sub(ratio, off)));
}

// max / T + log(sum). Where the quotient overflows, its low part must not overflow to the other sign.
template <class D>
INLINE D log_sum_exp(D max, D log_sum, const Scale<F64>& scale) {
  const D x = mul(mul(max, constant<D>(scale.down)), constant<D>(scale.up));
  const double most = __builtin_fabs(scale.inverse_lo) < 1 ? 0x1.fffffffffffffp1023 : 0x1p1000;
  const D bounded = min_number(max_number(x, constant<D>(-most)), constant<D>(most));
  return fma(x, constant<D>(scale.inverse), fma(bounded, constant<D>(scale.inverse_lo), log_sum));
}

// max / T and the logarithm cancel where their sum is less than this part of the logarithm. Float32 terms, whose sums are
// within 2^-26.5, have too few digits for that.
constexpr double cancelled_part = 0.25;
INLINE bool cancels(double log_sum, double value) { return __builtin_fabs(value) < cancelled_part * log_sum; }
// The rows, as bits, of a block.
INLINE uint32_t cancelling(F64 log_sum, F64 value) {
  return mask_greater(mul(log_sum, splat<F64>(cancelled_part)), absolute(value));
}

// (max - x) / T, finite wherever the quotient is.
INLINE double distance(double max, double x, double temperature) {
  if (x == -__builtin_inf()) return __builtin_inf();
  const double difference = max - x;
  return difference == __builtin_inf() ? (max * 0.5 - x * 0.5) / temperature * 2 : difference / temperature;
}

// Logarithms up to here are 0 in the type of the results: the log of a probability that rounds to 1 is 0, and not -0.
template <class T>
constexpr double least_log = sizeof(T) == 4 ? 0x1p-150 : 0;
template <class T>
INLINE double without_least(double log) {
  return log <= least_log<T> ? 0 : log;
}
template <class T>
INLINE F64 without_least(F64 log) {
  const F64 least = splat<F64>(least_log<T>);
  return zero_if_equal(max_number(log, least), least, log);
}

// log p = (x - max) / T - log(sum), eight logits at a time, in double precision for float32 too: rounding x - max
// would cost a digit.
template <class T>
struct LogProbability;

template <>
struct LogProbability<float> {
  F64 max, inverse, log_sum;
  // The cap keeps 0 * inverse from being NaN; a float32 difference that is not 0 overflows well before it.
  LogProbability(F64 max, F64 log_sum, double temperature, const Scale<F64>&)
      : max(max),
        inverse(splat<F64>(1 / temperature < 0x1p1023 ? 1 / temperature : 0x1p1023)),
        log_sum(without_least<float>(log_sum)) {}
  INLINE F64 operator()(F64 x) const { return fms(sub(x, max), inverse, log_sum); }
};

template <>
struct LogProbability<double> {
  F64 down, up, origin, inverse, inverse_lo, log_sum;
  // Differences are halved (exactly) where they could overflow before the temperature divides them.
  LogProbability(F64 max, F64 log_sum, double, const Scale<F64>& s) : up(splat<F64>(s.up)), log_sum(log_sum) {
    const double half = s.up == 1 ? 0.5 : 1;
    down = splat<F64>(s.down * half);
    origin = mul(max, down);
    inverse = splat<F64>(s.inverse / half), inverse_lo = splat<F64>(s.inverse_lo / half);
  }
  INLINE F64 operator()(F64 x) const {
    const F64 d = mul(fms(x, down, origin), up);
    const F64 bounded = max_number(d, splat<F64>(-0x1p1000));  // -Infinity * inverse_lo would be NaN
    return fma(d, inverse, fms(bounded, inverse_lo, log_sum));
  }
};

}  // namespace UNITS
