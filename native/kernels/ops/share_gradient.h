// The gradient of crossEntropy whose target has a share of every class, of rows of few floats: in doubles, for of a difference of p and
// a share the terms of floats leave too few digits. A row per lane, each step as CrossEntropySolver has it.
#pragma once
#include "share_loss.h"

namespace UNITS {

// Of problems whose `out` is the gradient.
struct ShareGradient : Logarithms<F64> {
  static constexpr bool writes_classes = true, has_columns = false;
  struct Ends : Logarithms<F64>::Ends {
    F64 weight;  // what the coefficients of a row add up to
  };

  const SharesInLanes<F64> shares;
  explicit ShareGradient(const Problem& p) : Logarithms<F64>(p), shares(p) {}

  static bool fits(const Problem& p, size_t rows) {
    return is_plain(p) && p.type == Type::float32 && p.length > 1 && p.length <= panel_log_classes &&
           rows > F64::lanes / 8;
  }

  template <class Group>
  INLINE void begin(Group& g) const {
    Logarithms<F64>::begin(g);
    F64 distance;
    shares.weigh(g, &g.ends.weight, &distance);
    // What is infinite, or NaN, is told row by row.
    g.solvable = g.solvable && all_less(distance, splat<F64>(__builtin_inf()));
  }
  template <class Op, class Group>
  static INLINE void end_all(const Op&, Group* group, size_t count) {
    for (size_t i = 0; i < count; i++) {
      group[i].solvable = group[i].solvable && all_less(group[i].sum[0].hi, splat<F64>(__builtin_inf()));
    }
  }
  template <class Group>
  INLINE void write(Group& g) const {
    const Wide<F64> top_term = g.ends.top_term[0], sum = sum_with_max(g.sum[0], g.count_of_max, top_term);
    const Wide<F64> inverse = reciprocal<F64>(sum);
    const F64 rest = rest_of_max(g.sum[0], g.count_of_max, top_term, sum), max = g.max, whole = g.ends.weight;
    const F64 one = splat<F64>(1), none = splat<F64>(0);
    const F64 by = splat<F64>(p.gradientScale), temperature = splat<F64>(p.temperature);
    const LaneShift<F64> shift(max, scale, ExpTraits<F64>::vanish);
    const Exp<F64, false> exp(scale, shift.magic, shift.lower);
    const auto put = [&](size_t c, const F64* a, const F64* counts) INLINE_LAMBDA {
      const F64 share = a[0];
      double* const x = g.x + c * g.step;
      const F64 logit = load<F64>(x), t = scaled(exp.term(logit).value(), inverse.hi, inverse.lo);
      const F64 largest = count_if_equal(logit, max, none);
      const F64 others = UNITS::add(zero_if_equal(logit, max, sub(one, t)), mul(largest, rest));
      const F64 difference = sub(mul(sub(whole, share), t), mul(share, others));
      store(x, zero_if_equal(counts[0], none, div(mul(by, difference), temperature)));
    };
    shares.each(g, put);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { CrossEntropySolver<F32>(p).solve(r, r + 1); }
};

}  // namespace UNITS
