// Measuring: the maximum of a row and the sum of its terms, by segments that stay in the first cache.
#pragma once
#include "../kernels.h"
#include "../choose.h"
#include "../math/factor.h"
#include "kept.h"
#include "lane_sums.h"

namespace UNITS {

// A segment is measured in two passes over the first-level cache (maximum, then terms under its own shift), and
// segments are combined exactly, so that memory is read once. Fixed, since the order of a sum depends on it.
constexpr size_t segment_length = 4096;
static_assert(span_length % segment_length == 0, "a span is a whole number of segments");

// Measures put together, exactly but for the last bits of sum_lo: one's units are an exact power of two of the
// other's.
INLINE Measure combine(const Measure& a, const Measure& b) {
  const Measure &hi = a.max >= b.max ? a : b, &lo = a.max >= b.max ? b : a;
  Measure m = hi;
  m.reshape = a.reshape || b.reshape;
  if (m.reshape || (lo.sum == 0 && lo.sum_lo == 0 && lo.count == 0)) return m;
  const double down = hi.top - lo.top;  // NaN where a stretch held nothing but NaN and -Infinity
  const double unit = down < 2000 ? power_of_two(-int(down)) : down >= 2000 ? 0 : lo.sum;
  double more = lo.sum * unit, more_lo = lo.sum_lo * unit;
  if (hi.max == lo.max) {
    m.count += lo.count;
  } else {
    const double tops = lo.count * lo.top_term * unit, both = more + tops;
    more_lo += (more - (both - tops)) + (tops - (both - (both - tops)));
    more = both;
  }
  const double sum = m.sum + more, back = sum - m.sum;
  m.sum_lo += ((m.sum - (sum - back)) + (more - back)) + more_lo;
  m.sum = sum;
  return m;
}

template <class V>
INLINE Factor<typename V::Scalar> factor_of(const Measure& m) {
  V hi, lo;
  factor_of(m.sum, m.sum_lo, hi, lo);
  return {first_lane(hi), first_lane(lo)};
}

// The factor for a row of so many classes, as rows in lanes have it: where the sum is exact in T, by a division in T.
template <class V>
INLINE Factor<typename V::Scalar> factor_as_in_lanes(const Measure& m, size_t classes, bool moved) {
  using T = typename V::Scalar;
  if (moved || classes > exact_terms<V>) return factor_of<V>(m);
  V hi, lo;
  invert<V>(splat<V>(T(m.sum)), splat<V>(T(m.sum_lo)), hi, lo);
  return {first_lane(hi), first_lane(lo)};
}

// The logarithm of a row of few floats.
INLINE Wide<F32> few_log_of(const Measure& m) { return {splat<F32>(m.few_log[0]), splat<F32>(m.few_log[1])}; }

template <class V, Sums sums>
struct Measurer {
  using T = typename V::Scalar;
  const Scale<V>& scale;
  const Scale<F64>& scale64;

  // Elements [from, to), at most a segment, not contiguous or not of the kernel's type, under the shift for `whole` (the
  // row's maximum) if given, else under one of their own. Terms are stored in `terms` (of element `from` on) if not null.
  // They are collected once, to where lines of the cache begin: a load that does not fit a store before it would wait.
  __attribute__((noinline)) Measure segment(const Source& row, size_t from, size_t to, const double* whole,
                                            T* terms) const {
    alignas(64) T buffer[segment_length];
    for (size_t i = from; i < to; i += chunk_length) {
      row.fetch(i, to - i < chunk_length ? to - i : chunk_length, buffer + (i - from));
    }
    return plain(buffer, to - from, whole, row.length, terms);
  }

  // The same of a row under a mask whose elements are as the kernel wants them. A segment before has found its maxima where
  // `next` says so, and it finds those of the one after it where there is one.
  struct Masks {
    static constexpr size_t most = segment_length / V::lanes;
    alignas(64) BitsOf<V> bits[2][most];
    const BitsOf<V>* next = nullptr;
    size_t turn = 0;
    const BitsOf<V>* of(const Source& row, size_t at, size_t n) {
      turn ^= 1;
      return kept_of<V>(row, at, n, bits[turn]);
    }
  };
  __attribute__((noinline)) Measure kept_segment(const Source& row, size_t from, size_t to, const double* whole,
                                                 T* terms, Next<V>& next, Masks& masks) const {
    const size_t n = to - from;
    const T* x = reinterpret_cast<const T*>(row.data) + from;
    const BitsOf<V>* kept = next.found ? masks.next : masks.of(row, from, n);
    const T own = reduce_max(next.found ? next.max : kept_maxima<V>(x, n, kept));
    next.x = x + n, next.found = false;
    next.exists = peeks<V> && row.length - to >= n && n == segment_length;
    masks.next = next.exists ? masks.of(row, to, n) : nullptr;
    const auto holds_nan = [&] {
      alignas(64) T buffer[segment_length];
      return has_nan<V>(row.collect(from, n, buffer), n);
    };
    return under_shift(own, whole, n != row.length, holds_nan, [&](Measure& m, const auto& exp) {
      add_kept(m, row.length, x, n, kept, exp, terms, next, masks.next);
    });
  }

  // The same for contiguous elements of the kernel's type, of a row of so many classes.
  INLINE Measure plain(const T* x, size_t n, const double* whole, size_t classes, T* terms) const {
    return plain(x, n, max_of<V>(x, n), whole, classes, terms, nullptr);
  }
  // Of which the maximum is known; `next`, if it exists, may be peeked at.
  INLINE Measure plain(const T* x, size_t n, T own, const double* whole, size_t classes, T* terms,
                       Next<V>* next) const {
    return under(
        own, whole, n, classes, [&](auto&& sum) INLINE_LAMBDA { sum(x, n, terms); }, next);
  }

  // Elements [from, to) of a row, from a multiple of the segment's length on. The tops of the segments' shifts
  // go to `tops` where terms are stored.
  Measure stretch(const Source& row, size_t from, size_t to, const double* whole, T* terms, double* tops) const {
    Measure m;
    Next<V> next;
    Masks masks;
    for (size_t at = from; at < to && !(at > from && is_set(row.cancelled)); at += segment_length) {
      const size_t end = to - at < segment_length ? to : at + segment_length;
      T* const stored = terms ? terms + (at - from) : nullptr;
      Measure part;
      if (row.direct<T>()) {
        const T* x = row.fetch<T>(at, end - at, nullptr);
        const T own = next.found ? reduce_max(next.max) : max_of<V>(x, end - at);
        next.x = x + segment_length, next.found = false;
        next.exists = to - end >= segment_length;
        part = plain(x, end - at, own, whole, row.length, stored, &next);
      } else if (sums == Sums::all && row.loads_kept<T>()) {
        part = kept_segment(row, at, end, whole, stored, next, masks);
      } else {
        part = segment(row, at, end, whole, stored);
      }
      if (terms) tops[(at - from) / segment_length] = part.top;
      m = combine(m, part);
    }
    return m;
  }

  // A whole row, span by span.
  Measure row(const Source& row, T* terms, double* tops) const {
    if constexpr (sums == Sums::below && sizeof(T) == 4) {
      Measure m;
      if (row.length <= few_for_logs && few(row, terms, tops, m)) return m;
    }
    Measure m = spans(row, nullptr, terms, tops);
    if (!m.reshape || m.max == __builtin_inf()) return m;
    const double max = m.max;
    return spans(row, &max, terms, tops);
  }

  // The measure of n of a row's classes, whose maximum is `own`: of the chunks that chunks(sum) hands to
  // sum(x, n, terms).
  template <class Chunks>
  INLINE Measure under(T own, const double* whole, size_t n, size_t classes, Chunks chunks,
                       Next<V>* next = nullptr) const {
    const auto holds_nan = [&] {
      bool nan = false;
      chunks([&](const T* x, size_t n, T*) { nan |= has_nan<V>(x, n); });
      return nan;
    };
    return under_shift(own, whole, n != classes, holds_nan,
                       [&](Measure& m, const auto& exp) INLINE_LAMBDA { sum(m, exp, classes, chunks, next); });
  }

 private:
  // A row of few floats, as it is in lanes; false where it wants more care.
  __attribute__((noinline)) bool few(const Source& row, T* terms, double* tops, Measure& m) const {
    alignas(64) T x[V::lanes], t[V::lanes], more[V::lanes];
    const size_t n = row.length;
    store(x, splat<V>(T(-infinity)));
    const T* const from = row.fetch(0, n, x);
    const V v = load_first_of(from, n), max = splat<V>(reduce_max(v));
    const Shift<T> shift = shift_for<V>(first_lane(max), scale, ExpTraits<V>::log_vanish);
    if (shift.moved || !all_less(absolute(max), splat<V>(T(infinity)))) return false;
    const FewTerms<V> exp(scale, splat<V>(shift.magic), splat<V>(shift.lower), max);
    Term<V> e = exp.term(v);
    if (terms) store_first_of(terms, e.value(), n), tops[0] = shift.top;
    e.t = zero_if_equal(v, max, e.t);
    const Wide<F32> parts = two_parts(e);
    store(t, parts.hi), store(more, parts.lo);
    Wide<Quarter> partial[V::lanes];
    for (size_t i = 0; i < n; i++) partial[i] = {splat<Quarter>(t[i]), splat<Quarter>(more[i])};
    const Wide<Quarter> sum = tree<V::lanes>(partial, n);
    const Wide<V> below = {splat<V>(first_lane(sum.hi)), splat<V>(first_lane(sum.lo))};
    if (!all_less(add(below.hi, below.lo), splat<V>(T(infinity)))) return false;
    m.max = double(first_lane(max)), m.top = shift.top;
    m.count = reduce_add(count_if_equal(v, max, splat<V>(0)));
    m.sum = first_lane(below.hi), m.sum_lo = first_lane(below.lo);
    const Wide<F32> log = log_of_few(split_few(few_sum(below, splat<V>(T(m.count)))));
    m.top_term = FewTerms<F32>::unit;
    m.few_log[0] = first_lane(log.hi), m.few_log[1] = first_lane(log.lo);
    return true;
  }
  // Of up to a block of elements; the other lanes hold -Infinity.
  static INLINE V load_first_of(const T* x, size_t n) {
    return n < V::lanes ? load_first<V>(x, n, T(-infinity)) : load<V>(x);
  }
  static INLINE void store_first_of(T* x, V v, size_t n) { n < V::lanes ? store_first(x, v, n) : store(x, v); }

  // What holds_nan() and sum(measure, exponential) tell of classes of which the largest is `own`: of a part of the row, or
  // of all.
  template <class HoldsNan, class Sum>
  INLINE Measure under_shift(T own, const double* whole, bool is_part, HoldsNan holds_nan, Sum sum) const {
    Measure m;
    m.max = whole ? *whole : double(own);
    if (m.max == -__builtin_inf()) {
      m.sum = holds_nan() ? __builtin_nan("") : 0;
      return m;
    }
    using E = ExpTraits<V>;
    const Shift<T> shift = shift_for<V>(T(m.max), scale, sums == Sums::below ? E::log_vanish : E::vanish);
    m.top = shift.top;
    m.reshape = m.max == __builtin_inf() || (shift.origin != 0 && !whole && is_part);
    if (m.reshape) return m;
    shift.moved ? sum(m, Exp<V, true>(scale, shift)) : sum(m, Exp<V, false>(scale, shift));
    if constexpr (sums == Sums::below) {
      if constexpr (sizeof(T) == 8) {
        const double moved = shift.origin != 0 ? 0 : m.max * scale64.down * scale64.up;
        const Wide<double> top = term_of_max<V>(moved, m.top, scale64);
        m.top_term = top.hi, m.top_term_lo = top.lo;
      } else {
        const V max = splat<V>(T(m.max));
        const Term<V> top =
            shift.moved ? Exp<V, true>(scale, shift).term(max) : Exp<V, false>(scale, shift).term(max);
        m.top_term = first_lane(wide_term(top).part[0]), m.top_term_lo = 0;
      }
    }
    return m;
  }

  template <bool moved>
  INLINE void add_kept(Measure& m, size_t classes, const T* x, size_t n, const BitsOf<V>* kept,
                       const Exp<V, moved>& exp, T* terms, Next<V>& next, const BitsOf<V>* next_kept) const {
    constexpr bool peeking = peeks<V> && !moved;
    const T bias = bias_for<V>(classes);
    TermSum<V> sum(bias);
    if (peeking && next.exists) {
      sum_kept<V, moved, peeking>(x, n, kept, exp, terms, sum, n + fetch_distance, &next, next_kept);
    } else {
      sum_kept<V, moved, false>(x, n, kept, exp, terms, sum, n);
    }
    sum.total(splat<V>(bias), m.sum, m.sum_lo);
  }

  Measure spans(const Source& row, const double* whole, T* terms, double* tops) const {
    Measure m;
    for (size_t at = 0; row.goes_on(at); at += span_length) {
      const size_t end = row.length - at < span_length ? row.length : at + span_length;
      m = combine(m, stretch(row, at, end, whole, terms ? terms + at : nullptr,
                             terms ? tops + at / segment_length : nullptr));
    }
    return m;
  }

  // Writes the sums of m under an exponential for its shift.
  template <bool moved, class Chunks>
  INLINE void sum(Measure& m, const Exp<V, moved>& exp, size_t classes, Chunks& chunks, Next<V>* next) const {
    if constexpr (sums == Sums::below) {
      RestSum<V> rest;
      V count = splat<V>(0);
      const V max = splat<V>(T(m.max));
      chunks([&](const T* x, size_t n, T* terms) INLINE_LAMBDA {
        if (terms) return sum_below_apart<V, moved, true>(x, n, exp, max, rest, count, terms);
        constexpr bool peeking = peeks_below<V> && !moved;
        if (peeking && next && next->exists)
          return sum_below_apart<V, moved, false, peeking>(x, n, exp, max, rest, count, terms, next);
        sum_below_apart<V, moved, false>(x, n, exp, max, rest, count, terms);
      });
      rest.total(m.sum, m.sum_lo);
      m.count = count_of(count);
    } else {
      constexpr bool peeking = peeks<V> && !moved;
      const T bias = bias_for<V>(classes);
      TermSum<V> sum(bias);
      chunks([&](const T* x, size_t n, T* terms) INLINE_LAMBDA {
        if (peeking && next && next->exists) {
          terms ? sum_stretch<V, moved, true, peeking>(x, n, exp, terms, sum, next)
                : sum_stretch<V, moved, false, peeking>(x, n, exp, terms, sum, next);
        } else {
          terms ? sum_stretch<V, moved, true>(x, n, exp, terms, sum)
                : sum_stretch<V, moved, false>(x, n, exp, terms, sum);
        }
      });
      sum.total(splat<V>(bias), m.sum, m.sum_lo);
    }
  }
};

}  // namespace UNITS
