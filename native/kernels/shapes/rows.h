// A row at a time: softmax, logSoftmax and logSumExp over rows of any length, layout and element type.
#pragma once
#include "few_blocks.h"
#include "measure.h"
#include "sink.h"

namespace {

template <class V>
struct RowSolver {
  using T = typename V::Scalar;
  const Problem& p;
  const Scale<V> scale;
  const Scale<F64> scale64;
  const Measurer<V> measurer;

  explicit RowSolver(const Problem& p)
      : p(p),
        scale(scale_of<V>(p.temperature)),
        scale64(scale_of<F64>(p.temperature)),
        measurer{scale, scale64, !(p.op == Op::softmax || p.op == Op::topK) || p.logNormalizer} {}

  void solve(size_t r) const {
    const Source row = source_of(p, r);
    switch (p.op) {
      case Op::softmax: return softmax(row, sink_of(p, p.out, p.outType, r, row), r);
      case Op::logSoftmax: return logSoftmax(row, sink_of(p, p.out, p.outType, r, row));
      default: {
        alignas(64) T buffer[segment_length];
        const Source near = row.length <= segment_length ? row.fetched(buffer) : row;
        return putLogSumExp(near, measurer.row(near, nullptr, nullptr), r);
      }
    }
  }

  void softmax(const Source& row, const Sink& out, size_t r) const {
    out.fill(row.length, full_length(p, row), 0);
    if (p.logNormalizer) return softmaxUnder(row, out, p.logNormalizer[p.logNormalizerShared ? 0 : r]);
    if (row.length <= segment_length) {
      alignas(64) T buffer[segment_length];
      T* y = out.place(0, buffer);
      return softmaxOf(row.fetch_all(y), row, y, out);
    }
    // Terms wait in the output for the sum, unless the row is too long; then they are worked out twice, as they are in
    // place, where a second look at the logits may be needed.
    const bool overwrites = row.data == out.data && row.length > segment_length;
    const bool stored = out.direct<T>() && row.length <= stored_length && !overwrites;
    T* terms = stored ? out.place<T>(0, nullptr) : nullptr;
    double tops[stored_length / segment_length];
    const Measure m = measurer.row(row, terms, tops);
    if (!settle(row, out, 0, row.length, m, 0)) return;
    finish(row, out, m, terms, tops, factor_of<V>(m));
    polish(row.length, out, 0, row.length, m);
  }

  // A row of up to a segment, its logits at x; y may be x, and is the output or a buffer before it.
  void softmaxOf(const T* x, const Source& row, T* y, const Sink& out) const {
    if (!softmax_of_few<V>(scale, x, row.length, y)) {
      const Measure m = measurer.plain(x, row.length, nullptr, row.length, y);
      if (!finite(m)) return (void)settle(row, out, 0, row.length, m, 0);
      normalize<V>(y, row.length, 1, factor_of<V>(m));
      if (is_single<V>(scale, m.sum, m.sum_lo, m.max, row.length)) make_one(y, row.length, 1);
    }
    out.flush(0, row.length, y);
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
      } else {
        emitTerms(row, out, at, at + n, shift, factor);
      }
    }
  }

  void logSoftmax(const Source& row, const Sink& out) const {
    constexpr double nothing = -__builtin_inf();
    out.fill(row.length, full_length(p, row), nothing);
    alignas(64) T buffer[segment_length];
    const Source near = row.length <= segment_length ? row.fetched(buffer) : row;
    const Measure m = measurer.row(near, nullptr, nullptr);
    if (settle(row, out, 0, row.length, m, nothing)) emitLogs(near, out, 0, row.length, m);
  }

  void putLogSumExp(const Source& row, const Measure& m, size_t r) const {
    Sink{static_cast<char*>(p.out), p.outType, 1}.put(r, logSumExp(row, m));
  }

  double logSumExp(const Source& row, const Measure& m) const {
    if (__builtin_fabs(m.max) == __builtin_inf()) return has_nan(row) ? __builtin_nan("") : m.max;
    const double log_sum = log_of_measure(m), value = log_sum_exp(m.max, log_sum, scale64);
    // Where max / T and the logarithm cancel, float32 terms have too few digits.
    if (sizeof(T) == 4 && __builtin_fabs(value) < log_sum) {
      const Measure precise = Measurer<F64>{scale64, scale64, true}.row(row, nullptr, nullptr);
      return log_sum_exp(precise.max, log_of_measure(precise), scale64);
    }
    return value == value ? value : __builtin_nan("");
  }

  static double log_of_measure(const Measure& m) {
    return log_of_sum(Wide<double>{m.sum, m.sum_lo}, m.count, Wide<double>{m.top_term, m.top_term_lo});
  }

  // Elements [from, from + span) of a row that was measured as `m`; for logSumExp, its one value.
  void emit(size_t r, size_t from, const Measure& m) const {
    const Source row = source_of(p, r);
    if (p.op == Op::logSumExp) return putLogSumExp(row, m, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    const size_t to = row.length - from < span_length ? row.length : from + span_length;
    const bool log = p.op == Op::logSoftmax;
    if (!settle(row, out, from, to, m, log ? -__builtin_inf() : 0)) return;
    if (log) return emitLogs(row, out, from, to, m);
    const Factor<T> factor = factor_of<V>(m);
    emitTerms(row, out, from, to, shift_for<V>(T(m.max), scale), factor);
    polish(row.length, out, from, to, m);
  }

  // Writes elements of rows that have no sum (nothing left, NaN, infinities) and says so by false.
  bool settle(const Source& row, const Sink& out, size_t from, size_t to, const Measure& m, double nothing) const {
    if (finite(m)) return true;
    const double value = row.nothing_left() ? nothing : __builtin_nan("");
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
      logs(row.fetch(i, n, buffer), y, n, log_of);
      out.flush(i, n, y);
    }
  }

  static void logs(const float* x, float* y, size_t n, const LogProbability<float>& log_of) {
    size_t i = 0;
    for (; i + F64::lanes <= n; i += F64::lanes) store_narrowed(y + i, log_of(load_widened(x + i)));
    if (i < n) {
      alignas(64) float lane[F32::lanes];
      store(lane, load_first<F32>(x + i, n - i, 0));
      store_narrowed(lane, log_of(load_widened(lane)));
      store_first(y + i, load<F32>(lane), n - i);
    }
  }
  static void logs(const double* x, double* y, size_t n, const LogProbability<double>& log_of) {
    size_t i = 0;
    for (; i + F64::lanes <= n; i += F64::lanes) store(y + i, log_of(load<F64>(x + i)));
    if (i < n) store_first(y + i, log_of(load_first<F64>(x + i, n - i, 0)), n - i);
  }

  static INLINE bool finite(const Measure& m) { return __builtin_fabs(m.max) < __builtin_inf() && m.sum == m.sum; }

 private:
  bool has_nan(const Source& row) const {
    alignas(64) T buffer[chunk_length];
    bool nan = false;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
      nan |= ::has_nan<V>(row.fetch(at, n, buffer), n);
    }
    return nan;
  }

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

  // (Fetched a segment before: 0.27 ns of a row of 33 million's, and 0.23 so; AVX2 0.35 and 0.29.)
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

  // softmax of a shard of the classes: exp(x / T - N) = term / term of max * exp(max / T - N). The whole part of
  // the last exponent goes into the shift, so that nothing is rounded in the subnormal range but the result.
  void softmaxUnder(const Source& row, const Sink& out, double normalizer) const {
    const Measure m = measurer.row(row, nullptr, nullptr);
    const bool empty = m.max == -__builtin_inf() && m.sum == m.sum && __builtin_fabs(normalizer) < __builtin_inf();
    if (empty) return out.fill(0, row.length, 0);
    Measure checked = m;
    if (!(__builtin_fabs(normalizer) < __builtin_inf())) checked.sum = __builtin_nan("");
    if (!settle(row, out, 0, row.length, checked, 0)) return;
    const Shard<T> shard = shard_of(m, normalizer);
    checked.sum = __builtin_nan("");
    if (!shard.sound) return (void)settle(row, out, 0, row.length, checked, 0);
    emitTerms(row, out, 0, row.length, shard.shift, shard.factor);
  }

 public:
  // Of a shard whose measure is finite, under a finite normalizer.
  Shard<T> shard_of(const Measure& m, double normalizer) const {
    // max / T - N as an unevaluated sum: it goes into an exponent, where its absolute error counts.
    const double x = m.max * scale64.down * scale64.up, quotient = x * scale64.inverse;
    const double quotient_lo = muladd(x, scale64.inverse_lo, fms(x, scale64.inverse, quotient));
    double log_p = quotient - normalizer;
    const double back = log_p - quotient;
    double log_p_lo = ((quotient - (log_p - back)) - (normalizer + back)) + quotient_lo;
    // All terms vanish; further down, log_p would not be reduced.
    constexpr double vanished = -3000;
    if (log_p < vanished) log_p = vanished, log_p_lo = 0;
    const double n = round_to_integer(log_p * log2e_hi);
    const double r = (fms(log_p, log2e_hi, n) + log_p * log2e_lo) + log_p_lo * log2e_hi;
    const double fraction = 1 + Exp<F64, false>::polynomial(r) * r;
    const Wide<double> inverse = reciprocal<V>(Wide<double>{m.top_term, m.top_term_lo});
    const double hi = inverse.hi * fraction, lo = muladd(inverse.lo, fraction, fms(inverse.hi, fraction, hi));
    const Shift<T> own = shift_for<V>(T(m.max), scale);
    return {shift_at<V>(own.top - n, own.origin, scale), factor_of<T>({hi, lo}), n <= 40};
  }
};

}  // namespace
