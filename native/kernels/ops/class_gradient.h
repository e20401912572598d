// crossEntropy of class targets with its gradient, p * scale but for the target's own entry; a row per lane.
#pragma once
#include "class_loss.h"

namespace UNITS {

// Of problems whose `out` is the gradient, without weights, whose scale is at most most_scale: what lanes beyond a row's end
// add to its sum where it is solved alone then comes to nothing.
constexpr double most_scale = 0x1p20;

template <class V>
struct ClassGradient : ClassLoss<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Logarithms<V>::W;
  const double by;
  explicit ClassGradient(const Problem& p) : ClassLoss<V>(p), by(p.gradientScale / p.temperature) {}

  static constexpr bool writes_classes = true;
  struct Ends : ClassLoss<V>::Ends {
    V hi, lo;   // the factor of each term
    V targets;  // the entries of the targets
  };

  template <class Group>
  INLINE void end(Group& g) const {
    ClassLoss<V>::end(g);
    Ends& e = g.ends;
    F64 count[W], rest[W];
    Wide<F64> inverse[W], factor[W];
    widen(g.count_of_max, count);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const Wide<F64> sum = sum_with_max(g.sum[w], count[w], e.top_term[w]);
      inverse[w] = reciprocal<V>(sum);
      rest[w] = rest_of_max(g.sum[w], count[w], e.top_term[w], sum);
      const F64 scale = mul(splat<F64>(by), e.weight[w]);
      factor[w] = {mul(inverse[w].hi, scale), mul(inverse[w].lo, scale)};
    }
    narrow_factor(factor, e.hi, e.lo);
    V hi, lo;
    narrow_factor(inverse, hi, lo);
    const V p_target = scaled(Exp<V, false>(scale, g.shift.magic, g.shift.lower).term(e.target).value(), hi, lo);
    F64 below[W], share[W], entry[W];
    widen(sub(g.max, e.target), below);
    widen(p_target, share);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const F64 zero = splat<F64>(0), one = splat<F64>(1);
      const F64 others = select_greater(below[w], zero, sub(one, share[w]), rest[w]);
      const F64 less = mul(mul(splat<F64>(by), e.weight[w]), others), least = splat<F64>(least_entry<V>);
      entry[w] = sub(zero, zero_if_equal(max_number(absolute(less), least), least, less));
    }
    e.targets = narrow(entry, V());
  }
  template <class Group>
  INLINE void write(Group& g) const {
    ClassLoss<V>::write(g);
    const Ends& e = g.ends;
    const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
    const V hi = e.hi, lo = e.lo;
    T* x = g.x;
    for (size_t c = 0; c < p.length; c++, x += g.step) store(x, scaled(exp.term(load<V>(x)).value(), hi, lo));
    alignas(64) T entry[V::lanes];
    store(entry, e.targets);
    for (size_t i = 0; i < g.count; i++) {
      const int32_t given = read_once(p.targets + g.row + i * g.apart);
      if (given >= 0 && size_t(given) < p.length) g.x[size_t(given) * g.step + i] = entry[i];
    }
  }

 private:
  static INLINE void narrow_factor(const Wide<F64>* factor, F32& hi, F32& lo) {
    const F64 whole[2] = {factor[0].hi, factor[1].hi};
    hi = narrow(whole, F32());
    F64 back[2];
    widen(hi, back);
    const F64 left[2] = {add(sub(whole[0], back[0]), factor[0].lo), add(sub(whole[1], back[1]), factor[1].lo)};
    lo = narrow(left, F32());
  }
  static INLINE void narrow_factor(const Wide<F64>* factor, F64& hi, F64& lo) {
    hi = factor[0].hi, lo = factor[0].lo;
  }
};

}  // namespace UNITS
