// Eight short rows at a time: each step is done for all of them before the next, since the steps of one row wait for
// each other (some 200 cycles from the maximum to the reciprocal) and those of eight do not. What is once per row is
// done for all eight in the lanes of a block.
#pragma once
#include "rows.h"

namespace {

template <class V>
struct ShortRowSolver {
  using T = typename V::Scalar;
  static constexpr size_t group = F64::lanes;
  static constexpr size_t longest = 2048;  // eight rows of float32 and their terms stay within the second cache
  const Problem& p;
  const RowSolver<V> rows;
  const size_t n;

  explicit ShortRowSolver(const Problem& p) : p(p), rows(p), n(p.length) {}

  static bool suits(const Problem& p) {
    const bool plain = !p.where && !p.lengths && !p.offsets && !p.logNormalizer && p.inner == 1;
    const bool direct = p.type == type_of<T> && (p.outType == type_of<T>);
    return plain && direct && p.length > 0 && p.length <= longest;
  }

  void solve(size_t begin, size_t end) const {
    for (; begin < end; begin += group) {
      const size_t count = end - begin < group ? end - begin : group;
      if (count > 1 && !rows.scale.extreme && solve_group(begin, count)) continue;
      for (size_t r = begin; r < begin + count; r++) rows.solve(r);
    }
  }

 private:
  // False, with nothing written, where a row needs more care (infinities, huge logits).
  bool solve_group(size_t row, size_t count) const {
    using E = ExpTraits<V>;
    const T* x = static_cast<const T*>(p.x) + row * n;
    T* y = static_cast<T*>(p.out) + row * n;
    const bool log = p.op != Op::softmax;
    const T bias = bias_for<V>(n);
    alignas(64) double max[group] = {}, z[group], top[group], sum[group], sum_lo[group], counts[group];
    for (size_t k = 0; k < group; k++) sum[k] = 1, sum_lo[k] = 0, counts[k] = 1;
    for (size_t k = 0; k < count; k++) max[k] = double(max_of<V>(x + k * n, n));
    for (size_t k = 0; k < group; k++) z[k] = double(T(max[k]) * T(rows.scale.c));  // see shift_for
    const F64 tops = round_to_integer(load<F64>(z));
    if (!all_less(absolute(load<F64>(z)), splat<F64>(E::reducible))) return false;
    store(top, tops);

    for (size_t k = 0; k < count; k++) {
      const Shift<T> shift = shift_at<V>(top[k], 0, rows.scale, log ? E::log_vanish : E::vanish);
      const Exp<V, false> exp(rows.scale, shift);
      if (log) {
        RestSum<V> terms;
        V equal = splat<V>(0);
        sum_below(x + k * n, n, exp, splat<V>(T(max[k])), terms, equal);
        counts[k] = count_of(equal);
        terms.total(sum[k], sum_lo[k]);
      } else {
        TermSum<V> terms(bias);
        sum_terms<V, false, true>(x + k * n, n, exp, y + k * n, terms);
        terms.total(bias, sum[k], sum_lo[k]);
      }
    }

    const Wide<F64> sums = {load<F64>(sum), load<F64>(sum_lo)};
    if (!log) {
      alignas(64) T hi[V::lanes], lo[V::lanes];
      const Wide<F64> twice[2] = {sums, sums};  // V has the lanes for one or two groups
      V factor_hi, factor_lo;
      factor(twice, factor_hi, factor_lo);
      store(hi, factor_hi), store(lo, factor_lo);
      for (size_t k = 0; k < count; k++) {
        if (sum[k] == sum[k]) {
          normalize<V>(y + k * n, n, 1, {hi[k], lo[k]});
          if (is_single<V>(rows.scale, sum[k], sum_lo[k], max[k], n)) make_one(y + k * n, n, 1);
        } else {
          for (size_t i = 0; i < n; i++) y[k * n + i] = T(__builtin_nan(""));
        }
      }
      return true;
    }
    if (!all_less(sums.hi, splat<F64>(__builtin_inf()))) return false;
    const F64 maxima = load<F64>(max);
    const F64 log_sum = log_of_sum(sums, load<F64>(counts), term_of_max<V>(maxima, tops, rows.scale64));
    alignas(64) double value[group];
    if (p.op == Op::logSumExp) {
      const F64 result = log_sum_exp(maxima, log_sum, rows.scale64);
      store(value, result);
      for (size_t k = 0; k < count; k++) static_cast<T*>(p.out)[row + k] = T(value[k]);
      const uint32_t again = sizeof(T) == 4 ? cancelling(log_sum, result) : 0;
      for (size_t k = 0; k < count; k++) {
        if (again >> k & 1) rows.solve(row + k);
      }
      return true;
    }
    store(value, log_sum);
    for (size_t k = 0; k < count; k++) {
      const LogProbability<T> log_of(splat<F64>(max[k]), splat<F64>(value[k]), p.temperature, rows.scale64);
      RowSolver<V>::logs(x + k * n, y + k * n, n, log_of);
    }
    return true;
  }
};

}  // namespace
