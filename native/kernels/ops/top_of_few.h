// topK of so few classes that the compiler knows their number: their probabilities are worked out as softmax does it, in the
// steps of FewClassesSoftmax (shapes/few_classes_softmax.h), and then sorted with their logits and classes, in registers.
#pragma once
#include "../shapes/columns.h"
#include "top_few.h"
#include "top_one.h"

namespace UNITS {

template <class V>
struct TopOfFew : TopFew<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, TopInLanes<V>::L;
  static constexpr size_t most_classes = 4;
  const bool fetches;
  explicit TopOfFew(const Problem& p) : TopFew<V>(p), fetches(is_large(p)) {}

  static bool fits(const Problem& p) {
    return p.inner == 1 && p.type == type_of<T> && p.outType == type_of<T> && p.length >= 2 &&
           p.length <= most_classes;
  }

  void solve(size_t begin, size_t end) const {
    if (!scale.extreme) begin = solve_whole<most_classes>(begin, end);
    if (begin < end) solve_rest(begin, end);
  }

 private:
  // Groups that go through each step together: the latencies of one hide behind the others.
  static constexpr size_t most_groups = 8;

  void solve_rest(size_t begin, size_t end) const {
    if (p.k == 1) return solve_in_lanes<V>(TopOne<V>(p), begin, end);
    solve_in_lanes<V>(static_cast<const TopFew<V>&>(*this), begin, end);
  }

  // Whole groups of rows of p.length <= N classes; returns the first row that is left.
  template <size_t N>
  size_t solve_whole(size_t begin, size_t end) const {
    if constexpr (N > 2) {
      if (p.length < N) return solve_whole<N - 1>(begin, end);
    }
    const T* x = static_cast<const T*>(p.x);
    while (begin + L + rows_beyond<V, N> <= end) {
      const size_t whole = (end - begin - rows_beyond<V, N>) / L,
                   groups = whole < most_groups ? whole : most_groups;
      if (!solve_groups<N>(x + begin * N, begin, groups)) solve_rest(begin, begin + groups * L);
      begin += groups * L;
    }
    return begin;
  }

  // False, with nothing written, where a row needs more care (NaN, infinities, huge logits).
  template <size_t N>
  __attribute__((noinline)) bool solve_groups(const T* x, size_t row, size_t groups) const {
    alignas(64) T t[most_groups][N][L], r[most_groups][N][L];
    V hi[most_groups], lo[most_groups], sum[most_groups], rest[most_groups], least[most_groups];
    LaneShift<V> shift[most_groups];
    const T bias = bias_for<V>(N);
    bool sound = true;
    for (size_t g = 0; g < groups; g++) {
      V v[N];
      load_rows<V, N>(x + g * L * N, v);
      shift[g] = LaneShift<V>(put_classes<V, N>(v, t[g][0]), scale, ExpTraits<V>::vanish);
      sound = sound && shift[g].reducible;
    }
    if (!sound) return false;
    for (size_t g = 0; g < groups; g++) {
      const Exp<V, false> exp(scale, shift[g].magic, shift[g].lower);
#pragma GCC unroll 4
      for (size_t c = 0; c < N; c++) reduce_block(exp, t[g][c], t[g][c], r[g][c]);
    }
    for (size_t g = 0; g < groups; g++) {
      V smallest, taken, left[N];
      if (fetches) fetch<false>(x + (groups + g) * L * N, L * N);
#pragma GCC unroll 4
      for (size_t c = 0; c < N; c++) {
        const Term<V> e = finish_block<V>(t[g][c], r[g][c]);
        TermSum<V> one(bias);
        one.add_first(e);
        smallest = c > 0 ? min_number(e.value(), smallest) : e.value();
        taken = c > 0 ? add(taken, one.taken(bias)) : one.taken(bias);
        left[c] = one.rest;
      }
      least[g] = smallest, sum[g] = taken;
      rest[g] = tree_of<L, N>([&](size_t c) INLINE_LAMBDA { return left[c]; });
      sound = sound && all_less(taken, splat<V>(T(infinity)));  // NaN
    }
    if (!sound) return false;
    for (size_t g = 0; g < groups; g++) invert<V>(sum[g], rest[g], hi[g], lo[g]);
    for (size_t g = 0; g < groups; g++) {
      make_ones(r[g][0], N, least[g], sum[g], rest[g], shift[g], scale, hi[g], lo[g]);
      V share[N];
#pragma GCC unroll 4
      for (size_t c = 0; c < N; c++) share[c] = scaled(load<V>(r[g][c]), hi[g], lo[g]);
      put<N>(x + g * L * N, row + g * L, share);
    }
    return true;
  }

  // Rows that start at x, their probabilities as load_rows has their logits. One after the other the best of what is left
  // goes first; equal ones do not change places.
  template <size_t N>
  INLINE void put(const T* x, size_t row, V* share) const {
    const size_t k = p.k;
    V key[N], place[N];
    load_rows<V, N>(x, key);
#pragma GCC unroll 4
    for (size_t c = 0; c < N; c++) place[c] = splat<V>(__builtin_bit_cast(T, uint32_t(c)));
#pragma GCC unroll 4
    for (size_t i = 0; i + 1 < N; i++) {
      if (i == k) break;
#pragma GCC unroll 4
      for (size_t j = N - 1; j > i; j--) {
        const V a = key[j - 1], b = key[j], s = share[j - 1], at = place[j - 1];
        share[j - 1] = select_greater(b, a, share[j], s), share[j] = select_greater(b, a, s, share[j]);
        place[j - 1] = select_greater(b, a, place[j], at), place[j] = select_greater(b, a, at, place[j]);
        key[j - 1] = max_number(b, a), key[j] = min_number(b, a);
      }
    }
    T* const shares = static_cast<T*>(p.out) + row * k;
    T* const places = reinterpret_cast<T*>(p.indices + row * k);
    if (k == N) {
      store_rows<V, N>(shares, share), store_rows<V, N>(places, place);
    } else if (k == 1) {
      store(shares, ordered<N>(share[0])), store(places, ordered<N>(place[0]));
    } else {
      alignas(64) T column[2][N * L];
#pragma GCC unroll 4
      for (size_t j = 0; j < N; j++)
        store(column[0] + j * L, ordered<N>(share[j])), store(column[1] + j * L, ordered<N>(place[j]));
      this->best.steps.store(column[0], shares), this->best.steps.store(column[1], places);
    }
  }

  // What lies as load_rows has the rows, with row i in lane i.
  template <size_t N>
  static INLINE V ordered(V v) {
    if constexpr (is_disordered<V, N>) {
      v = by_registers<V>([&](size_t i) INLINE_LAMBDA {
        if constexpr (N == panel_columns<V>) return order_quarters(v.r[i]);
        if constexpr (N < panel_columns<V>) return order_pairs(v.r[i]);
      });
    }
    return v;
  }
};

}  // namespace UNITS
