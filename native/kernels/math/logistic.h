// sigmoid(x) = 1 / (1 + e^(-x/T)) and its logarithm, of one logit by itself. Both end in a quotient of numbers that are known
// to twice the digits, so that little more than the last rounding is lost: native/test/all-floats.cc proves how much.
//
// Each works in three steps, so that other blocks can stand between two of them: a block takes 100 cycles from load to
// store, and the CPU cannot look far enough ahead to find the next blocks' work.
#pragma once
#include "exp.h"

namespace UNITS {

// A number of more digits than one register holds: hi + lo.
template <class V>
struct Pair {
  V hi, lo;
};

// `one`: of sigmoid, whose 1 is 2^one times the factor of the table; neither end of e's range is subnormal then. `log_one`:
// the same of logSigmoid. `least`: 2^-least rounds to 0. `nearest`: 1 - 2^-nearest rounds to 1.
template <class V>
struct LogisticTraits;
template <>
struct LogisticTraits<F32> {
  static constexpr int one = -60, log_one = 40;
  static constexpr double least = 152, nearest = 30;
};
template <>
struct LogisticTraits<F64> {
  static constexpr int one = -300, log_one = 500;
  static constexpr double least = 1078, nearest = 60;
};

// The table's own 1: within 2^-28 of its factor, so both may stand for it.
template <class V>
constexpr double unit_of_table = sizeof(typename V::Scalar) == 4 ? double(__builtin_bit_cast(float, pow2_table[0]))
                                                                 : 1;

// e^(-x/T) in units of 2^one, the rounding error of its last addition apart.
template <class V>
struct ExpOfNegative {
  V c_hi, c_lo, magic;

  ExpOfNegative(const Scale<V>& s, int one)
      : c_hi(splat<V>(-s.c_hi)),
        c_lo(splat<V>(-s.c_lo)),
        magic(splat<V>(typename V::Scalar(ExpTraits<V>::magic + ExpTraits<V>::steps * one))) {}

  INLINE Reduced<V> reduce(V x) const {
    const V z = muladd(x, c_hi, magic), n = sub(z, magic);
    return {pow2(z), muladd(x, c_lo, fms(x, c_hi, n))};
  }
  static INLINE Pair<V> finish(Reduced<V> x) {
    const Term<V> e = Exp<V, false>::term(x);
    const V value = e.value();
    return {value, e.more_than(sub(e.t, value))};  // t - value is exact: they lie within a factor of 2 (Sterbenz)
  }
};

// 1 / (1 + e). All of e's range is needed as it is: for x below 0 it is the reciprocal of the result.
template <class V, bool moved>
struct SigmoidOf {
  using T = typename V::Scalar;
  using L = LogisticTraits<V>;
  ExpOfNegative<V> exp;
  V down, up, lower, upper, one, per_one;

  explicit SigmoidOf(const Scale<V>& s)
      : exp(s, L::one),
        down(splat<V>(s.down)),
        up(splat<V>(s.up)),
        lower(splat<V>(T(-L::least * s.c_inverse))),
        upper(splat<V>(T(L::nearest * s.c_inverse))),
        one(splat<V>(T(unit_of_table<V> * power_of_two(L::one)))),
        per_one(splat<V>(T(-1 / (unit_of_table<V> * power_of_two(L::one))))) {}

  struct Middle {
    V q, sum, low;
  };
  INLINE Reduced<V> start(V x) const {
    if (moved) x = mul(mul(x, down), up);
    return exp.reduce(max_number(lower, min_number(upper, x)));  // NaN stays
  }
  INLINE Middle middle(Reduced<V> x) const {
    const Pair<V> e = exp.finish(x);
    // 1 + e = sum + low: FastTwoSum, the larger first.
    const V sum = add(one, e.hi);
    const V low = add(sub(min_number(one, e.hi), sub(sum, max_number(one, e.hi))), e.lo);
    return {div(one, sum), sum, low};
  }
  INLINE V end(Middle m, V) const {
    const V q = m.q;
    // (sum + low) q - 1: the first difference is exact, of a subnormal q too. One Newton step with 1 / (sum + low) = q.
    const V over = muladd(q, m.low, fms(q, m.sum, one));
    return muladd(mul(over, per_one), q, q);
  }
};

// min(x/T, 0) - log(1 + e) with e = e^(-|x|/T): neither part is positive, so nothing cancels. With s = e / (2 + e), the
// logarithm is log((1 + s) / (1 - s)), an odd series in s <= 1/3.
template <class V, bool divides>
struct LogSigmoidOf {
  using T = typename V::Scalar;
  using L = LogisticTraits<V>;
  ExpOfNegative<V> exp;
  V down, up, more, upper, minus_one, line_slope, line_start, half, furthest, inverse, inverse_lo;

  LogSigmoidOf(const Scale<V>& s, double temperature)
      : exp(s, L::log_one),
        down(splat<V>(s.down)),
        up(splat<V>(s.up)),
        more(splat<V>(more_than_up(temperature))),
        upper(splat<V>(T(L::least * s.c_inverse))),
        minus_one(splat<V>(T(-unit_of_table<V> * power_of_two(L::log_one)))),
        // 1 / (1 + e/2) is within 2.1% of the line 0.9834 - e/3: enough for what corrects a last bit.
        line_slope(splat<V>(T(-power_of_two(-2 * L::log_one) / (3 * unit_of_table<V> * unit_of_table<V>)))),
        line_start(splat<V>(T(0.9834 * power_of_two(-L::log_one) / unit_of_table<V>))),
        half(splat<V>(T(-0.5))),
        furthest(splat<V>(T(-(s.c_inverse < 1 ? s.c_inverse : 1) * power_of_two(ExpTraits<V>::far - 1)))),
        inverse(splat<V>(T(s.inverse))),
        inverse_lo(splat<V>(T(s.inverse - double(T(s.inverse)) + s.inverse_lo))) {}

  struct Middle {
    V n, e, divisor, left;
  };
  INLINE Reduced<V> start(V x) const { return exp.reduce(min_number(upper, absolute(moved(x)))); }
  INLINE Middle middle(Reduced<V> x) const {
    const Pair<V> e = exp.finish(x);
    // -(1 + e/2) = divisor + left, and n = -2 s.
    const V divisor = muladd(e.hi, half, minus_one), n = div(e.hi, divisor);
    const V left = muladd(e.lo, half, muladd(e.hi, half, sub(minus_one, divisor)));
    return {n, e.hi, divisor, sub(muladd(n, left, fms(n, divisor, e.hi)), e.lo)};
  }
  INLINE V end(Middle m, V x) const {
    const V below = min_number(splat<V>(0), moved(x));  // NaN stays, and of two zeros the second
    return min_number(total(below, m.n, rest_of(m)), quotient(below));
  }

  INLINE V moved(V x) const { return divides ? mul(mul(mul(x, down), up), more) : x; }
  // What n lacks of log((1 + s) / (1 - s)), negative as n.
  INLINE V rest_of(Middle m) const {
    const V z = mul(m.n, m.n);
    return muladd(m.left, muladd(m.e, line_slope, line_start), mul(m.n, mul(z, series(z))));
  }
  // a + n + rest, rounded once, of numbers that are not positive: of the first two the larger comes first.
  static INLINE V sum_of(V a, V n, V rest) {
    const V sum = add(a, n), lost = sub(max_number(a, n), sub(sum, min_number(a, n)));
    return add(sum, add(lost, rest));
  }

 private:
  // temperature_of bounds `up` by 2^far, which is enough for exponentials. Here the quotient itself is wanted.
  static T more_than_up(double temperature) {
    const int exponent =
        int(__builtin_bit_cast(uint64_t, temperature) >> 52) - 1023;  // less, where it is subnormal
    const int left = -60 - exponent - ExpTraits<V>::far;
    return T(power_of_two(left < 0 ? 0 : left > ExpTraits<V>::far ? ExpTraits<V>::far : left));
  }
  INLINE V total(V below, V n, V rest) const {
    if (!divides) return sum_of(below, n, rest);
    const V a = mul(below, inverse);
    return sum_of(a, n, add(rest, muladd(below, inverse_lo, fms(below, inverse, a))));
  }
  // below/T itself. (-Infinity * inverse_lo could be Infinity.)
  INLINE V quotient(V below) const {
    if (!divides) return below;
    return muladd(below, inverse, mul(max_number(furthest, below), inverse_lo));
  }

  // (log((1 + s) / (1 - s)) / (2 s) - 1) / (4 s^2), of z = 4 s^2.
  static INLINE V series(V z) {
    if constexpr (sizeof(T) == 4) {
      V p = splat<V>(atanh_f32[4] * 0x1p-10f);
#pragma GCC unroll 4
      for (int i = 3; i >= 0; i--) p = muladd(p, z, splat<V>(atanh_f32[i] * float(power_of_two(-2 * i - 2))));
      return p;
    } else {
      const V z2 = mul(z, z);
      V odd = constant<V>(atanh_f64[9] * 0x1p-20), even = constant<V>(atanh_f64[8] * 0x1p-18);
#pragma GCC unroll 4
      for (int i = 7; i >= 1; i -= 2) odd = muladd(odd, z2, constant<V>(atanh_f64[i] * power_of_two(-2 * i - 2)));
#pragma GCC unroll 4
      for (int i = 6; i >= 0; i -= 2)
        even = muladd(even, z2, constant<V>(atanh_f64[i] * power_of_two(-2 * i - 2)));
      return muladd(odd, z, even);
    }
  }
};

}  // namespace UNITS
