// crossEntropy of class targets, without label smoothing: the distance of the target's logit from the maximum, and the
// logarithm of the sum; a row per lane.
#pragma once
#include "cross_entropy.h"
#include "logarithms.h"

namespace UNITS {

template <class V>
struct ClassLoss : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Logarithms<V>::W;
  using Below = Lanes<V, Sums::below>;
  explicit ClassLoss(const Problem& p) : Logarithms<V>(p) {}

  static constexpr bool writes_classes = false;
  struct Ends : Logarithms<V>::Ends {
    V target;       // its logit; the maximum in lanes without weight
    V counts;       // 1 in lanes that have one, else 0: where targets are compared, and weigh the same
    F64 weight[W];  // elsewhere
  };

  template <class Group>
  INLINE void begin(Group& g) const {
    Logarithms<V>::begin(g);
    if constexpr (Group::along) {
      find_targets(g, g.ends, false);
    } else {
      find_targets<Below>(g, g.ends, compares(g));
    }
  }
  template <class Group>
  ONCE void find_targets(const Group& g, Ends& e, bool compares) const {
    if (compares && !p.weights) {
      V logits;
      this->compare(g, load_whole<V>(p.targets + g.row), e.counts, logits);
      e.target = select_greater(e.counts, splat<V>(0), logits, g.max);
      return;
    }
    alignas(64) T target[V::lanes];
    alignas(64) double weight[V::lanes] = {};
    store(target, g.max);
    for (size_t i = 0; i < g.count; i++) weigh(g.row + i * g.apart, g.row_of(i), g.step, target[i], weight[i]);
    e.target = load<V>(target);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) e.weight[w] = load<F64>(weight + w * F64::lanes);
  }
  template <class Group>
  INLINE void write(Group& g) const {
    write(g, g.ends, compares(g));
  }
  ONCE void write(const Below& g, const Ends& e, bool compares) const {
    const bool whole = g.apart == 1 && g.count == V::lanes;
    alignas(64) double lane[V::lanes];
    double* const to = whole ? p.losses + g.row : lane;
    F64 of[W];
    losses_of(g, e, compares, of);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) store(to + w * F64::lanes, of[w]);
    for (size_t i = 0; !whole && i < g.count; i++) p.losses[g.row + i * g.apart] = lane[i];
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { CrossEntropySolver<V>(*this).solve(r, r + 1); }

 protected:
  // Whether the targets of neighbouring rows are found by comparing each class with all of them.
  template <class Group>
  INLINE bool compares(const Group& g) const {
    return !Group::along && p.length <= Logarithms<V>::most_compared && g.apart == 1 && g.count == V::lanes;
  }
  INLINE void weights_of(const Ends& e, bool compares, F64* weight) const {
    if (compares && !p.weights) return widen(e.counts, weight);
    for (size_t w = 0; w < W; w++) weight[w] = e.weight[w];
  }
  template <class Group>
  INLINE V weights_of(const Group& g) const {
    return compares(g) && !p.weights ? g.ends.counts : narrow(g.ends.weight, V());
  }

 private:
  // The weight of a row's loss, and its target's logit where there is one.
  INLINE void weigh(size_t r, const T* x, size_t step, T& target, double& weight) const {
    const int32_t given = read_once(p.targets + r);
    const bool counts = given != p.ignoreIndex && given >= 0 && size_t(given) < p.length;
    weight = !counts ? 0 : p.weights ? p.weights[given] : 1;
    if (weight != 0) target = x[size_t(given) * step];
  }

  INLINE void losses_of(const Below& g, const Ends& e, bool compares, F64* of) const {
    F64 max[W], log_sum[W], target[W], weight[W];
    if constexpr (sizeof(T) == 4) {
      if (this->few && p.temperature == 1) {
        Wide<V> loss = loss_of_few(g.max, e.target, e.log);
        if (compares && !p.weights) {
          const V none = splat<V>(0);
          loss = {zero_if_equal(e.counts, none, loss.hi), zero_if_equal(e.counts, none, loss.lo)};
          return widen(loss, of);
        }
        widen(loss, of), weights_of(e, compares, weight);
#pragma GCC unroll 4
        for (size_t w = 0; w < W; w++) of[w] = mul(of[w], weight[w]);
        return;
      }
    }
    weights_of(e, compares, weight);
    widen(g.max, max), widen(e.target, target), this->log_sums(e, log_sum);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) of[w] = loss(max[w], log_sum[w], target[w], weight[w]);
  }
  INLINE F64 loss(F64 max, F64 log_sum, F64 target, F64 weight) const {
    const F64 difference = sub(max, target);
    F64 far = p.temperature == 1 ? difference : div(difference, splat<F64>(p.temperature));
    if (sizeof(T) == 8 && !all_less(difference, splat<F64>(__builtin_inf()))) {
      alignas(64) double lane[F64::lanes], logit[F64::lanes];
      store(lane, max), store(logit, target);
      for (size_t i = 0; i < F64::lanes; i++) lane[i] = distance(lane[i], logit[i], p.temperature);
      far = load<F64>(lane);
    }
    // What is 0 as a float32 is 0, and not what the lanes beyond a row's end hold.
    return mul(weight, add(far, without_least<T>(log_sum)));
  }
};

}  // namespace UNITS
