// Rows of few classes, V::lanes rows at a time, a row per lane as in lanes.h. The compiler knows the number of classes: a
// step has no loop over them.
#pragma once
#include "columns.h"
#include "turned.h"

namespace UNITS {

// The rows that go together: of floats half a block where registers are few. More do not fit them, and are twice the code.
template <class V>
struct LanesOf {
  using Type = V;
};
#if FEW_REGISTERS
template <>
struct LanesOf<F32> {
  using Type = Half;
};
#endif
template <class V>
using FewLanes = typename LanesOf<V>::Type;

// `Whole`: the block of which V is a part, or all.
template <class V, class Op, class Whole = V>
struct FewClassesSoftmax {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, P = panel_columns<V>;
  // Up to here each class is a partial sum of its own (see TermSum). Panels are faster with more.
  static constexpr size_t most_classes = few_classes<Whole>;
  const Problem& p;
  const Op op;
  // With 11 to 13 classes, the hardware fetches as well or better.
  const bool fetches;
  // What hides classes: a number for each row, its length or the word of its bitmask; or null. `step`: 0 where one is for all.
  struct Hidden {
    const uint32_t* rows = nullptr;
    size_t step = 0;
    Hidden() = default;
    INLINE Hidden(const uint32_t* rows, size_t step) : rows(rows), step(step) {}
  };
  uint32_t shared[L];
  const Hidden hidden;

  explicit FewClassesSoftmax(const Problem& p)
      : p(p),
        op(p),
        fetches(is_large(p) && (p.length <= 10 || (p.length >= 14 && is_huge(p)))),
        hidden(hidden_in(p)) {}

  void solve(size_t begin, size_t end) const {
    if (knows_apart<Whole> && p.starts) return solve_apart(begin, end);
    if (p.length == 1) return solve_ones(begin, end);
    if (op.scale.extreme) return hidden.rows ? solve_alone(begin, end) : solve_in_lanes<Whole>(op, begin, end);
    solve_groups<most_classes>(begin, end);
  }

 private:
  // Rows that lie apart.
  void solve_apart(size_t begin, size_t end) const {
    if (p.length == 1 || op.scale.extreme) return solve_alone(begin, end);
    if constexpr (knows_apart<Whole>) solve_groups_apart<most_classes>(begin, end);
  }
  void solve_alone(size_t begin, size_t end) const {
    for (size_t r = begin; r < end; r++) op.solve(r);
  }
  void solve_ones(size_t begin, size_t end) const {
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.out);
    for (size_t i = begin; i < end; i++) y[i] = x[i] - x[i] == 0 ? T(1) : T(__builtin_nan(""));
  }

  // Groups that go through each step together: the latencies of one hide behind the others. Few classes keep the ports
  // busy for a fifth of the time that the steps of a row wait for each other.
  static constexpr size_t together(size_t classes) { return classes > 8 ? 4 : 8; }
  // Fewer from memory: else what is fetched for the next groups leaves the first cache before they come.
  static constexpr size_t fetched_together(size_t classes) { return classes > 10 ? 2 : classes > 4 ? 4 : 8; }

  // Rows of p.length <= N classes. Unless that would change logits, a group takes rows of the one before, so that
  // all are whole, and where rows fill registers start where lines of the cache do.
  template <size_t N>
  __attribute__((noinline)) void solve_groups(size_t begin, size_t end) const {
    if constexpr (N > 2) {
      if (p.length < N) return solve_groups<N - 1>(begin, end);
    }
    // A panel reads 16 bytes of each row: another row has to follow where that is too much.
    constexpr size_t more = N < P && !is_packed<V, N>;
    const size_t most = fetches ? fetched_together(N) : together(N);
    const bool overlaps = !is_in_place(p) && begin + L + more <= end;
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.out);
    while (begin + (overlaps ? 1 : L) + more <= end) {
      const size_t left = end - begin - more, whole = left / L + (overlaps && left % L > 0);
      const size_t groups = whole < most ? whole : most, count = groups * L < left ? groups * L : left;
      const size_t last = begin + count - L;
      const bool solved = solve_in_order<N>(x, y, InOrder{begin, last}, groups, hidden);
      for (size_t g = 0; !solved && g < groups; g++) {
        const size_t row = row_of_group(begin, g, last);
        if (groups > 1 && solve_in_order<N>(x, y, InOrder{row, row}, 1, hidden)) continue;
        solve_alone(row, row + L);
      }
      begin += count;
      if (is_packed<V, N> && overlaps && begin < end) begin -= rows_past_line<N>(y + begin * N);
    }
    if (begin < end) solve_few<N>(begin, end);
  }

  // What is left over of whole groups is a group in which the last row stands several times.
  template <size_t N>
  __attribute__((noinline)) void solve_groups_apart(size_t begin, size_t end) const {
    if constexpr (N > 2) {
      if (p.length < N) return solve_groups_apart<N - 1>(begin, end);
    }
    constexpr size_t most = together(N);
    const size_t count = end - begin;
    const T* x = static_cast<const T*>(p.x);
    T* y = static_cast<T*>(p.out);
    const uint32_t* const starts = p.starts + begin;
    uint32_t padded[L];
    const size_t tail = count % L, whole = count / L + (tail > 0);
    if (tail > 0) {
      for (size_t i = 0; i < L; i++) padded[i] = starts[count - tail + (i < tail ? i : tail - 1)];
    }
    for (size_t done = 0, groups; done < whole; done += groups) {
      groups = whole - done < most ? whole - done : most;
      At at = {};
      for (size_t g = 0; g < groups; g++) {
        at.starts[g] = (done + g + 1) * L <= count ? starts + (done + g) * L : padded;
      }
      if (solve_together<N, Hides::never>(x, y, at, groups, Hidden())) continue;
      for (size_t g = 0; g < groups; g++) {
        At one = {};
        one.starts[0] = at.starts[g];
        if (groups > 1 && solve_together<N, Hides::never>(x, y, one, 1, Hidden())) continue;
        const size_t from = (done + g) * L;
        solve_alone(begin + from, begin + (count - from < L ? count : from + L));
      }
    }
  }

  static INLINE size_t row_of_group(size_t first, size_t g, size_t last) {
    return first + g * L < last ? first + g * L : last;
  }

  template <size_t N>
  static size_t rows_past_line(const T* y) {
    const size_t past = reinterpret_cast<uintptr_t>(y) % block_bytes;
    return past % (N * sizeof(T)) ? 0 : past / (N * sizeof(T));
  }

  // Fewer rows than a group has, or as many: in a group of a copy, unless they are so few that they are done before.
  template <size_t N>
  __attribute__((noinline)) void solve_few(size_t begin, size_t end) const {
    const size_t count = end - begin;
    if (count > L / 8) {
      alignas(64) T copy[L * N + P] = {};
      T* y = static_cast<T*>(p.out) + begin * N;
      copy_blocks(copy, static_cast<const T*>(p.x) + begin * N, count * N);
      uint32_t rows[L] = {};
      for (size_t i = 0; hidden.rows && i < count; i++) rows[i] = hidden.rows[(begin + i) * hidden.step];
      if (solve_in_order<N>(copy, copy, InOrder{0, 0}, 1, Hidden{hidden.rows ? rows : nullptr, 1}))
        return copy_blocks(y, copy, count * N);
    }
    solve_alone(begin, end);
  }

  static INLINE void copy_blocks(T* to, const T* from, size_t count) {
    for (size_t i = 0; i < count; i += L) copy_few(to + i, from + i, count - i < L ? count - i : L);
  }

  Hidden hidden_in(const Problem& p) {
    if (p.lengths) return {p.lengths, 1};
    if (!p.bitmask || p.copied) return {};
    if (!p.bitmaskShared) return {p.bitmask, 1};
    for (uint32_t& word : shared) word = read_once(p.bitmask);
    return {shared, 0};
  }
  // -Infinity for the classes of each row that take no part.
  template <size_t N>
  INLINE void hide(const uint32_t* rows, V* v) const {
    const V none = splat<V>(T(-infinity));
    if constexpr (sizeof(T) == 4) {
      if (!p.lengths) {
        const V words = disordered<V, N>(load<V>(reinterpret_cast<const float*>(rows)));
#pragma GCC unroll 16
        for (size_t i = 0; i < N; i++) v[i] = keep_where(words, int(i), v[i], none);
        return;
      }
    }
    const V length = load_in_disorder<V, N>(reinterpret_cast<const int32_t*>(rows));
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) v[i] = select_greater(length, splat<V>(T(i)), v[i], none);
  }
  // Rows, as bits, that have any class.
  template <size_t N>
  INLINE uint32_t some_left(const uint32_t* rows) const {
    V any = splat<V>(T(0));
    if constexpr (sizeof(T) == 4) {
      if (!p.lengths) {
        const V words = disordered<V, N>(load<V>(reinterpret_cast<const float*>(rows))), one = splat<V>(T(1));
#pragma GCC unroll 16
        for (size_t i = 0; i < N; i++) any = keep_where(words, int(i), one, any);
        return mask_greater(any, splat<V>(T(0)));
      }
    }
    return mask_greater(load_in_disorder<V, N>(reinterpret_cast<const int32_t*>(rows)), any);
  }

  // The rows of groups: from `row` on, one behind the other, the last of which starts at row `last`; or where they are said to be.
  struct InOrder {
    static constexpr bool is_in_order = true;
    size_t row, last;
    template <size_t N>
    INLINE size_t start(size_t g) const {
      return row_of_group(row, g, last) * N;
    }
    template <size_t N>
    INLINE void load(const T* x, size_t g, V* v) const {
      load_rows<V, N>(x + start<N>(g), v);
    }
    template <size_t N>
    INLINE void store(T* y, size_t g, const V* v) const {
      store_rows<V, N>(y + start<N>(g), v);
    }
    // Of the group, and as far behind it as there are groups.
    template <size_t N, bool written>
    INLINE void come(const T* x, size_t g, size_t groups) const {
      written ? fetch<true>(x + start<N>(g), L * N) : fetch<false>(x + (row + (groups + g) * L) * N, L * N);
    }
  };
  struct At {
    static constexpr bool is_in_order = false;
    const uint32_t* starts[together(2)];
    template <size_t N>
    INLINE void load(const T* x, size_t g, V* v) const {
      load_rows_at<V, N>(x, starts[g], v);
    }
    template <size_t N>
    INLINE void store(T* y, size_t g, const V* v) const {
      store_rows_at<V, N>(y, starts[g], v);
    }
    template <size_t N, bool written>
    INLINE void come(const T*, size_t, size_t) const {}
  };

  // Whether a step hides classes. With few the compiler knows that: more would be twice the code for little.
  enum class Hides { never, always, maybe };
  template <size_t N>
  INLINE bool solve_in_order(const T* x, T* y, const InOrder& rows, size_t groups, Hidden hidden) const {
    if constexpr (N > 4 || !lanes_for_all) return solve_together<N, Hides::maybe>(x, y, rows, groups, hidden);
    return hidden.rows ? solve_together<N, Hides::always>(x, y, rows, groups, hidden)
                       : solve_together<N, Hides::never>(x, y, rows, groups, hidden);
  }

  // False, with nothing written, where a row needs more care (NaN, infinities, huge logits).
  template <size_t N, Hides hides, class Rows>
  __attribute__((noinline)) bool solve_together(const T* x, T* y, const Rows& rows, size_t groups,
                                                Hidden hidden) const {
    using E = ExpTraits<V>;
    constexpr size_t most = together(N);
    // `t` holds the logits of every class, then what they reduce to; `r` the reduced logits, then the terms. With three
    // arrays, stores to one delay loads of another on some stacks.
    alignas(64) T t[most][N][L], r[most][N][L];
    V hi[most], lo[most], sum[most], rest[most], least[most], top[most];
    LaneShift<V> shift[most];
    const T bias = bias_for<Whole>(N);
    // Whether -Infinity may stand for what takes no part.
    const bool kept = Rows::is_in_order && (hides == Hides::always || p.emptyRows || hidden.rows);
    const V none = splat<V>(T(-infinity));
    const auto hidden_of = [&](size_t g) INLINE_LAMBDA {
      if constexpr (Rows::is_in_order) return hidden.rows + rows.template start<N>(g) / N * hidden.step;
      return hidden.rows;
    };
    bool sound = true, all_live = true;
    for (size_t g = 0; g < groups; g++) {
      V v[N];
      rows.template load<N>(x, g, v);
      if constexpr (hides == Hides::always) hide<N>(hidden_of(g), v);
      V max = put_classes<V, N>(v, t[g][0]);
      if (hides == Hides::maybe && hidden.rows) {
        V shown[N];
#pragma GCC unroll 16
        for (size_t i = 0; i < N; i++) shown[i] = load<V>(t[g][i]);
        hide<N>(hidden_of(g), shown);
        max = put_classes<V, N>(shown, t[g][0]);
      }
      if (kept) top[g] = max, max = zero_if_equal(max, none, max);
      shift[g] = LaneShift<V>(max, op.scale, E::vanish);
      sound = sound && shift[g].reducible;
    }
    // Nothing but -Infinity is not nothing.
    for (size_t g = 0; hides != Hides::never && hidden.rows && g < groups; g++) {
      all_live = all_live && all_less(none, top[g]);
    }
    for (size_t g = 0; !all_live && g < groups; g++) {
      sound = sound && (some_left<N>(hidden_of(g)) & ~mask_greater(top[g], none)) == 0;
    }
    if (!sound) return false;
    for (size_t g = 0; g < groups; g++) {
      const Exp<V, false> exp(op.scale, shift[g].magic, shift[g].lower);
      if (fetches) rows.template come<N, true>(y, g, groups);
      if (kept) {
#pragma GCC unroll 16
        for (size_t i = 0; i < N; i++) reduce_kept_block(exp, t[g][i], t[g][i], r[g][i]);
      } else {
#pragma GCC unroll 16
        for (size_t i = 0; i < N; i++) reduce_block(exp, t[g][i], t[g][i], r[g][i]);
      }
    }
    for (size_t g = 0; g < groups; g++) {
      // Each class is a partial sum of its own (see TermSum), and the sum of what they take is exact.
      V smallest, taken, left[N];
      if (fetches) rows.template come<N, false>(x, g, groups);
#pragma GCC unroll 16
      for (size_t i = 0; i < N; i++) {
        const Term<V> e = finish_block<V>(t[g][i], r[g][i]);
        TermSum<V> one(bias);
        one.add_first(e);
        const V v = e.value();
        smallest = i > 0 ? min_number(v, smallest) : v;
        taken = i > 0 ? add(taken, one.taken(bias)) : one.taken(bias);
        left[i] = one.rest;
      }
      least[g] = smallest, sum[g] = taken,
      rest[g] = tree_of<Whole::lanes, N>([&](size_t i) INLINE_LAMBDA { return left[i]; });
      sound = sound && all_less(taken, splat<V>(T(infinity)));  // NaN
    }
    if (!sound) return false;
    for (size_t g = 0; g < groups; g++) invert<V>(sum[g], rest[g], hi[g], lo[g]);
    for (size_t g = 0; g < groups; g++) {
      if (kept) hi[g] = zero_if_equal(top[g], none, hi[g]), lo[g] = zero_if_equal(top[g], none, lo[g]);
      V out[N], limit;
      if constexpr (hides == Hides::always) {  // what is hidden has no term: rows are often alone
        limit = limit_of_shares(sum[g], rest[g], shift[g], op.scale);
      } else {
        make_ones(r[g][0], N, least[g], sum[g], rest[g], shift[g], op.scale, hi[g], lo[g]);
      }
#pragma GCC unroll 16
      for (size_t i = 0; i < N; i++) {
        out[i] = scaled(load<V>(r[g][i]), hi[g], lo[g]);
        if constexpr (hides == Hides::always) out[i] = select_greater(out[i], limit, splat<V>(1), out[i]);
      }
      rows.template store<N>(y, g, out);
    }
    return true;
  }
};

}  // namespace UNITS
