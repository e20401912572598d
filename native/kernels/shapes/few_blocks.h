// A row of a few blocks, or of a part of one, by itself.
#pragma once
#include "../choose.h"
#include "normalize.h"
#include "terms.h"

namespace UNITS {

// Where to load a block of `n` ones, then zeros.
template <class V>
INLINE const typename V::Scalar* ones_before(size_t n) {
  static constexpr typename V::Scalar ones[2 * 16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  static_assert(V::lanes <= 16, "a block of ones");
  return ones + 16 - n;
}

// What a row's sum starts at, 2^lift over what the terms and their sum are larger by, and one over that and 2^lift.
template <class V>
struct Units {
  V bias, lift, unit;

  INLINE explicit Units(typename V::Scalar bias)
      : bias(splat<V>(bias)),
        lift(splat<V>(power_of_two(ExpTraits<V>::lift))),
        unit(splat<V>(power_of_two(-ExpTraits<V>::lift))) {}
  // Of a row whose terms are 2^top times what they would be.
  INLINE Units(float bias, V top)
      : bias(scaled_by_power_of_two(bias, top)),
        lift(scaled_by_power_of_two(float(power_of_two(ExpTraits<V>::lift)), top)),
        unit(scaled_by_power_of_two(float(power_of_two(-ExpTraits<V>::lift)), sub(splat<V>(0), top))) {}
};

// A row of a few blocks, or of a part of one, by itself: each step of it waits for the one before. False, with nothing
// written, where the row needs more care (NaN, infinities, huge logits), or where it is said to be `near` and is not: see
// ExpOfNear.
template <class V, bool one, bool near, class S>
__attribute__((noinline)) bool softmax_blocks(const Scale<S>& scale, const typename V::Scalar* x, size_t n,
                                              typename V::Scalar* y) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  if (scale.extreme || n == 0) return false;
  const size_t tail = one ? n : n % L, whole = n - tail;
  const V last = tail == L ? load<V>(x) : load_first<V>(x + whole, tail, x[0]);
  V max = last, far = absolute(last);
  for (size_t i = 0; i < whole; i += L) {
    max = max_number(load<V>(x + i), max);
    if constexpr (near) far = max_number(absolute(load<V>(x + i)), far);
  }
  const LaneShift<V> shift(splat<V>(reduce_max(max)), scale, ExpTraits<V>::vanish);
  const T bias = bias_for<S>(one ? L : n);
  const auto exp = [&] {
    if constexpr (near) return ExpOfNear<V>(scale);
    if constexpr (!near) return Exp<V, false>(scale, shift.magic, shift.lower);
  }();
  const auto units = [&] {
    if constexpr (near) return Units<V>(bias, shift.top);
    if constexpr (!near) return Units<V>(bias);
  }();
  if constexpr (near) {
    if (!all_less(far, splat<V>(T(ExpOfNear<V>::reach * scale.c_inverse)))) return false;
  } else {
    if (!shift.reducible) return false;
  }
  TermSum<V> lanes(units.bias);
  alignas(64) T terms[one ? L : few_blocks * L];
  const auto add = [&](size_t i, Term<V> e) INLINE_LAMBDA {
    one ? lanes.add_first(e) : lanes.add_term(e);
    store(terms + i, e.value());
  };
  for (size_t i = 0; i < whole; i += L) add(i, exp.term(load<V>(x + i)));
  if (tail) {
    Term<V> e = exp.term(last);
    // Lanes without a class are 0 from here on.
    e.t = mul(e.t, load<V>(ones_before<S>(tail)));
    add(whole, e);
  }
  double sum, rest;
  V hi, lo;
  const bool exact = one || n <= exact_terms<S>;
  if (exact) {
    const T taken = reduce_add(lanes.taken(units.bias)), left = reduce_add(lanes.rest);
    sum = taken, rest = left;
    invert(splat<V>(taken), splat<V>(left), units.lift, hi, lo);
  }
  // What the sum would be if the terms were not 2^top too large.
  const double down = near ? power_of_two(-int(first_lane(shift.top))) : 1;
  if constexpr (!one) {
    if (!exact) {
      lanes.total(units.bias, sum, rest);
      factor_of(sum * down, rest * down, hi, lo);
    }
  }
  if (sum != sum) return false;
  V largest = splat<V>(0);
  const auto put = [&](size_t i, size_t count) INLINE_LAMBDA {
    const V result = scaled(load<V>(terms + i), hi, lo, units.unit);
    count == L ? store(y + i, result) : store_first(y + i, result, count);
    largest = max_number(result, largest);
  };
  for (size_t i = 0; i < whole; i += L) put(i, L);
  if (tail) put(whole, tail);
  const bool may_be_single = mask_greater(largest, splat<V>(T(1 - 0x1p-20))) != 0;
  if (may_be_single && is_single<S>(scale, sum * down, rest * down, double(first_lane(shift.max)), n))
    make_one(y, n, 1);
  return true;
}

template <class V, class T>
INLINE bool softmax_of_few(const Scale<V>& scale, const T* x, size_t n, T* y) {
  if (n > few_blocks * V::lanes) return false;
  const bool one = n <= V::lanes;
  if constexpr (sizeof(T) == 4) {
    const bool solved = n <= Quarter::lanes ? softmax_blocks<Quarter, true, true>(scale, x, n, y)
                        : n <= Half::lanes  ? softmax_blocks<Half, true, true>(scale, x, n, y)
                        : one               ? softmax_blocks<V, true, true>(scale, x, n, y)
                                            : softmax_blocks<V, false, true>(scale, x, n, y);
    if (solved) return true;
  }
  return one ? softmax_blocks<V, true, false>(scale, x, n, y) : softmax_blocks<V, false, false>(scale, x, n, y);
}

}  // namespace UNITS
