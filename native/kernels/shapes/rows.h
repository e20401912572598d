// A row at a time, of any length, layout and element type: what ops do with a row once it is measured.
#pragma once
#include "few_blocks.h"
#include "measure.h"
#include "sink.h"

namespace UNITS {

template <class V>
struct Rows {
  using T = typename V::Scalar;
  const Problem& p;
  const Scale<V> scale;
  const Scale<F64> scale64;

  // Whether rows that do not lie as the shapes want them may be copied: an op that has no outputs but `out`, and solves a copy
  // by the row that it is of.
  static constexpr bool may_be_copied = false;
  // Whether rows that are columns go in lanes.
  static constexpr bool has_columns = lanes_for_all;
  // Whether an op begins and ends with groups of rows in lanes at once, see begin_groups and end_groups.
  static constexpr bool begins_together = false, ends_together = false;
  // Whether an op wants the terms, once it has begun, in place of the logits; of rows along their blocks in the output.
  static constexpr bool wants_terms = false;

  explicit Rows(const Problem& p)
      : p(p), scale(scale_of<V>(p.temperature)), scale64(scale_of<F64>(p.temperature)) {}

  template <Sums sums>
  Measurer<V, sums> measurer() const {
    return {scale, scale64};
  }

  // Elements [from, to) of a row, written as probabilities.
  void polish(size_t classes, const Sink& out, size_t from, size_t to, const Measure& m) const {
    if (out.type != type_of<T> || !is_single<V>(scale, m.sum, m.sum_lo, m.max, classes)) return;
    for (size_t at = from; at < to && !is_set(out.cancelled); at += chunk_length) {
      make_one(reinterpret_cast<T*>(out.data) + at * out.stride, to - at < chunk_length ? to - at : chunk_length,
               out.stride);
    }
  }

  // Turns the terms of a row measured as `m`, each segment's under a shift to its top, into terms * factor; where
  // they were not stored (null), they are worked out again.
  void finish(const Source& row, const Sink& out, const Measure& m, T* terms, const double* tops,
              Factor<T> factor) const {
    const Shift<T> shift = shift_for<V>(T(m.max), scale);
    if (!terms) return emitTerms(row, out, 0, row.length, shift, factor);
    for (size_t at = 0, s = 0; row.goes_on(at); at += segment_length, s++) {
      const size_t n = row.length - at < segment_length ? row.length - at : segment_length;
      const double down = m.top - tops[s];
      if (down <= 20) {  // stored terms are at least 2^(offset - vanish) = 2^-88: the product is exact
        normalize<V>(terms + at, n, T(power_of_two(-int(down))), factor);
        out.flush(at, n, terms + at);
      } else {
        emitTerms(row, out, at, at + n, shift, factor);
      }
    }
  }

  __attribute__((noinline)) static double log_of_measure(const Measure& m) {
    if (m.has_few_log()) return double(m.few_log[0]) + double(m.few_log[1]);
    return log_of_sum<V>(Wide<double>{m.sum, m.sum_lo}, m.count, Wide<double>{m.top_term, m.top_term_lo});
  }

  // Writes elements of rows that have no sum (nothing left, NaN, infinities) and says so by false.
  bool settle(const Source& row, const Sink& out, size_t from, size_t to, const Measure& m, double nothing) const {
    if (finite(m)) return true;
    const bool empty = row.nothing_left();
    const double value = empty ? nothing : __builtin_nan("");
    if (empty || !row.is_masked()) return out.fill(from, to, value), false;
    for (size_t at = from; at < to && !(at > from && is_set(row.cancelled)); at += chunk_length) {
      const size_t end = to - at < chunk_length ? to : at + chunk_length;
      for (size_t i = at; i < end; i++) out.put(i, row.masked_out(i) ? nothing : value);
    }
    return false;
  }

  void emitTerms(const Source& row, const Sink& out, size_t from, size_t to, const Shift<T>& shift,
                 Factor<T> factor) const {
    shift.moved ? emitTerms(row, out, from, to, Exp<V, true>(scale, shift), factor)
                : emitTerms(row, out, from, to, Exp<V, false>(scale, shift), factor);
  }

  void emitLogs(const Source& row, const Sink& out, size_t from, size_t to, const Measure& m) const {
    alignas(64) T buffer[chunk_length];
    const LogProbability<T> log_of(splat<F64>(m.max), splat<F64>(log_of_measure(m)), p.temperature, scale64);
    for (size_t i = from; i < to && !(i > from && is_set(row.cancelled)); i += chunk_length) {
      const size_t n = to - i < chunk_length ? to - i : chunk_length;
      T* y = out.place(i, buffer);
      logs<true>(row.fetch(i, n, buffer), y, n, log_of);
      out.flush(i, n, y);
    }
  }

  // `fetches`: what is read and written next, meanwhile.
  template <bool fetches = false>
  static INLINE void logs(const T* x, T* y, size_t n, const LogProbability<T>& log_of) {
    constexpr size_t L = F64::lanes, group = 2 * L;
    size_t i = 0;
    for (; i + group <= n; i += group) {
      if (fetches) fetch<false>(x + i + fetch_distance, group), fetch<true>(y + i + fetch_distance, group);
      const F64 logs[2] = {log_of(load_eight(x + i)), log_of(load_eight(x + i + L))};
      store_eight(y + i, logs[0]), store_eight(y + i + L, logs[1]);
    }
    for (; i + L <= n; i += L) store_eight(y + i, log_of(load_eight(x + i)));
    if (i < n) {
      alignas(64) T lane[L];
      for (size_t j = 0; j < L; j++) lane[j] = i + j < n ? x[i + j] : T(0);
      store_eight(lane, log_of(load_eight(lane)));
      for (size_t j = 0; i + j < n; j++) y[i + j] = lane[j];
    }
  }

  static INLINE bool finite(const Measure& m) { return __builtin_fabs(m.max) < __builtin_inf() && m.sum == m.sum; }

  template <bool moved>
  void emitTerms(const Source& row, const Sink& out, size_t from, size_t to, const Exp<V, moved>& exp,
                 Factor<T> factor) const {
    alignas(64) T buffer[chunk_length];
    // What will not be in the last cache when it is read goes past all caches: it need not be fetched to be written.
    const bool streams = out.direct<T>() && row.length >= streamed_bytes / sizeof(T) && row.data != out.data;
    size_t step = streams ? (0 - reinterpret_cast<uintptr_t>(out.place<T>(from, nullptr)) % block_bytes) %
                                block_bytes / sizeof(T)
                          : 0;
    if (step == 0) step = chunk_length;
    for (size_t i = from; i < to && !(i > from && is_set(row.cancelled)); i += step, step = chunk_length) {
      const size_t n = to - i < step ? to - i : step;
      T* y = out.place(i, buffer);
      const bool aligned = reinterpret_cast<uintptr_t>(y) % block_bytes == 0;
      streams&& aligned ? emitChunk<moved, true>(row.fetch(i, n, buffer), y, n, exp, factor)
                        : emitChunk<moved, false>(row.fetch(i, n, buffer), y, n, exp, factor);
      out.flush(i, n, y);
    }
    if (streams) stream_fence();
  }

  template <bool moved, bool streams>
  __attribute__((noinline)) static void emitChunk(const T* x, T* y, size_t n, const Exp<V, moved>& exponential,
                                                  Factor<T> factor) {
    const Exp<V, moved> exp = exponential;
    const V hi = splat<V>(factor.hi), lo = splat<V>(factor.lo);
    const size_t i = each_term(x, n, exp, fetch_distance, 0, [&](size_t i, Term<V> e) INLINE_LAMBDA {
      const V p = scaled(e.value(), hi, lo);
      streams ? stream(y + i, p) : store(y + i, p);
    });
    if (i < n)
      store_first(y + i, scaled(exp.term(load_first<V>(x + i, n - i, T(-infinity))).value(), hi, lo), n - i);
  }

  // max / T - N, of a finite normalizer, as an unevaluated sum: they may cancel. -Infinity stays.
  Wide<double> less_normalizer(double max, double normalizer) const {
    const double x = max * scale64.down * scale64.up, quotient = x * scale64.inverse;
    const double log_p = quotient - normalizer;
    if (!(__builtin_fabs(log_p) < __builtin_inf())) return {log_p, 0};
    const double quotient_lo = muladd(x, scale64.inverse_lo, fms(x, scale64.inverse, quotient));
    const double back = log_p - quotient;
    return {log_p, ((quotient - (log_p - back)) - (normalizer + back)) + quotient_lo};
  }

  // Of a shard whose measure is finite, under a finite normalizer.
  Shard<T> shard_of(const Measure& m, double normalizer) const {
    // It goes into an exponent, where its absolute error counts.
    const Wide<double> log_of_max = less_normalizer(m.max, normalizer);
    double log_p = log_of_max.hi, log_p_lo = log_of_max.lo;
    // All terms vanish; further down, log_p would not be reduced.
    constexpr double vanished = -3000;
    if (log_p < vanished) log_p = vanished, log_p_lo = 0;
    const double n = round_to_integer(log_p * log2e_hi);
    const double r = (fms(log_p, log2e_hi, n) + log_p * log2e_lo) + log_p_lo * log2e_hi;
    const double fraction = 1 + Exp<F64, false>::polynomial(r) * r;
    // To more than the logarithms of floats want of it.
    const Shift<T> own = shift_for<V>(T(m.max), scale);
    const double moved = own.origin != 0 ? 0 : m.max * scale64.down * scale64.up;
    const Wide<double> inverse = reciprocal<V>(term_of_max<V>(moved, own.top, scale64));
    const double hi = inverse.hi * fraction, lo = muladd(inverse.lo, fraction, fms(inverse.hi, fraction, hi));
    return {shift_at<V>(own.top - n, own.origin, scale), factor_of<T>({hi, lo}), n <= 40};
  }
};

}  // namespace UNITS
