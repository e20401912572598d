// What pairs of logits of two rows add up to, of floats: see divergence.h. Both rows are blocks of 16 logits, one behind the
// other, of a row or of a row in each lane.
//
// Terms and the series are floats, d is in doubles. What c errs by, e, adds e^-e - 1 + e to the sum, whatever the row: it is known
// by how much the sum of p e^-d misses 1, and is taken off. So the logarithm of two sums of floats is enough for c, of
// distributions that are all but equal, or all but certain, too. Where e is too large for that, the sum is taken again with a
// better c.
#pragma once
#include "../shapes/measure.h"
#include "divergence.h"

namespace UNITS {

// (e^-d - 1 + d) / d^2 for |d| <= 1.5, relative error < 2^-26.7. Source: Lawson's iteration over 300 points (mpmath, 120 bits),
// each coefficient rounded before the next are fitted.
constexpr float divergence_f32[9] = {0x1p-1f,         -0x1.555552p-3f, 0x1.555552p-5f,
                                     -0x1.11122p-7f,  0x1.6c17p-10f,   -0x1.9fac3cp-13f,
                                     0x1.a005c8p-16f, -0x1.82a54p-19f, 0x1.2ef438p-22f};

// The sums of the terms of x and y with the exponents of their units: of a row, or of a row in each lane.
template <class D>
struct BothSums {
  D sum, other, top, other_top;

  INLINE D ratio() const { return div(sum, other); }
  // ln(sum of e^(x / T)) - ln(sum of e^(y / T)).
  INLINE D shift(D ratio) const {
    return muladd(sub(top, other_top), constant<D>(ln2_hi + ln2_lo), short_log1p(sub(ratio, constant<D>(1))));
  }
};

// A divergence, and what the sum of p e^-d misses 1 by: of a row in each lane.
struct Outcome {
  F64 value, missing;

  Outcome() = default;

  // `sum` of all terms of x; `whole` and `mean` as Parts has them.
  INLINE Outcome(F64 sum, F64 whole, F64 mean) {
    const F64 inverse = div(splat<F64>(1), sum), all = mul(whole, inverse);
    missing = sub(all, mul(mean, inverse));
    // Less missing - ln(1 + missing), of a number below 2^-9.
    const F64 square = mul(missing, missing);
    value = sub(all, mul(square, muladd(missing, splat<F64>(-1.0 / 3), splat<F64>(0.5))));
  }

  // The rows, as bits, whose values may stay. What c errs by is small beside them, so that neither what its series leaves out counts
  // nor the float sum of p d; and d, which errs by 2^-53 of c, has digits enough. Or next to nothing is left of either.
  INLINE uint32_t good(F64 c) const {
    const F64 error = mul(missing, missing), square = mul(c, c), some = splat<F64>(0x1p-9);
    const F64 most = muladd(min_number(value, some), some, splat<F64>(0x1p-102));
    const uint32_t sharp = mask_greater(value, mul(square, splat<F64>(0x1p-53)));
    return mask_greater(most, error) & (sharp | mask_greater(splat<F64>(0x1p-97), mul(value, square)));
  }

  // A better c, and the ratio of the sums that goes with it.
  INLINE void improve(F64& c, F64& ratio) const {
    c = sub(c, mul(missing, muladd(missing, splat<F64>(-0.5), splat<F64>(1))));
    ratio = div(ratio, add(splat<F64>(1), missing));
  }
};

struct Pairs {
  static constexpr size_t L = F32::lanes, H = L / F64::lanes;

  // What may have holes does for what has none, with the same bits: where code is to be compact, it is all there is.

  // Times that a sum may be taken.
  static constexpr size_t most_rounds = 3;

  // Terms of floats end at 2^-184 (ExpTraits): with distances of at most this they come to nothing.
  static constexpr double farthest = 0x1p60;

  // The sum of y's terms: what c errs by on its account, the terms of y do too, and that cancels.
  struct RoughSum {
    F32 sum = splat<F32>(0);
    INLINE void add_term(Term<F32> e) { sum = UNITS::add(sum, e.value()); }
  };

  // The terms of blocks of logits, and their sums, lane by lane. Memory is fetched `ahead` logits further on. `holes`: -Infinity may
  // stand among them; its term is 0.
  template <bool holes, class Sum>
  __attribute__((noinline)) static void terms_of(const float* x, size_t blocks, const Exp<F32, false>& exponential,
                                                 float* terms, size_t ahead, Sum& total) {
    constexpr size_t group = together<F32>;
    const Exp<F32, false> exp = exponential;
    Sum sum = total;
    const auto take = [&](auto of, size_t i) INLINE_LAMBDA {
      constexpr size_t count = of.value;
      Reduced<F32> reduced[count];
      if (ahead) fetch<false>(x + i + ahead, count * L);
#pragma GCC unroll 8
      for (size_t k = 0; k < count; k++) reduced[k] = exp.reduce(load<F32>(x + i + k * L));
#pragma GCC unroll 8
      for (size_t k = 0; k < count; k++) {
        Term<F32> e = exp.term(reduced[k]);
        if (holes) e.t = zero_if_equal(load<F32>(x + i + k * L), splat<F32>(-infinity), e.t);
        store(terms + i + k * L, e.value());
        sum.add_term(e);
      }
    };
    size_t b = 0;
    for (; b + group <= blocks; b += group) take(Count<group>(), b * L);
    for (; b < blocks; b++) take(Count<1>(), b * L);
    total = sum;
  }

  // What pairs add up to, in units of the terms of x: p (e^-d - 1 + d), those of large |d| in two parts, p (d - 1) and the terms
  // of y; and p d.
  struct Parts {
    F64 near[H], far[H], away[H], mean[H];
    F32 most = splat<F32>(0);  // the largest |d| that a term multiplies
    bool any_far = false;

    Parts() {
      for (size_t h = 0; h < H; h++) near[h] = far[h] = away[h] = mean[h] = splat<F64>(0);
    }
  };

  template <bool holes>
  __attribute__((noinline)) static void add(const float* x, const float* y, const float* x_terms,
                                            const float* y_terms, size_t blocks, const F64* shift, double inverse,
                                            Parts& parts) {
    F64 c[H], near[H], mean[H];
    const F64 scale = splat<F64>(inverse);
    for (size_t h = 0; h < H; h++) c[h] = shift[h], near[h] = parts.near[h], mean[h] = parts.mean[h];
    const auto take = [&](auto of, size_t b, F32& products) INLINE_LAMBDA {
      const size_t i = b * L;
      add_run<of.value, holes>(x + i, y + i, x_terms + i, y_terms + i, c, scale, near, products, parts);
    };
    const auto end_run = [&](F32 products) INLINE_LAMBDA {
      F64 wide[H];
      widen(products, wide);
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) mean[h] = UNITS::add(mean[h], wide[h]);
    };
    size_t b = 0;
    for (; !is_compact && b + run <= blocks; b += run) {
      F32 products = splat<F32>(0);
      if constexpr (!is_compact) take(Count<run>(), b, products);
      end_run(products);
    }
    while (b < blocks) {
      F32 products = splat<F32>(0);
      const size_t end = lesser(b + run, blocks);
      if constexpr (!is_compact) {
        if (b + 2 <= end) take(Count<2>(), b, products), b += 2;
      }
      for (; b < end; b++) take(Count<1>(), b, products);
      end_run(products);
    }
    for (size_t h = 0; h < H; h++) parts.near[h] = near[h], parts.mean[h] = mean[h];
  }

 private:
  // Blocks whose products are added up as floats before they go to doubles.
  static constexpr size_t run = 4;
  // Beyond this |d| the series gives way to q + p (d - 1), which loses half a digit there.
  static constexpr float series_reach = 1.5f;

  template <size_t n>
  struct Count {
    static constexpr size_t value = n;
  };

  template <size_t count, bool holes>
  static INLINE void add_run(const float* x, const float* y, const float* x_terms, const float* y_terms,
                             const F64* c, F64 inverse, F64* near, F32& products, Parts& parts) {
    F64 d[count][H];
    F32 distance[count], far = splat<F32>(0);
#pragma GCC unroll 4
    for (size_t k = 0; k < count; k++) {
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) {
        F64 left = load_widened(x + k * L + h * F64::lanes), right = load_widened(y + k * L + h * F64::lanes);
        if (holes) left = max_number(left, splat<F64>(-0x1p100)), right = max_number(right, splat<F64>(-0x1p1000));
        d[k][h] = fms(sub(left, right), inverse, c[h]);
      }
      distance[k] = narrow(d[k], F32());
      far = max_number(absolute(distance[k]), far);
    }
    const F32 reach = splat<F32>(series_reach);
    const bool is_far = mask_greater(far, reach) != 0;
#pragma GCC unroll 4
    for (size_t k = 0; k < count; k++) {
      const F32 term = load<F32>(x_terms + k * L);
      F32 at = distance[k];
      products = muladd(term, holes ? zero_if_equal(term, splat<F32>(0), at) : at, products);
      if (is_far) at = min_number(max_number(at, sub(splat<F32>(0), reach)), reach);
      F32 weight = mul(term, series<9>(divergence_f32, at, mul(at, at)));
      if (is_far) {
        const F32 size = absolute(distance[k]);
        weight = select_greater(size, reach, splat<F32>(0), weight);
      }
      F64 wide[H];
      widen(weight, wide);
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) {
        F64 near_d = d[k][h];
        if (is_far) near_d = min_number(max_number(near_d, splat<F64>(-2)), splat<F64>(2));
        near[h] = muladd(mul(near_d, near_d), wide[h], near[h]);
      }
    }
    if (!is_far) return;
    parts.any_far = true;
#pragma GCC unroll 4
    for (size_t k = 0; k < count; k++) {
      const F32 term = load<F32>(x_terms + k * L), size = absolute(distance[k]), zero = splat<F32>(0);
      parts.most = max_number(zero_if_equal(term, zero, size), parts.most);
      F64 share[H], other[H];
      widen(select_greater(size, reach, term, zero), share);
      widen(select_greater(size, reach, load<F32>(y_terms + k * L), zero), other);
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) {
        parts.far[h] = muladd(share[h], sub(d[k][h], splat<F64>(1)), parts.far[h]);
        parts.away[h] = UNITS::add(parts.away[h], other[h]);
      }
    }
  }
};

}  // namespace UNITS
