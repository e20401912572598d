// A row per lane: groups of V::lanes rows at once, for rows of few classes (transposed in registers on the way in
// and out) and for any axis but the last (neighbouring rows already lie side by side). Every class is one block
// operation, with nothing to reduce across lanes. The sums follow the order of LaneSum (class i goes to partial
// sum i % lanes, then the tree), so that the bits are those of a row scored alone.
#pragma once
#include "rows.h"

namespace {

constexpr size_t few_classes = 64;       // longest contiguous row worth transposing
constexpr size_t column_classes = 1024;  // longest row along another axis that is solved in lanes

template <class V>
constexpr size_t wides = V::lanes / F64::lanes;  // blocks of doubles to a block of V

// Adds up `live` partial sums as reduce_add adds up lanes: i and i + half, from half the lanes down.
template <size_t lanes, class V>
INLINE V tree(V* partial, size_t live) {
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i + half < live; i++) partial[i] = add(partial[i], partial[i + half]);
    if (live > half) live = half;
  }
  return partial[0];
}

// The sums of the terms of V::lanes rows, in LaneSum's order for each: class i goes to partial sum i % lanes, and
// the tree adds up those. Each partial sum is itself a block (or two, of doubles), a row per lane.
template <class V>
struct ClassSums;

template <>
struct ClassSums<F32> {
  F64 partial[2][F32::lanes];  // of rows 0 to 7, and 8 to 15

  INLINE void put(size_t i, LaneSum<F32> s) {
    s.end_run();
    partial[0][i] = s.lo, partial[1][i] = s.hi;
  }
  INLINE void total(size_t live, Wide<F64>* sum) {
    for (size_t w = 0; w < 2; w++) sum[w] = {tree<F32::lanes>(partial[w], live), splat<F64>(0)};
  }
};

template <>
struct ClassSums<F64> {
  F64 partial[F64::lanes], error[F64::lanes];

  INLINE void put(size_t i, const LaneSum<F64>& s) {
    partial[i] = sub(s.sum, splat<F64>(s.bias)), error[i] = s.error;
  }
  INLINE void total(size_t live, Wide<F64>* sum) {
    sum[0] = {tree<F64::lanes>(partial, live), tree<F64::lanes>(error, live)};
  }
};

template <class V>
struct LaneSolver {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, W = wides<V>;
  // Groups of short rows go through each step together, so that the latencies of a step overlap.
  static constexpr size_t most_groups = 8, column_groups = 4;
  const Problem& p;
  const RowSolver<V> rows;
  const size_t n;

  explicit LaneSolver(const Problem& p) : p(p), rows(p), n(p.length) {}

  // Whether this problem's rows can be solved in lanes.
  static bool suits(const Problem& p) {
    if (p.where || p.lengths || p.offsets || p.logNormalizer || p.length == 0) return false;
    return p.inner == 1 ? p.length <= few_classes : p.inner >= L / 4 && p.length <= column_classes;
  }

  void solve(size_t begin, size_t end) const {
    if (p.inner == 1) {
      alignas(64) T blocks[few_classes * L];
      solve_in(begin, end, blocks, few_classes / n);
    } else {
      // Neighbouring groups of columns share pages and lines next to each other.
      T* blocks = static_cast<T*>(__builtin_malloc(column_groups * n * L * sizeof(T) + 64));
      T* aligned = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(blocks) + 63) / 64 * 64);
      if (blocks) {
        solve_in(begin, end, aligned, column_groups);
      } else {
        for (size_t r = begin; r < end; r++) rows.solve(r);
      }
      __builtin_free(blocks);
    }
  }

 private:
  struct Group {
    size_t row, count;
    bool solvable;
    V max, top, magic, lower, count_of_max;
    ClassSums<V> sums;
    V hi, lo;  // softmax: the factor
    F64 log_sum
        [W];  // logSoftmax; for logSumExp, the result; for softmax, what the sum has beside its largest term
    bool has_singles = false;
  };

  void solve_in(size_t begin, size_t end, T* blocks, size_t room) const {
    Group group[most_groups];
    const size_t groups = room < most_groups ? room : most_groups;
    while (begin < end) {
      size_t g = 0;
      for (; g < groups && begin < end; g++) {
        size_t count = end - begin < L ? end - begin : L;
        const size_t beside = p.inner > 1 ? p.inner - begin % p.inner : count;
        group[g].row = begin;
        group[g].count = count < beside ? count : beside;
        // Stragglers are solved one by one, as are rows that hold NaN or infinities or huge logits.
        group[g].solvable = count > L / 8 && !rows.scale.extreme;
        begin += group[g].count;
      }
      load_groups(group, g, blocks);
      for (size_t i = 0; i < g; i++) {
        if (group[i].solvable) shift(group[i], blocks + i * n * L);
      }
      for (size_t i = 0; i < g; i++) {
        if (!group[i].solvable) continue;
        p.op == Op::softmax ? add_terms(group[i], blocks + i * n * L)
                            : add_terms_below(group[i], blocks + i * n * L);
      }
      for (size_t i = 0; i < g; i++) {
        if (group[i].solvable) p.op == Op::softmax ? normalizer(group[i]) : logarithm(group[i]);
      }
      for (size_t i = 0; i < g; i++) {
        if (group[i].solvable) emit(group[i], blocks + i * n * L);
      }
      if (p.op != Op::logSumExp) store_groups(group, g, blocks);
      for (size_t i = 0; i < g; i++) {
        if (!group[i].solvable) {
          for (size_t r = 0; r < group[i].count; r++) rows.solve(group[i].row + r);
        } else if (p.op == Op::softmax && group[i].has_singles && p.outType == type_of<T>) {
          polish(group[i]);
        }
      }
    }
  }

  INLINE void load_groups(const Group* group, size_t count, T* blocks) const {
    if (p.inner == 1) {
      for (size_t i = 0; i < count; i++) {
        if (group[i].solvable) load_rows(group[i].row, group[i].count, blocks + i * n * L);
      }
    } else {
      for (size_t c = 0; c < n; c++) {
        for (size_t i = 0; i < count; i++) load_column(group[i], c, blocks + (i * n + c) * L);
      }
    }
  }

  INLINE void store_groups(const Group* group, size_t count, const T* blocks) const {
    if (p.inner == 1) {
      for (size_t i = 0; i < count; i++) {
        if (group[i].solvable) store_rows(group[i].row, group[i].count, blocks + i * n * L);
      }
    } else {
      for (size_t c = 0; c < n; c++) {
        for (size_t i = 0; i < count; i++) {
          if (group[i].solvable) store_column(group[i], c, blocks + (i * n + c) * L);
        }
      }
    }
  }

  // Finds the maxima of a group, and the shifts for them.
  INLINE void shift(Group& g, const T* x) const {
    using E = ExpTraits<V>;
    V max = load<V>(x);
    for (size_t i = 1; i < n; i++) max = max_number(load<V>(x + i * L), max);
    const double vanish = p.op == Op::softmax ? E::vanish : E::log_vanish;
    const V z = mul(max, splat<V>(T(rows.scale.c))), whole = splat<V>(T(sizeof(T) == 4 ? 0x1.8p23 : 0x1.8p52));
    const V top = sub(add(z, whole), whole);
    g.solvable = all_less(absolute(z), splat<V>(T(E::reducible)));
    g.max = max;
    g.top = top;
    // Whole numbers below 2^23 throughout: exact.
    g.magic = add(splat<V>(T(E::magic)), mul(splat<V>(T(E::steps)), sub(splat<V>(T(E::offset)), top)));
    g.lower = mul(sub(top, splat<V>(T(vanish))), splat<V>(T(rows.scale.c_inverse)));
  }

  // Hands classes i, i + L, ... to take(class), run by run, for every partial sum i in turn: it then stays in
  // registers.
  template <class Take>
  INLINE void each_partial(ClassSums<V>& sums, Take take) const {
    constexpr size_t run = LaneSum<V>::run * L;
    for (size_t i = 0; i < L && i < n; i++) {
      LaneSum<V> sum;
      size_t c = i;
      for (; c / run < n / run; sum.end_run()) {
        for (const size_t end = c + run; c < end; c += L) sum.add_term(take(c));
      }
      for (; c < n; c += L) sum.add_term(take(c));
      sums.put(i, sum);
    }
  }

  INLINE void add_terms(Group& g, T* x) const {
    const Exp<V, false> exp(rows.scale, g.magic, g.lower);
    each_partial(g.sums, [&](size_t c) INLINE_LAMBDA {
      const Term<V> e = exp.term(load<V>(x + c * L));
      store(x + c * L, e.value());
      return e;
    });
  }

  INLINE void add_terms_below(Group& g, const T* x) const {
    const Exp<V, false> exp(rows.scale, g.magic, g.lower);
    V count = splat<V>(0);
    each_partial(g.sums, [&](size_t c) INLINE_LAMBDA {
      const V v = load<V>(x + c * L);
      Term<V> e = exp.term(v);
      e.t = zero_if_equal(v, g.max, e.t);
      count = count_if_equal(v, g.max, count);
      return e;
    });
    g.count_of_max = count;
  }

  INLINE void normalizer(Group& g) const {
    Wide<F64> sum[W];
    g.sums.total(n < L ? n : L, sum);
    for (size_t w = 0; w < W; w++) {
      g.solvable = g.solvable && all_less(sum[w].hi, splat<F64>(__builtin_inf()));  // not if NaN
    }
    factor(sum, g.hi, g.lo);
    if (sizeof(T) == 8) return;
    // See make_one in rows.h.
    const Term<V> e = Exp<V, false>(rows.scale, g.magic, g.lower).term(g.max);
    F64 t[W], small[W];
    widen(e.t, t), widen(mul(e.t, e.p), small);
    g.has_singles = false;
    for (size_t w = 0; w < W; w++) {
      g.log_sum[w] = sub(sum[w].hi, add(t[w], small[w]));
      g.has_singles = g.has_singles || !all_less(splat<F64>(0), g.log_sum[w]);
    }
  }

  INLINE void logarithm(Group& g) const {
    F64 count[W], max[W], top[W];
    Wide<F64> rest[W];
    widen(g.count_of_max, count);
    widen(g.max, max);
    widen(g.top, top);
    g.sums.total(n < L ? n : L, rest);
    for (size_t w = 0; w < W; w++) {
      g.solvable = g.solvable && all_less(rest[w].hi, splat<F64>(__builtin_inf()));
      g.log_sum[w] = log_of_sum(rest[w], count[w], term_of_max<V>(max[w], top[w], rows.scale64));
      if (p.op != Op::logSumExp) continue;
      const F64 value = log_sum_exp(max[w], g.log_sum[w], rows.scale64);
      // See RowSolver::logSumExp; strictly less, but for a last bit.
      const F64 least = mul(g.log_sum[w], splat<F64>(1 - 0x1p-50));
      if (sizeof(T) == 4) g.solvable = g.solvable && all_less(least, absolute(value));
      g.log_sum[w] = value;
    }
  }

  // Turns terms, or logits, into results.
  INLINE void emit(const Group& g, T* x) const {
    if (p.op == Op::logSumExp) {
      alignas(64) T value[L];
      store(value, narrow(g.log_sum, V()));
      return Sink{static_cast<char*>(p.out), p.outType, 1}.copy(g.row, g.count, value);
    }
    if (p.op == Op::softmax) {
      for (size_t i = 0; i < n; i++) store(x + i * L, scaled(load<V>(x + i * L), g.hi, g.lo));
    } else {
      F64 max[W];
      widen(g.max, max);
      for (size_t w = 0; w < W; w++) {
        const LogProbability<T> log_of(max[w], g.log_sum[w], p.temperature, rows.scale64);
        for (size_t i = w * F64::lanes; i < n * L; i += L) RowSolver<V>::logs(x + i, x + i, F64::lanes, log_of);
      }
    }
  }

  void polish(const Group& g) const {
    alignas(64) double beside[L];
    for (size_t w = 0; w < W; w++) store(beside + w * F64::lanes, g.log_sum[w]);
    for (size_t i = 0; i < g.count; i++) {
      if (beside[i] == 0) make_one(reinterpret_cast<T*>(sink_of(p, p.out, p.outType, g.row + i).data), n, p.inner);
    }
  }

  // Rows of n classes to one block per class, and back.
  INLINE void load_rows(size_t row, size_t count, T* blocks) const {
    constexpr size_t P = panel_columns<V>;
    alignas(64) T buffer[few_classes * L + P];
    const Source flat = {static_cast<const char*>(p.x), p.type, 1, nullptr, 0, count * n};
    const T* x = flat.fetch(row * n, count * n, buffer);
    if (n < P) {  // a panel reads 16 bytes of each row
      if (x != buffer) __builtin_memcpy(buffer, x, count * n * sizeof(T));
      x = buffer;
    }
    for (size_t i = 0; i < n; i += P) {
      if (n >= P && i + P > n) i = n - P;
      V column[P];
      load_panel(x + i, n, count, column);
      for (size_t j = 0; j < P && i + j < n; j++) store(blocks + (i + j) * L, column[j]);
    }
  }

  INLINE void store_rows(size_t row, size_t count, const T* blocks) const {
    constexpr size_t P = panel_columns<V>;
    alignas(64) T buffer[few_classes * L + P];
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    T* y = n < P ? buffer : out.place(row * n, buffer);
    for (size_t i = 0; i < n; i += P) {
      if (n >= P && i + P > n) i = n - P;
      V column[P];
      for (size_t j = 0; j < P; j++) column[j] = load<V>(blocks + (i + j < n ? i + j : 0) * L);
      store_panel(y + i, n, count, column);
    }
    if (y == buffer) out.copy(row * n, count * n, buffer);
  }

  // Neighbouring rows along another axis to one block per class, and back.
  INLINE void load_column(const Group& g, size_t c, T* block) const {
    alignas(64) T buffer[L];
    const Source flat = {static_cast<const char*>(p.x), p.type, 1, nullptr, 0, g.count};
    const T* x = flat.fetch(start_of(p, g.row) + c * p.inner, g.count, buffer);
    store(block, g.count == L ? load<V>(x) : load_first<V>(x, g.count, 0));
  }

  INLINE void store_column(const Group& g, size_t c, const T* block) const {
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    const size_t at = start_of(p, g.row) + c * p.inner;
    if (!out.direct<T>()) return out.copy(at, g.count, block);
    T* y = reinterpret_cast<T*>(out.data) + at;
    g.count == L ? store(y, load<V>(block)) : store_first(y, load<V>(block), g.count);
  }
};

}  // namespace
