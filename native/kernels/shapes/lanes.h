// A row per lane: groups of V::lanes rows at once. Every class is one block operation, with nothing to reduce across
// lanes. The rows get there in one of two ways: those of few classes, or with few others interleaved (a small inner
// size), are transposed in registers on the way in and out; along any other axis neighbouring rows already lie side
// by side. The sums follow the order of TermSum (class i goes to partial sum i % lanes, then the tree), so that the
// bits are those of a row scored alone.
#pragma once
#include "rows.h"

namespace {

static_assert(column_classes <= segment_length, "rows in lanes are measured as one segment");

template <class V>
constexpr size_t wides = V::lanes / F64::lanes;  // blocks of doubles to a block of V

// The sums of the rows in the lanes of V, rounded, and the factors that divide by them.
template <class V>
INLINE void factor_of(const Wide<F64>* sum, V& taken, V& rest, V& hi, V& lo) {
  F64 whole[wides<V>], left[wides<V>];
#pragma GCC unroll 4
  for (size_t w = 0; w < wides<V>; w++) whole[w] = sum[w].hi, left[w] = sum[w].lo;
  taken = narrow(whole, V()), rest = narrow(left, V());
  factor(sum, hi, lo);
}

// Adds up `live` partial sums as reduce_add adds up lanes: i and i + half, from half the lanes down.
template <size_t lanes, class V>
INLINE V tree(V* partial, size_t live) {
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i + half < live; i++) partial[i] = add(partial[i], partial[i + half]);
    if (live > half) live = half;
  }
  return partial[0];
}

// The same of N partial sums, each as leaf(i) gives it, which is asked in turn: what waits stays in registers.
template <size_t lanes, size_t N, size_t i = 0, size_t half = 1, class Leaf>
INLINE auto tree_of(Leaf&& leaf) {
  if constexpr (half == lanes) {
    return leaf(i);
  } else {
    const auto sum = tree_of<lanes, N, i, half * 2>(leaf);
    if constexpr (i + half < N) {
      return add(sum, tree_of<lanes, N, i + half, half * 2>(leaf));
    } else {
      return sum;
    }
  }
}

// The same of `live` of them: by way of memory unless that is `at_once`, they are as many as lanes, and there are
// registers for a block to wait in.
template <class V, bool at_once = true, class Leaf>
INLINE auto tree_of_lanes(Leaf&& leaf, size_t live = V::lanes) {
  if constexpr (at_once && V::registers <= 2) {
    if (live == V::lanes) return tree_of<V::lanes, V::lanes>(leaf);
  }
  decltype(leaf(0)) partial[V::lanes];
  for (size_t i = 0; i < live; i++) partial[i] = leaf(i);
  return tree<V::lanes>(partial, live);
}

// Sums of V::lanes rows have the order that TermSum and RestSum have for each: class i goes to partial sum i % lanes, and
// the tree adds up those. Each partial sum is itself a block, a row per lane.

// A partial sum, or several added up: what it took of the terms, as doubles, and what that left.
template <class V>
struct PartialSum {
  F64 taken[wides<V>];
  V rest;
};
template <class V>
INLINE PartialSum<V> partial_sum(const TermSum<V>& sum, typename V::Scalar bias) {
  PartialSum<V> partial;
  widen(sum.taken(bias), partial.taken);
  partial.rest = sum.rest;
  return partial;
}
template <class V>
INLINE PartialSum<V> add(const PartialSum<V>& a, const PartialSum<V>& b) {
  PartialSum<V> sum;
#pragma GCC unroll 4
  for (size_t w = 0; w < wides<V>; w++) sum.taken[w] = add(a.taken[w], b.taken[w]);
  sum.rest = add(a.rest, b.rest);
  return sum;
}

// The same for logarithms: of floats the sums of rows 0 to 7 and 8 to 15, of doubles the sum and its error.
struct PartialRest {
  F64 part[2];
};
INLINE PartialRest add(const PartialRest& a, const PartialRest& b) {
  return {add(a.part[0], b.part[0]), add(a.part[1], b.part[1])};
}
INLINE PartialRest partial_rest(RestSum<F32> s) {
  s.end_run();
  return {s.lo, s.hi};
}
INLINE PartialRest partial_rest(const RestSum<F64>& s) { return {s.sum, s.error}; }
// Of one term, from its registers.
INLINE PartialRest partial_rest(Term<F32> e) {
  F64 t[2], more[2];
  widen(e.t, t), widen(mul(mul(e.t, e.r), e.q), more);
  return {add(t[0], more[0]), add(t[1], more[1])};
}
INLINE PartialRest partial_rest(Term<F64> e) { return {e.value(), splat<F64>(0)}; }

// The rows, as bits, whose sum is the term of their maximum and nothing else; see is_single.
template <class V>
INLINE uint32_t alone_in_sum(V sum, V rest, const LaneShift<V>& shift, const Scale<V>& scale,
                             typename V::Scalar bias) {
  using T = typename V::Scalar;
  const Term<V> largest = Exp<V, false>(scale, shift.magic, shift.lower).term(shift.max);
  // A term alone is the sum, but for the roundings of both, between which one last bit lies at most.
  constexpr double last_bit = sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
  if (all_less(mul(largest.value(), splat<V>(T(1 + last_bit))), add(sum, rest))) return 0;
  TermSum<V> one(bias);
  one.add_first(largest);
  const V off = absolute(sub(sum, one.taken(bias))), off_rest = absolute(sub(rest, one.rest));
  return ~mask_greater(add(off, off_rest), splat<V>(0)) & ((1u << V::lanes) - 1);
}

template <class V>
struct LaneSolver {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, W = wides<V>;
  // Groups of rows go through each step together: the latencies of a step overlap. Their blocks take up to half of the
  // second cache.
  static constexpr size_t most_groups = 16, most_blocks = (size_t(1) << 19) / block_bytes;
  // From memory fewer, or what is fetched for the next ones leaves the first cache before they come. (AVX-512, 21 classes:
  // 0.90 ns by sixes, 0.59 by twos, 0.63 by ones; 29: 0.83 by threes, 0.60 by twos, 0.575 by ones; 100000 x 21 x 2 0.89 by
  // fours, 0.61 by twos.)
  static constexpr size_t most_by_twos = 28;
  // Of columns few, so that their blocks stay near. (AVX-512, 1000 x 1024: 0.36 ns by twos, 0.48 by ones, 0.40 by threes;
  // 64 x 21 x 4096 with AVX2 0.54 by twos, 0.50 by ones.)
  static constexpr size_t column_groups = 2;
  const Problem& p;
  const RowSolver<V> rows;
  const size_t n;
  const bool fetches;
  // Along another axis: whether lines of the cache cut all classes alike, how many elements the first neighbour lies past
  // one, and whether pages do; see columns_from and Exchange.
  const bool lines_alike;
  const size_t past_line;
  const bool pages_alike;
  // And how many elements before they are wanted columns are fetched: some classes ahead, or where those lie far apart
  // and the second cache has room for a strip of all of them, from the next strip; that is where the last element lies, its
  // line being new. (Not into the first cache: where classes lie a page apart, it has room for eight lines of a column. For
  // elsewhere see Exchange. 1000 x 1024: 0.50 ns, and 0.46 so. Where the first elements lie: 1000 x 5500 1.01 ns, and 0.70 so.)
  const size_t ahead;

  explicit LaneSolver(const Problem& p)
      : p(p),
        rows(p),
        n(p.length),
        fetches(is_large(p)),
        lines_alike(are_lines_alike(p)),
        past_line(reinterpret_cast<uintptr_t>(p.x) % block_bytes / size_of(p.type)),
        pages_alike(p.inner * size_of(p.type) % page_bytes == 0),
        ahead((p.length > 256 || p.inner <= 1024 ? 32 * p.inner : column_groups * L) + L - 1) {}

  void solve(size_t begin, size_t end) const {
    if (p.inner == 1) {
      constexpr size_t room = few_classes;
      alignas(64) T blocks[room * L];
      return solve_panels(begin, end, blocks, room / n);
    }
    const size_t first = (begin + p.inner - 1) / p.inner, last = end / p.inner, width = n * p.inner;
    const bool direct = p.type == type_of<T> && (p.op == Op::logSumExp || p.outType == type_of<T>);
    const bool panels = p.inner < L && last >= first + L / 2 && width <= (direct ? most_blocks : few_classes);
    const size_t strips = 2 * column_groups * n, count = panels && width > strips ? width : strips;
    T* const memory = static_cast<T*>(__builtin_malloc(count * block_bytes + block_bytes));
    if (!memory) {
      for (size_t r = begin; r < end; r++) rows.solve(r);
      return;
    }
    T* const blocks = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory) / block_bytes + 1) * block_bytes);
    if (panels) {
      solve_columns(begin, first * p.inner, blocks);
      solve_panels(first, last, blocks, count / width);
      solve_columns(last * p.inner, end, blocks);
    } else {
      solve_columns(begin, end, blocks);
    }
    __builtin_free(memory);
  }

 private:
  // What comes near while the terms of a group are worked out: its share of what is loaded next, and of what is written
  // then, a line for each class; or null. (Fetched where it is loaded, all would be waited for.)
  struct Ahead {
    const char *next = nullptr, *own = nullptr;
    size_t next_step = 0, own_step = 0;

    INLINE void operator()(size_t c) const {
      if (next) __builtin_prefetch(next + c * next_step);
      if (own) __builtin_prefetch(own + c * own_step, 1);
    }
  };

  // Up to V::lanes rows: `row`, `row` + `apart`, ... Class c of all is the block at x + c * step.
  struct Group {
    size_t row, apart, count;
    T* x;
    size_t step;
    bool together;  // columns: all are neighbours in memory
    bool solvable;
    size_t start;  // columns: class 0 of the first row, by elements
    Ahead ahead;
    V max, count_of_max;
    LaneShift<V> shift;
    V taken, rest;     // softmax: the sum (see TermSum)
    V hi, lo;          // softmax: the factor
    Wide<F64> sum[W];  // logarithms
    F64 log_sum[W];    // logSoftmax; for logSumExp, the result
    uint32_t again;    // logSumExp: the rows to be solved one by one after all, as bits

    // In place: to copy a group takes as long as some classes.
    INLINE void place(const LaneSolver& s, T* to, size_t blocks_apart, size_t first, size_t rows_apart,
                      size_t rows) {
      row = first, apart = rows_apart, count = rows, x = to, step = blocks_apart;
      // Stragglers are solved one by one, as are rows that hold NaN or infinities or huge logits.
      solvable = count > L / 8 && !s.rows.scale.extreme;
    }
  };

  // The rows of outer indices [begin, end): `inner` groups for each V::lanes of them.
  void solve_panels(size_t begin, size_t end, T* blocks, size_t room) const {
    Group group[most_groups];
    const size_t width = n * p.inner, fitting = most_groups / p.inner, most = room < fitting ? room : fitting;
    const size_t near = !is_huge(p) ? most : width <= most_by_twos ? 2 : 1, sets = near < most ? near : most;
    while (begin < end) {
      size_t g = 0;
      const size_t from = begin;
      for (size_t set = 0; set < sets && begin < end; set++) {
        const size_t count = end - begin < L ? end - begin : L;
        T* x = blocks + set * width * L;
        const V max = load_outer(begin, count, x);
        for (size_t i = 0; i < p.inner; i++, g++) {
          group[g].place(*this, x + i * L, p.inner * L, begin * p.inner + i, p.inner, count);
          group[g].max = max;
          if (fetches)
            group[g].ahead = ahead_of((begin + sets * L) * width + i * n * L, begin * width + i * n * L);
          if (p.inner > 1 && group[g].solvable) find_max(group[g]);
        }
        begin += count;
      }
      solve_groups(group, g, [this](Group& g) INLINE_LAMBDA {
        p.op == Op::softmax ? add_terms_of_panel<Op::softmax>(g) : add_terms_of_panel<Op::logSoftmax>(g);
      });
      if (p.op != Op::logSumExp) {
        for (size_t i = 0; p.inner > 1 && i < g; i++) {
          if (group[i].solvable) scale(group[i]);
        }
        for (size_t at = from, set = 0; at < begin; at += L, set++) {
          store_outer(at, begin - at < L ? begin - at : L, group + set * p.inner, blocks + set * width * L);
        }
      }
      finish(group, g);
    }
  }

  // The rows of a group of columns, and the first after it that has no group yet. Where x is not overwritten and little is
  // solved twice, a group may take rows of the one before: so all of a stretch of neighbours are whole, and but for the
  // first they start where lines of the cache do. (AVX2, arrays 16 bytes past a line: 1000 x 1024 0.74 ns, so 0.67; 21 x
  // 31 1.08 and 0.84.)
  struct Columns {
    size_t row, count, next;
    size_t start;   // class 0 of the first row, by elements
    bool together;  // all are neighbours in memory
  };
  Columns columns_from(size_t row, size_t begin, size_t end) const {
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

  // Whether a group whose class 0 starts there lies across two pages, and so in every class: each access takes as long as
  // the rest then. (1000 x 1024, 16 bytes past a page: 0.37 ns, and 0.34 with the last four rows by themselves.)
  bool crosses_page(size_t start) const {
    const auto crosses = [start](const void* base, Type type) {
      return (reinterpret_cast<uintptr_t>(base) + start * size_of(type)) % page_bytes >
             page_bytes - L * size_of(type);
    };
    return crosses(p.x, p.type) || (p.op != Op::logSumExp && crosses(p.out, p.outType));
  }

  // Neighbouring rows along another axis, in strips of a few groups. While the terms of one are worked out, the last goes
  // out, and the next comes in where it was.
  template <Op op>
  void solve_columns_for(size_t begin, size_t end, T* blocks) const {
    Group strips[3][column_groups], *done = strips[0], *now = strips[1], *next = strips[2];
    size_t finished = 0, count = 0;
    for (size_t turn = 0, row = begin; turn == 0 || finished + count > 0; turn++) {
      size_t more = 0;
      for (; more < column_groups && row < end; more++) {
        const Columns columns = columns_from(row, begin, end);
        T* const x = blocks + (turn % 2 * column_groups + more) * n * L;
        next[more].place(*this, x, L, columns.row, 1, columns.count);
        next[more].start = columns.start, next[more].together = columns.together;
        row = columns.next;
      }
      const bool puts = op != Op::logSumExp && p.outType == type_of<T> && is_whole(done, finished);
      const bool takes = p.type == type_of<T> && is_whole(next, more);
      if (op != Op::logSumExp && !puts) {
        for (size_t i = 0; i < finished; i++) {
          if (done[i].solvable) put_columns(done[i]);
        }
      }
      if (puts && takes) {
        pages_alike ? solve_beside<op, true, true>(done, now, count, next)
                    : solve_beside<op, true, true, true>(done, now, count, next);
      } else if (takes) {
        solve_beside<op, false, true>(done, now, count, next);
      } else if (puts) {
        solve_beside<op, true, false>(done, now, count, next);
      } else {
        solve_groups(now, count, [this](Group& g) INLINE_LAMBDA { add_terms_alone<op>(g); });
      }
      for (size_t i = 0; !takes && i < more; i++) take_columns(next[i]);
      finish(done, finished);
      Group* const free = done;
      done = now, finished = count;
      now = next, count = more;
      next = free;
    }
  }

  void solve_columns(size_t begin, size_t end, T* blocks) const {
    if (p.op == Op::softmax) return solve_columns_for<Op::softmax>(begin, end, blocks);
    if (p.op == Op::logSoftmax) return solve_columns_for<Op::logSoftmax>(begin, end, blocks);
    solve_columns_for<Op::logSumExp>(begin, end, blocks);
  }

  // Whether the lines of all classes, and of their results, are cut alike.
  static bool are_lines_alike(const Problem& p) {
    const bool same = p.op == Op::logSumExp ||
                      (p.outType == p.type &&
                       (reinterpret_cast<uintptr_t>(p.x) - reinterpret_cast<uintptr_t>(p.out)) % block_bytes == 0);
    return same && p.inner * size_of(p.type) % block_bytes == 0;
  }

  // By elements.
  INLINE Ahead ahead_of(size_t next, size_t own) const {
    Ahead ahead;
    ahead.next = static_cast<const char*>(p.x) + next * size_of(p.type);
    ahead.next_step = L * size_of(p.type);
    if (p.op == Op::logSumExp) return ahead;
    ahead.own = static_cast<const char*>(p.out) + own * size_of(p.outType);
    ahead.own_step = L * size_of(p.outType);
    return ahead;
  }

  // From the maxima to the factors, or to the logarithms and what comes of them. `add` adds up the terms of a group.
  template <class Add>
  INLINE void solve_groups(Group* group, size_t count, Add add) const {
    using E = ExpTraits<V>;
    for (size_t i = 0; i < count; i++) {
      if (!group[i].solvable) continue;
      group[i].shift = LaneShift<V>(group[i].max, rows.scale, p.op == Op::softmax ? E::vanish : E::log_vanish);
      group[i].solvable = group[i].shift.reducible;
    }
    for (size_t i = 0; i < count; i++) {
      if (group[i].solvable) add(group[i]);
    }
    if (p.op == Op::softmax) return;
    for (size_t i = 0; i < count; i++) {
      if (group[i].solvable) logarithm(group[i]);
    }
    for (size_t i = 0; i < count; i++) {
      if (!group[i].solvable) continue;
      if (p.op == Op::logSoftmax) take_logarithms(group[i]);
      if (p.op == Op::logSumExp) put_logarithms(group[i]);
    }
  }

  INLINE void finish(const Group* group, size_t count) const {
    for (size_t i = 0; i < count; i++) {
      if (!group[i].solvable) {
        for (size_t r = 0; r < group[i].count; r++) rows.solve(group[i].row + r * group[i].apart);
      } else if (p.op == Op::softmax && p.outType == type_of<T>) {
        polish(group[i]);
      } else if (p.op == Op::logSumExp) {
        uint32_t again = group[i].again & ((1u << group[i].count) - 1);
        for (; again; again &= again - 1) {
          rows.solve(group[i].row + size_t(__builtin_ctz(again)) * group[i].apart);
        }
      }
    }
  }

  INLINE void find_max(Group& g) const {
    V max = load<V>(g.x);
    for (size_t c = 1; c < n; c++) max = max_number(load<V>(g.x + c * g.step), max);
    g.max = max;
  }

  // `beside` is done for each class. `in_memory`: partial sums wait there, as those of more than few_classes have to.
  template <Op op, bool in_memory, class Beside>
  INLINE void add_terms(Group& g, Beside&& beside) const {
    if constexpr (op != Op::softmax) {
      return n > L ? add_terms_below<!in_memory>(g, beside) : add_few_below(g, beside);
    } else if constexpr (in_memory) {
      add_many_terms(g, beside);
    } else {
      n > 2 * L ? add_more_terms(g, beside) : add_few_terms(g, beside);
    }
    g.solvable = all_less(g.taken, splat<V>(T(infinity)));  // not if NaN
  }
  template <Op op, class Beside>
  INLINE void add_terms(Group& g, Beside&& beside) const {
    if constexpr (op == Op::softmax) {
      if (n > few_classes) return add_terms<op, true>(g, beside);
    }
    add_terms<op, false>(g, beside);
  }
  template <Op op>
  INLINE void add_terms_alone(Group& g) const {
    const auto nothing = [](size_t) INLINE_LAMBDA {};
    add_terms<op>(g, nothing);
  }
  template <Op op>
  __attribute__((noinline)) void add_terms_of_panel(Group& g) const {
    fetches ? add_terms<op>(g, g.ahead) : add_terms_alone<op>(g);
  }

  // The terms of `count` classes, each to be had once; it takes the place of its logit. Where a block is one register they
  // are worked out as they are asked for; otherwise what is kept in registers for the sum and for `beside` leaves too few, and
  // logits are all reduced first. (AVX-512, 1000 x 1024: all first 0.345 ns and so 0.300, of doubles 1.25 and 0.91; AVX2
  // 0.41 and 0.43.)
  template <class Beside>
  static INLINE auto terms_of(const Exp<V, false>& exp, T* x, size_t step, size_t count, T* t, Beside& beside) {
    constexpr bool at_once = V::registers == 1;
    for (size_t c = 0; !at_once && c < count; c++) {
      beside(c);
      reduce_block(exp, x + c * step, t + c * L, x + c * step);
    }
    return [&exp, x, step, t, &beside](size_t c) INLINE_LAMBDA {
      if constexpr (!at_once) return finish_block<V>(t + c * L, x + c * step);
      const Reduced<V> reduced = exp.reduce(load<V>(x + c * step));
      beside(c);
      const Term<V> e = exp.term(reduced);
      store(x + c * step, e.value());
      return e;
    };
  }

  // One or two classes to a partial sum; what the sums take adds up exactly, in any order. (With AVX2 a loop over the
  // partial sums, whose rests wait in memory, takes 18 classes 0.64 ns, not 0.58, and AVX-512 0.56, not 0.53.)
  template <class Beside>
  INLINE void add_few_terms(Group& g, Beside&& beside) const {
    T* const x = g.x;
    const size_t step = g.step, n = this->n, live = n < L ? n : L, pairs = n - live;
    const Exp<V, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    const T bias = bias_for<V>(n);
    alignas(64) T t[2 * L * L];
    const auto term = terms_of(exp, x, step, n, t, beside);
    V taken = splat<V>(0);
    const auto rest_of = [&](size_t c) INLINE_LAMBDA {
      TermSum<V> partial(bias);
      partial.add_first(term(c));
      if (c < pairs) partial.add_term(term(c + L));
      taken = add(taken, partial.taken(bias));
      return partial.rest;
    };
    g.rest = tree_of_lanes<V>(rest_of, live);
    g.taken = taken;
    invert<V>(g.taken, g.rest, g.hi, g.lo);
  }

  // A partial sum after the other, of all its classes. (36 classes by way of memory: 0.56 ns with either ISA, and so 0.52.)
  template <class Beside>
  INLINE void add_more_terms(Group& g, Beside&& beside) const {
    const size_t n = this->n;
    const Exp<V, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    const T bias = bias_for<V>(n);
    alignas(64) T t[few_classes * L];
    const auto term = terms_of(exp, g.x, g.step, n, t, beside);
    const auto sum_of = [&](size_t i) INLINE_LAMBDA {
      TermSum<V> partial(bias);
      partial.add_first(term(i));
      for (size_t c = i + L; c < n; c += L) partial.add_term(term(c));
      return partial_sum(partial, bias);
    };
    put_sum(g, tree_of_lanes<V>(sum_of));
  }

  // The same by as many classes at a time as the first cache holds.
  template <class Beside>
  INLINE void add_many_terms(Group& g, Beside&& beside) const {
    T* x = g.x;
    const size_t step = g.step;
    const Exp<V, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    const T bias = bias_for<V>(n);
    V sum[L], rest[L];
    for (size_t i = 0; i < L; i++) sum[i] = splat<V>(bias), rest[i] = splat<V>(0);
    alignas(64) T t[few_classes * L];
    for (size_t at = 0; at < n; at += few_classes, x += few_classes * step) {
      const size_t count = n - at < few_classes ? n - at : few_classes;
      const auto besides = [&](size_t c) INLINE_LAMBDA { beside(at + c); };
      const auto term = terms_of(exp, x, step, count, t, besides);
      for (size_t i = 0; i < L && i < count; i++) {
        TermSum<V> partial(sum[i], rest[i]);
        for (size_t c = i; c < count; c += L) partial.add_term(term(c));
        sum[i] = partial.sum, rest[i] = partial.rest;
      }
    }
    PartialSum<V> partial[L];
    for (size_t i = 0; i < L; i++) partial[i] = partial_sum(TermSum<V>(sum[i], rest[i]), bias);
    put_sum(g, tree<L>(partial, L));
  }

  INLINE void put_sum(Group& g, const PartialSum<V>& total) const {
    Wide<F64> sum[W];
    F64 left[W];
    widen(total.rest, left);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) sum[w] = {total.taken[w], left[w]};
    factor_of(sum, g.taken, g.rest, g.hi, g.lo);
  }

  // Each class is a partial sum of its own. (10 classes: 1.17 ns so, 1.33 by way of add_terms_below.)
  template <class Beside>
  INLINE void add_few_below(Group& g, Beside&& beside) const {
    const T* const x = g.x;
    const size_t step = g.step, n = this->n;
    const Exp<V, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    const V max = g.max;
    V count = splat<V>(0);
    const auto rest_of = [&](size_t c) INLINE_LAMBDA {
      beside(c);
      const V v = load<V>(x + c * step);
      Term<V> e = exp.term(v);
      e.t = zero_if_equal(v, max, e.t);
      count = count_if_equal(v, max, count);
      return partial_rest(e);
    };
    put_rest(g, tree_of_lanes<V, false>(rest_of, n));
    g.count_of_max = count;
  }

  // Classes i, i + L, ... run by run for every partial sum i in turn: it then stays in registers. (24 classes: 0.92 ns by
  // way of memory and 0.85 at once; with AVX2 1.09 and 1.00, but 21 columns 1.18 and 1.29.)
  template <bool at_once, class Beside>
  INLINE void add_terms_below(Group& g, Beside&& beside) const {
    constexpr size_t run = RestSum<V>::run * L;
    const T* const x = g.x;
    const size_t step = g.step;
    const Exp<V, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    V count = splat<V>(0);
    const auto rest_of = [&](size_t i) INLINE_LAMBDA {
      RestSum<V> sum;
      const auto add = [&](size_t c) INLINE_LAMBDA {
        __builtin_prefetch(x + (c + 4 * L) * step);
        beside(c);
        const V v = load<V>(x + c * step);
        Term<V> e = exp.term(v);
        e.t = zero_if_equal(v, g.max, e.t);
        count = count_if_equal(v, g.max, count);
        sum.add_term(e);
      };
      size_t c = i;
      for (; c / run < n / run; sum.end_run()) {
        for (const size_t end = c + run; c < end; c += L) add(c);
      }
      for (; c < n; c += L) add(c);
      return partial_rest(sum);
    };
    put_rest(g, tree_of_lanes<V, at_once>(rest_of));
    g.count_of_max = count;
  }

  INLINE void put_rest(Group& g, const PartialRest& total) const {
    if (sizeof(T) == 8) {
      g.sum[0] = {total.part[0], total.part[1]};
    } else {
      g.sum[0] = {total.part[0], splat<F64>(0)}, g.sum[W - 1] = {total.part[1], splat<F64>(0)};
    }
  }

  INLINE void logarithm(Group& g) const {
    F64 count[W], max[W], top[W];
    widen(g.count_of_max, count);
    widen(g.max, max);
    widen(g.shift.top, top);
    g.again = 0;
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      g.solvable = g.solvable && all_less(g.sum[w].hi, splat<F64>(__builtin_inf()));
      g.log_sum[w] = log_of_sum(g.sum[w], count[w], term_of_max<V>(max[w], top[w], rows.scale64));
      if (p.op != Op::logSumExp) continue;
      const F64 value = log_sum_exp(max[w], g.log_sum[w], rows.scale64);
      if (sizeof(T) == 4) g.again |= cancelling(g.log_sum[w], value) << (w * F64::lanes);
      g.log_sum[w] = value;
    }
  }

  INLINE void put_logarithms(const Group& g) const {
    alignas(64) T value[L];
    store(value, narrow(g.log_sum, V()));
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    if (g.apart == 1) return out.copy(g.row, g.count, value);
    for (size_t i = 0; i < g.count; i++) out.put(g.row + i * g.apart, double(value[i]));
  }

  INLINE void take_logarithms(Group& g) const {
    F64 max[W];
    widen(g.max, max);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const LogProbability<T> log_of(max[w], g.log_sum[w], p.temperature, rows.scale64);
      T* x = g.x + w * F64::lanes;
      for (size_t c = 0; c < n; c++, x += g.step) RowSolver<V>::logs(x, x, F64::lanes, log_of);
    }
  }

  INLINE void scale(const Group& g) const {
    if (p.op != Op::softmax) return;
    const V hi = g.hi, lo = g.lo;
    for (size_t c = 0; c < n; c++) store(g.x + c * g.step, scaled(load<V>(g.x + c * g.step), hi, lo));
  }

  // See make_one in rows.h.
  void polish(const Group& g) const {
    uint32_t alone = alone_in_sum(g.taken, g.rest, g.shift, rows.scale, bias_for<V>(n)) & ((1u << g.count) - 1);
    for (; alone; alone &= alone - 1) {
      const Sink row = sink_of(p, p.out, p.outType, g.row + size_t(__builtin_ctz(alone)) * g.apart);
      make_one(reinterpret_cast<T*>(row.data), n, p.inner);
    }
  }

  // Hands out the first column of every panel, and how many of its columns there are: all, but where a row has fewer.
  // The last panel may overlap the one before.
  template <class Take>
  static INLINE void each_panel(size_t width, Take take) {
    constexpr size_t P = panel_columns<V>;
    if (width < P) return take(0, width);
    size_t i = 0;
    for (; i + P <= width; i += P) take(i, P);
    if (i < width) take(width - P, P);
  }

  // The elements of `count` outer indices, to one block for each (class, inner) pair, and back. Returns the maxima of
  // all classes and inner indices; on the way back, rows with no others between them are scaled.
  __attribute__((noinline)) V load_outer(size_t outer, size_t count, T* blocks) const {
    constexpr size_t P = panel_columns<V>;
    const size_t width = n * p.inner;
    alignas(64) T buffer[few_classes * L + P];
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
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) {
        if (j == columns) break;
        store(blocks + (i + j) * L, column[j]);
        max = max_number(column[j], max);
      }
    };
    each_panel(width, put);
    return max;
  }

  __attribute__((noinline)) void store_outer(size_t outer, size_t count, const Group* group,
                                             const T* blocks) const {
    constexpr size_t P = panel_columns<V>;
    const size_t width = n * p.inner;
    for (size_t i = 0; i < p.inner; i++) {
      if (!group[i].solvable) return store_apart(group, count, blocks);
    }
    alignas(64) T buffer[few_classes * L + P];
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    T* y = width < P ? buffer : out.place(outer * width, buffer);
    const bool scales = p.inner == 1 && p.op == Op::softmax;
    const V hi = group[0].hi, lo = group[0].lo;
    const auto put = [&](size_t i, size_t columns) INLINE_LAMBDA {
      V column[P];
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) {
        column[j] = load<V>(blocks + (j < columns ? i + j : 0) * L);
        if (scales) column[j] = scaled(column[j], hi, lo);
      }
      store_panel(y + i, width, count, column);
    };
    each_panel(width, put);
    if (y == buffer) out.copy(outer * width, count * width, buffer);
  }

  // The same where some groups are not to be stored: x, which may be where they would go, must stay.
  void store_apart(const Group* group, size_t count, const T* blocks) const {
    for (size_t i = 0; i < p.inner; i++) {
      if (!group[i].solvable) continue;
      for (size_t lane = 0; lane < count; lane++) {
        const Sink row = sink_of(p, p.out, p.outType, group[i].row + lane * group[i].apart);
        for (size_t c = 0; c < n; c++) row.put(c, double(blocks[(c * p.inner + i) * L + lane]));
      }
    }
  }

  // Hands (first element, lane, count) of class 0 to take for each stretch of neighbouring rows that lie together.
  template <class Take>
  INLINE void each_stretch(const Group& g, Take take) const {
    for (size_t lane = 0, row = g.row; lane < g.count;) {
      const size_t beside = p.inner - row % p.inner, left = g.count - lane;
      const size_t count = beside < left ? beside : left;
      take(start_of(p, row), lane, count);
      lane += count, row += count;
    }
  }

  // Whether a strip is whole, and known by now to be solvable.
  static bool is_whole(const Group* strip, size_t count) {
    bool whole = count == column_groups;
    for (size_t i = 0; whole && i < column_groups; i++) {
      whole = strip[i].together && strip[i].count == L && strip[i].solvable;
    }
    return whole;
  }

  // A strip that goes out, and the next that comes in where it was, with its maxima; or one of both. Class by class, beside
  // the terms of the strip in between, and with all that takes in registers. (1000 x 1024 with AVX-512: one after the other
  // 0.46 ns.)
  // `near`: what comes next is fetched into the first cache too, four classes ahead, for loads and still more for stores to
  // find it there. Not where classes lie pages apart, which leave no room. (16 x 100 x 3000: 0.63 ns, and 0.45 so; 1000 x
  // 1040 on an Intel Xeon 0.58 and 0.46.)
  template <Op op, bool puts, bool takes, bool near>
  struct Exchange {
    V hi[column_groups], lo[column_groups], max[column_groups];
    T *y[column_groups], *block[column_groups];
    const T* x[column_groups];
    const size_t inner, ahead, soon;
    size_t left, calls = 0;

    INLINE Exchange(const LaneSolver& s, const Group* done, const Group* next)
        : inner(s.p.inner), ahead(s.ahead), soon(4 * s.p.inner + L - 1), left(s.n) {
#pragma GCC unroll 2
      for (size_t k = 0; k < column_groups; k++) {
        if (puts && op == Op::softmax) hi[k] = done[k].hi, lo[k] = done[k].lo;
        if (puts) y[k] = static_cast<T*>(s.p.out) + done[k].start;
        if (takes) x[k] = static_cast<const T*>(s.p.x) + next[k].start;
        block[k] = puts ? done[k].x : next[k].x;
        max[k] = splat<V>(T(-infinity));
      }
    }

    // Called for every class of each of the groups in between.
    INLINE void operator()(size_t) {
      if (++calls % column_groups == 0) pass();
    }
    INLINE void complete(Group* next) {
      while (left > 0) pass();
#pragma GCC unroll 2
      for (size_t k = 0; takes && k < column_groups; k++) next[k].max = max[k];
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
          store(y[k], op == Op::softmax ? scaled(v, hi[k], lo[k]) : v);
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
        block[k] += L;
      }
    }
  };

  template <Op op, bool puts, bool takes, bool near = false>
  void solve_beside(const Group* done, Group* now, size_t count, Group* next) const {
    if constexpr (op != Op::softmax) {
      return solve_beside_of<op, (V::registers > 1), puts, takes, near>(done, now, count, next);
    }
    n > few_classes ? solve_beside_of<op, true, puts, takes, near>(done, now, count, next)
                    : solve_beside_of<op, false, puts, takes, near>(done, now, count, next);
  }
  template <Op op, bool in_memory, bool puts, bool takes, bool near>
  __attribute__((noinline)) void solve_beside_of(const Group* done, Group* now, size_t count, Group* next) const {
    Exchange<op, puts, takes, near> exchange(*this, done, next);
    solve_groups(now, count, [&](Group& g) INLINE_LAMBDA { add_terms<op, in_memory>(g, exchange); });
    exchange.complete(next);
  }

  // The same for one group, whatever it is.
  void take_columns(Group& g) const {
    if (!g.together) return load_stretches(g);
    by_type<T>(p.type, [&](auto type) { take_columns_of<type>(g); });
  }
  void put_columns(const Group& g) const {
    if (!g.together) return store_stretches(g);
    by_type<T>(p.outType, [&](auto type) { put_columns_of<type>(g); });
  }
  template <Type type>
  void take_columns_of(Group& g) const {
    const size_t n = this->n, inner = p.inner, ahead = this->ahead, count = g.count;
    alignas(64) T buffer[L];
    const Element<type>* x = static_cast<const Element<type>*>(p.x) + g.start;
    T* block = g.x;
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
    g.max = max;
  }
  template <Type type>
  void put_columns_of(const Group& g) const {
    constexpr bool direct = type == type_of<T>;
    const bool scales = p.op == Op::softmax;
    const size_t n = this->n, inner = p.inner, ahead = this->ahead, count = g.count;
    const V hi = g.hi, lo = g.lo;
    alignas(64) T buffer[L];
    Element<type>* y = static_cast<Element<type>*>(p.out) + g.start;
    const T* block = g.x;
    for (size_t c = 0; c < n; c++, y += inner, block += L) {
      __builtin_prefetch(y + ahead, 0, 2);
      const V v = load<V>(block), result = scales ? scaled(v, hi, lo) : v;
      if constexpr (direct) {
        count == L ? store(y, result) : store_first(y, result, count);
      } else {
        store(buffer, result);
        count == L ? narrow_from<type>(buffer, L, y) : narrow_from<type>(buffer, count, y);
      }
    }
  }

  // Groups that end within a line of rows: stretch by stretch.
  INLINE void load_stretches(Group& g) const {
    alignas(64) T buffer[L];
    const Source flat = {static_cast<const char*>(p.x), p.type, 1, nullptr, 0, 0};
    each_stretch(g, [&](size_t at, size_t lane, size_t count) INLINE_LAMBDA {
      for (size_t c = 0; c < n; c++) {
        copy_few(g.x + c * L + lane, flat.fetch(at + c * p.inner, count, buffer), count);
      }
    });
    // Lanes without a row repeat the first one's.
    for (size_t lane = g.count; lane < L; lane++) {
      for (size_t c = 0; c < n; c++) g.x[c * L + lane] = g.x[c * L];
    }
    find_max(g);
  }
  INLINE void store_stretches(const Group& g) const {
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    const bool direct = out.direct<T>();
    scale(g);
    each_stretch(g, [&](size_t at, size_t lane, size_t count) INLINE_LAMBDA {
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

}  // namespace
