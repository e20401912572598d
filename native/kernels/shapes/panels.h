// Rows in lanes that are transposed on the way in and out: rows of few classes, and those with few others interleaved (a
// small inner size). Class c of inner index i is one block:
//
//   memory, row by row (4 classes)        blocks, a row per lane
//   a0 a1 a2 a3                           class 0: a0 b0 c0 d0 ...
//   b0 b1 b2 b3      a panel is 16 bytes  class 1: a1 b1 c1 d1 ...
//   c0 c1 c2 c3      of each row          class 2: a2 b2 c2 d2 ...
//   d0 d1 d2 d3                           class 3: a3 b3 c3 d3 ...
#pragma once
#include "few_classes.h"
#include "lanes_for_all.h"

namespace UNITS {

// The sums of one group, as a function of its own: it is the same for every op.
template <class V, Sums sums>
__attribute__((noinline)) void add_terms_of_panel(Lanes<V, sums>& g, const Scale<V>& scale, size_t n,
                                                  bool fetches) {
  const auto nothing = [](size_t) INLINE_LAMBDA {};
  fetches = fetches && lanes_for_all;
  if constexpr (sums == Sums::all) {
    if (n > panel_classes) {
      return fetches ? add_terms<V, true>(g, scale, n, g.ahead) : add_terms<V, true>(g, scale, n, nothing);
    }
  }
  fetches ? add_terms<V, false>(g, scale, n, g.ahead) : add_terms<V, false>(g, scale, n, nothing);
}

// Hands out the first column of every panel, and how many of its columns there are: all, but where a row has fewer. The last panel
// may overlap the one before.
template <class V, class Take>
INLINE void each_panel(size_t width, Take take) {
  constexpr size_t P = panel_columns<V>;
  if (width < P) return take(0, width);
  size_t i = 0;
  for (; i + P <= width; i += P) take(i, P);
  if (i < width) take(width - P, P);
}

// Columns of a panel, as many as there are, to their blocks, and into the maxima.
template <class V>
INLINE void put_columns(const V* column, size_t columns, typename V::Scalar* blocks, V& max) {
#pragma GCC unroll 4
  for (size_t j = 0; j < panel_columns<V>; j++) {
    if (j == columns) break;
    store(blocks + j * V::lanes, column[j]);
    max = max_number(column[j], max);
  }
}

// The elements of `count` outer indices, to one block for each (class, inner) pair; returns the maxima of all classes and inner
// indices. The same for every op.
template <class V>
__attribute__((noinline)) V load_outer(const Problem& p, size_t outer, size_t count, typename V::Scalar* blocks) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes, P = panel_columns<V>;
  const size_t width = p.length * p.inner;
  alignas(64) T buffer[panel_classes * L + P];
  const Source flat = {static_cast<const char*>(p.x), p.type, 1, nullptr, 0, count * width};
  const T* x = flat.fetch(outer * width, count * width, buffer);
  if (width < P) {  // a panel reads 16 bytes of each row
    if (x != buffer) __builtin_memcpy(buffer, x, count * width * sizeof(T));
    x = buffer;
  }
  V max = splat<V>(T(-infinity));
  const auto put = [&](size_t i, size_t columns) INLINE_LAMBDA {
    V column[P];
    load_panel(x + i, width, count, column);
    put_columns(column, columns, blocks + i * L, max);
  };
  each_panel<V>(width, put);
  return max;
}

// The same of `count` rows that lie apart; lanes without one have the last.
template <class V>
__attribute__((noinline)) V load_apart(const Problem& p, size_t row, size_t count, typename V::Scalar* blocks) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes, P = panel_columns<V>;
  uint32_t starts[L];
  for (size_t k = 0; k < L; k++) starts[k] = p.starts[row + (k < count ? k : count - 1)];
  const T* const x = static_cast<const T*>(p.x);
  V max = splat<V>(T(-infinity));
  const auto put = [&](size_t i, size_t columns) INLINE_LAMBDA {
    V column[P];
    load_panel_at<V>(x + i, starts, column);
    put_columns(column, columns, blocks + i * L, max);
  };
  each_panel<V>(p.length, put);
  return max;
}

template <class V, class Op>
struct Panels {
  using T = typename V::Scalar;
  using G = Group<V, Op>;
  static constexpr size_t L = V::lanes;
  // Groups of rows go through each step together: the latencies of a step overlap.
  static constexpr size_t most_groups = 16;
  const Op& op;
  const Problem& p;
  const size_t n;
  const bool fetches, apart;

  explicit Panels(const Op& op)
      : op(op), p(op.p), n(p.length), fetches(is_large(p)), apart(lanes_apart && p.starts) {}

  // The rows of outer indices [begin, end): `inner` groups for each V::lanes of them. `room`: so many blocks' worth of such
  // sets of groups does `blocks` hold.
  void solve(size_t begin, size_t end, T* blocks, size_t room) const {
    if constexpr (most_known > 0) {
      if (p.inner == 1 && p.type == type_of<T> && n >= 2 && n <= most_known && !op.scale.extreme) {
        begin = solve_known(begin, end, blocks);
      }
    }
    G group[most_groups];
    const size_t width = n * p.inner, fitting = most_groups / p.inner, most = room < fitting ? room : fitting;
    const size_t near = !is_huge(p) ? most : sets_from_memory(width), sets = near < most ? near : most;
    while (begin < end) {
      size_t g = 0;
      const size_t from = begin;
      for (size_t set = 0; set < sets && begin < end; set++) {
        const size_t count = end - begin < L ? end - begin : L;
        T* x = blocks + set * width * L;
        const V max = lanes_apart && apart ? load_apart<V>(p, begin, count, x) : load_outer<V>(p, begin, count, x);
        for (size_t i = 0; i < p.inner; i++, g++) {
          group[g].place(x + i * L, p.inner * L, begin * p.inner + i, p.inner, count, op.scale.extreme);
          group[g].max = max;
          // Rows of fewer classes are solved as they are alone.
          group[g].has_terms = lanes_for_all && Op::wants_terms && n > L;
          if (fetches)
            group[g].ahead = ahead_of((begin + sets * L) * width + i * n * L, begin * width + i * n * L);
          if (p.inner > 1 && group[g].solvable) group[g].find_max(n);
        }
        begin += count;
      }
      for (size_t i = 0; i < g; i++) {
        if (group[i].solvable) group[i].solvable = group[i].find_shift(op.scale);
      }
      begin_groups(op, group, g);
      for (size_t i = 0; i < g; i++) {
        if (group[i].solvable) add_terms_of_panel<V, Op::sums>(group[i], op.scale, n, fetches);
      }
      end_groups(op, group, g);
      if constexpr (Op::writes_classes) {
        for (size_t i = 0; p.inner > 1 && i < g; i++) {
          if (group[i].solvable) group[i].scale_terms(n);
        }
        for (size_t at = from, set = 0; at < begin; at += L, set++) {
          store_outer(at, begin - at < L ? begin - at : L, group + set * p.inner, blocks + set * width * L);
        }
      }
      finish_groups(op, group, g);
    }
  }

 private:
  static constexpr size_t most_known = lanes_for_all ? few_classes<V> : 0;

  // Whole groups of rows of few classes; returns the first row that is left.
  size_t solve_known(size_t begin, size_t end, T* blocks) const {
    const KnownSteps<V, Op::sums> known =
        known_steps<V, Op::sums, Op::writes_classes, Op::wants_terms, most_known>(n);
    const size_t most = known_groups(n);
    const T* x = static_cast<const T*>(p.x);
    T* y = p.outType == type_of<T> ? static_cast<T*>(p.out) : nullptr;
    G group[most_known_groups];
    Lanes<V, Op::sums>* lanes[most_known_groups];
    V max[most_known_groups];
    for (size_t i = 0; i < most; i++) {
      lanes[i] = group + i;
      group[i].place(blocks + i * n * L, L, begin, 1, L, false);
      group[i].has_terms = Op::wants_terms;
    }
    while (begin + L + known.beyond <= end) {
      const size_t whole = (end - begin - known.beyond) / L, count = whole < most ? whole : most;
      apart ? known.load_at(x, p.starts + begin, blocks, count, max)
            : known.load(x + begin * n, blocks, count, fetches, max);
      for (size_t i = 0; i < count; i++) {
        G& g = group[i];
        g.row = begin + i * L, g.max = max[i];
        g.solvable = g.find_shift(op.scale);
      }
      begin_groups(op, group, count);
      if (Op::writes_classes && y && fetches) fetch<true>(y + begin * n, count * n * L);
      known.add(lanes, count, op.scale, Op::wants_terms);
      end_groups(op, group, count);
      if constexpr (Op::writes_classes) {
        if (y && apart) known.store_at(lanes, count, y, p.starts + begin);
        if (y && !apart) known.store(lanes, count, y + begin * n);
        for (size_t i = 0; !y && i < count; i++) store_outer(begin + i * L, L, group + i, blocks + i * n * L);
      }
      finish_groups(op, group, count);
      begin += count * L;
    }
    return begin;
  }

  // By elements.
  INLINE Ahead ahead_of(size_t next, size_t own) const {
    Ahead ahead;
    ahead.next = static_cast<const char*>(p.x) + next * size_of(p.type);
    ahead.next_step = L * size_of(p.type);
    if (!Op::writes_classes) return ahead;
    ahead.own = static_cast<const char*>(p.out) + own * size_of(p.outType);
    ahead.own_step = L * size_of(p.outType);
    return ahead;
  }

  // The results of `count` outer indices; rows with no others between them are scaled.
  __attribute__((noinline)) void store_outer(size_t outer, size_t count, const G* group, const T* blocks) const {
    constexpr size_t P = panel_columns<V>;
    const size_t width = n * p.inner;
    for (size_t i = 0; i < p.inner; i++) {
      if (!group[i].solvable) return store_apart(group, count, blocks);
    }
    if constexpr (lanes_apart) {
      if (apart) return store_rows_apart(outer, count, group[0], blocks);
    }
    alignas(64) T buffer[panel_classes * L + P];
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    T* y = width < P ? buffer : out.place(outer * width, buffer);
    const auto put = [&](size_t i, size_t columns) INLINE_LAMBDA {
      V column[P];
      take_panel(group[0], blocks, i, columns, column);
      store_panel(y + i, width, count, column);
    };
    each_panel<V>(width, put);
    if (y == buffer) out.copy(outer * width, count * width, buffer);
  }
  // The same of rows that lie apart.
  __attribute__((noinline)) void store_rows_apart(size_t row, size_t count, const G& g, const T* blocks) const {
    T* const y = static_cast<T*>(p.out);
    const auto put = [&](size_t i, size_t columns) INLINE_LAMBDA {
      V column[panel_columns<V>];
      take_panel(g, blocks, i, columns, column);
      store_panel_at<V>(y + i, p.starts + row, count, column, columns);
    };
    each_panel<V>(n, put);
  }
  INLINE void take_panel(const G& g, const T* blocks, size_t i, size_t columns, V* column) const {
#pragma GCC unroll 4
    for (size_t j = 0; j < panel_columns<V>; j++) {
      const V v = load<V>(blocks + (j < columns ? i + j : 0) * L);
      column[j] = p.inner == 1 ? g.result(v) : v;
    }
  }

  // The same where some groups are not to be stored: x, which may be where they would go, must stay.
  void store_apart(const G* group, size_t count, const T* blocks) const {
    for (size_t i = 0; i < p.inner; i++) {
      if (!group[i].solvable) continue;
      for (size_t lane = 0; lane < count; lane++) {
        const Sink row = sink_of(p, p.out, p.outType, group[i].row + lane * group[i].apart);
        for (size_t c = 0; c < n; c++) row.put(c, double(blocks[(c * p.inner + i) * L + lane]));
      }
    }
  }
};

}  // namespace UNITS
