// The steps of panels of so few classes that the compiler knows their number: no step has a loop over classes, and each is
// the same for every op. Blocks of a group: one for each class, row i in lane i.
#pragma once
#include "lanes.h"
#include "lanes_for_all.h"
#include "prefetch.h"
#include "turned.h"

namespace UNITS {

// Groups that go through each step together: see FewClassesSoftmax.
constexpr size_t known_groups(size_t classes) { return classes > 8 ? 4 : 8; }
constexpr size_t most_known_groups = known_groups(2);

// The classes of `count` groups of whole rows, which lie one behind the other, and their maxima.
template <class V, size_t N>
__attribute__((noinline)) void load_classes(const typename V::Scalar* x, typename V::Scalar* blocks, size_t count,
                                            bool fetches, V* max) {
  constexpr size_t L = V::lanes;
  for (size_t g = 0; g < count; g++, x += N * L, blocks += N * L) {
    if (fetches) fetch<false>(x + count * N * L, N * L);
    V v[N];
    load_rows_in_order<V, N>(x, v);
    max[g] = put_classes<V, N>(v, blocks);
  }
}

// The same of rows that begin at `starts`.
template <class V, size_t N>
__attribute__((noinline)) void load_classes_at(const typename V::Scalar* x, const uint32_t* starts,
                                               typename V::Scalar* blocks, size_t count, V* max) {
  constexpr size_t L = V::lanes;
  for (size_t g = 0; g < count; g++, starts += L, blocks += N * L) {
    V v[N];
    load_rows_at<V, N>(x, starts, v);
    max[g] = put_classes<V, N>(v, blocks);
  }
}

// Of up to so many floats, whether an op wants terms is known to the compiler: with more that hardly counts, and each number of
// classes is code of its own.
constexpr size_t most_without_terms = 4;
template <class V, size_t N>
constexpr bool knows_terms = sizeof(typename V::Scalar) == 4 && N <= most_without_terms;

// Each class is a partial sum of its own (see TermSum), and the sum of what they take is exact. Step by step for all groups:
// the steps of one wait for each other.
template <class V, size_t N, bool puts_terms>
INLINE void add_classes(Lanes<V, Sums::all>* const* group, size_t count, const Scale<V>& scale, bool) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const T bias = bias_for<V>(N);
  alignas(64) T t[known_groups(N)][N][L], r[puts_terms ? 1 : known_groups(N)][N][L];
  for (size_t g = 0; g < count; g++) {
    T* const x = group[g]->x;
    const Exp<V, false> exp(scale, group[g]->shift.magic, group[g]->shift.lower);
#pragma GCC unroll 16
    for (size_t c = 0; c < N; c++) reduce_block(exp, x + c * L, t[g][c], puts_terms ? x + c * L : r[g][c]);
  }
  for (size_t g = 0; g < count; g++) {
    T* const x = group[g]->x;
    V taken, left[N];
#pragma GCC unroll 16
    for (size_t c = 0; c < N; c++) {
      TermSum<V> one(bias);
      const Term<V> e =
          Exp<V, false>::term(Reduced<V>{load<V>(t[g][c]), load<V>(puts_terms ? x + c * L : r[g][c])});
      if constexpr (puts_terms) store(x + c * L, e.value());
      one.add_first(e);
      taken = c > 0 ? add(taken, one.taken(bias)) : one.taken(bias);
      left[c] = one.rest;
    }
    group[g]->rest = tree_of<L, N>([&](size_t i) INLINE_LAMBDA { return left[i]; });
    group[g]->taken = taken;
    group[g]->solvable = group[g]->solvable && all_less(taken, splat<V>(T(infinity)));
  }
  for (size_t g = 0; g < count; g++) invert<V>(group[g]->taken, group[g]->rest, group[g]->hi, group[g]->lo);
}
// Where an op wants them, terms take the place of logits here too: of doubles 0 for those of the maximum.
template <class V, size_t N, bool puts_terms>
INLINE void add_classes(Lanes<V, Sums::below>* const* group, size_t count, const Scale<V>& scale, bool wants) {
  using T = typename V::Scalar;
  using E = FewTerms<V>;
  constexpr size_t L = V::lanes;
  // Of two classes, one is below the maximum: the smaller.
  constexpr size_t below = N == 2 && sizeof(T) == 4 ? 1 : N;
  alignas(64) T t[known_groups(N)][below][L], r[known_groups(N)][below][L];
  for (size_t g = 0; g < count; g++) {
    const T* const x = group[g]->x;
    const V max = group[g]->max;
    const E exp = group[g]->few_terms(scale);
    V equal = splat<V>(below == 1 ? T(1) : T(0));
#pragma GCC unroll 16
    for (size_t c = 0; c < below; c++) {
      const V v = below == 1 ? min_number(load<V>(x), load<V>(x + L)) : load<V>(x + c * L);
      const Reduced<V> e = exp.reduce(v);
      store(t[g][c], zero_if_equal(v, max, e.t)), store(r[g][c], e.r);
      equal = count_if_equal(v, max, equal);
    }
    group[g]->count_of_max = equal;
  }
  for (size_t g = 0; g < count; g++) {
    T* const x = group[g]->x;
    const bool puts = knows_terms<V, N> ? puts_terms : variable(wants);
    const auto rest_of = [&](size_t c) INLINE_LAMBDA {
      const Term<V> e = E::term(Reduced<V>{load<V>(t[g][c]), load<V>(r[g][c])});
      if (puts) {
        const V max = group[g]->max, value = e.value();
        const auto put = [&](size_t c) INLINE_LAMBDA {
          store(x + c * L, select_greater(max, load<V>(x + c * L), value, E::of_max()));
        };
        if (below == 1) put(1);
        put(below == 1 ? 0 : c);
      }
      return alone_in_lane(e);
    };
    put_rest(*group[g], tree_of<L, below>(rest_of));
  }
}
template <class V, Sums sums, size_t N, bool puts_terms>
__attribute__((noinline)) void add_known(Lanes<V, sums>* const* group, size_t count, const Scale<V>& scale,
                                         bool wants_terms) {
  add_classes<V, N, puts_terms>(group, count, scale, wants_terms);
}

// What the classes of a group become on their way out.
template <class V, Sums sums, size_t N>
INLINE void take_results(const Lanes<V, sums>& g, V* v) {
#pragma GCC unroll 16
  for (size_t c = 0; c < N; c++) v[c] = g.result(load<V>(g.x + c * V::lanes));
}

// Classes back to rows, which lie one behind the other; groups that are not solvable leave them as they are.
template <class V, Sums sums, size_t N>
__attribute__((noinline)) void store_classes(Lanes<V, sums>* const* group, size_t count, typename V::Scalar* y) {
  constexpr size_t L = V::lanes;
  for (size_t g = 0; g < count; g++, y += N * L) {
    if (!group[g]->solvable) continue;
    V v[N];
    take_results<V, sums, N>(*group[g], v);
    store_rows_in_order<V, N>(y, v);
  }
}

// The same to rows that begin at `starts`.
template <class V, Sums sums, size_t N>
__attribute__((noinline)) void store_classes_at(Lanes<V, sums>* const* group, size_t count, typename V::Scalar* y,
                                                const uint32_t* starts) {
  constexpr size_t L = V::lanes;
  for (size_t g = 0; g < count; g++, starts += L) {
    if (!group[g]->solvable) continue;
    V v[N];
    take_results<V, sums, N>(*group[g], v);
    store_rows_at<V, N>(y, starts, v);
  }
}

// What loads groups of rows of as many classes as a problem has, up to N; `beyond`: rows that have to follow them.
template <class V>
struct KnownLoad {
  using T = typename V::Scalar;
  void (*load)(const T* x, T* blocks, size_t count, bool fetches, V* max);
  void (*load_at)(const T* x, const uint32_t* starts, T* blocks, size_t count, V* max);
  size_t beyond;
};
template <class V, size_t N = few_classes<V>>
INLINE KnownLoad<V> known_load(size_t n) {
  if constexpr (N > 2) {
    if (n < N) return known_load<V, N - 1>(n);
  }
  KnownLoad<V> known = {load_classes<V, N>, nullptr, rows_beyond<V, N>};
  if constexpr (lanes_apart) known.load_at = load_classes_at<V, N>;
  return known;
}

// All steps.
template <class V, Sums sums>
struct KnownSteps : KnownLoad<V> {
  using T = typename V::Scalar;
  void (*add)(Lanes<V, sums>* const* group, size_t count, const Scale<V>& scale, bool wants_terms);
  // Of ops that write classes.
  void (*store)(Lanes<V, sums>* const* group, size_t count, T* y);
  void (*store_at)(Lanes<V, sums>* const* group, size_t count, T* y, const uint32_t* starts);
};
template <class V, Sums sums, bool stores, bool wants_terms, size_t N>
INLINE KnownSteps<V, sums> known_steps(size_t n) {
  if constexpr (N > 2) {
    if (n < N) return known_steps<V, sums, stores, wants_terms, N - 1>(n);
  }
  constexpr bool puts = knows_terms<V, N> ? wants_terms : sums == Sums::all;
  KnownSteps<V, sums> steps = {known_load<V, N>(N), add_known<V, sums, N, puts>, nullptr, nullptr};
  if constexpr (stores) steps.store = store_classes<V, sums, N>;
  if constexpr (stores && lanes_apart) steps.store_at = store_classes_at<V, sums, N>;
  return steps;
}

}  // namespace UNITS
