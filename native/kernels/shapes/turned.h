// Rows of N classes, which the compiler knows, turned around: V::lanes of them to a block for each class, and back.
#pragma once
#include "../isa/block.h"

namespace UNITS {

// Rows of as many classes as a quarter holds, or half as many, fill registers: turned around in place, they lie in the
// lanes in another order, in which they are stored again.
template <class V, size_t N>
constexpr bool is_packed = N == panel_columns<V> || 2 * N == panel_columns<V>;

template <class V, size_t N>
size_t row_of_lane(size_t lane) {
  if (!is_packed<V, N>) return lane;
  constexpr size_t P = panel_columns<V>, quarters = V::per_register / P;
  const size_t i = lane % V::per_register, first = lane - i, quarter = i / P, column = i % P;
  if (N == P) return first + column * quarters + quarter;
  return first + column / N * (V::per_register / N) + quarter * N + column % N;
}

template <class V, size_t N>
INLINE void split(typename V::Register* c) {
  if constexpr (N == panel_columns<V>) transpose_quarters(c);
  if constexpr (2 * N == panel_columns<V>) split_pairs(c);
}
template <class V, size_t N>
INLINE void join(typename V::Register* c) {
  if constexpr (N == panel_columns<V>) transpose_quarters(c);
  if constexpr (2 * N == panel_columns<V>) join_pairs(c);
}

// N classes, a block each, to where blocks are; returns the maxima of rows.
template <class V, size_t N>
INLINE V put_classes(const V* v, typename V::Scalar* blocks) {
  V max = v[0];
  store(blocks, v[0]);
#pragma GCC unroll 16
  for (size_t c = 1; c < N; c++) store(blocks + c * V::lanes, v[c]), max = max_number(v[c], max);
  return max;
}

// Panels from class i on; the last one may overlap the one before.
template <class V, size_t N, size_t i>
INLINE void load_panels(const typename V::Scalar* x, V* v) {
  constexpr size_t P = panel_columns<V>, at = N >= P && i + P > N ? N - P : i;
  V column[P];
  load_panel(x + at, N, V::lanes, column);
#pragma GCC unroll 4
  for (size_t j = 0; j < P && at + j < N; j++) v[at + j] = column[j];
  if constexpr (i + P < N) load_panels<V, N, i + P>(x, v);
}

// 16 bytes of each row, of which what is too much is overwritten by the row after it.
template <class V, size_t N>
INLINE void store_narrow_panel(typename V::Scalar* y, const V* column) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes, P = panel_columns<V>;
#pragma GCC unroll 4
  for (size_t i = 0; i < V::registers; i++) {
    typename V::Register c[P];
#pragma GCC unroll 4
    for (size_t j = 0; j < P; j++) c[j] = column[j].r[i];
    const size_t at = i * V::per_register;
    store_panel_registers(
        [=](size_t row, auto q) INLINE_LAMBDA {
          if (at + row + 1 < L) return store_register(y + (at + row) * N, q);
          T last[P];
          store_register(last, q);
          __builtin_memcpy(y + (L - 1) * N, last, N * sizeof(T));
        },
        c);
  }
}
template <class V, size_t N, size_t i>
INLINE void store_panels(typename V::Scalar* y, const V* v) {
  constexpr size_t P = panel_columns<V>, at = N >= P && i + P > N ? N - P : i;
  V column[P];
#pragma GCC unroll 4
  for (size_t j = 0; j < P; j++) column[j] = v[at + j < N ? at + j : 0];
  if constexpr (N >= P) {
    store_panel(y + at, N, V::lanes, column);
  } else {
    store_narrow_panel<V, N>(y, column);
  }
  if constexpr (i + P < N) store_panels<V, N, i + P>(y, v);
}

// What load_rows reads beyond its rows: 16 bytes of each, of which the last may have fewer.
template <class V, size_t N>
constexpr size_t rows_beyond = N < panel_columns<V> && !is_packed<V, N> ? 1 : 0;

template <class V, size_t N>
INLINE void load_rows(const typename V::Scalar* x, V* v) {
  if constexpr (is_packed<V, N>) {
#pragma GCC unroll 4
    for (size_t i = 0; i < V::registers; i++) {
      typename V::Register c[N];
#pragma GCC unroll 4
      for (size_t j = 0; j < N; j++) c[j] = load_register(x + (i * N + j) * V::per_register);
      split<V, N>(c);
#pragma GCC unroll 4
      for (size_t j = 0; j < N; j++) v[j].r[i] = c[j];
    }
  } else {
    load_panels<V, N, 0>(x, v);
  }
}

template <class V, size_t N>
INLINE void store_rows(typename V::Scalar* y, const V* v) {
  if constexpr (is_packed<V, N>) {
#pragma GCC unroll 4
    for (size_t i = 0; i < V::registers; i++) {
      typename V::Register c[N];
#pragma GCC unroll 4
      for (size_t j = 0; j < N; j++) c[j] = v[j].r[i];
      join<V, N>(c);
#pragma GCC unroll 4
      for (size_t j = 0; j < N; j++) store_register(y + (i * N + j) * V::per_register, c[j]);
    }
  } else {
    store_panels<V, N, 0>(y, v);
  }
}

// A panel of rows that begin at `starts`, row i in lane i; and back, of as many columns as there are, to as many rows.
template <class V>
INLINE void load_panel_at(const typename V::Scalar* x, const uint32_t* starts, V* column) {
#pragma GCC unroll 4
  for (size_t i = 0; i < V::registers; i++) {
    typename V::Register c[panel_columns<V>];
    load_panel_registers([=](size_t row) INLINE_LAMBDA { return x + starts[i * V::per_register + row]; }, c);
#pragma GCC unroll 4
    for (size_t j = 0; j < panel_columns<V>; j++) column[j].r[i] = c[j];
  }
}
template <class V>
INLINE void store_panel_at(typename V::Scalar* y, const uint32_t* starts, size_t rows, const V* column,
                           size_t columns) {
  constexpr size_t P = panel_columns<V>;
#pragma GCC unroll 4
  for (size_t i = 0; i < V::registers; i++) {
    typename V::Register c[P];
#pragma GCC unroll 4
    for (size_t j = 0; j < P; j++) c[j] = column[j].r[i];
    const size_t at = i * V::per_register;
    store_panel_registers(
        [=](size_t row, auto q) INLINE_LAMBDA {
          if (at + row >= rows) return;
          typename V::Scalar* const to = y + starts[at + row];
          columns < P ? store_register_first(to, q, columns) : store_register(to, q);
        },
        c);
  }
}
// Such rows of N classes. Of a row of fewer classes a quarter is read.
template <class V, size_t N, size_t i = 0>
INLINE void load_rows_at(const typename V::Scalar* x, const uint32_t* starts, V* v) {
  constexpr size_t P = panel_columns<V>, at = N >= P && i + P > N ? N - P : i;
  V column[P];
  load_panel_at<V>(x + at, starts, column);
#pragma GCC unroll 4
  for (size_t j = 0; j < P && at + j < N; j++) v[at + j] = column[j];
  if constexpr (i + P < N) load_rows_at<V, N, i + P>(x, starts, v);
}
template <class V, size_t N, size_t i = 0>
INLINE void store_rows_at(typename V::Scalar* y, const uint32_t* starts, const V* v) {
  constexpr size_t P = panel_columns<V>, at = N >= P && i + P > N ? N - P : i;
  V column[P];
#pragma GCC unroll 4
  for (size_t j = 0; j < P; j++) column[j] = v[at + j < N ? at + j : 0];
  store_panel_at<V>(y + at, starts, V::lanes, column, N);
  if constexpr (i + P < N) store_rows_at<V, N, i + P>(y, starts, v);
}

// The same with row i in lane i: packed rows from the order in which they lie, and back. Registers of a quarter have no
// other order.
template <class V, size_t N>
constexpr bool is_disordered = is_packed<V, N>&& V::per_register > panel_columns<V>;

template <class V, size_t N>
INLINE void load_rows_in_order(const typename V::Scalar* x, V* v) {
  load_rows<V, N>(x, v);
  if constexpr (is_disordered<V, N>) {
#pragma GCC unroll 4
    for (size_t j = 0; j < N; j++) {
      v[j] = by_registers<V>([&](size_t i) INLINE_LAMBDA {
        if constexpr (N == panel_columns<V>) return order_quarters(v[j].r[i]);
        if constexpr (N < panel_columns<V>) return order_pairs(v[j].r[i]);
      });
    }
  }
}
// A number for each row, as load_rows has the rows.
template <class V, size_t N>
INLINE V disordered(V v) {
  if constexpr (is_disordered<V, N>) {
    v = by_registers<V>([&](size_t i) INLINE_LAMBDA {
      if constexpr (N == panel_columns<V>) return disorder_quarters(v.r[i]);
      if constexpr (N < panel_columns<V>) return disorder_pairs(v.r[i]);
    });
  }
  return v;
}
template <class V, size_t N>
INLINE V load_in_disorder(const int32_t* p) {
  return disordered<V, N>(load_whole<V>(p));
}
template <class V, size_t N>
INLINE void store_rows_in_order(typename V::Scalar* y, V* v) {
  if constexpr (is_disordered<V, N>) {
#pragma GCC unroll 4
    for (size_t j = 0; j < N; j++) {
      v[j] = by_registers<V>([&](size_t i) INLINE_LAMBDA {
        if constexpr (N == panel_columns<V>) return disorder_quarters(v[j].r[i]);
        if constexpr (N < panel_columns<V>) return disorder_pairs(v[j].r[i]);
      });
    }
  }
  store_rows<V, N>(y, v);
}

// Rows that lie `apart` elements from each other, to columns, a block each: whole panels of them.
template <class V>
__attribute__((noinline)) void turn(const typename V::Scalar* row, size_t apart, size_t rows, size_t count,
                                    typename V::Scalar* columns) {
  constexpr size_t P = panel_columns<V>;
  for (size_t c = 0; c < count; c += P) {
    V column[P];
    load_panel(row + c, apart, rows, column);
#pragma GCC unroll 4
    for (size_t j = 0; j < P; j++) store(columns + (c + j) * V::lanes, column[j]);
  }
}

}  // namespace UNITS
