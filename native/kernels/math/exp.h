// The exponential: term(x) = 2^(x * c - n_max) with c = log2(e) / T, for every kernel and both widths.
//
// `x - max` in float32 would round, and exp would turn that into tens of ULP. Instead x itself is reduced in
// base 2 and the shift by the maximum happens in the exponent, where it is exact and free:
//   n = round(x * c), r = x * c - n (two FMAs, c in two parts), term = 2^r * 2^(n - n_max).
// Since n_max is an integer, terms of one row under different shifts differ by an exact power of two: a sum may
// be taken piecewise, each piece under its own shift, and the bits of the result do not change.
#pragma once
#include "constants.h"
#include "series.h"

// Constants that a loop should not make anew: see isa/wasm.h.
#ifndef IN_MEMORY
#define IN_MEMORY(name) name
#endif

namespace UNITS {

// 2^k exactly, for any k: 0 and Infinity beyond the range. (A call to the C library from here costs more than the
// row it is for: it runs with the upper halves of the vector registers in use.)
constexpr double power_of_two(int k) {
  return k > 1023     ? __builtin_inf()
         : k >= -1022 ? __builtin_bit_cast(double, uint64_t(k + 1023) << 52)
         : k >= -1074 ? __builtin_bit_cast(double, uint64_t(1) << (k + 1074))
                      : 0;
}

template <class V>
struct ExpTraits;

// `steps`: r is in units of 1/steps. `offset`: terms are stored 2^offset too large and `unit` = 2^-lift takes that
// out of the result, so that nothing but a subnormal result is ever subnormal: on Intel an operation that rounds in the subnormal range is slow. `vanish`: a term 2^-vanish below
// 2^n_max gives a probability that rounds to 0; lower logits, -Inf too, count as that low. Where terms are only
// summed, for a logarithm, they may be smaller, and 2^33 of 2^-log_vanish must still count as nothing. `bias`:
// where sums of terms start (sum.h), above the largest term; its last bit should be small. `short_bias`: has room
// for the terms of a short row above its last bit.
template <class R, size_t bytes>
struct ExpTraits<Block<R, float, bytes>> {
  static constexpr double steps = 8, offset = 76, vanish = 163.96, log_vanish = 183.96;
  static constexpr double magic = 0x1.8p23, factor = table_factor, bias = 0x1p77, short_bias = 0x1p81;
  static constexpr int lift = 80;
  static constexpr double reducible = 0x1p17;  // |max * c| below this: c's second part keeps r exact to 2^-29
  static constexpr int far = 126;              // powers of two up to 2^far are finite and normal
};
template <class R, size_t bytes>
struct ExpTraits<Block<R, double, bytes>> {
  static constexpr double steps = 1, offset = 500, vanish = 1090, log_vanish = 1480;
  static constexpr double magic = 0x1.8p52 + 1023, factor = 1, bias = 0x1p514, short_bias = bias;
  static constexpr int lift = 512;
  static constexpr double reducible = 0x1p40;
  static constexpr int far = 1014;
};

// What a whole call shares: the temperature.
struct Temperature {
  double c_hi, c_lo;           // log2(e) / T * 2^-(down + up), in [2^-61, 2^61]
  double inverse, inverse_lo;  // 1 / T * 2^-(down + up)
  int down, up;                // x is multiplied by 2^down <= 1, differences by 2^up >= 1, for extreme T
};

template <class V>
Temperature temperature_of(double t) {
  constexpr int far = ExpTraits<V>::far;
  const double normal = t < 0x1p-1022 ? t * 0x1p60 : t;
  const uint64_t bits = __builtin_bit_cast(uint64_t, normal);
  const int k = int(bits >> 52) - 1023 - (t < 0x1p-1022 ? 60 : 0);
  const double m = __builtin_bit_cast(double, (bits & uint64_t(mantissa_bits)) | uint64_t(one_bits));  // in [1, 2)
  const double c_hi = log2e_hi / m, c_lo = (__builtin_fma(-c_hi, m, log2e_hi) + log2e_lo) / m;
  const double inverse = 1 / m, inverse_lo = __builtin_fma(-inverse, m, 1.0) / m;
  const int rest = k > 60 ? -60 : k < -60 ? 60 : -k;
  int down = k > 60 ? 60 - k : 0, up = k < -60 ? -60 - k : 0;
  if (down < -far) down = -far;  // x / T is below 2^-58 then: every term is 1
  if (up > far) up = far;        // any difference above 0 takes the term to 0 then
  const double unit = power_of_two(rest);
  return {c_hi * unit, c_lo * unit, inverse * unit, inverse_lo * unit, down, up};
}

// The same, as the kernels for one width want it.
template <class V>
struct Scale {
  using T = typename V::Scalar;
  double c, c_inverse;     // for decisions
  T c_hi, c_lo, down, up;  // c in units of 1 / steps, in two parts
  double inverse, inverse_lo;
  bool extreme;  // down or up is not 1

  explicit constexpr Scale(const Temperature& t)
      : c(t.c_hi),
        c_inverse(t.c_hi == log2e_hi ? ln2_hi + ln2_lo : 1 / t.c_hi),
        c_hi(T(t.c_hi * ExpTraits<V>::steps)),
        c_lo(T((t.c_hi * ExpTraits<V>::steps - double(c_hi)) + t.c_lo * ExpTraits<V>::steps)),
        down(T(power_of_two(t.down))),
        up(T(power_of_two(t.up))),
        inverse(t.inverse),
        inverse_lo(t.inverse_lo),
        extreme(t.down != 0 || t.up != 0) {}
};

// By far the commonest: worked out by the compiler, since it would cost a small call 20 ns.
template <class V>
constexpr Scale<V> scale_of_one = Scale<V>(Temperature{log2e_hi, log2e_lo, 1, 0, 0, 0});

template <class V>
INLINE Scale<V> scale_of(double temperature) {
  return temperature == 1 ? scale_of_one<V> : Scale<V>(temperature_of<V>(temperature));
}

// The same for small calls: of other temperatures than 1, each thread keeps the latest.
template <class V>
const Scale<V>& latest_scale(double temperature) {
  static thread_local Scale<V> latest = scale_of_one<V>;
  static thread_local double of = 1;
  if (of != temperature) latest = scale_of<V>(temperature), of = temperature;
  return latest;
}
template <class V>
INLINE const Scale<V>& small_scale_of(double temperature) {
  return temperature == 1 ? scale_of_one<V> : latest_scale<V>(temperature);
}

// What a row adds: the shift by its maximum. Logits are replaced by (x * down - origin) * up first where `moved`:
// for an extreme temperature, to bring c into range (exact), and for a maximum too large to reduce, with origin
// = max * down, which is exact for every x that matters (Sterbenz: those lie within a factor of 2 of max).
template <class T>
struct Shift {
  T magic;  // the rounding constant of the reduction, with the row's exponent folded in
  T lower;  // logits below count as this one
  T origin;
  double top;  // n_max
  bool moved;
};

template <class V>
INLINE Shift<typename V::Scalar> shift_at(double top, typename V::Scalar origin, const Scale<V>& s,
                                          double vanish = ExpTraits<V>::vanish) {
  using T = typename V::Scalar;
  using E = ExpTraits<V>;
  return {T(E::magic + E::steps * (E::offset - top)), T((top - vanish) * s.c_inverse), origin, top,
          s.extreme || origin != 0};
}

template <class D>
INLINE D round_to_integer(D x) {
  return sub(add(x, constant<D>(0x1.8p52)), constant<D>(0x1.8p52));
}

// The shift for a row (or a piece of one) whose finite maximum is `max`.
template <class V>
INLINE Shift<typename V::Scalar> shift_for(typename V::Scalar max, const Scale<V>& s,
                                           double vanish = ExpTraits<V>::vanish) {
  using T = typename V::Scalar;
  // As LaneShift has it: a row under another shift could come out with another last bit.
  const double top = s.extreme ? double(max) * double(s.down) * double(s.up) * s.c : double(max * T(s.c));
  if (!(__builtin_fabs(top) < ExpTraits<V>::reducible)) return shift_at<V>(0, max * s.down, s, vanish);
  return shift_at<V>(round_to_integer(top), 0, s, vanish);
}

// The shifts of V::lanes rows, from their maxima; for temperatures that are not extreme.
template <class V>
struct LaneShift {
  V max, top, magic, lower;
  bool reducible;  // false also for infinities

  LaneShift() = default;
  template <class S>  // the scale of a block that V may be a part of
  INLINE LaneShift(V max, const Scale<S>& scale, double vanish) : max(max) {
    using T = typename V::Scalar;
    using E = ExpTraits<V>;
    const V z = mul(max, splat<V>(T(scale.c))), whole = splat<V>(T(sizeof(T) == 4 ? 0x1.8p23 : 0x1.8p52));
    top = sub(add(z, whole), whole);
    reducible = all_less(absolute(z), splat<V>(T(E::reducible)));
    // Whole numbers below 2^23 throughout: exact.
    magic = muladd(top, splat<V>(T(-E::steps)), splat<V>(T(E::magic + E::steps * E::offset)));
    lower = mul(sub(top, splat<V>(T(vanish))), splat<V>(T(scale.c_inverse)));
  }
};

// 2^r as t + t * r * q, where t is a table entry times a power of two. The product t * r is worked out beside q.
template <class V>
struct Term {
  V t, r, q;
  INLINE V value() const { return more_than(t); }
  // plus + t * r * q.
  INLINE V more_than(V plus) const { return muladd(mul(t, r), q, plus); }
};

// A logit, reduced: t and r of its term.
template <class V>
struct Reduced {
  V t, r;
};

// Everything a term needs, in registers.
template <class V, bool moved>
struct Exp {
  V c_hi, c_lo, magic, lower, origin, down, up;

  INLINE Exp(const Scale<V>& s, const Shift<typename V::Scalar>& shift)
      : c_hi(splat<V>(s.c_hi)),
        c_lo(splat<V>(s.c_lo)),
        magic(splat<V>(shift.magic)),
        lower(splat<V>(shift.lower)),
        origin(splat<V>(shift.origin)),
        down(splat<V>(s.down)),
        up(splat<V>(s.up)) {}
  template <class S>  // the scale of a block that V may be a part of
  INLINE Exp(const Scale<S>& s, V magic, V lower)
      : c_hi(splat<V>(s.c_hi)), c_lo(splat<V>(s.c_lo)), magic(magic), lower(lower) {}
  // Of a larger block's, whose lanes are all alike.
  template <class W>
  INLINE explicit Exp(const Exp<W, moved>& e)
      : c_hi(part_of(e.c_hi)),
        c_lo(part_of(e.c_lo)),
        magic(part_of(e.magic)),
        lower(part_of(e.lower)),
        origin(part_of(e.origin)),
        down(part_of(e.down)),
        up(part_of(e.up)) {}
  template <class W>
  static INLINE V part_of(W v) {
    return by_registers<V>([&](size_t) INLINE_LAMBDA { return v.r[0]; });
  }

  INLINE Reduced<V> reduce(V x) const {
    const Reduced<V> parts = split(x);
    return {pow2(parts.t), parts.r};
  }
  // The same with what pow2 asks for in place of t: n + constants, in the low bits of the significand.
  INLINE Reduced<V> split(V x) const {
    if (moved) x = mul(fms(x, down, origin), up);
    x = max_number(lower, x);  // NaN stays
    const V z = muladd(x, c_hi, magic);
    const V minus_n = sub(magic, z);  // exact
    return {z, muladd(x, c_lo, beyond_whole(x, c_hi, minus_n))};
  }
  // The same where the lanes whose bits are not set take no part: their terms are 0, so that nothing underflows later. (A product
  // that does takes AMD's cores and Intel's three times as long.) r is 0 too, whatever x is: with AVX-512 what becomes 0 costs
  // nothing, but what keeps an older value has a third operand, which takes the place of an addition.
  INLINE Reduced<V> reduce(V x, uint32_t bits) const {
    if (moved) x = mul(fms(x, down, origin), up);
    x = max_number(lower, x);
    const V z = muladd(x, c_hi, magic), n = sub(z, magic);
    return {pow2(z, bits), muladd(x, c_lo, fms(x, c_hi, n), bits)};
  }
  static INLINE Term<V> term(Reduced<V> x) { return {x.t, x.r, polynomial(x.r)}; }
  INLINE Term<V> term(V x) const { return term(reduce(x)); }

  // (2^r - 1) / r.
  template <class R, size_t bytes>
  static INLINE Block<R, float, bytes> polynomial(Block<R, float, bytes> r) {
    using D = Block<R, float, bytes>;
    const float* const p = IN_MEMORY(exp_f32);
    D q = muladd(splat<D>(p[3]), r, splat<D>(p[2]));
    q = muladd(q, r, splat<D>(p[1]));
    return muladd(q, r, splat<D>(p[0]));
  }
  template <class D>
  static INLINE D polynomial(D r) {
    // All but the first two powers, which round: one long chain would have AVX2 wait.
    D q = series<9>(exp_f64 + 2, r, mul(r, r));
    q = muladd(q, r, constant<D>(exp_f64[1]));
    return muladd(q, r, constant<D>(exp_f64[0]));
  }
};

// by * 2^k for whole k.
template <class V>
INLINE V scaled_by_power_of_two(float by, V k) {
  const V steps = muladd(k, splat<V>(float(ExpTraits<V>::steps)), splat<V>(float(ExpTraits<V>::magic)));
  const int32_t unit = __builtin_bit_cast(int32_t, by) - int32_t(pow2_table[0]);
  return add_bits(pow2(steps), splat<V>(__builtin_bit_cast(float, unit)));
}

// The same for float logits so near 0 that the maximum need not be waited for: all terms of a row, and their sum, are 2^n_max
// times what they would be, and every step rounds alike. (x * c, which is rounded to a whole number, is a multiple of 8
// away: ties go where they would.) Their exponents, and those of what is made of them, stay within 126 for |x * c| < 45.
template <class V>
struct ExpOfNear {
  static constexpr double reach = 40;
  static constexpr float magic = float(ExpTraits<V>::magic + ExpTraits<V>::steps * ExpTraits<V>::offset);
  V c_hi, c_lo;

  template <class S>
  INLINE explicit ExpOfNear(const Scale<S>& s) : c_hi(splat<V>(s.c_hi)), c_lo(splat<V>(s.c_lo)) {}

  INLINE Term<V> term(V x) const {
    const V z = muladd(x, c_hi, splat<V>(magic)), n = sub(z, splat<V>(magic));
    const V r = muladd(x, c_lo, fms(x, c_hi, n));
    return Exp<V, false>::term(Reduced<V>{pow2(z), r});
  }
};

}  // namespace UNITS
