// Groups of rows that differ: in length, in where they lie, in which classes take part. Each goes along its own blocks, as in
// blocks.h; what is done once per row goes into lanes:
//
//   row 0:  a0 a1 a2 .. a15   a16 -- --          kept  1 0 1 .. 1   1 0 0
//   row 1:  b0 b1 -- --                          kept  1 1 0 .. 0             the maximum, the sum, the factor of every
//   row 2:  c0 c1 c2 .. c15   c16 c17 ..         kept  1 1 1 .. 1   1 1 1     row, a row per lane
//
// For softmax. A term that takes no part is 0, so that nothing underflows later.
#pragma once
#include "kept.h"
#include "ragged_lanes.h"

namespace UNITS {

template <class V, class Op>
struct Varied {
  using T = typename V::Scalar;
  using Bits = BitsOf<V>;
  static constexpr size_t L = V::lanes, P = panel_columns<V>;
  static constexpr size_t half_group = F64::lanes;
  static constexpr size_t most_waiting =
      UNITS::most_reduced<V>;  // terms of shorter rows wait in a buffer, in whole blocks
  static constexpr size_t whole_group_bytes = 1024;
  static constexpr size_t most_blocks = grouped_classes / L;
  const Problem& p;
  const Op op;
  const bool fetches, is_marked, is_even;
  const size_t group;

  explicit Varied(const Problem& p)
      : p(p),
        op(p),
        fetches(is_large(p)),
        is_marked(p.where || p.bitmask),
        is_even(!p.offsets && p.length <= most_waiting),
        group(mean_length(p) * sizeof(T) > whole_group_bytes ? half_group : L) {}

  void solve(size_t begin, size_t end) const {
    if (op.scale.extreme) return solve_alone(begin, end);
    alignas(64) Group g;
    alignas(64) Set set[2];
    const Source last = source_of(p, end - 1);
    const T* const limit = reinterpret_cast<const T*>(last.data) + full_length(p, last);
    RaggedLanes<V, Op> lanes(op, limit);
    const bool is_ragged = p.offsets && !is_marked;
    bool is_gathered = false;
    for (size_t row = begin, turn = 0, count; row < end && !(row > begin && is_set(p.cancelled)); row += count) {
      count = lesser(L, end - row);
      if (is_ragged && lanes.read(row, count)) {
        if (!lanes.solve(row, count)) solve_alone(row, row + count);
        is_gathered = false;
        continue;
      }
      Set &own = set[turn], &next = set[turn ^= 1];
      count = lesser(group, end - row);
      if (!is_gathered) gather(own, row, count, limit);
      is_gathered = row + count < end;
      next.count = 0;
      if (is_gathered) gather(next, row + count, lesser(group, end - row - count), limit);
      place(g, own);
      if (!solve_group(g, own, next)) solve_alone(row, row + count);
    }
  }

 private:
  // Shorter rows are read and written in whole blocks, of which `kept` says what is theirs: no branch depends on where they end. What
  // is written too much is the next row's, which is written then.
  struct Row {
    const T* x;
    T* y;
    T* terms;
    const Bits* kept;
    size_t n, length, blocks,
        padding;   // elements, those that are there; blocks that wait; elements behind that become 0
    bool is_last;  // whole blocks would reach too far
  };
  // Rows that are solved together, and as much of the next ones as their maxima, where those were found on the way.
  struct Set {
    alignas(64) Bits kept[L * most_blocks];
    alignas(64) T quarter[L * P];  // of the maximum
    Row row[L];
    size_t first, count = 0, span, longest;
    uint32_t shorts, found;  // rows whose sum is exact in T; whose maximum is known
  };
  struct Group {
    alignas(64) T terms[L * most_waiting];
    alignas(64) T magic[L], lower[L], bias[L], hi[L], lo[L];
    alignas(64) T quarter[L * P];     // of what the sum has taken (see TermSum)
    alignas(64) T rest[L * P];        // of what that leaves
    alignas(64) double taken[L * 2];  // where the sum is not exact in T
    bool exact;                       // it is of all rows
  };

  static size_t mean_length(const Problem& p) { return p.offsets ? p.elements / p.outer : p.length; }

  void solve_alone(size_t begin, size_t end) const {
    for (size_t r = begin; r < end; r++) op.solve(r);
  }

  // `limit`: where the rows that may be read end.
  void gather(Set& s, size_t first, size_t count, const T* limit) const {
    s.first = first, s.count = count, s.found = 0;
    is_even ? gather_even(s, limit) : gather_each(s, limit);
    s.span = size_t(s.row[count - 1].x - s.row[0].x) + s.longest;
  }
  void gather_each(Set& s, const T* limit) const {
    Bits* kept = s.kept;
    size_t longest = 0;
    uint32_t shorts = 0;
    for (size_t k = 0; k < s.count; k++) {
      const Source source = source_of(p, s.first + k);
      Row row;
      const size_t n = source.length <= grouped_classes ? source.length : 0;  // longer ones are solved alone
      row.x = reinterpret_cast<const T*>(source.data);
      row.y = static_cast<T*>(p.out) + (row.x - static_cast<const T*>(p.x));
      row.n = row.length = n;
      row.padding = source.length == n ? full_length(p, source) - n : 0;
      if (n <= most_waiting) {
        row.blocks = (n + L - 1) / L;
        row.kept = mark(source, n, n, kept);
        row.is_last = row.x + row.blocks * L > limit;
      } else {
        row.blocks = 0, row.is_last = false;
        row.kept = is_marked ? kept_of<V>(source, 0, n, kept) : all_kept<V>();
      }
      if (row.kept == kept) kept += (n + L - 1) / L;
      shorts |= uint32_t(n <= exact_terms<V>) << k;
      if (n > longest) longest = n;
      s.row[k] = row;
    }
    s.longest = longest, s.shorts = shorts;
  }
  // Short rows that follow each other, whatever is there of each: all are as long.
  void gather_even(Set& s, const T* limit) const {
    const size_t n = p.length, blocks = (n + L - 1) / L, first = s.first, count = s.count;
    const T* x = static_cast<const T*>(p.x) + first * n;
    T* y = static_cast<T*>(p.out) + first * n;
    const uint32_t* const lengths = p.lengths ? p.lengths + first : nullptr;
    Row* row = s.row;
    uint32_t shorts = 0;
    const Bits* kept = nullptr;  // of the first row; nothing hides classes but one mask, in whole blocks
    size_t apart = 0;
    if (is_marked && !p.lengths && n % L == 0) {
      const Source source = source_of(p, first);
      const bool shared = source.mask ? p.whereShared : p.bitmaskShared;
      if (!source.mask || !source.words) {
        kept = kept_of<V>(source, 0, source.mask && !shared ? count * n : n, s.kept);
        apart = shared ? 0 : blocks;
        if (!source.mask && !shared) apart = p.words() * (sizeof(uint32_t) / sizeof(Bits));
      }
    }
    for (size_t k = 0; k < count; k++, row++, x += n, y += n) {
      const size_t length = lengths ? lesser(read_once(lengths + k), n) : n;
      row->x = x, row->y = y, row->n = n, row->length = length;
      row->blocks = blocks, row->padding = 0, row->is_last = x + blocks * L > limit;
      row->kept = kept        ? kept + k * apart
                  : is_marked ? mark(source_of(p, first + k), n, length, s.kept + k * blocks)
                              : first_kept<V>(length);
      shorts |= uint32_t(length <= exact_terms<V>) << k;
    }
    s.longest = n, s.shorts = shorts;
  }
  void place(Group& g, Set& s) const {
    g.exact = sizeof(T) == 8 || s.longest <= exact_terms<V>;
    if (is_even && !p.lengths) {
      store(g.bias, splat<V>(bias_for<V>(p.length)));
    } else {
      for (size_t k = 0; k < L; k++) g.bias[k] = bias_for<V>(k < s.count ? s.row[k].length : 1);
    }
    for (size_t k = 0; k < s.count; k++) {
      Row& row = s.row[k];
      row.terms = row.n <= most_waiting ? g.terms + k * most_waiting : row.y;
      if (!row.is_last) continue;
      copy(row.terms, row.x, row.n);
      row.x = row.terms;
    }
  }
  static void copy(T* to, const T* from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = from[i];
  }
  // What is kept of a short row of `full` elements, of which `length` are there.
  INLINE const Bits* mark(const Source& source, size_t full, size_t length, Bits* bits) const {
    if (!is_marked) return first_kept<V>(length);
    if (!source.mask && full == length && full % L == 0) return reinterpret_cast<const Bits*>(source.words);
    mark_kept<V>(source, 0, length, bits);
    for (size_t i = (length + L - 1) / L; i * L < full; i++) bits[i] = 0;
    return bits;
  }

  // False, with nothing written, where a row needs more care (infinities, huge logits).
  bool solve_group(Group& g, Set& s, Set& next) const {
    const V none = splat<V>(T(-infinity));
    find_maxima(s);
    V column[P];
    load_panel(s.quarter, P, s.count, column);
    for (size_t j = 1; j < P; j++) column[0] = max_number(column[j], column[0]);
    const uint32_t all = (1u << s.count) - 1, live = mask_greater(column[0], none), dead = ~live & all;
    column[0] = keep(live, column[0], splat<V>(T(0)));  // also of lanes without a row
    const LaneShift<V> shift(column[0], op.scale, ExpTraits<V>::vanish);
    if (!shift.reducible) return false;
    store(g.magic, shift.magic), store(g.lower, shift.lower);
    if (dead) leave(s, dead);
    add_rows(g, s, next);
    V taken, rest, hi, lo;
    sums_of_rows(g, s, taken, rest, hi, lo);
    store(g.hi, hi), store(g.lo, lo);
    // Terms of long rows wait where the row before them would write; and rows that are left are read once more.
    const Row& last = s.row[s.longest > most_waiting || dead ? 0 : s.count - 1];
    const T* const limit = last.y + last.n;
    bool scaled = false;
    if constexpr (knows_blocks) {
      scaled = is_even && !g.exact && !dead;
      if (scaled) by_blocks(s, [&](auto blocks) { scale_even_rows<blocks()>(g, s, limit); });
    }
    if (!scaled) scale_rows(g, s, limit);
    for (uint32_t left = dead; left; left &= left - 1) op.solve(s.first + size_t(__builtin_ctz(left)));

    uint32_t alone = alone_in_sum(taken, rest, shift, op.scale, load<V>(g.bias)) & all & ~dead;
    for (; alone; alone &= alone - 1) {
      const Row& row = s.row[__builtin_ctz(alone)];
      make_one(row.y, row.n, 1);
    }
    if (!all_less(taken, splat<V>(T(infinity)))) spread_nan(s, taken, dead);
    return true;
  }

  // Rows of which nothing is left, or nothing but -Infinity or NaN: they are not written, nor may the ones before.
  void leave(Set& s, uint32_t dead) const {
    for (; dead; dead &= dead - 1) {
      Row& row = s.row[__builtin_ctz(dead)];
      row.n = 0, row.blocks = 0, row.padding = 0;
    }
  }

  __attribute__((noinline)) void find_maxima(Set& s) const {
    for (size_t k = 0; k < s.count; k++) {
      if (s.found >> k & 1) continue;
      const Row& row = s.row[k];
      const V max = kept_maxima<V>(row.x, row.blocks > 0 ? row.blocks * L : row.n, row.kept);
      store_register(s.quarter + k * P, fold_max(max.r));
    }
  }

  void add_rows(Group& g, const Set& s, Set& next) const {
    // Short rows from memory would be peeked at before they have come.
    const bool peeking =
        peeks<V> && is_even && next.count == s.count && !next.row[next.count - 1].is_last && !is_huge(p);
    if constexpr (knows_blocks) {
      if (peeking && g.exact == (sizeof(T) == 8))
        return by_blocks(s, [&](auto blocks) { add_even_rows<blocks()>(g, s, next); });
    }
    if (s.longest <= most_waiting)
      return peeking ? add_short_rows<peeks<V>>(g, s, next) : add_short_rows<false>(g, s, next);
    for (size_t k = 0; k < s.count; k++) add_row(g, s, next, k);
  }
  INLINE void put(Group& g, size_t k, V taken, V rest, bool exact) const {
    store_register(g.rest + k * P, fold_add(rest.r));
    if (exact) return store_register(g.quarter + k * P, fold_add(taken.r));
    F64 wide[wides<V>];
    widen(taken, wide);
    store_register(g.taken + k * 2, fold_add(add(wide[0], wide[wides<V> - 1]).r));
  }
  template <bool peeking>
  __attribute__((noinline)) void add_short_rows(Group& g, const Set& s, Set& next) const {
    const size_t count = s.count, ahead = fetches ? s.span : 0;
    const bool exact = g.exact;
    for (size_t k = 0; k < count; k++) {
      const Row& row = s.row[k];
      const V bias = splat<V>(g.bias[k]);
      TermSum<V> sum(bias);
      if (ahead) fetch<true>(row.y, row.n);
      Next<V> found;
      found.x = next.row[k].x;
      add_kept<V, false, peeking, true>(row.x, row.blocks * L, row.kept, exp_of(g, k), row.terms, sum, ahead,
                                        &found, next.row[k].kept);
      if (peeking) store_register(next.quarter + k * P, fold_max(found.max.r));
      put(g, k, sum.taken(bias), sum.rest, exact);
    }
    if (peeking) next.found = ~0u;
  }
  // Equal rows of 3 to 8 blocks, where the compiler knows how many: as AlongBlocks adds them up in registers.
  static constexpr bool knows_blocks = V::registers == 1 && sizeof(T) == 4;
  template <size_t count>
  struct Blocks {
    constexpr size_t operator()() const { return count; }
  };
  template <class Step>
  static INLINE void by_blocks(const Set& s, Step step) {
    switch ((s.longest + L - 1) / L) {
      case 3: return step(Blocks<3>());
      case 4: return step(Blocks<4>());
      case 5: return step(Blocks<5>());
      case 6: return step(Blocks<6>());
      case 7: return step(Blocks<7>());
      default: return step(Blocks<8>());
    }
  }
  template <size_t blocks>
  __attribute__((noinline)) void add_even_rows(Group& g, const Set& s, Set& next) const {
    const size_t count = s.count, ahead = fetches ? s.span : 0;
    const V none = splat<V>(T(-infinity));
    for (size_t k = 0; k < count; k++) {
      const Row& row = s.row[k];
      const V bias = splat<V>(g.bias[k]);
      const T *const x = row.x, *const other = next.row[k].x;
      const Bits *const kept = row.kept, *const other_kept = next.row[k].kept;
      T* const terms = row.terms;
      const Exp<V, false> exp = exp_of(g, k);
      if (ahead) {
#pragma GCC unroll 8
        for (size_t b = 0; b < blocks; b++) fetch<true>(row.y + b * L, 1), fetch<false>(x + ahead + b * L, 1);
      }
      Reduced<V> reduced[blocks];
      V max = none;
#pragma GCC unroll 8
      for (size_t b = 0; b < blocks; b++) reduced[b] = exp.reduce(load<V>(x + b * L), kept[b]);
#pragma GCC unroll 8
      for (size_t b = 0; b < blocks; b++) max = keep(other_kept[b], max_number(load<V>(other + b * L), max), max);
      store_register(next.quarter + k * P, fold_max(max.r));
      TermSum<V> sum(bias);
#pragma GCC unroll 8
      for (size_t b = 0; b < blocks; b++) {
        const Term<V> e = exp.term(reduced[b]);
        store(terms + b * L, e.value());
        b == 0 ? sum.add_first(e) : sum.add_term(e);
      }
      put(g, k, sum.taken(bias), sum.rest, false);
    }
    next.found = ~0u;
  }
  INLINE Exp<V, false> exp_of(const Group& g, size_t k) const {
    return {op.scale, splat<V>(g.magic[k]), splat<V>(g.lower[k])};
  }
  __attribute__((noinline)) void add_row(Group& g, const Set& s, Set& next, size_t k) const {
    const Row& row = s.row[k];
    const size_t ahead = fetches ? s.span : 0;
    const V bias = splat<V>(g.bias[k]);
    TermSum<V> sum(bias);
    if (row.blocks > 0) {
      add_kept<V, false, false, true>(row.x, row.blocks * L, row.kept, exp_of(g, k), row.terms, sum, ahead);
    } else if (row.n > 0) {
      add_long(row, k, next, exp_of(g, k), sum, ahead);
    }
    put(g, k, sum.taken(bias), sum.rest, g.exact);
  }
  INLINE void add_long(const Row& row, size_t k, Set& next, const Exp<V, false>& exp, TermSum<V>& sum,
                       size_t ahead) const {
    const bool peeking = peeks<V> && k < next.count && next.row[k].n == row.n;
    if (!peeking) return sum_kept<V, false, false>(row.x, row.n, row.kept, exp, row.terms, sum, ahead);
    Next<V> found;
    found.x = next.row[k].x;
    sum_kept<V, false, peeks<V>>(row.x, row.n, row.kept, exp, row.terms, sum, ahead ? ahead + fetch_distance : 0,
                                 &found, next.row[k].kept);
    store_register(next.quarter + k * P, fold_max(found.max.r));
    next.found |= 1u << k;
  }

  // As they would be if each row were alone.
  INLINE void sums_of_rows(const Group& g, const Set& s, V& taken, V& rest, V& hi, V& lo) const {
    rest = sum_quarters<V>(g.rest, s.count);
    if (g.exact) {
      taken = sum_quarters<V>(g.quarter, s.count);
      return invert<V>(taken, rest, hi, lo);
    }
    factor_of_quarters(g.taken, s.count, taken, rest, hi, lo);
    if (!s.shorts) return;
    V short_hi, short_lo;
    invert<V>(taken, rest, short_hi, short_lo);
    hi = keep(s.shorts, short_hi, hi), lo = keep(s.shorts, short_lo, lo);
  }

  // `limit`: up to where whole blocks may be written.
  __attribute__((noinline)) void scale_rows(const Group& g, const Set& s, const T* limit) const {
    for (size_t k = 0; k < s.count; k++) {
      const Row row = s.row[k];
      if (row.blocks > 0) {
        const V hi = splat<V>(g.hi[k]), lo = splat<V>(g.lo[k]);
        const size_t end = row.blocks * L, whole = row.y + end <= limit ? end : row.n / L * L;
        for (size_t i = 0; i < whole; i += L) store(row.y + i, scaled(load<V>(row.terms + i), hi, lo));
        if (whole < row.n) store_first(row.y + whole, scaled(load<V>(row.terms + whole), hi, lo), row.n - whole);
      } else if (row.n > 0) {
        normalize<V>(row.y, row.n, 1, {g.hi[k], g.lo[k]});
      }
      for (size_t i = 0; i < row.padding; i++) row.y[row.n + i] = 0;
    }
  }

  // The same of rows that add_even_rows takes, all of which are there.
  template <size_t blocks>
  __attribute__((noinline)) void scale_even_rows(const Group& g, const Set& s, const T* limit) const {
    const size_t n = s.longest, count = s.count, before = (blocks - 1) * L;
    const T* terms = g.terms;
    T* y = s.row[0].y;
    for (size_t k = 0; k < count; k++, y += n, terms += most_waiting) {
      const V hi = splat<V>(g.hi[k]), lo = splat<V>(g.lo[k]);
#pragma GCC unroll 8
      for (size_t i = 0; i < before; i += L) store(y + i, scaled(load<V>(terms + i), hi, lo));
      const V last = scaled(load<V>(terms + before), hi, lo);
      y + blocks* L <= limit ? store(y + before, last) : store_first(y + before, last, n - before);
    }
  }

  __attribute__((noinline)) void spread_nan(const Set& s, V taken, uint32_t dead) const {
    alignas(64) T sum[L];
    store(sum, taken);
    for (size_t k = 0; k < s.count; k++) {
      if (sum[k] == sum[k] || (dead >> k & 1)) continue;
      for (size_t i = 0; i < s.row[k].n; i++) s.row[k].y[i] = T(__builtin_nan(""));
      op.solve(s.first + k);  // what is masked out is 0
    }
  }
};

}  // namespace UNITS
