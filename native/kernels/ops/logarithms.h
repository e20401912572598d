// logSoftmax and logSumExp: logarithms of probabilities, and of the sum of all exponentials.
#pragma once
#include "../shapes/lanes.h"
#include "../shapes/rows.h"

// What several operations have in common stands once in a module of WebAssembly.
#ifdef __wasm__
#define ONCE __attribute__((noinline))
#else
#define ONCE INLINE
#endif

namespace UNITS {

// What both make of the sums of rows: log(sum / term of the maximum).
template <class V>
struct Logarithms : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Rows<V>::scale64;
  explicit Logarithms(const Problem& p) : Rows<V>(p), few(has_few_for_logs<V>(p.length)) {}

  static constexpr Sums sums = Sums::below;
  static constexpr size_t W = V::lanes / F64::lanes;
  // Whether rows have their logarithms as few_log.h has them.
  const bool few;
  // The logarithms; of more than a few floats what they are of: those are short, and each step is done for all groups in turn.
  struct Ends {
    Wide<F64> top_term[W];
    F64 sum[W];
    FewLog split;
    Wide<V> whole, log;  // of few floats: the sum of all terms over the maximum's, and its logarithm
  };

  template <class Group>
  INLINE void begin(Group& g) const {
    if (!few) begin(g.shift, g.ends);
  }
  // Each step for all groups in turn: the steps of one wait for each other.
  static constexpr bool ends_together = true;
  template <class Op, class Group>
  static INLINE void end_all(const Op& op, Group* group, size_t count) {
    for (size_t i = 0; i < count; i++) {
      if (group[i].solvable) op.end(group[i]);
    }
    if constexpr (is_short) {
      for (size_t i = 0; op.few && i < count; i++) {
        if (group[i].solvable) find_log(group[i].ends);
      }
    }
  }
  template <class Group>
  INLINE void end(Group& g) const {
    end(g, g.ends);
  }
  ONCE void end(Lanes<V, Sums::below>& g, Ends& e) const {
    if constexpr (is_short) {
      if (few) {
        g.solvable = g.solvable && all_less(add(g.few.hi, g.few.lo), splat<V>(T(infinity)));
        const FewSum sum = few_sum(g.few, g.count_of_max);
        e.split = split_few(sum), e.whole = sum.all;
        return;
      }
    }
    F64 count[W];
    widen(g.count_of_max, count);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      g.solvable = g.solvable && all_less(g.sum[w].hi, splat<F64>(__builtin_inf()));
      e.sum[w] = is_short ? beside_max(g.sum[w], count[w], e.top_term[w])
                          : log_of_sum<V>(g.sum[w], count[w], e.top_term[w]);
    }
  }
  // Up to here the logits of given classes are found by comparing each class with those of all lanes.
  static constexpr size_t most_compared = 12;
  // Of classes as numbers, one for each lane: 1 where it is a class of the row and not ignored, else 0; and its logit then.
  template <class Group>
  INLINE void compare(const Group& g, V given, V& counts, V& logit) const {
    const V zero = splat<V>(0);
    logit = logit_of(g, given);
    const V from = select_greater(given, splat<V>(-1), splat<V>(1), zero);
    counts =
        zero_if_equal(given, splat<V>(T(p.ignoreIndex)), select_greater(splat<V>(T(p.length)), given, from, zero));
  }
  // What stands for the given class of each row.
  template <class Group>
  INLINE V logit_of(const Group& g, V given) const {
    const size_t n = p.length;
    const T* x = g.x;
    V found = load<V>(x), before = splat<V>(T(0.5));
    for (size_t c = 1; c < n; c++, before = add(before, splat<V>(1))) {
      x += g.step;
      found = select_greater(given, before, load<V>(x), found);
    }
    return found;
  }
  // log(sum / term of the maximum).
  ONCE void log_sums(const Ends& e, F64* log_sum) const {
    if constexpr (is_short) {
      if (few) return widen(e.log, log_sum);
    }
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) log_sum[w] = is_short ? short_log1p(e.sum[w]) : e.sum[w];
  }

  // The logarithms of `count` blocks of logits, `step` apart, in place.
  template <class Group>
  INLINE void put_logs(const Group& g, T* blocks, size_t step, size_t count) const {
    F64 max[W], log_sum[W];
    widen(g.max, max), log_sums(g.ends, log_sum);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const LogProbability<T> log_of(max[w], log_sum[w], p.temperature, scale64);
      T* x = blocks + w * F64::lanes;
      for (size_t c = 0; c < count; c++, x += step) Rows<V>::logs(x, x, F64::lanes, log_of);
    }
  }

 private:
  static constexpr bool is_short = sizeof(T) == 4;
  ONCE void begin(const LaneShift<V>& shift, Ends& e) const { terms_of_max(shift, scale, scale64, e.top_term); }
  static ONCE void find_log(Ends& e) { e.log = log_of_few(e.split); }
};

template <class V>
struct LogSoftmax : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale64, Rows<V>::settle, Rows<V>::emitLogs, Logarithms<V>::W;
  explicit LogSoftmax(const Problem& p) : Logarithms<V>(p) {}

  static constexpr bool writes_classes = true, may_be_copied = true, has_columns = true;
  static constexpr double nothing = -__builtin_inf();
  using Ends = typename Logarithms<V>::Ends;

  // In lanes in place of the logits.
  template <class Group>
  INLINE void write(Group& g) const {
    if constexpr (Group::along) return write_rows(g);
    this->put_logs(g, g.x, g.step, p.length);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const {
    if (p.copied) return LogSoftmax(*p.copied).solve(r);
    const Source row = source_of(p, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    out.fill(row.length, full_length(p, row), nothing);
    alignas(64) T buffer[segment_length];
    const Source near = row.length <= segment_length ? row.fetched(buffer) : row;
    const Measure m = this->template measurer<Sums::below>().row(near, nullptr, nullptr);
    if (settle(row, out, 0, row.length, m, nothing)) emitLogs(near, out, 0, row.length, m);
  }

  void emit(size_t r, size_t from, const Measure& m) const {
    const Source row = source_of(p, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    const size_t to = row.length - from < span_length ? row.length : from + span_length;
    if (settle(row, out, from, to, m, nothing)) emitLogs(row, out, from, to, m);
  }

 private:
  template <class Group>
  INLINE void write_rows(const Group& g) const {
    const size_t n = p.length;
    T* y = static_cast<T*>(p.out) + g.row * n;
    alignas(64) double max[V::lanes], log_sum[V::lanes];
    F64 maxima[W], log_sums[W];
    widen(g.max, maxima), this->log_sums(g.ends, log_sums);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++)
      store(max + w * F64::lanes, maxima[w]), store(log_sum + w * F64::lanes, log_sums[w]);
    for (size_t k = 0; k < g.count; k++, y += n) {
      const LogProbability<T> log_of(splat<F64>(max[k]), splat<F64>(log_sum[k]), p.temperature, scale64);
      Rows<V>::logs(g.row_of(k), y, n, log_of);
    }
  }
};

template <class V>
struct LogSumExp : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale64, Rows<V>::log_of_measure, Logarithms<V>::W;
  explicit LogSumExp(const Problem& p) : Logarithms<V>(p) {}

  static constexpr bool writes_classes = false, may_be_copied = true, has_columns = true;
  struct Ends : Logarithms<V>::Ends {
    uint32_t
        again;  // rows, as bits, where max / T and the logarithm may cancel: float32 terms have too few digits
  };

  template <class Group>
  INLINE void write(Group& g) const {
    Ends& e = g.ends;
    alignas(64) T value[V::lanes];
    if constexpr (sizeof(T) == 4) {
      if (this->few && p.temperature == 1) {
        store(value, log_sum_exp_of_few(g.max, e.log, e.again));
        return g.put(Sink{static_cast<char*>(p.out), p.outType, 1}, value);
      }
    }
    e.again = 0;
    F64 max[W], log_sum[W], result[W];
    widen(g.max, max), this->log_sums(e, log_sum);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      result[w] = log_sum_exp(max[w], log_sum[w], scale64);
      if (sizeof(T) == 4) e.again |= cancelling(log_sum[w], result[w]) << (w * F64::lanes);
    }
    store(value, narrow(result, V()));
    g.put(Sink{static_cast<char*>(p.out), p.outType, 1}, value);
  }
  template <class Group>
  INLINE void after(const Group& g) const {
    uint32_t again = g.ends.again & ((1u << g.count) - 1);
    for (; again; again &= again - 1) solve_precisely(g.row + size_t(__builtin_ctz(again)) * g.apart);
  }

  void solve(size_t r) const {
    if (p.copied) return LogSumExp(*p.copied).solve(r);
    alignas(64) T buffer[segment_length];
    const Source row = source_of(p, r), near = row.length <= segment_length ? row.fetched(buffer) : row;
    put(near, this->template measurer<Sums::below>().row(near, nullptr, nullptr), r);
  }

  void emit(size_t r, size_t, const Measure& m) const { put(source_of(p, r), m, r); }

 private:
  void put(const Source& row, const Measure& m, size_t r) const {
    Sink{static_cast<char*>(p.out), p.outType, 1}.put(r, value(row, m));
  }

  double value(const Source& row, const Measure& m) const {
    if (__builtin_fabs(m.max) == __builtin_inf()) return has_nan(row) ? __builtin_nan("") : m.max;
    if constexpr (sizeof(T) == 4) {
      if (m.has_few_log() && p.temperature == 1) {
        uint32_t again;
        const F32 value = log_sum_exp_of_few(splat<F32>(T(m.max)), few_log_of(m), again);
        return again & 1 ? precise_value(row) : first_lane(value);
      }
    }
    const double log_sum = log_of_measure(m), value = log_sum_exp(m.max, log_sum, scale64);
    if (sizeof(T) == 4 && cancels(log_sum, value)) return precise_value(row);
    return value == value ? value : __builtin_nan("");
  }

  // In doubles.
  double precise_value(const Source& row) const {
    if (sizeof(T) == 4 && row.length <= few_for_logs && !scale64.extreme) return precise_value_of_few(row);
    const Measure m = Measurer<F64, Sums::below>{scale64, scale64}.row(row, nullptr, nullptr);
    return log_sum_exp(m.max, Rows<F64>::log_of_measure(m), scale64);
  }
  double precise_value_of_few(const Source& row) const {
    alignas(64) double x[few_for_logs];
    const F64 none = splat<F64>(-__builtin_inf()), zero = splat<F64>(0);
    store(x, none), store(x + F64::lanes, none);
    const double* const from = row.fetch(0, row.length, x);
    if (from != x) __builtin_memcpy(x, from, row.length * sizeof(double));
    const F64 a = load<F64>(x), b = load<F64>(x + F64::lanes), max = splat<F64>(reduce_max(max_number(a, b)));
    const Exp<F64, false> exp(scale64, shift_at<F64>(0, 0, scale64, ExpTraits<F64>::log_vanish));
    const F64 below = add(zero_if_equal(a, max, exp.term(sub(a, max)).value()),
                          zero_if_equal(b, max, exp.term(sub(b, max)).value()));
    const F64 count = count_if_equal(b, max, count_if_equal(a, max, zero));
    const double ratio = reduce_add(below) * power_of_two(-int(ExpTraits<F64>::offset));
    return log_sum_exp(first_lane(max), log1p(reduce_add(count) - 1 + ratio), scale64);
  }
  void solve_precisely(size_t r) const {
    if (p.copied) return LogSumExp(*p.copied).solve_precisely(r);
    Sink{static_cast<char*>(p.out), p.outType, 1}.put(r, precise_value(source_of(p, r)));
  }

  bool has_nan(const Source& row) const {
    alignas(64) T buffer[chunk_length];
    bool nan = false;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
      nan |= UNITS::has_nan<V>(row.fetch(at, n, buffer), n);
    }
    return nan;
  }
};

}  // namespace UNITS
