// topK of a few classes: those of a row are sorted as its classes come by, with a row per lane.
#pragma once
#include "../shapes/turned.h"
#include "top_k.h"

namespace UNITS {

constexpr size_t most_few = 8;

// The K best classes of each lane, best first, of equal ones the lower: each new one moves those down that it beats. Register
// by register: what is best so far, and where it stood, stays in registers.
template <class V, size_t K>
__attribute__((noinline)) void best_of(const typename V::Scalar* x, size_t step, size_t n, typename V::Scalar* key,
                                       typename V::Scalar* place) {
  using T = typename V::Scalar;
  using R = typename V::Register;
  for (size_t i = 0; i < V::lanes; i += V::per_register) {
    R best[K], at[K];
    const auto insert = [&](R v, R from, size_t last) INLINE_LAMBDA {
#pragma GCC unroll 8
      for (size_t j = last; j > 0; j--) {
        at[j] = select_greater(v, best[j - 1], at[j - 1], select_greater(v, best[j], from, at[j]));
        best[j] = max_number(best[j], min_number(v, best[j - 1]));
      }
      at[0] = select_greater(v, best[0], from, at[0]);
      best[0] = max_number(v, best[0]);
    };
    // The first K come to places where nothing is yet, so that -Infinity has one too.
    best[0] = load_register(x + i), at[0] = splat_register(T(0));
#pragma GCC unroll 8
    for (size_t c = 1; c < K; c++) {
      const R v = load_register(x + c * step + i), from = splat_register(T(c));
      at[c] = select_greater(v, best[c - 1], at[c - 1], from), best[c] = min_number(v, best[c - 1]);
      insert(v, from, c - 1);
    }
    R from = splat_register(T(K));
    const R one = splat_register(T(1));
    for (size_t c = K; c < n; c++, from = add(from, one)) insert(load_register(x + c * step + i), from, K - 1);
#pragma GCC unroll 8
    for (size_t j = 0; j < K; j++) {
      store_register(key + j * V::lanes + i, best[j]), store_register(place + j * V::lanes + i, at[j]);
    }
  }
}

// K columns, a block each, to rows of K.
template <class V, size_t K>
__attribute__((noinline)) void store_columns(const typename V::Scalar* column, typename V::Scalar* rows) {
  V v[K];
#pragma GCC unroll 8
  for (size_t j = 0; j < K; j++) v[j] = load<V>(column + j * V::lanes);
  store_rows_in_order<V, K>(rows, v);
}

template <class V>
struct BestSteps {
  using T = typename V::Scalar;
  void (*best)(const T* x, size_t step, size_t n, T* key, T* place);
  void (*store)(const T* column, T* rows);
};
template <class V, size_t K>
INLINE BestSteps<V> best_steps(size_t k) {
  if constexpr (K > 2) {
    if (k < K) return best_steps<V, K - 1>(k);
  }
  return {best_of<V, K>, store_columns<V, K>};
}

template <class V>
struct TopFew : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale;
  static constexpr size_t L = V::lanes;
  const BestSteps<V> steps;
  explicit TopFew(const Problem& p) : Rows<V>(p), steps(best_steps<V, most_few>(p.k)) {}

  static constexpr Sums sums = Sums::all;
  static constexpr bool writes_classes = false;
  struct Ends {
    alignas(64) T key[most_few * L];    // logits, then probabilities
    alignas(64) T place[most_few * L];  // classes; of floats as whole numbers, once they are to be written
    uint32_t redo = 0;  // rows along their blocks, as bits, that have fewer classes above -Infinity
  };

  template <class Group>
  INLINE void begin(Group& g) const {
    if constexpr (Group::along) return select_along(g);
    steps.best(g.x, g.step, p.length, g.ends.key, g.ends.place);
  }
  template <class Group>
  INLINE void end(Group& g) const {
    const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
    T* const key = g.ends.key;
    const V hi = g.hi, lo = g.lo;
    store(key, g.largest_share(g.reduced_max(scale), bias_for<V>(p.length)));
    for (size_t j = 1; j < p.k; j++) store(key + j * L, scaled(exp.term(load<V>(key + j * L)).value(), hi, lo));
  }
  template <class Group>
  INLINE void write(Group& g) const {
    Ends& e = g.ends;
    alignas(64) uint32_t whole[most_few * L];
    for (size_t j = 0; j < p.k; j++) store_whole(whole + j * L, load<V>(e.place + j * L));
    if (p.inner == 1 && p.outType == type_of<T>) {
      put(e.key, static_cast<T*>(p.out) + g.row * p.k, g.count);
      if constexpr (sizeof(T) == 4) {
        return put(reinterpret_cast<const T*>(whole), reinterpret_cast<T*>(p.indices + g.row * p.k), g.count);
      }
    }
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    for (size_t i = 0; i < g.count; i++) {
      const size_t row = g.row + i * g.apart, first = row / p.inner * p.k * p.inner + row % p.inner;
      for (size_t j = 0; j < p.k; j++) {
        out.put(first + j * p.inner, double(e.key[j * L + i]));
        p.indices[first + j * p.inner] = whole[j * L + i];
      }
    }
  }
  template <class Group>
  void after(const Group& g) const {
    for (uint32_t redo = Group::along ? g.ends.redo : 0; redo; redo &= redo - 1) {
      solve(g.row + size_t(__builtin_ctz(redo)));
    }
  }

  void solve(size_t r) const { TopKSolver<V>(*this).solve(r, r + 1); }

 private:
  INLINE void put(const T* columns, T* to, size_t count) const {
    if (count == L) return steps.store(columns, to);
    alignas(64) T rows[most_few * L];
    steps.store(columns, rows);
    __builtin_memcpy(to, rows, count * p.k * sizeof(T));
  }

  // Of rows along their blocks, which are longer: the k'th of the maxima of a row's lanes is a bound that at least k logits reach
  // and few more do. Those are listed row by row, and the best of each list found in lanes, as those of few classes are.
  static constexpr size_t most_listed = 32;
  struct Lists {
    alignas(64) T column[most_listed * L];  // a block for each place in the lists, a row per lane
    alignas(64) T logit[L * most_listed];
    uint32_t index[L * most_listed];
  };
  template <class Group>
  __attribute__((noinline)) void select_along(Group& g) const {
    Lists lists;
    auto& ends = g.ends;
    turn(lists, g.lane_maxima, L, g.count, L);
    steps.best(lists.column, L, L, ends.key, ends.place);
    size_t longest = p.k;
    ends.redo = 0;
    for (size_t i = 0; i < g.count; i++) {
      const T bound = Selection<V>::below(ends.key[(p.k - 1) * L + i]);
      const size_t count = list(g.row_of(i), bound, lists.logit + i * most_listed, lists.index + i * most_listed);
      ends.redo |= uint32_t(count < p.k) << i;
      longest = count > longest ? count : longest;
    }
    turn(lists, lists.logit, most_listed, g.count, longest);
    steps.best(lists.column, L, longest, ends.key, ends.place);
    for (size_t i = 0; i < g.count; i++) {
      for (size_t j = 0; j < p.k; j++) {
        ends.place[j * L + i] = T(lists.index[i * most_listed + size_t(ends.place[j * L + i])]);
      }
    }
  }
  // Rows that lie `apart` elements from each other, to columns.
  static INLINE void turn(Lists& lists, const T* row, size_t apart, size_t rows, size_t columns) {
    constexpr size_t P = panel_columns<V>;
    for (size_t c = 0; c < columns; c += P) {
      V column[P];
      load_panel(row + c, apart, rows, column);
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) store(lists.column + (c + j) * L, column[j]);
    }
  }

  // The logits of a row that are above a bound, and their classes; how many. Behind them -Infinity.
  INLINE size_t list(const T* x, T bound, T* logit, uint32_t* index) const {
    constexpr size_t group = Selection<V>::group;
    const size_t n = p.length;
    uint64_t word[grouped_classes / group + 1];
    uint32_t base[grouped_classes / group + 1];
    size_t words = 0, passed = 0;
    for (size_t i = 0; i < n; i += group) {
      word[words] = Selection<V>::above(x + i, n - i, bound), base[words] = uint32_t(i);
      passed += size_t(__builtin_popcountll(word[words]));
      words += word[words] != 0;
    }
    if (passed > most_listed) return list_best(x, bound, logit, index);
    for (size_t i = 0; i < most_listed; i += L) store(logit + i, splat<V>(T(-infinity)));
    word[words] = 0;
    uint64_t bits = word[0];
    for (size_t i = 0, w = 0; i < passed; i++) {
      const uint32_t at = base[w] + uint32_t(__builtin_ctzll(bits));
      logit[i] = x[at], index[i] = at;
      bits &= bits - 1;
      w += bits == 0;
      bits = bits == 0 ? word[w] : bits;
    }
    return passed;
  }
  // The same where more are above it: the best of them.
  __attribute__((noinline)) size_t list_best(const T* x, T bound, T* logit, uint32_t* index) const {
    size_t count = 0;
    for (size_t i = 0; i < p.length; i++) {
      if (!(x[i] > bound)) continue;
      size_t at = count < p.k ? count++ : p.k - 1;
      for (; at > 0 && x[i] > logit[at - 1]; at--) logit[at] = logit[at - 1], index[at] = index[at - 1];
      logit[at] = x[i], index[at] = uint32_t(i);
      if (count == p.k) bound = logit[count - 1];
    }
    for (size_t i = count; i < most_listed; i++) logit[i] = T(-infinity), index[i] = 0;
    return count;
  }
};

}  // namespace UNITS
