// A group of short rows at a time, each along its blocks. Each step is done for all rows before the next step: the steps of
// one row wait for each other, those of several rows do not. What is done once per logit stays along the row. What is done
// once per row goes into lanes:
//
//   row 0:  block 0  block 1  block 2   folded to 16 bytes   m m m m
//   row 1:  block 0  block 1  block 2   folded               m m m m   transposed: the maximum, the sum or the
//   ...                                                                factor of every row, a row per lane
#pragma once
#include "few_blocks.h"
#include "rows_below.h"

namespace UNITS {

template <class V, class Op>
struct AlongBlocks {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes;
  static constexpr size_t half_group = F64::lanes;
  static constexpr size_t most_reduced = UNITS::most_reduced<V>;
  static constexpr size_t most_waiting = V::registers == 1 ? 4 : 8;  // blocks of a row that wait for it in memory
  static constexpr size_t whole_group_bytes = 1024;  // longest row of which a block's worth of rows make a group
  const Problem& p;
  const Op op;
  // Classes; those in whole blocks, and left of them; with the lanes that pad them.
  struct Width {
    size_t n, whole, tail, padded;
  };
  const Width width;
  const size_t n;
  const bool fetches;

  explicit AlongBlocks(const Problem& p)
      : p(p),
        op(p),
        width{p.length, p.length / L * L, p.length % L, (p.length + L - 1) / L * L},
        n(p.length),
        fetches(is_large(p)) {}

  void solve(size_t begin, size_t end) const {
    const size_t group = n * sizeof(T) > whole_group_bytes ? half_group : L;
    if constexpr (Op::sums == Sums::below) {
      RowsBelow<V> rows(op.scale, n);
      AlongGroup<V, Op> g;
      return by_groups(begin, end, group, [&](size_t row, size_t count, size_t left) INLINE_LAMBDA {
        return solve_below(rows, g, row, count, left);
      });
    } else {
      alignas(64) char memory[sizeof(Group) + page_bytes];
      Group& g = *reinterpret_cast<Group*>(memory + group_place(begin, memory));
      g.peek = {};
      Ends ends;
      by_groups(begin, end, group, [&](size_t row, size_t count, size_t left) INLINE_LAMBDA {
        g.peek.rows = peeks_at(count, left);
        if constexpr (Op::writes_classes) return solve_group(g, row, count);
        if constexpr (!Op::writes_classes) return solve_ends(g, ends, row, count);
      });
    }
  }

 private:
  static constexpr size_t P = panel_columns<V>;

  // Hands out groups: the first row, how many, and how many are left behind them. Those that are refused are solved row by row.
  template <class Solve>
  INLINE void by_groups(size_t begin, size_t end, size_t group, Solve solve) const {
    for (; begin < end; begin += group) {
      const size_t count = end - begin < group ? end - begin : group;
      const bool together = count > 1 && !op.scale.extreme;
      if (together && solve(begin, count, end - begin - count)) continue;
      for (size_t r = begin; r < begin + count; r++) op.solve(r);
    }
  }

  // How many of the rows behind a group it looks at. Short rows from memory would be peeked at before they have come.
  INLINE size_t peeks_at(size_t count, size_t left) const {
    const bool peeking = peeks<V> && (n > most_reduced || !is_huge(p));
    return !peeking ? 0 : left < count ? left : count;
  }

  // The maxima of the next group's rows, where they were found on the way, as blocks folded to a quarter.
  struct Peek {
    size_t rows = 0;  // to peek at, each as far ahead as the group is long
    bool found = false;
    alignas(64) T quarter[L * P];
    alignas(64) T lanes[L * L];  // or for ops that write no classes as blocks
  };

  // Up to a block's worth of rows, and what there is of each: one value, or a block folded to a quarter.
  struct Group {
    alignas(64) T waiting[most_waiting * L * L];  // reduced logits; a row starts at a block
    char apart[page_bytes / 2];
    alignas(64) T terms[most_reduced * L];  // of the same
    const T* x;
    T* y;
    size_t row, count;
    T bias;
    alignas(64) T magic[L], lower[L], hi[L], lo[L];
    alignas(64) T quarter[L * P];     // of the maximum, then of what the sum has taken (see TermSum)
    alignas(64) T rest[L * P];        // of what that leaves
    alignas(64) double taken[L * 2];  // where the sum is not exact in T
    Peek peek;
  };

  // Where in `memory` the group lies: a quarter of a page past the first of the rows, as pages go. AMD's cores
  // take a load for one of what was just stored at the same place of another page, and it waits.
  size_t group_place(size_t first, const char* memory) const {
    const uintptr_t logits =
        reinterpret_cast<uintptr_t>(static_cast<const T*>(p.x) + first * n) / block_bytes * block_bytes;
    return (logits + page_bytes / 4 - reinterpret_cast<uintptr_t>(memory)) % page_bytes;
  }

  // False, with nothing written, where a row needs more care (infinities, huge logits).
  bool solve_group(Group& g, size_t row, size_t count) const {
    g.x = static_cast<const T*>(p.x) + row * n, g.y = static_cast<T*>(p.out) + row * n;
    g.row = row, g.count = count, g.bias = bias_for<V>(n);
    const LaneShift<V> shift(max_of_rows(g), op.scale, ExpTraits<V>::vanish);
    if (!shift.reducible) return false;
    store(g.magic, shift.magic), store(g.lower, shift.lower);

    const bool few = n <= most_reduced;
    few ? by_blocks([&](auto blocks) { add_few<blocks()>(g); }) : add_many(g);
    V taken, rest, hi, lo;
    sums_of_rows(g, taken, rest, hi, lo);
    store(g.hi, hi), store(g.lo, lo);
    few ? by_blocks([&](auto blocks) { scale_few<blocks()>(g); }) : scale_many(g);

    uint32_t alone = alone_in_sum(taken, rest, shift, op.scale, g.bias) & ((1u << count) - 1);
    for (; alone; alone &= alone - 1) make_one(g.y + size_t(__builtin_ctz(alone)) * n, n, 1);
    if (!all_less(taken, splat<V>(T(infinity)))) spread_nan(g, row, taken);
    return true;
  }

  // The same for ops that write no classes, of rows of more blocks than add_few takes.
  template <bool writes, class Own>
  struct EndsOf {};
  template <class Own>
  struct EndsOf<false, Own> : AlongGroup<V, Own> {};
  using Ends = EndsOf<Op::writes_classes, Op>;
  bool solve_ends(Group& g, Ends& ends, size_t row, size_t count) const {
    g.x = static_cast<const T*>(p.x) + row * n, g.y = nullptr;
    g.row = row, g.count = count, g.bias = bias_for<V>(n);
    ends.place(const_cast<T*>(g.x), 1, row, 1, count, false);
    ends.beside = n, ends.max = max_of_rows(g), ends.lane_maxima = g.peek.lanes;
    if (!ends.find_shift(op.scale)) return false;
    store(g.magic, ends.shift.magic), store(g.lower, ends.shift.lower);
    op.begin(ends);
    add_unstored(g);
    sums_of_rows(g, ends.taken, ends.rest, ends.hi, ends.lo);
    if (!all_less(ends.taken, splat<V>(T(infinity)))) return false;
    op.end(ends);
    op.write(ends);
    op.after(ends);
    return true;
  }

  // A step is compiled for each number of blocks that add_few takes: a loop for each row would cost a tenth. 0 stands for
  // any number. Each is a function of its own: gcc keeps a constant in a register through a whole function, or in memory.
  template <size_t count>
  struct Blocks {
    constexpr size_t operator()() const { return count; }
  };
  template <class Step>
  void by_blocks(Step step) const {
    if constexpr (!Op::writes_classes) return step(Blocks<0>());  // those have more
    switch (V::registers > 2 ? 0 : width.padded / L) {
      case 2: return step(Blocks<2>());
      case 3: return step(Blocks<3>());
      case 4: return step(Blocks<4>());
      case 5: return step(Blocks<5>());
      case 6: return step(Blocks<6>());
      case 7: return step(Blocks<7>());
      case 8: return step(Blocks<8>());
      default: return step(Blocks<0>());
    }
  }

  // Hands out the first class of each block up to `end`, and of each whole block. A step first copies what it needs of
  // this and of its group: else it is read again after every store.
  template <size_t blocks, class Take>
  static INLINE void each_block(size_t end, Take take) {
    if (blocks == 0) {
      for (size_t i = 0; i < end; i += L) take(i);
      return;
    }
#pragma GCC unroll 8
    for (size_t b = 0; b < blocks; b++) take(b * L);
  }
  template <size_t blocks, class Take>
  static INLINE void each_whole(Width width, Take take) {
    if constexpr (blocks == 0) {
      each_block<0>(width.whole, take);
    } else {
      each_block<blocks - 1>((blocks - 1) * L, take);
      if (!width.tail) take((blocks - 1) * L);
    }
  }

  // What there is of the maxima of row k of this group, or of the next.
  static INLINE void put_maxima(Peek& peek, T* quarter, size_t k, V maxima) {
    if (Op::writes_classes) return store_register(quarter + k * P, fold_max(maxima.r));
    store(peek.lanes + k * L, maxima);
  }
  V max_of_rows(Group& g) const {
    if (!g.peek.found) by_blocks([&](auto blocks) { find_maxima<blocks()>(g); });
    V column[P];
    if constexpr (!Op::writes_classes) {
      V max = splat<V>(T(-infinity));
      for (size_t c = 0; c < L; c += P) {
        load_panel(g.peek.lanes + c, L, g.count, column);
#pragma GCC unroll 4
        for (size_t j = 0; j < P; j++) max = max_number(column[j], max);
      }
      g.peek.found = false;
      return max;
    }
    load_panel(g.peek.found ? g.peek.quarter : g.quarter, P, g.count, column);
    g.peek.found = false;
    for (size_t j = 1; j < P; j++) column[0] = max_number(column[j], column[0]);
    return column[0];
  }
  template <size_t blocks>
  __attribute__((noinline)) void find_maxima(Group& g) const {
    const Width row = width;
    const T* x = g.x;
    for (size_t k = 0; k < g.count; k++, x += row.n) put_maxima(g.peek, g.quarter, k, maxima_of<blocks>(row, x));
  }
  template <size_t blocks>
  static INLINE V maxima_of(Width row, const T* x) {
    V max;
    if (blocks == 0) {
      max = row_maxima<V>(x, row.n);
    } else {
      max = splat<V>(T(-infinity));
      each_whole<blocks>(row, [&](size_t i) INLINE_LAMBDA { max = max_number(load<V>(x + i), max); });
      if (row.tail) max = max_number(load_first<V>(x + row.whole, row.tail, T(-infinity)), max);
    }
    return max;
  }

  bool exact() const { return sizeof(T) == 8 || n <= exact_terms<V>; }

  INLINE void put(Group& g, size_t k, const TermSum<V>& sum) const {
    const V taken = sum.taken(g.bias);
    store_register(g.rest + k * P, fold_add(sum.rest.r));
    if (exact()) return store_register(g.quarter + k * P, fold_add(taken.r));
    F64 wide[wides<V>];
    widen(taken, wide);
    store_register(g.taken + k * 2, fold_add(add(wide[0], wide[wides<V> - 1]).r));
  }

  // What reduce_add would have made of each row's block, a row per lane; and the factors that divide by it.
  INLINE void sums_of_rows(const Group& g, V& taken, V& rest, V& hi, V& lo) const {
    rest = sum_quarters<V>(g.rest, g.count);
    if (exact()) {
      taken = sum_quarters<V>(g.quarter, g.count);
      return invert<V>(taken, rest, hi, lo);
    }
    factor_of_quarters(g.taken, g.count, taken, rest, hi, lo);
  }

  Exp<V, false> exp_of(const Group& g, size_t k) const {
    return {op.scale, splat<V>(g.magic[k]), splat<V>(g.lower[k])};
  }

  INLINE void add_many(Group& g) const {
    const bool by_chunks = V::registers == 2 && n * sizeof(T) <= whole_group_bytes;
    for (size_t k = 0; k < g.count; k++) {
      const T* x = g.x + k * n;
      T* y = g.y + k * n;
      TermSum<V> sum(g.bias);
      if (by_chunks) {
        sum = add_chunks(x, y, exp_of(g, k), sum);
      } else if (k < g.peek.rows) {
        Next<V> next;
        next.x = x + g.count * n;
        sum_terms<V, false, true, peeks<V>>(x, n, exp_of(g, k), g.count * n, y, sum, &next);
        put_maxima(g.peek, g.peek.quarter, k, next.max);
      } else {
        sum_terms<V, false, true>(x, n, exp_of(g, k), half_group * n, y, sum);
      }
      put(g, k, sum);
    }
    g.peek.found = g.peek.rows > 0;
  }
  INLINE void add_unstored(Group& g) const {
    for (size_t k = 0; k < g.count; k++) {
      const T* x = g.x + k * n;
      const Exp<V, false> exp = exp_of(g, k);
      TermSum<V> sum(g.bias);
      Next<V> next;
      next.x = x + g.count * n;
      if (k < g.peek.rows) {
        sum_stretch<V, false, false, peeks<V>>(x, n, exp, nullptr, sum, &next);
        put_maxima(g.peek, g.peek.quarter, k, next.max);
      } else {
        sum_stretch<V, false, false>(x, n, exp, nullptr, sum);
      }
      put(g, k, sum);
    }
    g.peek.found = g.peek.rows > 0;
  }
  // As add_few does it: each_term is slow with the blocks that its groups leave over.
  INLINE TermSum<V> add_chunks(const T* x, T* y, const Exp<V, false>& exp, TermSum<V> sum) const {
    alignas(64) T t[most_reduced];
    const size_t whole = width.whole, tail = width.tail;
    for (size_t at = 0; at < whole; at += most_reduced) {
      const size_t end = whole - at < most_reduced ? whole : at + most_reduced;
      for (size_t i = at; i < end; i += L) {
        __builtin_prefetch(x + i + half_group * n);
        reduce_block(exp, x + i, t + (i - at), y + i);
      }
      for (size_t i = at; i < end; i += L) add_block(t + (i - at), y + i, sum);
    }
    if (tail) add_tail<V, false, true>(x + whole, tail, exp, y + whole, sum);
    return sum;
  }
  INLINE void scale_many(const Group& g) const {
    for (size_t k = 0; k < g.count; k++) normalize<V>(g.y + k * n, n, 1, {g.hi[k], g.lo[k]});
  }

  // Whether the first cache holds another group beside what one of rows of so many blocks needs there.
  static constexpr bool fits(size_t blocks) { return blocks <= 5; }

  // What is left of a row after whole blocks. Lanes without a class are 0 from here on; see softmax_blocks.
  static INLINE Reduced<V> reduce_tail(Width row, const T* x, const Exp<V, false>& exp, V ones) {
    const Reduced<V> reduced = exp.reduce(load_first<V>(x + row.whole, row.tail, T(-infinity)));
    return {mul(reduced.t, ones), reduced.r};
  }

  // Terms wait for their sums in whole blocks, in the first cache.
  template <size_t blocks>
  __attribute__((noinline)) void add_few(Group& g) const {
    if constexpr (blocks > most_waiting) return add_in_registers<blocks>(g);
    const Width row = width;
    const size_t count = g.count, peeked = g.peek.rows;
    const bool fetches = this->fetches;
    const V ones = load<V>(ones_before<V>(row.tail));
    const T* x = g.x;
    T *t = g.waiting, *r = g.terms;
    for (size_t k = 0; k < count; k++, x += row.n, t += row.padded, r += row.padded) {
      const Exp<V, false> exp = exp_of(g, k);
      if (fetches) fetch<false, fits(blocks)>(x + L * row.n, row.n);
      each_whole<blocks>(row, [&](size_t i) INLINE_LAMBDA { reduce_block(exp, x + i, t + i, r + i); });
      if (k < peeked) put_maxima(g.peek, g.peek.quarter, k, maxima_of<blocks>(row, x + count * row.n));
      if (!row.tail) continue;
      const Reduced<V> reduced = reduce_tail(row, x, exp, ones);
      store(t + row.whole, reduced.t), store(r + row.whole, reduced.r);
    }
    g.peek.found = peeked > 0;
    T* y = g.y;
    t = g.waiting, r = g.terms;
    for (size_t k = 0; k < count; k++, y += row.n, t += row.padded, r += row.padded) {
      if (fetches) fetch<true, fits(blocks)>(y, row.n);
      TermSum<V> sum(g.bias);
      each_block<blocks>(row.padded, [&](size_t i) INLINE_LAMBDA {
        const Term<V> e = finish_block<V>(t + i, r + i);
        blocks > 0 && i == 0 ? sum.add_first(e) : sum.add_term(e);
      });
      put(g, k, sum);
    }
  }
  // The same row by row, whose reduced logits wait in registers.
  template <size_t blocks>
  INLINE void add_in_registers(Group& g) const {
    const Width row = width;
    const size_t count = g.count, peeked = g.peek.rows;
    const bool fetches = this->fetches;
    const V ones = load<V>(ones_before<V>(row.tail));
    const T* x = g.x;
    T *y = g.y, *terms = g.terms;
    for (size_t k = 0; k < count; k++, x += row.n, y += row.n, terms += row.padded) {
      const Exp<V, false> exp = exp_of(g, k);
      if (fetches) {
        fetch<false, fits(blocks)>(x + L * row.n, row.n);
        fetch<true, fits(blocks)>(y, row.n);
      }
      Reduced<V> reduced[blocks];
      each_whole<blocks>(row, [&](size_t i) INLINE_LAMBDA { reduced[i / L] = exp.reduce(load<V>(x + i)); });
      if (row.tail) reduced[blocks - 1] = reduce_tail(row, x, exp, ones);
      if (k < peeked) put_maxima(g.peek, g.peek.quarter, k, maxima_of<blocks>(row, x + count * row.n));
      TermSum<V> sum(g.bias);
      each_block<blocks>(row.padded, [&](size_t i) INLINE_LAMBDA {
        const Term<V> e = exp.term(reduced[i / L]);
        store(terms + i, e.value());
        i == 0 ? sum.add_first(e) : sum.add_term(e);
      });
      put(g, k, sum);
    }
    g.peek.found = peeked > 0;
  }
  template <size_t blocks>
  __attribute__((noinline)) void scale_few(const Group& g) const {
    const Width row = width;
    const size_t count = g.count;
    const T* terms = g.terms;
    T* y = g.y;
    for (size_t k = 0; k < count; k++, y += row.n, terms += row.padded) {
      const V hi = splat<V>(g.hi[k]), lo = splat<V>(g.lo[k]);
      each_whole<blocks>(row, [&](size_t i) INLINE_LAMBDA { store(y + i, scaled(load<V>(terms + i), hi, lo)); });
      if (row.tail) store_first(y + row.whole, scaled(load<V>(terms + row.whole), hi, lo), row.tail);
    }
  }

  __attribute__((noinline)) void spread_nan(const Group& g, size_t row, V taken) const {
    alignas(64) T sum[L];
    store(sum, taken);
    for (size_t k = 0; k < g.count; k++) {
      if (sum[k] == sum[k]) continue;
      for (size_t i = 0; i < n; i++) g.y[k * n + i] = T(__builtin_nan(""));
      if (p.copied) op.solve(row + k);  // what is masked out is 0
    }
  }

  // The same for logarithms. Terms wait in the output where the op wants them: in place, a row could not be solved once more.
  bool solve_below(RowsBelow<V>& rows, AlongGroup<V, Op>& g, size_t row, size_t count, size_t left) const {
    const T* const x = static_cast<const T*>(p.x) + row * n;
    g.place(const_cast<T*>(x), 1, row, 1, count, false);
    g.beside = n, g.solvable = true;
    if (!rows.begin(g, x)) return false;
    op.begin(g);
    T* const terms = Op::wants_terms ? static_cast<T*>(p.out) + row * n : nullptr;
    rows.template add<Op::wants_terms>(x, count, peeks_at(count, left), terms);
    rows.put(g);
    end_groups(op, &g, 1);
    if (!g.solvable) return false;
    op.after(g);
    return true;
  }
};

}  // namespace UNITS
