// The gradient of crossEntropy whose target has a share of every class, of rows of few floats: in doubles, for of a difference of p and
// a share the terms of floats leave too few digits. A row per lane, each step as CrossEntropySolver has it.
#pragma once
#include "share_loss.h"

namespace UNITS {

// Of problems whose `out` is the gradient.
struct ShareGradient : Logarithms<F64> {
  static constexpr bool writes_classes = true, has_columns = false;
  static constexpr size_t most_classes = panel_log_classes, L = F64::lanes;
  struct Ends : Logarithms<F64>::Ends {
    F64 weight;  // what the coefficients of a row add up to
  };

  const Problem targets;  // as logits
  explicit ShareGradient(const Problem& p) : Logarithms<F64>(p), targets(targets_as_logits(p)) {}

  static bool fits(const Problem& p, size_t rows) {
    return is_plain(p) && p.type == Type::float32 && p.length > 1 && p.length <= most_classes && rows > L / 8;
  }

  template <class Group>
  INLINE void begin(Group& g) const {
    Logarithms<F64>::begin(g);
    const F64 none = splat<F64>(0), max = g.max;
    F64 weight = none, distance = none;
    const auto take = [&](size_t c, F64 share, F64) INLINE_LAMBDA {
      weight = UNITS::add(weight, share);
      const F64 far = mul(share, sub(max, load<F64>(g.x + c * g.step)));
      distance = UNITS::add(distance, zero_if_equal(share, none, far));
    };
    each_share(g, take);
    g.ends.weight = weight;
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
    const auto put = [&](size_t c, F64 share, F64 counts) INLINE_LAMBDA {
      double* const x = g.x + c * g.step;
      const F64 logit = load<F64>(x), t = scaled(exp.term(logit).value(), inverse.hi, inverse.lo);
      const F64 largest = count_if_equal(logit, max, none);
      const F64 others = UNITS::add(zero_if_equal(logit, max, sub(one, t)), mul(largest, rest));
      const F64 difference = sub(mul(sub(whole, share), t), mul(share, others));
      store(x, zero_if_equal(counts, none, div(mul(by, difference), temperature)));
    };
    each_share(g, put);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { CrossEntropySolver<F32>(p).solve(r, r + 1); }

 private:
  // Hands out each class with the coefficients of its rows, and whether those count: 0 where the target is ignored.
  template <class Group, class Take>
  INLINE void each_share(const Group& g, Take take) const {
    const size_t n = p.length;
    const F64 even = splat<F64>(p.labelSmoothing / double(n)), own = splat<F64>(1 - p.labelSmoothing);
    alignas(64) double share[most_classes * L], given[L];
    F64 target = splat<F64>(0), counts = splat<F64>(1);
    if (p.targets) {
      for (size_t i = 0; i < L; i++) {
        const int32_t own = i < g.count ? read_once(p.targets + g.row + i) : p.ignoreIndex;
        given[i] = own != p.ignoreIndex && own >= 0 && size_t(own) < n ? double(own) : -1;
      }
      target = load<F64>(given), counts = select_greater(target, splat<F64>(-1), counts, splat<F64>(0));
    } else {
      load_outer<F64>(targets, g.row, g.count, share);
    }
    for (size_t c = 0; c < n; c++) {
      const F64 more = p.targets ? sub(own, zero_if_equal(target, splat<F64>(double(c)), own))
                                 : mul(own, load<F64>(share + c * L));
      const F64 weight = splat<F64>(p.weights ? p.weights[c] : 1);
      take(c, mul(mul(UNITS::add(more, even), weight), counts), counts);
    }
  }
};

}  // namespace UNITS
