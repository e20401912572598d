// softmax: each term over the sum of all.
#pragma once
#include "../shapes/rows.h"
#include "../units.h"

namespace UNITS {

template <class V>
struct Softmax : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Rows<V>::finite, Rows<V>::settle, Rows<V>::finish, Rows<V>::polish;
  using Rows<V>::emitTerms, Rows<V>::shard_of;
  explicit Softmax(const Problem& p) : Rows<V>(p) {}

  // Rows in groups ---------------------------------------------------------------------------------------------------

  static constexpr Sums sums = Sums::all;
  static constexpr bool writes_classes = true, wants_terms = true, may_be_copied = true, has_columns = true;
  struct Ends {};

  // While the logits are at hand: their maxima are known.
  template <class Group>
  void begin(Group&) const {}
  // From the sums to what the results need.
  template <class Group>
  void end(Group&) const {}
  template <class Group>
  void write(const Group&) const {}

  // After the results are written: see make_one.
  template <class Group>
  void after(const Group& g) const {
    if (p.outType != type_of<T>) return;
    uint32_t alone = g.alone(scale, bias_for<V>(p.length));
    for (; alone; alone &= alone - 1) {
      const Sink row = sink_of(p, p.out, p.outType, g.row + size_t(__builtin_ctz(alone)) * g.apart);
      make_one(reinterpret_cast<T*>(row.data), p.length, p.inner);
    }
  }

  // A row by itself --------------------------------------------------------------------------------------------------

  void solve(size_t r) const {
    if (p.copied) return Softmax(*p.copied).solve(r);
    const Source row = source_of(p, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    out.fill(row.length, full_length(p, row), 0);
    if (p.logNormalizer) return shard(r, row, out, p.logNormalizer[p.logNormalizerShared ? 0 : r]);
    if (row.length <= segment_length) {
      alignas(64) T buffer[segment_length];
      if (row.loads_kept<T>() && row.length > few_blocks * V::lanes)
        return kept_segment(row, out.place(0, buffer), out);
      return segment(row.fetch_all(buffer), row, out.place(0, buffer), out);
    }
    // Terms wait in the output for the sum, unless the row is too long; then they are worked out twice, as they are in
    // place, where a second look at the logits may be needed.
    const bool stored = out.direct<T>() && row.length <= stored_length && row.data != out.data;
    const Waiting waiting(size_of(out.type) == 2 && row.length <= waiting_length ? row.length : 0);
    T* terms = stored ? out.place<T>(0, nullptr) : waiting.terms;
    double tops[stored_length / segment_length];
    const Measure m = this->template measurer<Sums::all>().row(row, terms, tops);
    if (!settle(row, out, 0, row.length, m, 0)) return;
    finish(row, out, m, terms, tops, factor_of<V>(m));
    polish(row.length, out, 0, row.length, m);
  }

  // A span of a row that was measured as `m`.
  void emit(size_t r, size_t from, const Measure& m) const {
    const Source row = source_of(p, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    const size_t to = row.length - from < span_length ? row.length : from + span_length;
    if (!settle(row, out, from, to, m, 0)) return;
    emitTerms(row, out, from, to, shift_for<V>(T(m.max), scale), factor_of<V>(m));
    polish(row.length, out, from, to, m);
  }

 private:
  // Memory for the terms of a row whose results are shorter than they are; null where there is none.
  struct Waiting {
    T* const terms;
    explicit Waiting(size_t count)
        : terms(count > 0 ? static_cast<T*>(__builtin_malloc(count * sizeof(T))) : nullptr) {}
    Waiting(const Waiting&) = delete;
    ~Waiting() { __builtin_free(terms); }
  };

  // A row of up to a segment, its logits at x; y may be x, and is the output or a buffer before it.
  void segment(const T* x, const Source& row, T* y, const Sink& out) const {
    if (!softmax_of_few<V>(scale, x, row.length, y)) {
      const Measure m = this->template measurer<Sums::all>().plain(x, row.length, nullptr, row.length, y);
      if (!finite(m)) return (void)settle(row, out, 0, row.length, m, 0);
      normalize<V>(y, row.length, 1, factor_of<V>(m));
      if (is_single<V>(scale, m.sum, m.sum_lo, m.max, row.length)) make_one(y, row.length, 1);
    }
    out.flush(0, row.length, y);
  }

  // The same under a mask, of more than a few blocks, read where it is.
  void kept_segment(const Source& row, T* y, const Sink& out) const {
    double top;
    const Measure m = this->template measurer<Sums::all>().stretch(row, 0, row.length, nullptr, y, &top);
    if (!finite(m)) return (void)settle(row, out, 0, row.length, m, 0);
    normalize<V>(y, row.length, 1, factor_of<V>(m));
    if (is_single<V>(scale, m.sum, m.sum_lo, m.max, row.length)) make_one(y, row.length, 1);
    out.flush(0, row.length, y);
  }

  // Of a shard of the classes: exp(x / T - N) = term / term of max * exp(max / T - N). The whole part of the last exponent
  // goes into the shift, so that nothing is rounded in the subnormal range but the result.
  void shard(size_t r, const Source& row, const Sink& out, double normalizer) const {
    const Measure m = UNITS::measure_row_below(p, r);
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
};

}  // namespace UNITS
