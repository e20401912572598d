// topK: the k likeliest classes of a row. The row is measured segment by segment as softmax measures it, each
// segment is filtered while it is in the first cache, and only what was selected becomes probabilities.
//
// Random logits cost what the measure costs and a few hundredths more; so do ascending rows at k <= 16, where
// every segment is filtered anew. Rows of equal logits likewise. A row with NaN or +Infinity, which has no
// probabilities, is read again one logit at a time.
#pragma once
#include "radix.h"
#include "../shapes/rows.h"
#include "../units.h"
#include "select.h"
#include "select_many.h"

namespace UNITS {

template <class V>
struct TopKSolver {
  using T = typename V::Scalar;
  const Problem& p;
  const Rows<V> rows;

  explicit TopKSolver(const Problem& p) : p(p), rows(p) {}
  explicit TopKSolver(const Rows<V>& rows) : p(rows.p), rows(rows) {}

  void solve(size_t begin, size_t end) const {
    if (p.k == 0) return;
    if (p.k > most_filtered(p.length) && p.k <= ManySelection<V>::most) {
      ManySelection<V> selection(p.k, p.length);
      if (selection.has_memory()) {
        for (size_t r = begin; r < end; r++) solve_many(r, selection);
        return;
      }
    }
    Selection<V> selection(p.k < most_selected ? p.k : most_selected);
    for (size_t r = begin; r < end; r++) solve(r, selection);
  }

 private:
  // Where the results of a row go.
  Sink sink_of_row(size_t r) const {
    return {static_cast<char*>(p.out) + place_of(r) * size_of(p.outType), p.outType, p.inner, p.cancelled};
  }
  Classes classes_of_row(size_t r) const { return {p.indices + place_of(r), p.inner}; }
  size_t place_of(size_t r) const { return r / p.inner * p.k * p.inner + r % p.inner; }

  void solve_many(size_t r, ManySelection<V>& selection) const {
    const Source row = source_of(p, r);
    const Measure m = measured(r, row);
    if (m.sum != m.sum || m.max == __builtin_inf()) {  // NaN goes first, and no compare finds it
      Selection<V> few(p.k < most_selected ? p.k : most_selected);
      return solve(r, few);
    }
    const Classes classes = classes_of_row(r);
    const size_t count = selection.select(row);
    for (size_t i = 0; i < count; i++) classes[i] = selection.index(i);
    write(r, row, count, m, [&](size_t i) INLINE_LAMBDA { return selection.logit(i); });
  }

  void solve(size_t r, Selection<V>& selection) const {
    const Source row = source_of(p, r);
    const Classes classes = classes_of_row(r);
    if (p.k > most_selected) {
      const Measure m = measured(r, row);
      const size_t count = select_many<T>(row, p.k, classes);
      return write(r, row, count, m, [&](size_t i) { return logit_at<T>(row, classes.read(i, row)); });
    }
    const Measure m =
        sums_below() ? measure<Sums::below>(r, row, selection) : measure<Sums::all>(r, row, selection);
    const size_t count = select(row, m, selection);
    for (size_t i = 0; i < count; i++) classes[i] = class_of(selection.key[i]);
    write(r, row, count, m, [&](size_t i) INLINE_LAMBDA { return logit_of<T>(selection.key[i]); });
  }

  bool sums_below() const { return p.log || p.logNormalizer; }

  Measure measured(size_t r, const Source& row) const {
    return sums_below() ? measured<Sums::below>(r, row) : measured<Sums::all>(r, row);
  }
  template <Sums sums>
  Measure measured(size_t r, const Source& row) const {
    if constexpr (sums == Sums::below) return UNITS::measure_row_below(p, r);
    return rows.template measurer<sums>().row(row, nullptr, nullptr);
  }

  // Measures the row, in the order of softmax, and leaves those of its logits that are finite in the selection.
  template <Sums sums>
  Measure measure(size_t r, const Source& row, Selection<V>& selection) const {
    alignas(64) T buffer[segment_length];
    selection.clear();
    if (row.length <= segment_length) {
      const Measure m = segment<sums>(row.fetch(0, row.length, buffer), row.length, 0, row.length, selection);
      return sums == Sums::below && row.length <= few_for_logs ? measured<sums>(r, row) : m;
    }
    Measure m;
    for (size_t span = 0; row.goes_on(span); span += span_length) {
      const size_t end = row.length - span < span_length ? row.length : span + span_length;
      Measure part;
      for (size_t at = span; at < end; at += segment_length) {
        const size_t n = end - at < segment_length ? end - at : segment_length;
        part = combine(part, segment<sums>(row.fetch(at, n, buffer), n, at, row.length, selection));
      }
      m = combine(m, part);
    }
    const bool again = m.reshape && m.max < __builtin_inf();
    return again ? measured<sums>(r, row) : m;
  }

  // The threshold is worked out before the sum, in whose shade its latencies are.
  template <Sums sums>
  INLINE Measure segment(const T* x, size_t n, size_t at, size_t classes, Selection<V>& selection) const {
    const V maxima = lane_maxima<V>(x, n);
    const T own = reduce_max(maxima);
    const bool more = own > selection.least;
    const T threshold = more ? selection.bound(maxima) : 0;
    const Measure m = rows.template measurer<sums>().under(
        own, nullptr, n, classes, [&](auto&& sum) INLINE_LAMBDA { sum(x, n, static_cast<T*>(nullptr)); });
    if (more) selection.filter(x, n, at, threshold, maxima);
    return m;
  }

  // Adds what the filter leaves out; returns how many were selected.
  size_t select(const Source& row, const Measure& m, Selection<V>& selection) const {
    if (Rows<V>::finite(m) && selection.count == selection.k) return selection.count;
    const bool all = !Rows<V>::finite(m);
    if (all) selection.clear();
    for (size_t i = 0; i < row.length; i++) {
      if (i > 0 && i % chunk_length == 0 && is_set(row.cancelled)) break;
      const T x = logit_at<T>(row, i);
      if ((all || x == T(-infinity)) && !row.masked_out(i)) selection.offer(x, i);
    }
    selection.shrink();
    return selection.count;
  }

  // Writes the probabilities of the `count` best, and what stands for those that a row of fewer lacks.
  template <class Logit>
  void write(size_t r, const Source& row, size_t count, const Measure& m, Logit logit) const {
    const Sink out = sink_of_row(r);
    const Classes classes = classes_of_row(r);
    for (size_t i = count; i < p.k; i++) {
      if (i % chunk_length == 0 && is_set(row.cancelled)) return;
      classes[i] = no_class;
    }
    const double least = p.log ? -__builtin_inf() : 0;
    out.fill(count, p.k, least);
    const double* normalizer = p.logNormalizer ? &p.logNormalizer[p.logNormalizerShared ? 0 : r] : nullptr;
    const bool nan = m.sum != m.sum || m.max == __builtin_inf() || (normalizer && *normalizer - *normalizer != 0);
    if (nan || m.max == -__builtin_inf())
      return out.fill(0, count, nan || !normalizer ? __builtin_nan("") : least);
    Shard<T> by;
    if (normalizer) {
      by = rows.shard_of(m, *normalizer);
      if (!by.sound) return out.fill(0, count, __builtin_nan(""));
    } else if (!p.log) {
      const Shift<T> shift = shift_for<V>(T(m.max), rows.scale);
      by = {shift, factor_as_in_lanes<V>(m, row.length, shift.moved), true};
    }
    if (p.log) return write_logs(out, count, m, normalizer, logit);
    // (Where nothing is moved, it is by nothing.)
    write(out, count, Exp<V, true>(rows.scale, by.shift), by.factor, logit);
    if (!normalizer) rows.polish(row.length, out, 0, count, m);
  }

  // The bits of logSoftmax.
  template <class Logit>
  void write_logs(const Sink& out, size_t count, const Measure& m, const double* normalizer, Logit logit) const {
    const double log_sum = rows.log_of_measure(m);
    const LogProbability<T> log_of(splat<F64>(m.max), splat<F64>(log_sum), p.temperature, rows.scale64);
    for (size_t i = 0; i < count; i += V::lanes) {
      if (i > 0 && i % chunk_length == 0 && is_set(out.cancelled)) return;
      alignas(64) T lane[V::lanes];
      const size_t n = count - i < V::lanes ? count - i : V::lanes;
      for (size_t j = 0; j < n; j++) lane[j] = logit(i + j);
      if (!normalizer) {
        rows.logs(lane, lane, n, log_of);
      } else {
        for (size_t j = 0; j < n; j++) {
          const Wide<double> log_p = rows.less_normalizer(double(lane[j]), *normalizer);
          lane[j] = T(log_p.hi + log_p.lo);
        }
      }
      out.copy(i, n, lane);
    }
  }

  template <class Logit>
  void write(const Sink& out, size_t count, const Exp<V, true>& exp, Factor<T> factor, Logit logit) const {
    for (size_t i = 0; i < count; i += V::lanes) {
      if (i > 0 && i % chunk_length == 0 && is_set(out.cancelled)) return;
      alignas(64) T lane[V::lanes];
      const size_t n = count - i < V::lanes ? count - i : V::lanes;
      for (size_t j = 0; j < n; j++) lane[j] = logit(i + j);
      // Lanes to spare repeat a logit: one as low as to vanish could take an operation into the subnormal range.
      const V x = load_first<V>(lane, n, lane[0]);
      const V p = scaled(exp.term(x).value(), splat<V>(factor.hi), splat<V>(factor.lo));
      if (out.direct<T>()) {
        store_first(out.place<T>(i, nullptr), p, n);
      } else {
        store(lane, p);
        out.spread(i, n, lane);
      }
    }
  }
};

}  // namespace UNITS
