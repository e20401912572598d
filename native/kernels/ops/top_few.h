// topK of a few classes: those of a row are sorted as its classes come by, with a row per lane.
#pragma once
#include "top_in_lanes.h"

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
  if constexpr (K > 1) {
    store_rows_in_order<V, K>(rows, v);
  } else {
    store(rows, v[0]);
  }
}

template <class V>
struct BestSteps {
  using T = typename V::Scalar;
  void (*best)(const T* x, size_t step, size_t n, T* key, T* place);
  void (*store)(const T* column, T* rows);
};
template <class V, size_t K>
INLINE BestSteps<V> best_steps(size_t k) {
  if constexpr (K > 1) {
    if (k < K) return best_steps<V, K - 1>(k);
  }
  return {best_of<V, K>, store_columns<V, K>};
}

// The best of each row, a block for each place among them: logits, then what is to be had of them; and their classes.
template <class V>
struct Best {
  using T = typename V::Scalar;
  alignas(64) T key[most_few * V::lanes];
  alignas(64) T place[most_few * V::lanes];
};

// Finds and writes them.
template <class V>
struct BestOfRows {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes;
  const Problem& p;
  const BestSteps<V> steps;
  explicit BestOfRows(const Problem& p) : p(p), steps(best_steps<V, most_few>(p.k)) {}

  template <class Group>
  INLINE void find(const Group& g, Best<V>& best) const {
    steps.best(g.x, g.step, p.length, best.key, best.place);
  }
  template <class Group>
  INLINE void write(const Group& g, const Best<V>& best) const {
    if (p.inner == 1 && p.outType == type_of<T>) {
      put(best.key, static_cast<T*>(p.out) + g.row * p.k, g.count);
      return put_places(best.place, p.indices + g.row * p.k, g.count);
    }
    alignas(64) uint32_t whole[most_few * L];
    for (size_t j = 0; j < p.k; j++) store_whole(whole + j * L, load<V>(best.place + j * L));
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    for (size_t i = 0; i < g.count; i++) {
      const size_t row = g.row + i * g.apart, first = row / p.inner * p.k * p.inner + row % p.inner;
      for (size_t j = 0; j < p.k; j++) {
        out.put(first + j * p.inner, double(best.key[j * L + i]));
        p.indices[first + j * p.inner] = whole[j * L + i];
      }
    }
  }

 private:
  INLINE void put(const T* columns, T* to, size_t count) const {
    if (count == L) return steps.store(columns, to);
    alignas(64) T rows[most_few * L];
    steps.store(columns, rows);
    __builtin_memcpy(to, rows, count * p.k * sizeof(T));
  }

  INLINE void put_places(const T* columns, uint32_t* to, size_t count) const {
    alignas(64) T rows[most_few * L];
    alignas(64) uint32_t whole[most_few * L];
    uint32_t* const places = count == L ? to : whole;
    steps.store(columns, rows);
    for (size_t i = 0; i < p.k * L; i += L) store_whole(places + i, load<V>(rows + i));
    if (count < L) __builtin_memcpy(to, whole, count * p.k * sizeof(uint32_t));
  }
};

template <class V>
struct TopFew : TopInLanes<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, TopInLanes<V>::L;
  const BestOfRows<V> best;
  explicit TopFew(const Problem& p) : TopInLanes<V>(p), best(p) {}

  struct Ends : Best<V> {
    uint32_t redo = 0;  // rows along their blocks, as bits, that have fewer classes above -Infinity
  };

  template <class Group>
  INLINE void begin(Group& g) const {
    if constexpr (Group::along) return select_along(g);
    best.find(g, g.ends);
  }
  template <class Group>
  INLINE void end(Group& g) const {
    this->to_shares(g, g.ends.key);
  }
  template <class Group>
  INLINE void write(Group& g) const {
    best.write(g, g.ends);
  }

 private:
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
    turn<V>(g.lane_maxima, L, g.count, L, lists.column);
    best.steps.best(lists.column, L, L, ends.key, ends.place);
    size_t longest = p.k;
    ends.redo = 0;
    for (size_t i = 0; i < g.count; i++) {
      const T bound = Selection<V>::below(ends.key[(p.k - 1) * L + i]);
      const size_t count = list(g.row_of(i), bound, lists.logit + i * most_listed, lists.index + i * most_listed);
      ends.redo |= uint32_t(count < p.k) << i;
      longest = count > longest ? count : longest;
    }
    turn<V>(lists.logit, most_listed, g.count, longest, lists.column);
    best.steps.best(lists.column, L, longest, ends.key, ends.place);
    for (size_t i = 0; i < g.count; i++) {
      for (size_t j = 0; j < p.k; j++) {
        ends.place[j * L + i] = T(lists.index[i * most_listed + size_t(ends.place[j * L + i])]);
      }
    }
  }
  // The logits of a row that are above a bound, and their classes; how many. Behind them -Infinity.
  INLINE size_t list(const T* x, T bound, T* logit, uint32_t* index) const {
    Passed passed;
    passed.list<V>(x, p.length, bound);
    if (passed.count > most_listed) return list_best(x, bound, logit, index);
    for (size_t i = 0; i < most_listed; i += L) store(logit + i, splat<V>(T(-infinity)));
    passed.word[passed.words] = 0;
    uint64_t bits = passed.word[0];
    for (size_t i = 0, w = 0; i < passed.count; i++) {
      const uint32_t at = passed.base[w] + uint32_t(__builtin_ctzll(bits));
      logit[i] = x[at], index[i] = at;
      bits &= bits - 1;
      w += bits == 0;
      bits = bits == 0 ? passed.word[w] : bits;
    }
    return passed.count;
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
