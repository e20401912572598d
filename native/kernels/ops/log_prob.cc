// logProb: the logarithms of the probabilities of given classes, and their ranks. A row is measured as for logSoftmax, whose
// bits they have; it is written nowhere. Under `renormalize` the row is those classes alone.
#include SIMD_HEADER
#include "../shapes/solve.h"
#include "../shapes/lanes_for_all.h"
#include "../units.h"
#include "logarithms.h"
#include "rank.h"

using namespace UNITS;

namespace {

template <class V>
struct LogProb : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale64, Rows<V>::finite, Rows<V>::log_of_measure, Logarithms<V>::W;
  explicit LogProb(const Problem& p) : Logarithms<V>(p) {}

  static constexpr bool writes_classes = false;
  using Ends = typename Logarithms<V>::Ends;

  // Rows in lanes ------------------------------------------------------------------------------------------------------

  template <class Group>
  INLINE void write(const Group& g) const {
    F64 log_sum[W];
    this->log_sums(g.ends, log_sum);
    const bool whole = g.count == V::lanes, neighbours = p.inner == 1 && p.k == 1 && !p.classesShared;
    const bool compares = !Group::along && whole && p.length <= Logarithms<V>::most_compared;
    if (compares && neighbours) {
      const V given = load_whole<V>(p.classes + g.row);
      return store(static_cast<T*>(p.out) + g.row, compared(g, given, log_sum)), rank_lanes(g);
    }
    for (size_t j = 0; j < p.k; j++) {
      alignas(64) T lane[V::lanes] = {};
      alignas(64) int32_t given[V::lanes] = {};
      read_classes(g, j, given);
      if (compares) {
        store(lane, compared(g, load_whole<V>(given), log_sum));
      } else {
        for (size_t i = 0; i < g.count; i++) {
          if (is_class(given[i], p.length)) lane[i] = g.row_of(i)[size_t(given[i]) * g.step];
        }
        store(lane, logs_of(g, load<V>(lane), log_sum));
        for (size_t i = 0; i < g.count; i++) lane[i] = is_class(given[i], p.length) ? lane[i] : other(given[i]);
      }
      put(g, j, lane);
    }
    rank_lanes(g);
  }
  template <class Group>
  void after(const Group&) const {}

  // A row by itself ----------------------------------------------------------------------------------------------------

  void solve(size_t r) const {
    alignas(64) T buffer[segment_length];
    const Source row = source_of(p, r);
    const Source near = row.length <= segment_length ? row.fetched(buffer) : row;
    const bool needs_row = !p.renormalize || p.ranks;
    const Measure m = needs_row ? this->template measurer<Sums::below>().row(near, nullptr, nullptr) : Measure();
    write(r, row, p.renormalize ? measure_of_classes(r, row) : m);
    if (p.ranks) rank(r, row, near, finite(m));
  }

 private:
  // Class j of each row in lanes, and what becomes of it. Contiguous rows divide nothing.
  template <class Group>
  INLINE void read_classes(const Group& g, size_t j, int32_t* given) const {
    const bool contiguous = p.inner == 1 && !p.classesShared;
    const int32_t* const from = p.classes + (contiguous ? g.row * p.k + j : 0);
    for (size_t i = 0; i < g.count; i++)
      given[i] = contiguous ? read_once(from + i * p.k) : class_at(g.row + i * g.apart, j);
  }
  template <class Group>
  INLINE void put(const Group& g, size_t j, const T* lane) const {
    T* const to = static_cast<T*>(p.out) + (p.inner == 1 ? g.row * p.k + j : 0);
    for (size_t i = 0; i < g.count; i++) {
      p.inner == 1 ? (void)(to[i * p.k] = lane[i]) : put(g.row + i * g.apart, j, lane[i]);
    }
  }
  // Of logits, a row per lane.
  template <class Group>
  INLINE V logs_of(const Group& g, V logits, const F64* log_sum) const {
    F64 max[W], wide[W];
    widen(g.max, max), widen(logits, wide);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      wide[w] = LogProbability<T>(max[w], log_sum[w], p.temperature, scale64)(wide[w]);
    }
    return narrow(wide, V());
  }
  // Of classes that are few, and stand there as numbers.
  template <class Group>
  INLINE V compared(const Group& g, V given, const F64* log_sum) const {
    V counts, logits;
    this->compare(g, given, counts, logits);
    return select_greater(counts, splat<V>(0), logs_of(g, logits, log_sum),
                          zero_if_equal(given, splat<V>(T(p.ignoreIndex)), splat<V>(T(-infinity))));
  }
  template <class Group>
  INLINE void rank_lanes(const Group& g) const {
    if (!p.ranks) return;
    for (size_t i = 0; i < g.count; i++) {
      const size_t r = g.row + i * g.apart;
      if (Group::along) {
        const Source row = source_of(p, r);
        rank(r, row, row, true);
        continue;
      }
      const auto logit = [&](size_t c) INLINE_LAMBDA { return g.x[c * g.step + i]; };
      for (size_t j = 0; j < p.k; j++) {
        const int32_t given = class_at(r, j);
        uint32_t before = 0;
        if (is_class(given, p.length)) {
          const size_t own = size_t(given);
          const T x = logit(own);
          before = 1;
          for (size_t c = 0; c < own; c++) before += logit(c) >= x;
          for (size_t c = own + 1; c < p.length; c++) before += logit(c) > x;
        }
        p.ranks[place_of(r, j)] = before;
      }
    }
  }

  size_t place_of(size_t r, size_t j) const { return (r / p.inner * p.k + j) * p.inner + r % p.inner; }
  int32_t class_at(size_t r, size_t j) const {
    return read_once(p.classes + (p.classesShared ? j : place_of(r, j)));
  }
  // Whether it is one of a row's, and wanted.
  INLINE bool is_class(int32_t given, size_t length) const {
    return given != p.ignoreIndex && given >= 0 && size_t(given) < length;
  }
  bool takes_part(int32_t given, const Source& row) const {
    return is_class(given, row.length) && !row.masked_out(size_t(given));
  }
  // What stands for a class that is ignored, or takes no part.
  INLINE T other(int32_t given) const { return given == p.ignoreIndex ? T(0) : T(-infinity); }
  INLINE void put(size_t r, size_t j, T value) const { static_cast<T*>(p.out)[place_of(r, j)] = value; }

  static T logit_of(const Source& row, size_t c) {
    T buffer[1];
    return *row.fetch<T>(c, 1, buffer);
  }

  void write(size_t r, const Source& row, const Measure& m) const {
    const bool good = finite(m);
    const LogProbability<T> log_of(splat<F64>(m.max), splat<F64>(log_of_measure(m)), p.temperature, scale64);
    for (size_t at = 0; at < p.k; at += V::lanes) {
      if (at > 0 && at % chunk_length == 0 && is_set(row.cancelled)) return;
      alignas(64) T lane[V::lanes] = {};
      const size_t n = lesser(p.k - at, V::lanes);
      int32_t given[V::lanes];
      for (size_t i = 0; i < n; i++) {
        given[i] = class_at(r, at + i);
        if (takes_part(given[i], row)) lane[i] = logit_of(row, size_t(given[i]));
      }
      if (good) Rows<V>::logs(lane, lane, n, log_of);
      for (size_t i = 0; i < n; i++) {
        const T value = good ? lane[i] : T(__builtin_nan(""));
        put(r, at + i, takes_part(given[i], row) ? value : other(given[i]));
      }
    }
  }

  // Of the given classes that take part, each once: their logits wait where the results go.
  Measure measure_of_classes(size_t r, const Source& row) const {
    T* const waiting = static_cast<T*>(p.out) + place_of(r, 0);
    Seen seen(p.k, row.length);
    size_t count = 0;
    for (size_t j = 0; j < p.k; j++) {
      const int32_t given = class_at(r, j);
      if (!takes_part(given, row)) continue;
      bool is_first = true;
      if (seen.has_memory()) {
        is_first = seen.is_first(size_t(given));
      } else {
        for (size_t i = 0; i < j && is_first; i++) is_first = class_at(r, i) != given;
      }
      if (is_first) waiting[count++ * p.inner] = logit_of(row, size_t(given));
    }
    const Source given = {
        reinterpret_cast<const char*>(waiting), type_of<T>, p.inner, nullptr, 0, count, row.cancelled};
    return this->template measurer<Sums::below>().row(given, nullptr, nullptr);
  }

  // `ordered`: no logit is NaN.
  void rank(size_t r, const Source& row, const Source& near, bool ordered) const {
    for (size_t j = 0; j < p.k; j++) {
      if (j > 0 && is_set(row.cancelled)) return;
      const int32_t given = class_at(r, j);
      p.ranks[place_of(r, j)] = takes_part(given, row) ? rank_of<V>(row, near, size_t(given), ordered) : 0;
    }
  }
};

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  // Lanes do not tell masked classes from those of -Infinity, which have ranks.
  [[maybe_unused]] const bool fits = !p.renormalize && (!p.ranks || is_plain(p));
  if constexpr (lanes_for_all) {
    if (fits) return solve_in_shapes<V, LogProb<V>>(p, begin, end);
  }
  const LogProb<V> rows(p);
  if constexpr (has_lanes<V>) {
    if (fits && shape_of<V>(p, end - begin) == Shape::lanes) return solve_in_lanes<V>(rows, begin, end);
  }
  for (size_t r = begin; r < end; r++) rows.solve(r);
}

}  // namespace

void UNITS::solve_logProb(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
