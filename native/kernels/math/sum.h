// Sums of terms, lane by lane: element i of a row goes to lane i % V::lanes, and the lanes are added by a fixed
// tree. The order is part of promise 2 and the same in every kernel. (The tree adds lanes i and i + half, all the way
// down: it gives the same if all elements go some lanes further on, and from the last round to the first.)
#pragma once
#include "exp.h"

namespace UNITS {

// What an op asks a shape to add up: all terms, for probabilities; or, for logarithms, the terms below the maximum, and how
// many logits equal it.
enum class Sums { all, below };

// The sum of so many terms without the bias of short rows is exact in T.
template <class V>
constexpr size_t exact_terms = 2 * V::lanes;

// Where the sum of a row of so many classes starts.
template <class V>
INLINE typename V::Scalar bias_for(size_t classes) {
  return typename V::Scalar(classes <= exact_terms<V> ? ExpTraits<V>::short_bias : ExpTraits<V>::bias);
}

// The sum that softmax divides by. The terms go in as t + t * r * q, not as they are rounded to be stored: their error
// would come on top of that of the term above.
//
// What is exact: FastTwoSum, since `sum` starts at a bias above every term, which stays a multiple of the bias's last
// bit; the sums of lanes without the bias, as doubles (and for short rows as floats); t - taken (Sterbenz, or `taken`
// is 0). `rest` has what that leaves, so little that its own roundings hardly count (docs/algorithm.md).
template <class V>
struct TermSum {
  using T = typename V::Scalar;
  V sum, rest = splat<V>(0);

  explicit TermSum(T bias) : TermSum(splat<V>(bias)) {}
  explicit TermSum(V bias) : sum(bias) {}
  TermSum(V sum, V rest) : sum(sum), rest(rest) {}

  INLINE void add_term(Term<V> e) {
    const V next = add(sum, e.value()), taken = sub(next, sum);
    rest = add(rest, e.more_than(sub(e.t, taken)));
    sum = next;
  }
  // The first, to a sum that is the bias alone: the same but for the sign of a rest of 0, which no result shows. (In place:
  // of a sum that a function returns, gcc makes integers, and rows of 4 classes take twice the time with AVX2.)
  INLINE void add_first(Term<V> e) {
    const V next = add(sum, e.value()), taken = sub(next, sum);
    rest = e.more_than(sub(e.t, taken));
    sum = next;
  }
  INLINE V taken(T bias) const { return taken(splat<V>(bias)); }
  INLINE V taken(V bias) const { return sub(sum, bias); }

  INLINE void total(V bias, double& whole, double& left) const {
    F64 wide[V::lanes / F64::lanes];
    widen(taken(bias), wide);
    whole = reduce_add(sizeof(T) == 4 ? add(wide[0], wide[V::lanes / F64::lanes - 1]) : wide[0]);
    left = double(reduce_add(rest));
  }
};

// A term in doubles: of floats those of rows 0 to 7 and 8 to 15, of doubles itself and nothing.
struct WideTerm {
  F64 part[2];
};
INLINE WideTerm wide_term(Term<F32> e) {
  F64 t[2], more[2];
  widen(e.t, t), widen(mul(mul(e.t, e.r), e.q), more);
  return {add(t[0], more[0]), add(t[1], more[1])};
}
INLINE WideTerm wide_term(Term<F64> e) { return {e.value(), splat<F64>(0)}; }

// The sum for a logarithm, of the terms below the maximum, which may all be tiny: no bias would do.
template <class V>
struct RestSum;

// Float terms are summed in two parts: t as doubles, and t * p, 22 times smaller, as floats that go to doubles every 8 blocks: an
// error of less than 8 * 0.0446 half-ULP.
template <>
struct RestSum<F32> {
  static constexpr size_t run = 8;  // blocks
  // Where there are registers for that: a widening from memory has to wait for the store.
  static constexpr bool from_registers = F32::registers <= 2;
  F64 lo = splat<F64>(0), hi = splat<F64>(0);
  F32 small = splat<F32>(0);

  INLINE void add_term(Term<F32> e) {
    add_widened(e.t);
    small = e.more_than(small);
  }
  // For a whole run, whose t wait in `t` meanwhile, a block for each: they are widened when all are there, or each
  // would wait for its store.
  INLINE void add_later(Term<F32> e, float* t) {
    store(t, e.t);
    small = e.more_than(small);
  }
  INLINE void end_run(const float* t) {
    for (size_t i = 0; i < run * F32::lanes; i += F32::lanes) {
      lo = add(lo, load_widened(t + i));
      hi = add(hi, load_widened(t + i + F64::lanes));
    }
    end_run();
  }
  INLINE void end_run() {
    add_widened(small);
    small = splat<F32>(0);
  }
  // What there is in the lanes, and what that leaves.
  INLINE void parts(F64& whole, F64& left) {
    end_run();
    whole = add(lo, hi), left = splat<F64>(0);
  }
  INLINE void total(double& whole, double& left) {
    end_run();
    whole = reduce_add(add(lo, hi)), left = 0;
  }

 private:
  INLINE void add_widened(F32 v) {
    F64 half[2];
    if constexpr (from_registers) {
      widen(v, half);
    } else {
      alignas(64) float lane[F32::lanes];
      store(lane, v);
      // Keeps the compiler from taking the halves out of the register just stored.
      __asm__("" : "+m"(*reinterpret_cast<float(*)[F32::lanes]>(lane)));
      half[0] = load_widened(lane), half[1] = load_widened(lane + F64::lanes);
    }
    lo = add(lo, half[0]), hi = add(hi, half[1]);
  }
};

// Double terms carry the rounding errors of their sum along (Knuth's TwoSum).
template <>
struct RestSum<F64> {
  static constexpr size_t run = 16;
  F64 sum = splat<F64>(0), error = splat<F64>(0);

  INLINE void add_term(Term<F64> e) {
    const F64 term = e.value(), next = add(sum, term), taken = sub(next, sum);
    error = add(error, add(sub(sum, sub(next, taken)), sub(term, taken)));
    sum = next;
  }
  INLINE void add_later(Term<F64> e, double*) { add_term(e); }
  INLINE void end_run(const double*) {}
  INLINE void end_run() {}
  INLINE void parts(F64& whole, F64& left) const { whole = sum, left = error; }
  INLINE void total(double& whole, double& left) const { whole = reduce_add(sum), left = reduce_add(error); }
};

}  // namespace UNITS
