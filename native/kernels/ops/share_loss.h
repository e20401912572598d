// crossEntropy whose target has a share of every class, a distribution or a class with label smoothing: the distances of all
// logits from the maximum, each by its coefficient, and the logarithm of the sum. Rows in lanes add up class by class, in the
// order in which CrossEntropySolver does.
#pragma once
#include "../shapes/panels.h"
#include "cross_entropy.h"
#include "logarithms.h"

namespace UNITS {

// The coefficients of rows in lanes (coefficients.h), of up to panel_log_classes.
template <class V>
struct SharesInLanes {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, W = L / F64::lanes;
  const Problem& p;
  const Problem targets;  // as logits
  explicit SharesInLanes(const Problem& p) : p(p), targets(targets_of(p)) {}

  // Hands out each class with what the rows of a group have of it, in W parts, and whether they count: both 0 where a target is
  // ignored.
  template <class Group, class Take>
  INLINE void each(const Group& g, Take take) const {
    const size_t n = p.length;
    const double even = p.labelSmoothing / double(n), own = 1 - p.labelSmoothing;
    alignas(64) T share[panel_log_classes * L];
    alignas(64) double given[L];  // the target's class, of rows that have one
    if (p.targets) {
      for (size_t i = 0; i < L; i++) given[i] = i < g.count ? double(read_once(p.targets + g.row + i)) : -1;
    } else {
      load_outer<V>(targets, g.row, g.count, share);
    }
    const F64 zero = splat<F64>(0), one = splat<F64>(1);
    F64 target[W], counts[W];
    for (size_t w = 0; w < W; w++) {
      target[w] = counts[w] = one;
      if (!p.targets) continue;
      target[w] = load<F64>(given + w * F64::lanes);
      const F64 from = select_greater(target[w], splat<F64>(-1), one, zero);
      counts[w] = zero_if_equal(target[w], splat<F64>(p.ignoreIndex),
                                select_greater(splat<F64>(double(n)), target[w], from, zero));
    }
    for (size_t c = 0; c < n; c++) {
      F64 part[W], a[W];
      if (!p.targets) widen(load<V>(share + c * L), part);
      const F64 by = splat<F64>(p.weights ? p.weights[c] : 1), place = splat<F64>(double(c));
#pragma GCC unroll 4
      for (size_t w = 0; w < W; w++) {
        const F64 more = p.targets ? sub(splat<F64>(own), zero_if_equal(target[w], place, splat<F64>(own)))
                                   : mul(splat<F64>(own), part[w]);
        a[w] = mul(mul(add(more, splat<F64>(even)), by), counts[w]);
      }
      take(c, a, counts);
    }
  }

  // What they add up to, and each times the distance of its logit from the maximum.
  template <class Group>
  __attribute__((noinline)) void weigh(const Group& g, F64* weight, F64* distance) const {
    const F64 zero = splat<F64>(0);
    F64 max[W], weights[W], distances[W];
    widen(g.max, max);
    for (size_t w = 0; w < W; w++) weights[w] = distances[w] = zero;
    const auto take = [&](size_t c, const F64* a, const F64*) INLINE_LAMBDA {
      F64 logit[W];
      widen(load<V>(g.x + c * g.step), logit);
#pragma GCC unroll 4
      for (size_t w = 0; w < W; w++) {
        weights[w] = add(weights[w], a[w]);
        distances[w] = add(distances[w], zero_if_equal(a[w], zero, mul(a[w], sub(max[w], logit[w]))));
      }
    };
    each(g, take);
    for (size_t w = 0; w < W; w++) weight[w] = weights[w], distance[w] = distances[w];
  }

 private:
  static Problem targets_of(const Problem& p) {
    Problem targets = p;
    targets.x = p.targetProbabilities;
    return targets;
  }
};

// Of problems without a gradient, of floats whose rows lie one behind the other.
template <class V>
struct ShareLoss : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Logarithms<V>::W;
  using Solver = CrossEntropySolver<V>;
  static_assert(sizeof(T) == 4, "no difference of two logits overflows in doubles");
  static constexpr bool writes_classes = false, has_columns = false;

  struct Ends : Logarithms<V>::Ends {
    F64 weight[W],
        distance[W];  // the sum of the coefficients, and that of each times its logit's distance from the maximum
  };

  const SharesInLanes<V> shares;
  explicit ShareLoss(const Problem& p) : Logarithms<V>(p), shares(p) {}

  template <class Group>
  INLINE void begin(Group& g) const {
    Logarithms<V>::begin(g);
    if constexpr (Group::along) {
      weigh_rows(g);
    } else {
      shares.weigh(g, g.ends.weight, g.ends.distance);
      for (size_t w = 0; w < W; w++) g.ends.distance[w] = div(g.ends.distance[w], splat<F64>(p.temperature));
    }
    // What is infinite, or NaN, is told row by row.
    for (size_t w = 0; w < W; w++)
      g.solvable = g.solvable && all_less(g.ends.distance[w], splat<F64>(__builtin_inf()));
  }
  template <class Group>
  INLINE void write(const Group& g) const {
    alignas(64) double loss[V::lanes];
    F64 log_sum[W];
    this->log_sums(g.ends, log_sum);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const F64 logs = mul(g.ends.weight[w], without_least<T>(log_sum[w]));
      store(loss + w * F64::lanes, UNITS::add(g.ends.distance[w], logs));
    }
    for (size_t i = 0; i < g.count; i++) p.losses[g.row + i] = loss[i];
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { Solver(*this).solve(r, r + 1); }

 private:
  template <class Group>
  void weigh_rows(Group& g) const {
    const Solver solver(*this);
    alignas(64) T max[V::lanes];
    alignas(64) double weight[V::lanes] = {}, distance[V::lanes] = {};
    store(max, g.max);
    for (size_t i = 0; i < g.count; i++) solver.weigh(g.row + i, double(max[i]), weight[i], distance[i]);
    put(g.ends, weight, distance);
  }

  static void put(Ends& e, const double* weight, const double* distance) {
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      e.weight[w] = load<F64>(weight + w * F64::lanes), e.distance[w] = load<F64>(distance + w * F64::lanes);
    }
  }
};

}  // namespace UNITS
