// Measuring: the maximum of a row and the sum of its terms, by segments that stay in the first cache.
#pragma once
#include "../kernels.h"
#include "../math/finish.h"
#include "row.h"

namespace {

// A segment is measured in two passes over the first-level cache (maximum, then terms under its own shift), and
// segments are combined exactly, so that memory is read once. Fixed, since the order of a sum depends on it.
constexpr size_t segment_length = 4096;
static_assert(span_length % segment_length == 0, "a span is a whole number of segments");

// Terms of rows up to here wait in the output for their sum; those of longer ones, which the last-level cache would
// lose before, are worked out twice. (A million classes: 0.54 ns each against 0.73.)
constexpr size_t stored_length = 1 << 21;

// The maximum of each lane; -Infinity where a lane holds nothing but NaN.
template <class V>
INLINE V lane_maxima(const typename V::Scalar* x, size_t n) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const V lowest = splat<V>(T(-infinity));
  V a = lowest, b = lowest, c = lowest, d = lowest;
  size_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    a = max_number(load<V>(x + i), a);
    b = max_number(load<V>(x + i + L), b);
    c = max_number(load<V>(x + i + 2 * L), c);
    d = max_number(load<V>(x + i + 3 * L), d);
  }
  for (; i + L <= n; i += L) a = max_number(load<V>(x + i), a);
  if (i < n) b = max_number(load_first<V>(x + i, n - i, T(-infinity)), b);
  return max_number(max_number(a, b), max_number(c, d));
}

// How many of n elements come before the first from which on no register crosses a line, where that is worth while.
// V8 has its arrays begin 16 bytes past a line, and every other register of AVX2 would, every one of AVX-512. (1000
// classes with AVX2: 0.485 ns and so 0.454, of doubles 1.27 and 1.20; a row of 16384 0.463 and 0.428. With AVX-512, whose
// head and tail are longer: 0.333 and 0.308, of doubles 0.85 and 0.82; 512 classes 0.340 and 0.335; 400, no difference.)
template <class V>
INLINE size_t until_aligned(const typename V::Scalar* p, size_t n) {
  constexpr size_t least = V::registers == 1 ? 32 : 16;
  if (V::registers > 2 || n < least * V::lanes) return 0;
  return (0 - reinterpret_cast<uintptr_t>(p)) % sizeof(typename V::Register) / sizeof(typename V::Scalar);
}

template <class V>
INLINE V row_maxima(const typename V::Scalar* x, size_t n) {
  const size_t head = until_aligned<V>(x, n);
  return head ? max_number(load<V>(x), lane_maxima<V>(x + head, n - head)) : lane_maxima<V>(x, n);
}

template <class V>
INLINE typename V::Scalar max_of(const typename V::Scalar* x, size_t n) {
  return reduce_max(row_maxima<V>(x, n));
}

template <class V>
INLINE bool has_nan(const typename V::Scalar* x, size_t n) {
  constexpr size_t L = V::lanes;
  const V one = splat<V>(1);
  V nan = splat<V>(0), more = nan;
  size_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    const V a = load<V>(x + i), b = load<V>(x + i + L);
    nan = max_number(zero_if_equal(a, a, one), nan);
    more = max_number(zero_if_equal(b, b, one), more);
  }
  for (; i < n; i += L) {
    const V a = n - i < L ? load_first<V>(x + i, n - i, 0) : load<V>(x + i);
    nan = max_number(zero_if_equal(a, a, one), nan);
  }
  return reduce_max(max_number(nan, more)) > 0;
}

// So many blocks are reduced before the first is worked out: a term takes 50 cycles from load to sum, of doubles 80, and
// Zen 4 has registers for too few operations to find other blocks' beyond it. (With AVX2, cycles a block one by one and
// so: 16 and 13, of doubles 27 and 23.) Where a block has four registers, they overlap by themselves.
template <class V>
constexpr size_t together = V::registers > 2                  ? 2
                            : V::registers == 1               ? 8
                            : sizeof(typename V::Scalar) == 8 ? 4
                                                              : 6;

// How many elements before they are read they are fetched, from memory or the second cache; and into the second cache
// before that, so that the first has no more to wait for than it has room for.
constexpr size_t fetch_distance = 512, far_distance = 4096;

// Hands take(i, term) the blocks of x, with the index of their first element; returns the index of what is left.
//
// What lies `ahead` elements further on, and is read or measured next, comes near meanwhile, and what lies `far` ahead into
// the second cache, if not 0. (A row of 33 million: 0.88 ns a class against 1.10; 4096 rows of 1000 doubles: 1.6 against
// 2.1.)
template <class V, bool moved, class Take>
INLINE size_t each_term(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, size_t ahead, size_t far,
                        Take take) {
  constexpr size_t L = V::lanes, group = together<V>;
  size_t i = 0;
  for (; i + group * L <= n; i += group * L) {
    fetch<false>(x + i + ahead, group * L);
    if (far) fetch<false, false>(x + i + far, group * L);
    Reduced<V> reduced[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) take(i + k * L, exp.term(reduced[k]));
  }
  for (; i + L <= n; i += L) take(i, exp.term(load<V>(x + i)));
  return i;
}

// A block in two steps, for those who put other blocks between them: logits are reduced to t and r, which wait in
// memory, and then r gives way to the term.
template <class V>
INLINE void reduce_block(const Exp<V, false>& exp, const typename V::Scalar* x, typename V::Scalar* t,
                         typename V::Scalar* r) {
  const Reduced<V> reduced = exp.reduce(load<V>(x));
  store(t, reduced.t), store(r, reduced.r);
}
template <class V>
INLINE Term<V> finish_block(const typename V::Scalar* t, typename V::Scalar* r) {
  const Term<V> e = Exp<V, false>::term(Reduced<V>{load<V>(t), load<V>(r)});
  store(r, e.value());
  return e;
}
template <class V>
INLINE void add_block(const typename V::Scalar* t, typename V::Scalar* r, TermSum<V>& sum) {
  sum.add_term(finish_block<V>(t, r));
}

// What whole blocks leave of a row.
template <class V, bool moved, bool stored>
INLINE void add_tail(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, typename V::Scalar* terms,
                     TermSum<V>& sum) {
  const Term<V> e = exp.term(load_first<V>(x, n, -infinity));
  if (stored) store_first(terms, e.value(), n);
  sum.add_term(e);
}

// The first elements of a row, in the last lanes, so that the next one goes to the first.
template <class V, bool moved, bool stored>
INLINE void add_head(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, typename V::Scalar* terms,
                     TermSum<V>& sum) {
  using T = typename V::Scalar;
  V v = splat<V>(T(-infinity));
  v.r[V::registers - 1] = load_register_last(x + n, n, T(-infinity));
  const Term<V> e = exp.term(v);
  sum.add_term(e);
  if (!stored) return;
  alignas(64) T term[V::per_register];
  store_register(term, e.value().r[V::registers - 1]);
  copy_few(terms, term + V::per_register - n, n);
}

// Whether sum_terms finds the maxima of what is measured next. It has the loads to spare, and where a block is one
// register, registers too; and what was fetched need not come from the second cache twice. (AVX-512 on Zen 4: 1000
// classes 0.298 ns, their maxima in a loop of their own after each row 0.282, so 0.268. AVX2 gains 1 %, and beyond the
// caches loses 8.)
template <class V>
constexpr bool peeks = V::registers == 1;

// What is measured next, as much as what is summed up, and its maxima.
template <class V>
struct Next {
  const typename V::Scalar* x = nullptr;
  V max;
  bool found = false;
};

// Sums for softmax: the terms, stored in `terms` where that is not null. See each_term for `ahead` and `far`.
//
// Ports, AVX-512, of two for arithmetic: clamp 1, reduce 4, polynomial 4, pow2 3, value 1, sum 5: 18 / 2 = 9 cycles
// for 16 elements. (Intel; AMD adds elsewhere, and multiplies 9: 9 half-blocks / 2.)
template <class V, bool moved, bool stored, bool peeking = false>
INLINE void sum_terms(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exponential, size_t ahead,
                      typename V::Scalar* terms, TermSum<V>& total, Next<V>* next = nullptr, size_t far = 0) {
  using T = typename V::Scalar;
  const Exp<V, moved> exp = exponential;
  TermSum<V> sum = total;  // by value: in registers, or each addition waits for a store
  const T* peeked = peeking ? next->x : nullptr;
  V max = splat<V>(T(-infinity));
  if constexpr (V::registers <= 2) {
    // Chunks of a row that come through a buffer are aligned: no lane moves, however long the chunk is.
    const size_t head = until_aligned<V>(x, n);
    if (head > 0 && (!stored || until_aligned<V>(terms, n) == head)) {
      add_head<V, moved, stored>(x, head, exp, terms, sum);
      x += head, n -= head;
      if (stored) terms += head;
      if constexpr (peeking) max = max_number(load<V>(peeked), max), peeked += head;
    }
  }
  const size_t i =
      each_term(x, n, exp, peeking ? ahead + fetch_distance : ahead, far, [&](size_t i, Term<V> e) INLINE_LAMBDA {
        if (stored) store(terms + i, e.value());
        sum.add_term(e);
        if constexpr (peeking) max = max_number(load<V>(peeked + i), max);
      });
  if (i < n) {
    add_tail<V, moved, stored>(x + i, n - i, exp, stored ? terms + i : nullptr, sum);
    if constexpr (peeking) max = max_number(load<V>(peeked + n - V::lanes), max);
  }
  total = sum;
  if constexpr (peeking) next->max = max, next->found = true;
}

// As a function of its own, for what is long enough not to mind: gcc keeps its constants in registers then. (In line, where
// rows follow each other, 128 classes take 0.345 instead of 0.385 ns with AVX-512, 300 0.397 instead of 0.432 with AVX2.)
// Whoever peeks reads at two places, of which the one ahead comes from memory too late but by way of the second cache. (33
// million classes: 0.33 ns and so 0.25; AVX2, which does not peek, 0.30 and 0.35. Where terms are stored, a million classes
// 0.49 and 0.54.)
template <class V, bool moved, bool stored, bool peeking = false>
__attribute__((noinline)) void sum_stretch(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp,
                                           typename V::Scalar* terms, TermSum<V>& total, Next<V>* next = nullptr) {
  sum_terms<V, moved, stored, peeking>(x, n, exp, n, terms, total, next,
                                       peeking && !stored ? n + far_distance : 0);
}

// A call costs AVX2 a seventh of the loop's speed; the portable kernels take less room with one.
#ifndef SUMS_INLINE
#define SUMS_INLINE INLINE
#endif

// Sums for the logarithms: terms of logits other than the maximum, and how many logits equal it. Apart, so that
// log(1 + 4e-18) is not lost.
// All terms are stored in `terms` where that is not null.
template <class V, bool moved, bool stored = false>
SUMS_INLINE void sum_below(const typename V::Scalar* x, size_t n, const Exp<V, moved> exp, size_t ahead, V max,
                           RestSum<V>& total, V& equal, typename V::Scalar* terms = nullptr) {
  using T = typename V::Scalar;
  RestSum<V> rest = total;  // by value: in registers, or each addition waits for a store
  V count = equal;
  constexpr size_t L = V::lanes, run = RestSum<V>::run * L;
  size_t i = 0;
  const auto settle = [&](V v, Term<V> e, size_t lanes, bool may_be_max) INLINE_LAMBDA {
    if (stored) lanes == L ? store(terms + i, e.value()) : store_first(terms + i, e.value(), lanes);
    if (may_be_max) e.t = zero_if_equal(v, max, e.t), count = count_if_equal(v, max, count);
    return e;
  };
  const auto add_run = [&](T* t, bool may_be_max) INLINE_LAMBDA {
    constexpr size_t group = sizeof(T) == 8 ? together<V> : 1;  // floats wait for each other in `t`
    for (size_t at = 0; at < run; at += group * L) {
      fetch<false>(x + i + ahead, group * L);
      Reduced<V> reduced[group];
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++, i += L) {
        rest.add_later(settle(load<V>(x + i), exp.term(reduced[k]), L, may_be_max), t + at + k * L);
      }
    }
    rest.end_run(t);
  };
  alignas(64) T t[run];
  while (i + run <= n) {
    // Few runs of a long row have its maximum: those without are seen by one operation a block, and save four.
    bool may_be_max = true;
    if (n >= 4 * run) {
      V top = load<V>(x + i);
      for (size_t k = i + L; k < i + run; k += L) top = max_number(load<V>(x + k), top);
      may_be_max = !all_less(top, max);
    }
    may_be_max ? add_run(t, true) : add_run(t, false);
  }
  for (; i + L <= n; i += L) {
    const V v = load<V>(x + i);
    rest.add_term(settle(v, exp.term(v), L, true));
  }
  if (i < n) {
    const V v = load_first<V>(x + i, n - i, T(-infinity));
    rest.add_term(settle(v, exp.term(v), n - i, true));
  }
  total = rest, equal = count;
}

template <class V>
INLINE double count_of(V count) {
  alignas(64) typename V::Scalar lane[V::lanes];
  store(lane, count);
  double sum = 0;
  for (size_t i = 0; i < V::lanes; i++) sum += double(lane[i]);
  return sum;
}

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
struct Measurer {
  using T = typename V::Scalar;
  const Scale<V>& scale;
  const Scale<F64>& scale64;
  bool log;

  // Elements [from, to), at most a segment, not contiguous or not of the kernel's type, under the shift for `whole` (the
  // row's maximum) if given, else under one of their own. Terms are stored in `terms` (of element `from` on) if not null.
  Measure segment(const Source& row, size_t from, size_t to, const double* whole, T* terms) const {
    alignas(64) T buffer[chunk_length];
    T max = T(-infinity);
    for (size_t i = from; i < to; i += chunk_length) {
      const size_t n = to - i < chunk_length ? to - i : chunk_length;
      const T part = max_of<V>(row.fetch(i, n, buffer), n);
      max = part > max ? part : max;
    }
    return under(max, whole, to - from, row.length, [&](auto&& sum) {
      for (size_t i = from; i < to; i += chunk_length) {
        const size_t n = to - i < chunk_length ? to - i : chunk_length;
        sum(row.fetch(i, n, buffer), n, terms ? terms + (i - from) : nullptr);
      }
    });
  }

  // The same for contiguous elements of the kernel's type, of a row of so many classes.
  INLINE Measure plain(const T* x, size_t n, const double* whole, size_t classes, T* terms) const {
    return plain(x, n, max_of<V>(x, n), whole, classes, terms, nullptr);
  }
  // Of which the maximum is known; `next`, if given, may be peeked at.
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
    for (size_t at = from; at < to; at += segment_length) {
      const size_t end = to - at < segment_length ? to : at + segment_length;
      T* const stored = terms ? terms + (at - from) : nullptr;
      Measure part;
      if (row.direct<T>()) {
        const T* x = row.fetch<T>(at, end - at, nullptr);
        const T own = next.found ? reduce_max(next.max) : max_of<V>(x, end - at);
        next.x = x + segment_length, next.found = false;
        part = plain(x, end - at, own, whole, row.length, stored, to - end >= segment_length ? &next : nullptr);
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
    Measure m;
    m.max = whole ? *whole : double(own);
    if (m.max == -__builtin_inf()) {
      bool nan = false;
      chunks([&](const T* x, size_t n, T*) { nan |= has_nan<V>(x, n); });
      m.sum = nan ? __builtin_nan("") : 0;
      return m;
    }
    using E = ExpTraits<V>;
    const Shift<T> shift = shift_for<V>(T(m.max), scale, log ? E::log_vanish : E::vanish);
    m.top = shift.top;
    m.reshape = m.max == __builtin_inf() || (shift.origin != 0 && !whole && n != classes);
    if (m.reshape) return m;
    if (shift.moved) {
      sum(m, Exp<V, true>(scale, shift), classes, chunks, nullptr);
    } else {
      sum(m, Exp<V, false>(scale, shift), classes, chunks, next);
    }
    if (log) {
      const double moved = shift.origin != 0 ? 0 : m.max * scale64.down * scale64.up;
      const Wide<double> top = term_of_max<V>(moved, m.top, scale64);
      m.top_term = top.hi, m.top_term_lo = top.lo;
    }
    return m;
  }

 private:
  Measure spans(const Source& row, const double* whole, T* terms, double* tops) const {
    Measure m;
    for (size_t at = 0; at < row.length; at += span_length) {
      const size_t end = row.length - at < span_length ? row.length : at + span_length;
      m = combine(m, stretch(row, at, end, whole, terms ? terms + at : nullptr,
                             terms ? tops + at / segment_length : nullptr));
    }
    return m;
  }

  // Writes the sums of m under an exponential for its shift.
  template <bool moved, class Chunks>
  INLINE void sum(Measure& m, const Exp<V, moved>& exp, size_t classes, Chunks& chunks, Next<V>* next) const {
    constexpr bool peeking = peeks<V> && !moved;
    const T bias = bias_for<V>(classes);
    TermSum<V> sum(bias);
    RestSum<V> rest;
    V count = splat<V>(0);
    const V max = splat<V>(T(m.max));
    chunks([&](const T* x, size_t n, T* terms) INLINE_LAMBDA {
      if (log) {
        terms ? sum_below<V, moved, true>(x, n, exp, n, max, rest, count, terms)
              : sum_below<V, moved, false>(x, n, exp, n, max, rest, count);
      } else if (peeking && next) {
        terms ? sum_stretch<V, moved, true, peeking>(x, n, exp, terms, sum, next)
              : sum_stretch<V, moved, false, peeking>(x, n, exp, terms, sum, next);
      } else {
        terms ? sum_stretch<V, moved, true>(x, n, exp, terms, sum)
              : sum_stretch<V, moved, false>(x, n, exp, terms, sum);
      }
    });
    log ? rest.total(m.sum, m.sum_lo) : sum.total(splat<V>(bias), m.sum, m.sum_lo);
    if (log) m.count = count_of(count);
  }
};

}  // namespace
