// crossEntropy: the loss of a row, sum of a_i * -log p_i, and its gradient, (sum of a * p_j - a_j) / T. See
// lib/backends/js/crossEntropy.ts for the coefficients a.
//
// A class target without label smoothing is the fast path: the row is measured as for the logarithms and the
// gradient written as softmax is, in as many passes; then the target's own entry is put right.
#pragma once
#include "coefficients.h"

namespace UNITS {

// As least_log, for entries of the gradient.
template <class V>
constexpr double least_entry = sizeof(typename V::Scalar) == 4 ? 0x1p-150 : 0;

// Of rows of floats: what makes their gradient of terms, scale / sum times 2^lift; and the gradient of a target, to whose
// class all others add up to `others`. Terms are floats: doubles have digits enough for their sum.
template <class D>
INLINE D sum_of_floats(Wide<D> rest, D count, D top_term) {
  return muladd(count, top_term, add(rest.hi, rest.lo));
}
template <class D>
INLINE D slope_of_floats(D scale, D sum) {
  return div(mul(scale, constant<D>(power_of_two(ExpTraits<F32>::lift))), sum);
}
template <class D>
INLINE D entry_of_floats(D others, D slope) {
  return mul(mul(others, constant<D>(power_of_two(-ExpTraits<F32>::lift))), slope);
}

INLINE Wide<F32> in_floats(double x) { return {splat<F32>(float(x)), splat<F32>(float(x - double(float(x))))}; }
// The same of a number for each lane.
INLINE Wide<F32> in_floats(const F64* x) {
  F64 back[wides<F32>], rest[wides<F32>];
  const F32 hi = narrow(x, F32());
  widen(hi, back);
#pragma GCC unroll 4
  for (size_t w = 0; w < wides<F32>; w++) rest[w] = sub(x[w], back[w]);
  return {hi, narrow(rest, F32())};
}

// The same of rows of few floats, in floats of two parts (few_log.h), each times a scale.
struct FewGradient {
  static constexpr double lift = power_of_two(ExpTraits<F32>::lift), lifted = lift / FewTerms<F32>::unit;
  const Wide<F32> all, to_terms;  // the scale, and what it is to terms
  INLINE explicit FewGradient(double scale) : all(in_floats(scale)), to_terms(in_floats(scale * lifted)) {}
  INLINE FewGradient(const F64* scale, const F64* scale_lifted)
      : all(in_floats(scale)), to_terms(in_floats(scale_lifted)) {}

  // What makes the gradient of terms, whose sum is that many times the maximum's.
  INLINE Wide<F32> factor(const Wide<F32>& sum) const { return product(inverse_of(sum), to_terms); }
  // That of the target, whose term is `own` and whose logit is so far below the maximum; `terms`: the sum of those below the
  // maximum, which `count` logits equal.
  INLINE F32 of_target(const Wide<F32>& factor, const Wide<F32>& terms, F32 count, F32 own, F32 below) const {
    const F32 unit = splat<F32>(float(1 / lift)), none = splat<F32>(0), share = mul(own, unit);
    const F32 equal = mul(sub(count, splat<F32>(1)), FewTerms<F32>::of_max());
    const F32 others = muladd(equal, factor.hi, muladd(equal, factor.lo, rounded_product(terms, factor)));
    // Below the maximum it has at most half of the sum: p - 1 does not cancel.
    const F32 of_other = add(fms(share, factor.hi, all.hi), fms(share, factor.lo, all.lo));
    return select_greater(below, none, of_other, sub(none, mul(others, unit)));
  }
};

template <class V>
struct CrossEntropySolver {
  using T = typename V::Scalar;
  const Problem& p;
  const Rows<V> rows;

  explicit CrossEntropySolver(const Problem& p) : p(p), rows(p) {}
  explicit CrossEntropySolver(const Rows<V>& rows) : p(rows.p), rows(rows) {}

  void solve(size_t begin, size_t end) const {
    for (size_t r = begin; r < end; r++) solve(r);
  }

  // What the coefficients of a row of floats add up to, and each times the distance of its logit from the maximum: see
  // Weighed. Of rows whose target has a share of every class.
  void weigh(size_t r, double max, double& weight, double& distance) const {
    const Source row = source_of(p, r);
    const size_t target = target_of(r);
    const bool counts = !p.targets || target != no_target;
    const Weighed weighed = counts ? coefficients_of(row, target).weigh(max) : Weighed();
    weight = weighed.weight.value(), distance = weighed.distances.value();
  }

  // Whether a scale leaves the factor of the gradient in the range of floats.
  static bool fits_factor(double scale) {
    return __builtin_fabs(scale) < 0x1p40 && (__builtin_fabs(scale) > 0x1p-40 || scale == 0);
  }

 private:
  static constexpr size_t no_target = Coefficients<V>::no_target, lanes = F64::lanes;

  void solve(size_t r) const {
    const Source row = source_of(p, r);
    Sink gradient = {nullptr, p.type, 1};
    if (p.gradient) {
      gradient = sink_of(p, p.gradient, p.type, r, row);
      gradient.fill(row.length, full_length(p, row), 0);
    }
    const size_t target = target_of(r);
    if (!p.targets) {
      p.losses[r] = distribution(row, gradient, no_target);
    } else if (target == no_target) {
      p.losses[r] = 0;
      if (p.gradient) gradient.fill(0, row.length, 0);
    } else {
      p.losses[r] = p.labelSmoothing == 0 ? one_class(row, gradient, target) : distribution(row, gradient, target);
    }
  }

  // Of a row whose target is ignored there is none.
  size_t target_of(size_t r) const {
    const int32_t given = p.targets ? read_once(p.targets + r) : p.ignoreIndex;
    return given != p.ignoreIndex && given >= 0 && size_t(given) < p.length ? size_t(given) : no_target;
  }

  double one_class(const Source& row, const Sink& gradient, size_t target) const {
    const double weight = p.weights ? p.weights[target] : 1;
    alignas(64) T buffer[1];
    const double x = target < row.length ? double(*row.fetch<T>(target, 1, buffer)) : -__builtin_inf();
    const double scale = p.gradientScale * weight / p.temperature;
    // A scale that would take the factor out of the range of floats is left to the other path.
    if (p.gradient && !fits_factor(scale)) {
      return distribution(row, gradient, {p, row, none(row), target, weight, 0, false});
    }
    alignas(64) T few[few_for_logs];
    T* terms = stores(row, gradient)                                        ? gradient.place<T>(0, nullptr)
               : p.gradient && sizeof(T) == 4 && row.length <= few_for_logs ? few
                                                                            : nullptr;
    double tops[stored_length / segment_length];
    const Measure m = rows.template measurer<Sums::below>().row(row, terms, tops);
    if (!Rows<V>::finite(m)) {
      if (p.gradient) rows.settle(row, gradient, 0, row.length, m, 0);
      return !row.nothing_left() ? __builtin_nan("") : weight == 0 ? 0 : weight * __builtin_inf();
    }
    if (p.gradient) {
      const bool is_given = target < row.length && !row.masked_out(target);
      Wide<double> factor;
      const double less = entry(m, is_given ? x : m.max, scale, factor);
      rows.finish(row, gradient, m, terms, tops, factor_of<T>(factor));
      if (is_given) gradient.put(target, __builtin_fabs(less) <= least_entry<V> ? 0 : 0 - less);
    }
    return weight == 0 ? 0 : weight * loss_of(m, x);
  }

  double loss_of(const Measure& m, double x) const {
    if constexpr (sizeof(T) == 4) {
      if (m.has_few_log() && p.temperature == 1) {
        const Wide<F32> loss = loss_of_few(splat<F32>(T(m.max)), splat<F32>(T(x)), few_log_of(m));
        return double(first_lane(loss.hi)) + double(first_lane(loss.lo));
      }
    }
    return distance(m.max, x, p.temperature) + log_sum_of(m);
  }

  // As softmax: whether terms wait in the output for the sum.
  bool stores(const Source& row, const Sink& out) const {
    const bool overwrites = row.data == out.data && row.length > segment_length;
    return p.gradient && out.direct<T>() && row.length <= stored_length && !overwrites;
  }

  // log(sum / term of the maximum); what is 0 as a float32 is 0, and not what the lanes beyond a row's end hold.
  double log_sum_of(const Measure& m) const { return without_least<T>(rows.log_of_measure(m)); }

  // What a row's gradient is to its terms, and, less 0, that of the class whose logit is x.
  double entry(const Measure& m, double x, double scale, Wide<double>& factor) const {
    const Wide<double> below = {m.sum, m.sum_lo};
    if constexpr (sizeof(T) == 4) {
      if (m.has_few_log()) return few_entry(m, T(x), scale, factor);
      const double sum = sum_of_floats(below, m.count, m.top_term);
      const double others = x == m.max ? sum_of_floats(below, m.count - 1, m.top_term) : sum - term_of(m, x);
      factor = {slope_of_floats(scale, sum), 0};
      return entry_of_floats(others, factor.hi);
    }
    const Wide<double> sum = sum_of(m), inverse = reciprocal<V>(sum);
    factor = {inverse.hi * scale, inverse.lo * scale};
    return scale * others(m, x, inverse, rest_of(m, sum));
  }

  // Of a row of few floats.
  double few_entry(const Measure& m, float x, double scale, Wide<double>& factor) const {
    const Shift<float> shift = shift_for<F32>(float(m.max), rows.scale, ExpTraits<F32>::log_vanish);
    const F32 max = splat<F32>(float(m.max)), own = splat<F32>(x);
    const FewTerms<F32> exp(rows.scale, splat<F32>(shift.magic), splat<F32>(shift.lower), max);
    const Wide<F32> below = {splat<F32>(float(m.sum)), splat<F32>(float(m.sum_lo))};
    const F32 count = splat<F32>(float(m.count));
    const FewGradient gradient(scale);
    const Wide<F32> by = gradient.factor(few_sum(below, count).all);
    const F32 entry = gradient.of_target(by, below, count, exp.term(own).value(), sub(max, own));
    factor = {first_lane(by.hi), first_lane(by.lo)};
    return 0 - double(first_lane(entry));
  }

  // Of a float logit, in double precision.
  double term_of(const Measure& m, double x) const {
    const Shift<T> shift = shift_for<V>(T(m.max), rows.scale, ExpTraits<V>::log_vanish);
    return first_lane(wide_term(Exp<V, true>(rows.scale, shift).term(splat<V>(T(x)))).part[0]);
  }

  // 1 - p of a class, without cancellation where p is near 1.
  double others(const Measure& m, double x, Wide<double> inverse, double rest) const {
    if (x == m.max) return rest;
    const Exp<V, true> exp(rows.scale, shift_for<V>(T(m.max), rows.scale));
    const Factor<T> factor = factor_of<T>(inverse);
    const V term = exp.term(splat<V>(T(x))).value();
    return 1 - double(first_lane(scaled(term, splat<V>(factor.hi), splat<V>(factor.lo))));
  }

  // The sum of all terms, from the measure of those below the maximum.
  static Wide<double> sum_of(const Measure& m) {
    return sum_with_max(Wide<double>{m.sum, m.sum_lo}, m.count, Wide<double>{m.top_term, m.top_term_lo});
  }

  // What classes other than one of the largest add up to.
  static double rest_of(const Measure& m, Wide<double> sum) {
    return rest_of_max(Wide<double>{m.sum, m.sum_lo}, m.count, Wide<double>{m.top_term, m.top_term_lo}, sum);
  }

  static Source none(Source row) {
    row.mask = nullptr, row.words = nullptr, row.data = nullptr;
    return row;
  }

  // Of a class, with label smoothing, or of the row's distribution.
  Coefficients<V> coefficients_of(const Source& row, size_t target) const {
    size_t classes = row.length;
    for (size_t at = 0; row.is_masked() && row.goes_on(at); at += chunk_length) {
      const size_t end = lesser(row.length, at + chunk_length);
      for (size_t i = at; i < end; i++) classes -= row.masked_out(i);
    }
    const double even = p.labelSmoothing == 0 ? 0 : p.labelSmoothing / double(classes);
    Source q = none(row);
    if (target == no_target && row.length > 0) {
      const size_t at = size_t(row.data - static_cast<const char*>(p.x));
      q.data = static_cast<const char*>(p.targetProbabilities) + at;
    }
    return {p, row, q, target, 1 - p.labelSmoothing, even, p.weights != nullptr};
  }
  double distribution(const Source& row, const Sink& gradient, size_t target) const {
    return distribution(row, gradient, coefficients_of(row, target));
  }

  double distribution(const Source& row, const Sink& gradient, const Coefficients<V>& coefficients) const {
    const Measure m = rows.template measurer<Sums::below>().row(row, nullptr, nullptr);
    const bool finite = Rows<V>::finite(m);
    if (p.gradient && !finite) rows.settle(row, gradient, 0, row.length, m, 0);
    if (!finite && !row.nothing_left()) return __builtin_nan("");

    Weighed weighed = coefficients.weigh(m.max);
    // A target that is padding, or the mask hides, is as improbable as can be.
    if (coefficients.target != no_target && coefficients.target >= row.length) {
      double one[1];
      Coefficients<V> alone = coefficients;
      alone.even = 0;
      one[0] = alone.weight * (alone.weighted ? p.weights[alone.target] : 1);
      if (one[0] != 0) weighed.weight.add(one[0]), weighed.distances.add(one[0] * __builtin_inf());
    }
    const double distances = weighed.distances.value(), weight = weighed.weight.value();
    if (!finite) return distances;
    if (p.gradient) write(row, gradient, coefficients, wide(row, m), weight);
    return distances + weight * log_sum_of(m);
  }

  // The measure in double precision, for float32 rows too: of a difference of p and a its terms leave too few digits.
  Measure wide(const Source& row, const Measure& m) const {
    if (sizeof(T) == 8) return m;
    return Measurer<F64, Sums::below>{rows.scale64, rows.scale64}.row(row, nullptr, nullptr);
  }

  // scale * ((A - a) * p - a * (1 - p)) / T. So written, the class that has all the weight keeps the bits of p - 1.
  void write(const Source& row, const Sink& gradient, const Coefficients<V>& coefficients, const Measure& m,
             double weight) const {
    // (Where nothing is moved, it is by nothing.)
    const Exp<F64, true> exp(rows.scale64, shift_for<F64>(m.max, rows.scale64));
    const Wide<double> sum = sum_of(m), inverse = reciprocal<F64>(sum);
    const F64 hi = splat<F64>(inverse.hi), lo = splat<F64>(inverse.lo), rest = splat<F64>(rest_of(m, sum));
    const F64 whole = splat<F64>(weight), max = splat<F64>(m.max), one = splat<F64>(1), none = splat<F64>(0);
    const F64 scale = splat<F64>(p.gradientScale), temperature = splat<F64>(p.temperature);
    alignas(64) double x[chunk_length], a[chunk_length];
    alignas(64) T buffer[chunk_length];
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
      coefficients.fill(at, n, a);
      const double* logits = row.fetch(at, n, x);
      T* y = gradient.place(at, buffer);
      const auto gradient_of = [&](F64 logit, F64 share) INLINE_LAMBDA {
        const F64 t = scaled(exp.term(logit).value(), hi, lo), largest = count_if_equal(logit, max, none);
        const F64 others = add(zero_if_equal(logit, max, sub(one, t)), mul(largest, rest));
        const F64 difference = sub(mul(sub(whole, share), t), mul(share, others));
        return div(mul(scale, difference), temperature);
      };
      size_t i = 0;
      for (; i + lanes <= n; i += lanes) store_eight(y + i, gradient_of(load<F64>(logits + i), load<F64>(a + i)));
      if (i < n) {
        alignas(64) T value[lanes];
        store_eight(value,
                    gradient_of(load_first<F64>(logits + i, n - i, logits[i]), load_first<F64>(a + i, n - i, 0)));
        for (size_t j = 0; i + j < n; j++) y[i + j] = value[j];
      }
      if (row.is_masked()) {
        for (size_t i = 0; i < n; i++) y[i] = row.masked_out(at + i) ? T(0) : y[i];
      }
      gradient.flush(at, n, y);
    }
  }
};

}  // namespace UNITS
