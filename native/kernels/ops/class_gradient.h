// crossEntropy of class targets with its gradient, p * scale but for the target's own entry; a row per lane.
#pragma once
#include "../shapes/few_classes.h"
#include "class_loss.h"

namespace UNITS {

// Of problems whose `out` is the gradient, whose scale is at most most_scale: what lanes beyond a row's end add to its sum where it is
// solved alone then comes to nothing.
constexpr double most_scale = 0x1p20;

// Whether that is so of all rows, whatever their targets.
template <class V>
INLINE bool scales_fit(const Problem& p) {
  const auto fits = [](double scale) {
    return CrossEntropySolver<V>::fits_factor(scale) && __builtin_fabs(scale) <= most_scale;
  };
  if (!p.weights) return fits(p.gradientScale / p.temperature);
  bool all = p.gradientScale > 0;
  for (size_t c = 0; all && c < p.length; c++) {
    all = p.weights[c] >= 0 && fits(p.gradientScale * p.weights[c] / p.temperature);
  }
  return all;
}

template <class V>
struct ClassGradient : ClassLoss<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Logarithms<V>::W;
  const double by;
  explicit ClassGradient(const Problem& p) : ClassLoss<V>(p), by(p.gradientScale / p.temperature) {}

  static constexpr bool writes_classes = true, wants_terms = true;
  struct Ends : ClassLoss<V>::Ends {
    V hi, lo;   // the factor of each term
    V targets;  // the entries of the targets
  };

  template <class Op, class Group>
  static INLINE void end_all(const Op& op, Group* group, size_t count) {
    Logarithms<V>::end_all(op, group, count);
    for (size_t i = 0; i < count; i++) {
      if (group[i].solvable) op.end_gradient(group[i]);
    }
  }
  template <class Group>
  INLINE void write(Group& g) const {
    ClassLoss<V>::write(g);
    if constexpr (Group::along) return write_rows(g);
    const Ends& e = g.ends;
    const V hi = e.hi, lo = e.lo;
    const bool has_terms = lanes_for_all && g.has_terms;
    if (this->few && has_terms) {
      put_gradient(g, [&](V term) INLINE_LAMBDA { return scaled(term, hi, lo); });
    } else if (this->few) {
      const FewTerms<V> exp = g.few_terms(scale);
      put_gradient(g, [&](V logit) INLINE_LAMBDA { return scaled(exp.term(logit).value(), hi, lo); });
    } else if (const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower); has_terms) {
      const V none = splat<V>(0), top = exp.term(g.max).value();
      put_gradient(g, [&](V term) INLINE_LAMBDA { return scaled(select_greater(term, none, term, top), hi, lo); });
    } else {
      put_gradient(g, [&](V logit) INLINE_LAMBDA { return scaled(exp.term(logit).value(), hi, lo); });
    }
    if (ClassLoss<V>::compares(g)) return;
    alignas(64) T entry[V::lanes];
    store(entry, e.targets);
    for (size_t i = 0; i < g.count; i++) {
      const int32_t given = read_once(p.targets + g.row + i * g.apart);
      if (given >= 0 && size_t(given) < p.length) g.x[size_t(given) * g.step + i] = entry[i];
    }
  }

 private:
  // Rows whose terms wait where their gradient goes.
  template <class Group>
  INLINE void write_rows(const Group& g) const {
    const size_t n = p.length;
    T* y = static_cast<T*>(p.out) + g.row * n;
    alignas(64) T hi[V::lanes], lo[V::lanes], entry[V::lanes];
    store(hi, g.ends.hi), store(lo, g.ends.lo), store(entry, g.ends.targets);
    for (size_t k = 0; k < g.count; k++, y += n) {
      normalize<V>(y, n, 1, {hi[k], lo[k]});
      const int32_t given = read_once(p.targets + g.row + k);
      if (given >= 0 && size_t(given) < n) y[given] = entry[k];
    }
  }
  // Those of all classes; where targets are compared, theirs too.
  template <class Group, class Of>
  INLINE void put_gradient(Group& g, Of of) const {
    const size_t n = p.length;
    T* x = g.x;
    if (!ClassLoss<V>::compares(g)) {
      for (size_t c = 0; c < n; c++, x += g.step) store(x, of(load<V>(x)));
      return;
    }
    const V entry = g.ends.targets, half = splat<V>(T(0.5)), one = splat<V>(1);
    V from_target = load_whole<V>(p.targets + g.row);
    for (size_t c = 0; c < n; c++, x += g.step, from_target = sub(from_target, one)) {
      store(x, select_greater(half, absolute(from_target), entry, of(load<V>(x))));
    }
  }
  template <class Group>
  INLINE void end_gradient(Group& g) const {
    if constexpr (sizeof(T) == 8) {
      end_doubles(g);
    } else {
      this->few ? end_few(g) : end_floats(g);
    }
  }
  // What the gradients of rows are multiplied by: nothing where their targets are ignored. As CrossEntropySolver has it.
  template <class Group>
  INLINE void scales_of(const Group& g, F64* scale) const {
    F64 weight[W];
    this->weights_of(g.ends, ClassLoss<V>::compares(g), weight);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      scale[w] = p.weights ? div(mul(splat<F64>(p.gradientScale), weight[w]), splat<F64>(p.temperature))
                           : mul(splat<F64>(by), weight[w]);
    }
  }
  template <class Group>
  INLINE void end_few(Group& g) const {
    if (!p.weights) return end_few(g, FewGradient(by), this->weights_of(g), this->weights_of(g));
    F64 scale[W], lifted[W];
    scales_of(g, scale);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) lifted[w] = mul(scale[w], splat<F64>(FewGradient::lifted));
    end_few(g, FewGradient(scale, lifted), splat<V>(1), narrow(scale, V()));
  }
  // `counts`: 0 where a row's target is ignored.
  template <class Group>
  INLINE void end_few(Group& g, const FewGradient& gradient, V weight, V counts) const {
    Ends& e = g.ends;
    const V none = splat<V>(0);
    const Wide<V> factor = gradient.factor(e.whole);
    V own;
    if (lanes_for_all && g.has_terms && p.length <= most_without_terms && ClassLoss<V>::compares(g)) {
      own = this->logit_of(g, load_whole<V>(p.targets + g.row));
    } else {
      own = g.few_terms(scale).term(e.target).value();
    }
    const V entry = gradient.of_target(factor, g.few, g.count_of_max, own, sub(g.max, e.target));
    e.hi = mul(weight, factor.hi), e.lo = mul(weight, factor.lo);
    e.targets = zero_if_equal(counts, none, entry);
  }
  template <class Group>
  INLINE void end_floats(Group& g) const {
    Ends& e = g.ends;
    F64 count[W], below[W], slope[W], back[W], entry[W], scales[W];
    scales_of(g, scales);
    widen(g.count_of_max, count);
    widen(sub(g.max, e.target), below);
    const WideTerm own = wide_term(Exp<V, false>(scale, g.shift.magic, g.shift.lower).term(e.target));
    const F64 zero = splat<F64>(0), one = splat<F64>(1), least = splat<F64>(least_entry<V>);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const F64 top = e.top_term[w].hi, sum = sum_of_floats(g.sum[w], count[w], top);
      slope[w] = slope_of_floats(scales[w], sum);
      const F64 of_max = sum_of_floats(g.sum[w], sub(count[w], one), top);
      const F64 less = entry_of_floats(select_greater(below[w], zero, sub(sum, own.part[w]), of_max), slope[w]);
      entry[w] = sub(zero, zero_if_equal(max_number(absolute(less), least), least, less));
    }
    e.hi = narrow(slope, V());
    widen(e.hi, back);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) slope[w] = sub(slope[w], back[w]);
    e.lo = narrow(slope, V());
    e.targets = narrow(entry, V());
  }

  template <class Group>
  INLINE void end_doubles(Group& g) const {
    Ends& e = g.ends;
    F64 count[W], rest[W], scales[W];
    scales_of(g, scales);
    Wide<F64> inverse[W], factor[W];
    widen(g.count_of_max, count);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const Wide<F64> sum = sum_with_max(g.sum[w], count[w], e.top_term[w]);
      inverse[w] = reciprocal<V>(sum);
      rest[w] = rest_of_max(g.sum[w], count[w], e.top_term[w], sum);
      factor[w] = {mul(inverse[w].hi, scales[w]), mul(inverse[w].lo, scales[w])};
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
      const F64 less = mul(scales[w], others), least = splat<F64>(least_entry<V>);
      entry[w] = sub(zero, zero_if_equal(max_number(absolute(less), least), least, less));
    }
    e.targets = narrow(entry, V());
  }

  static INLINE void narrow_factor(const Wide<F64>* factor, F64& hi, F64& lo) {
    hi = factor[0].hi, lo = factor[0].lo;
  }
};

}  // namespace UNITS
