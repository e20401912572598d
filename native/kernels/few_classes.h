// Softmax of rows of few classes, V::lanes rows at a time: a row per lane as in lanes.h, with the number of classes
// known to the compiler, so that nothing leaves the registers between the logits and the results.
#pragma once
#include "lanes.h"

namespace {

// What tree() in lanes.h gives for partial sums leaf(0) to leaf(N - 1).
template <size_t lanes, size_t N, size_t i = 0, size_t half = 1, class Leaf>
INLINE auto tree_of(Leaf leaf) {
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

// The sums of N <= V::lanes classes: those of ClassSums, which for one term each need no sum to start from.
template <size_t N>
struct FewSums {
  alignas(64) float t[N][F32::lanes], small[N][F32::lanes];  // widened from memory; see LaneSum

  INLINE void put(size_t i, const Term<F32>& e, F32) {
    store(t[i], e.t), store(small[i], mul(e.t, e.p));
    __asm__("" : "+m"(t[i]), "+m"(small[i]));
  }
  INLINE void total(Wide<F64>* sum) const {
    for (size_t w = 0; w < 2; w++) {
      const auto partial = [&](size_t i) INLINE_LAMBDA {
        return add(load_widened(t[i] + w * F64::lanes), load_widened(small[i] + w * F64::lanes));
      };
      sum[w] = {tree_of<F32::lanes, N>(partial), splat<F64>(0)};
    }
  }
};

template <size_t N>
struct FewDoubleSums {
  F64 partial[N], error[N];

  INLINE void put(size_t i, const Term<F64>&, F64 term) {
    const F64 bias = splat<F64>(LaneSum<F64>::bias);
    partial[i] = sub(add(bias, term), bias);
    error[i] = sub(term, partial[i]);
  }
  INLINE void total(Wide<F64>* sum) const {
    sum[0] = {tree_of<F64::lanes, N>([&](size_t i) INLINE_LAMBDA { return partial[i]; }),
              tree_of<F64::lanes, N>([&](size_t i) INLINE_LAMBDA { return error[i]; })};
  }
};

template <class V, size_t N>
struct FewSumsOf {
  using type = FewSums<N>;
};
template <size_t N>
struct FewSumsOf<F64, N> {
  using type = FewDoubleSums<N>;
};

template <class V>
struct FewClassSolver {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, W = wides<V>, P = panel_columns<V>;
  // Up to here each class is a partial sum of its own (see LaneSum), and its terms fit the registers of the ISA.
  static constexpr size_t most_classes = V::registers == 1 && sizeof(T) == 4 ? 16 : V::registers <= 2 ? 8 : 4;
  const Problem& p;
  const RowSolver<V> rows;

  explicit FewClassSolver(const Problem& p) : p(p), rows(p) {}

  static bool suits(const Problem& p) {
    return p.op == Op::softmax && p.inner == 1 && p.length >= 2 && p.length <= most_classes &&
           p.type == type_of<T> && p.outType == type_of<T> && LaneSolver<V>::suits(p);
  }

  void solve(size_t begin, size_t end) const {
    if (!rows.scale.extreme) begin = solve_groups<most_classes>(begin, end);
    if (begin < end) LaneSolver<V>(p).solve(begin, end);
  }

 private:
  // All whole groups of rows of p.length <= N classes; the first row that is left.
  template <size_t N>
  __attribute__((noinline)) size_t solve_groups(size_t begin, size_t end) const {
    if constexpr (N > 2) {
      if (p.length < N) return solve_groups<N - 1>(begin, end);
    }
    // A panel reads 16 bytes of each row: another row has to follow where that is too much.
    for (; begin + L + (N < P) <= end; begin += L) {
      if (solve_group<N>(begin)) continue;
      for (size_t r = begin; r < begin + L; r++) rows.solve(r);
    }
    return begin;
  }

  // False, with nothing written, where a row needs more care (NaN, infinities, huge logits).
  template <size_t N>
  INLINE bool solve_group(size_t row) const {
    using E = ExpTraits<V>;
    V v[N];
    load_rows<N>(static_cast<const T*>(p.x) + row * N, v);
    V max = v[0];
#pragma GCC unroll 16
    for (size_t i = 1; i < N; i++) max = max_number(v[i], max);
    const LaneShift<V> shift(max, rows.scale, E::vanish);
    if (!shift.reducible) return false;
    const Exp<V, false> exp(rows.scale, shift.magic, shift.lower);
    typename FewSumsOf<V, N>::type sums;
    V largest = splat<V>(0);
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) {
      const Term<V> e = exp.term(v[i]);
      v[i] = e.value();
      largest = max_number(v[i], largest);
      sums.put(i, e, v[i]);
    }
    Wide<F64> sum[W];
    sums.total(sum);
    for (size_t w = 0; w < W; w++) {
      if (!all_less(sum[w].hi, splat<F64>(__builtin_inf()))) return false;  // NaN
    }
    V hi, lo;
    factor(sum, hi, lo);
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) v[i] = scaled(v[i], hi, lo);
    T* y = static_cast<T*>(p.out) + row * N;
    store_rows<N>(y, v);
    polish<N>(y, shift, largest, sum);
    return true;
  }

  // See make_one in rows.h.
  template <size_t N>
  INLINE void polish(float* y, const LaneShift<F32>& shift, F32 largest, const Wide<F64>* sum) const {
    uint32_t alone = alone_in_sum(sum, largest, shift, rows.scale);
    for (; alone; alone &= alone - 1) make_one(y + row_of_lane<N>(__builtin_ctz(alone)) * N, N, 1);
  }
  template <size_t N>
  INLINE void polish(double*, const LaneShift<F64>&, F64, const Wide<F64>*) const {}

  // Rows of as many classes as a quarter holds are whole registers: transposed in place, they lie in the lanes in
  // another order, in which they are stored again.
  template <size_t N>
  static size_t row_of_lane(size_t lane) {
    if (N != P) return lane;
    constexpr size_t quarters = V::per_register / P;
    const size_t i = lane % V::per_register;
    return lane - i + i % P * quarters + i / P;
  }

  // Panels from class i on; the last one may overlap the one before.
  template <size_t N, size_t i>
  static INLINE void load_panels(const T* x, V* v) {
    constexpr size_t at = N >= P && i + P > N ? N - P : i;
    V column[P];
    load_panel(x + at, N, L, column);
    for (size_t j = 0; j < P && at + j < N; j++) v[at + j] = column[j];
    if constexpr (i + P < N) load_panels<N, i + P>(x, v);
  }
  template <size_t N, size_t i>
  static INLINE void store_panels(T* y, const V* v) {
    constexpr size_t at = N >= P && i + P > N ? N - P : i;
    V column[P];
    for (size_t j = 0; j < P; j++) column[j] = v[at + j < N ? at + j : 0];
    if constexpr (N >= P) {
      store_panel(y + at, N, L, column);
    } else {
      store_narrow_panel<N>(y, column);
    }
    if constexpr (i + P < N) store_panels<N, i + P>(y, v);
  }

  // 16 bytes of each row, of which what is too much is overwritten by the row after it.
  template <size_t N>
  static INLINE void store_narrow_panel(T* y, const V* column) {
    for (size_t i = 0; i < V::registers; i++) {
      typename V::Register c[P];
      for (size_t j = 0; j < P; j++) c[j] = column[j].r[i];
      const size_t at = i * V::per_register;
      store_panel_registers(
          [=](size_t row, auto q) INLINE_LAMBDA {
            if (at + row + 1 < L) return store_quarter(y + (at + row) * N, q);
            T last[P];
            store_quarter(last, q);
            __builtin_memcpy(y + (L - 1) * N, last, N * sizeof(T));
          },
          c);
    }
  }

  template <size_t N>
  INLINE void load_rows(const T* x, V* v) const {
    if constexpr (N == P) {
      for (size_t i = 0; i < V::registers; i++) {
        typename V::Register c[P];
        for (size_t j = 0; j < P; j++) c[j] = load_register(x + (i * P + j) * V::per_register);
        transpose_quarters(c);
        for (size_t j = 0; j < P; j++) v[j].r[i] = c[j];
      }
    } else {
      load_panels<N, 0>(x, v);
    }
  }

  template <size_t N>
  INLINE void store_rows(T* y, const V* v) const {
    if constexpr (N == P) {
      for (size_t i = 0; i < V::registers; i++) {
        typename V::Register c[P];
        for (size_t j = 0; j < P; j++) c[j] = v[j].r[i];
        transpose_quarters(c);
        for (size_t j = 0; j < P; j++) store_register(y + (i * P + j) * V::per_register, c[j]);
      }
    } else {
      store_panels<N, 0>(y, v);
    }
  }
};

}  // namespace
