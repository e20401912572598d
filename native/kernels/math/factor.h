// From a sum to probabilities: factors in two parts, and terms times a factor.
#pragma once
#include "finish.h"

namespace UNITS {

// A factor in two parts: value = term * hi + term * lo, rounded once.
template <class T>
struct Factor {
  T hi, lo;
};

// What turns the logits of a shard of the classes into probabilities.
template <class T>
struct Shard {
  Shift<T> shift;
  Factor<T> factor;
  bool sound;  // false for a normalizer so far below the logits that it cannot be theirs: results beyond 2^40
};

template <class T>
INLINE Factor<T> factor_of(Wide<double> w) {
  return {T(w.hi), T((w.hi - double(T(w.hi))) + w.lo)};
}

template <class V>
INLINE void factor_of(double sum, double rest, V& hi, V& lo) {
  const Wide<F64> wide = {splat<F64>(sum), splat<F64>(rest)}, wides[2] = {wide, wide};
  factor(wides, hi, lo);
}

// term * factor * unit, which is 2^-lift.
template <class V>
INLINE V scaled(V term, V hi, V lo, V unit) {
  return mul(fma(term, hi, mul(term, lo)), unit);
}
template <class V>
INLINE V scaled(V term, V hi, V lo) {
  return scaled(term, hi, lo, splat<V>(typename V::Scalar(power_of_two(-ExpTraits<V>::lift))));
}

// Whether a sum holds one term, that of the maximum, and nothing else of any weight.
template <class V>
bool is_single(const Scale<V>& scale, double sum, double rest, double max, size_t classes) {
  using T = typename V::Scalar;
  constexpr double unit_term = ExpTraits<V>::factor * power_of_two(int(ExpTraits<V>::offset));
  if (sum > 1.43 * unit_term) return false;  // the largest term is within 2^0.508 of 1
  const Shift<T> shift = shift_for<V>(T(max), scale);
  const V x = splat<V>(T(max));
  const T bias = bias_for<V>(classes);
  TermSum<V> one(bias);
  one.add_term(shift.moved ? Exp<V, true>(scale, shift).term(x) : Exp<V, false>(scale, shift).term(x));
  return T(sum) == first_lane(one.taken(bias)) && T(rest) == first_lane(one.rest);
}

}  // namespace UNITS
