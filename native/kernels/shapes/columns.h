// Rows in lanes along another axis than the last: neighbouring rows lie side by side, so class c of V::lanes of them is one
// load. They go by in strips of a few groups. While the terms of one strip are worked out, class by class, the last strip
// goes out to memory and the next comes in to where it was:
//
//   memory        | done | now | next |          blocks       strip A       strip B
//   class 0       |  ^   |     |  v   |          class 0      done > next   now: terms, sums
//   class 1       |  ^   |     |  v   |          class 1      done > next   now
//   ...              out         in              ...          then A and B change places
#pragma once
#include "panels.h"

namespace UNITS {

// Groups to a strip: few, so that their blocks stay near.
constexpr size_t column_groups = 2;

// Where the strip that goes out and the next one lie.
template <class V>
struct Strips {
  using T = typename V::Scalar;
  V hi[column_groups], lo[column_groups];  // of what goes out
  T *y[column_groups], *block[column_groups];
  const T* x[column_groups];
  size_t inner, ahead, n;
};

// A strip that goes out, and the next that comes in where it was, with its maxima; or one of both. Class by class, beside
// the terms of the strip in between, and with all that takes in registers. All is fetched into the second cache; where
// `near`, into the first too, for loads and still more for stores to find it there. That is, unless classes lie pages apart,
// which leaves no room.
template <class V, Sums sums, bool puts, bool takes, bool near>
struct Exchange {
  using T = typename V::Scalar;
  V hi[column_groups], lo[column_groups], max[column_groups];
  T *y[column_groups], *block[column_groups];
  const T* x[column_groups];
  const size_t inner, ahead, soon;
  size_t left, calls = 0;

  // Member by member, or it is copied in memory and stays there.
  INLINE explicit Exchange(const Strips<V>& s)
      : inner(s.inner), ahead(s.ahead), soon(4 * s.inner + V::lanes - 1), left(s.n) {
#pragma GCC unroll 2
    for (size_t k = 0; k < column_groups; k++) {
      if constexpr (puts && sums == Sums::all) hi[k] = s.hi[k], lo[k] = s.lo[k];
      if (puts) y[k] = s.y[k];
      if (takes) x[k] = s.x[k];
      block[k] = s.block[k];
      max[k] = splat<V>(T(-infinity));
    }
  }

  // Called for every class of each of the groups in between.
  INLINE void operator()(size_t) {
    if (++calls % column_groups == 0) pass();
  }
  INLINE void complete() {
    while (left > 0) pass();
  }

 private:
  INLINE void pass() {
    left--;
#pragma GCC unroll 2
    for (size_t k = 0; k < column_groups; k++) {
      if (puts) {
        __builtin_prefetch(y[k] + ahead, 0, 2);
        if (near) __builtin_prefetch(y[k] + soon);
        const V v = load<V>(block[k]);
        store(y[k], sums == Sums::all ? scaled(v, hi[k], lo[k]) : v);
        y[k] += inner;
      }
      if (takes) {
        __builtin_prefetch(x[k] + ahead, 0, 2);
        if (near) __builtin_prefetch(x[k] + soon);
        const V v = load<V>(x[k]);
        store(block[k], v);
        max[k] = max_number(v, max[k]);
        x[k] += inner;
      }
      block[k] += V::lanes;
    }
  }
};

// The sums of the groups of the strip in between. A function of its own: it is the same for every op.
template <class V, Sums sums, bool in_memory, bool puts, bool takes, bool near>
__attribute__((noinline)) void add_terms_beside(Lanes<V, sums>* const* group, size_t count, const Scale<V>& scale,
                                                const Strips<V>& strips, V* max) {
  Exchange<V, sums, puts, takes, near> exchange(strips);
  for (size_t i = 0; i < count; i++) {
    if (group[i]->solvable) add_terms<V, in_memory>(*group[i], scale, strips.n, exchange);
  }
  exchange.complete();
#pragma GCC unroll 2
  for (size_t k = 0; k < column_groups; k++) max[k] = exchange.max[k];
}

// Hands (first element, lane, count) of class 0 to take for each stretch of neighbouring rows that lie together.
template <class Take>
INLINE void each_stretch(const Problem& p, size_t first, size_t rows, Take take) {
  for (size_t lane = 0, row = first; lane < rows;) {
    const size_t beside = p.inner - row % p.inner, left = rows - lane;
    const size_t count = beside < left ? beside : left;
    take(start_of(p, row), lane, count);
    lane += count, row += count;
  }
}
// The classes of rows that end within a line of rows: stretch by stretch.
template <class V>
__attribute__((noinline)) void load_stretches(const Problem& p, size_t row, size_t rows, typename V::Scalar* x) {
  constexpr size_t L = V::lanes;
  const size_t n = p.length;
  alignas(64) typename V::Scalar buffer[L];
  const Source flat = {static_cast<const char*>(p.x), p.type, 1, nullptr, 0, 0};
  each_stretch(p, row, rows, [&](size_t at, size_t lane, size_t count) INLINE_LAMBDA {
    for (size_t c = 0; c < n; c++) copy_few(x + c * L + lane, flat.fetch(at + c * p.inner, count, buffer), count);
  });
  // Lanes without a row repeat the first one's.
  for (size_t lane = rows; lane < L; lane++) {
    for (size_t c = 0; c < n; c++) x[c * L + lane] = x[c * L];
  }
}

// The classes of `count` neighbouring rows, of which the first starts at element `start`, to one block each; returns their maxima. The
// same for every op.
template <class V, Type type>
V load_columns_of(const Problem& p, size_t start, size_t count, size_t ahead, typename V::Scalar* block) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const size_t n = p.length, inner = p.inner;
  alignas(64) T buffer[L];
  const Element<type>* x = static_cast<const Element<type>*>(p.x) + start;
  V max = splat<V>(T(-infinity));
  for (size_t c = 0; c < n; c++, x += inner, block += L) {
    __builtin_prefetch(x + ahead, 0, 2);
    V v;
    if (count == L) {
      v = load<V>(widened<type>(x, L, buffer));
    } else {
      const T* few = widened<type>(x, count, buffer);
      v = load_first<V>(few, count, few[0]);
    }
    store(block, v);
    max = max_number(v, max);
  }
  return max;
}
template <class V>
__attribute__((noinline)) V load_columns(const Problem& p, size_t start, size_t count, size_t ahead,
                                         typename V::Scalar* block) {
  V max;
  by_type<typename V::Scalar>(p.type,
                              [&](auto type) { max = load_columns_of<V, type>(p, start, count, ahead, block); });
  return max;
}

template <class V, class Op>
struct Columns {
  using T = typename V::Scalar;
  using G = Group<V, Op>;
  static constexpr size_t L = V::lanes;
  const Op& op;
  const Problem& p;
  const size_t n;
  // Whether lines of the cache cut all classes alike, how many elements the first neighbour lies past one, and whether
  // pages do.
  const bool lines_alike;
  const size_t past_line;
  const bool pages_alike;
  // How many elements before they are wanted columns are fetched: some classes ahead, or, where those lie far apart and the
  // second cache has room for a strip of all of them, from the next strip. That is where the last element lies, its line
  // being new.
  const size_t ahead;

  explicit Columns(const Op& op)
      : op(op),
        p(op.p),
        n(p.length),
        lines_alike(are_lines_alike(p)),
        past_line(reinterpret_cast<uintptr_t>(p.x) % block_bytes / size_of(p.type)),
        pages_alike(p.inner * size_of(p.type) % page_bytes == 0),
        ahead((n > 256 || p.inner <= 1024 ? 32 * p.inner : column_groups * L) + L - 1) {}

  // Blocks that solve wants.
  static size_t room(const Problem& p) { return 2 * column_groups * p.length; }

  void solve(size_t begin, size_t end, T* blocks) const {
    G strips[3][column_groups], *done = strips[0], *now = strips[1], *next = strips[2];
    size_t finished = 0, count = 0;
    for (size_t turn = 0, row = begin; turn == 0 || finished + count > 0; turn++) {
      size_t more = 0;
      for (; more < column_groups && row < end; more++) {
        const Stretch stretch = stretch_from(row, begin, end);
        T* const x = blocks + (turn % 2 * column_groups + more) * n * L;
        next[more].place(x, L, stretch.row, 1, stretch.count, op.scale.extreme);
        next[more].start = stretch.start, next[more].together = stretch.together;
        row = stretch.next;
      }
      const bool puts = !is_compact && Op::writes_classes && p.outType == type_of<T> && is_whole(done, finished);
      const bool takes = !is_compact && p.type == type_of<T> && is_whole(next, more);
      for (size_t i = 0; Op::writes_classes && !puts && i < finished; i++) {
        if (done[i].solvable) put_columns(done[i]);
      }
      if (puts || takes) {
        if constexpr (!is_compact) add_terms_beside(done, puts, now, count, next, takes);
      } else {
        for (size_t i = 0; i < count; i++) {
          if (reduces(now[i])) add_terms_of_panel<V, Op::sums>(now[i], op.scale, n, false);
        }
      }
      end_groups(op, now, count);
      for (size_t i = 0; !takes && i < more; i++) take_columns(next[i]);
      finish_groups(op, done, finished);
      G* const free = done;
      done = now, finished = count;
      now = next, count = more;
      next = free;
    }
  }

 private:
  INLINE bool reduces(G& g) const {
    g.solvable = g.solvable && g.find_shift(op.scale);
    if (g.solvable) op.begin(g);
    return g.solvable;
  }

  void add_terms_beside(const G* done, bool puts, G* now, size_t count, G* next, bool takes) const {
    if (!puts) return add_terms_of<false, true, false>(done, now, count, next);
    if (!takes) return add_terms_of<true, false, false>(done, now, count, next);
    pages_alike ? add_terms_of<true, true, false>(done, now, count, next)
                : add_terms_of<true, true, true>(done, now, count, next);
  }
  template <bool puts, bool takes, bool near>
  void add_terms_of(const G* done, G* now, size_t count, G* next) const {
    constexpr bool waits = Op::sums == Sums::below && V::registers > 1;  // too few registers for partial sums
    Lanes<V, Op::sums>* group[column_groups];
    V max[column_groups];
    for (size_t i = 0; i < count; i++) reduces(now[i]), group[i] = now + i;
    Strips<V> strips;
    strips.inner = p.inner, strips.ahead = ahead, strips.n = n;
    for (size_t k = 0; k < column_groups; k++) {
      if constexpr (puts && Op::sums == Sums::all) strips.hi[k] = done[k].hi, strips.lo[k] = done[k].lo;
      if (puts) strips.y[k] = static_cast<T*>(p.out) + done[k].start;
      if (takes) strips.x[k] = static_cast<const T*>(p.x) + next[k].start;
      strips.block[k] = puts ? done[k].x : next[k].x;
    }
    constexpr Sums sums = Op::sums;
    if constexpr (sums == Sums::all) {
      n > panel_classes
          ? UNITS::add_terms_beside<V, sums, true, puts, takes, near>(group, count, op.scale, strips, max)
          : UNITS::add_terms_beside<V, sums, false, puts, takes, near>(group, count, op.scale, strips, max);
    } else {
      UNITS::add_terms_beside<V, sums, waits, puts, takes, near>(group, count, op.scale, strips, max);
    }
    for (size_t k = 0; takes && k < column_groups; k++) next[k].max = max[k];
  }

  // The rows of a group of columns, and the first after it that has no group yet. Where x is not overwritten and
  // little is solved twice, a group may take rows of the one before: so all of a stretch of neighbours are whole,
  // and but for the first they start where lines of the cache do.
  struct Stretch {
    size_t row, count, next;
    size_t start;   // class 0 of the first row, by elements
    bool together;  // all are neighbours in memory
  };
  Stretch stretch_from(size_t row, size_t begin, size_t end) const {
    const size_t column = row % p.inner, outer = row - column;
    const size_t edge = end - outer < p.inner ? end : outer + p.inner, first = outer < begin ? begin : outer;
    const size_t stretch = edge - first, left = edge - row, start = outer * n + column;
    const bool overlaps = p.x != p.out && stretch >= L && (L - stretch % L) % L * L <= stretch;
    if (!overlaps) {
      const size_t count = end - row < L ? end - row : L;
      return {row, count, row + count, start, count <= left};
    }
    if (left < L) {
      const size_t back = L - left;
      if (pages_alike && crosses_page(start - back)) return {row, left, edge, start, true};
      return {row - back, L, edge, start - back, true};
    }
    if (row != first || !lines_alike) return {row, L, row + L, start, true};
    const size_t past = (past_line + column) % L;
    const bool adds_group = (stretch + past - 1) / L > (stretch - 1) / L;
    return {row, L, row + L - (adds_group && stretch < 2 * L * L ? 0 : past), start, true};
  }

  // Whether a group whose class 0 starts there lies across two pages, and so in every class: each access takes as
  // long as the rest of the group then.
  bool crosses_page(size_t start) const {
    const auto crosses = [start](const void* base, Type type) {
      return (reinterpret_cast<uintptr_t>(base) + start * size_of(type)) % page_bytes >
             page_bytes - L * size_of(type);
    };
    return crosses(p.x, p.type) || (Op::writes_classes && crosses(p.out, p.outType));
  }

  // Whether the lines of all classes, and of their results, are cut alike.
  static bool are_lines_alike(const Problem& p) {
    const bool same = !Op::writes_classes ||
                      (p.outType == p.type &&
                       (reinterpret_cast<uintptr_t>(p.x) - reinterpret_cast<uintptr_t>(p.out)) % block_bytes == 0);
    return same && p.inner * size_of(p.type) % block_bytes == 0;
  }

  // Whether a strip is whole, and known by now to be solvable.
  static bool is_whole(const G* strip, size_t count) {
    bool whole = count == column_groups;
    for (size_t i = 0; whole && i < column_groups; i++) {
      whole = strip[i].together && strip[i].count == L && strip[i].solvable;
    }
    return whole;
  }

  // The same for one group, whatever it is.
  void take_columns(G& g) const {
    if (!g.together) return load_stretches<V>(p, g.row, g.count, g.x), g.find_max(n);
    g.max = load_columns<V>(p, g.start, g.count, ahead, g.x);
  }
  void put_columns(const G& g) const {
    if (!g.together) return store_stretches(g);
    by_type<T>(p.outType, [&](auto type) { put_columns_of<type>(g); });
  }
  template <Type type>
  void put_columns_of(const G& g) const {
    constexpr bool direct = type == type_of<T>;
    const size_t n = this->n, inner = p.inner, ahead = this->ahead, count = g.count;
    alignas(64) T buffer[L];
    Element<type>* y = static_cast<Element<type>*>(p.out) + g.start;
    const T* block = g.x;
    for (size_t c = 0; c < n; c++, y += inner, block += L) {
      __builtin_prefetch(y + ahead, 0, 2);
      const V result = g.result(load<V>(block));
      if constexpr (direct) {
        count == L ? store(y, result) : store_first(y, result, count);
      } else {
        store(buffer, result);
        count == L ? narrow_from<type>(buffer, L, y) : narrow_from<type>(buffer, count, y);
      }
    }
  }

  // Groups that end within a line of rows: stretch by stretch.
  INLINE void store_stretches(const G& g) const {
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    const bool direct = out.direct<T>();
    g.scale_terms(n);
    each_stretch(p, g.row, g.count, [&](size_t at, size_t lane, size_t count) INLINE_LAMBDA {
      for (size_t c = 0; c < n; c++) {
        const T* block = g.x + c * L + lane;
        if (direct) {
          copy_few(reinterpret_cast<T*>(out.data) + at + c * p.inner, block, count);
        } else {
          out.flush(at + c * p.inner, count, block);
        }
      }
    });
  }
};

// Rows in lanes, between whose classes others lie.
template <class V, class Op>
void solve_interleaved(const Op& op, const Panels<V, Op>& in_panels, size_t begin, size_t end) {
  using T = typename V::Scalar;
  const Problem& p = op.p;
  // Blocks take up to half of the second cache.
  constexpr size_t most_blocks = (size_t(1) << 19) / block_bytes;
  const size_t first = (begin + p.inner - 1) / p.inner, last = end / p.inner, width = p.length * p.inner;
  const bool direct = p.type == type_of<T> && (!Op::writes_classes || p.outType == type_of<T>);
  const bool panels =
      p.inner < V::lanes && last >= first + V::lanes / 2 && width <= (direct ? most_blocks : panel_classes);
  const size_t strips = Columns<V, Op>::room(p), count = panels && width > strips ? width : strips;
  T* const memory = static_cast<T*>(__builtin_malloc(count * block_bytes + block_bytes));
  if (!memory) {
    for (size_t r = begin; r < end; r++) op.solve(r);
    return;
  }
  T* const blocks = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory) / block_bytes + 1) * block_bytes);
  const Columns<V, Op> in_columns(op);
  if (panels) {
    in_columns.solve(begin, first * p.inner, blocks);
    in_panels.solve(first, last, blocks, count / width);
    in_columns.solve(last * p.inner, end, blocks);
  } else {
    in_columns.solve(begin, end, blocks);
  }
  __builtin_free(memory);
}

// Rows in lanes, wherever they lie.
template <class V, class Op>
void solve_in_lanes(const Op& op, size_t begin, size_t end) {
  using T = typename V::Scalar;
  const Problem& p = op.p;
  const Panels<V, Op> in_panels(op);
  if (p.inner == 1) {
    alignas(64) T blocks[panel_classes * V::lanes];
    return in_panels.solve(begin, end, blocks, panel_classes / p.length);
  }
  if constexpr (Op::has_columns) solve_interleaved<V>(op, in_panels, begin, end);
}

}  // namespace UNITS
