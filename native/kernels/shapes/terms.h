// The terms of a row, block by block, and their sums: all of them for softmax, those below the maximum for logarithms.
#pragma once
#include "../math/finish.h"
#include "long_maxima.h"
#include "prefetch.h"
#include "two_steps.h"

#ifndef FEW_REGISTERS
#define FEW_REGISTERS false
#endif

namespace UNITS {

// Where registers are few, sums go in two steps (two_steps.h), and what is no such sum takes one block at a time: less code, and
// for floats less time.
constexpr bool few_registers = FEW_REGISTERS;

// Blocks that are reduced before the first term is worked out. A term takes 50 cycles from load to sum (doubles 80), and
// the CPU cannot look far enough ahead to find the next blocks' work. Where a block has four registers, it can.
template <class V>
constexpr size_t together = V::registers > 2                  ? 2
                            : V::registers == 1               ? 8
                            : sizeof(typename V::Scalar) == 8 ? 4
                                                              : 6;

// How many elements ahead memory is fetched: into the first cache, and before that into the second.
constexpr size_t fetch_distance = 512, far_distance = 4096;

// Hands take(i, term) the blocks of x, with the index of their first element; returns the index of what is left.
//
// Meanwhile memory is fetched: `ahead` elements further on into the first cache, and `far`, if not 0, into the second.
template <class V, bool moved, class Take>
INLINE size_t each_term(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, size_t ahead, size_t far,
                        Take take) {
  constexpr size_t L = V::lanes, group = few_registers && (moved || sizeof(*x) == 4) ? 1 : together<V>;
  size_t i = 0;
  for (; i + group * L <= n; i += group * L) {
    fetch<false>(x + i + ahead, group * L);
    if (far) fetch<false, false>(x + i + far, group * L);
    Reduced<V> reduced[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) take(i + k * L, exp.term(reduced[k]));
  }
  for (; i + L <= n; i += L) take(i, exp.term(load<V>(x + i)));
  return i;
}

// A block in two steps, for those who put other blocks between them: logits are reduced to t and r, which wait in
// memory, and then r gives way to the term.
template <class V>
INLINE void reduce_block(const Exp<V, false>& exp, const typename V::Scalar* x, typename V::Scalar* t,
                         typename V::Scalar* r) {
  const Reduced<V> reduced = exp.reduce(load<V>(x));
  store(t, reduced.t), store(r, reduced.r);
}
// The same where -Infinity stands for what takes no part: its term is 0, so that nothing underflows later. (A product that
// does takes AMD's cores and Intel's three times as long.)
template <class V>
INLINE void reduce_kept_block(const Exp<V, false>& exp, const typename V::Scalar* x, typename V::Scalar* t,
                              typename V::Scalar* r) {
  const V v = load<V>(x);
  const Reduced<V> reduced = exp.reduce(v);
  store(t, zero_if_equal(v, splat<V>(-__builtin_inff()), reduced.t)), store(r, reduced.r);
}
template <class V>
INLINE Term<V> finish_block(const typename V::Scalar* t, typename V::Scalar* r) {
  const Term<V> e = Exp<V, false>::term(Reduced<V>{load<V>(t), load<V>(r)});
  store(r, e.value());
  return e;
}
template <class V>
INLINE void add_block(const typename V::Scalar* t, typename V::Scalar* r, TermSum<V>& sum) {
  sum.add_term(finish_block<V>(t, r));
}

// What whole blocks leave of a row.
template <class V, bool moved, bool stored>
INLINE void add_tail(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, typename V::Scalar* terms,
                     TermSum<V>& sum) {
  const Term<V> e = exp.term(load_first<V>(x, n, -infinity));
  if (stored) store_first(terms, e.value(), n);
  sum.add_term(e);
}

// The first elements of a row, in the last lanes, so that the next one goes to the first.
template <class V, bool moved, bool stored>
INLINE void add_head(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp, typename V::Scalar* terms,
                     TermSum<V>& sum) {
  using T = typename V::Scalar;
  V v = splat<V>(T(-infinity));
  v.r[V::registers - 1] = load_register_last(x + n, n, T(-infinity));
  const Term<V> e = exp.term(v);
  sum.add_term(e);
  if (!stored) return;
  alignas(64) T term[V::per_register];
  store_register(term, e.value().r[V::registers - 1]);
  copy_few(terms, term + V::per_register - n, n);
}

// Whether sum_terms also finds the maxima of what is measured next. Its loads are idle, and where a block is one register
// it has registers to spare. So memory comes near once, not twice.
template <class V>
constexpr bool peeks = V::registers == 1;

// The same of sums for logarithms.
template <class V>
constexpr bool peeks_below = peeks<V> && sizeof(typename V::Scalar) == 4;

// What is measured next, as much as what is summed up, and its maxima.
template <class V>
struct Next {
  const typename V::Scalar* x = nullptr;
  V max;
  bool exists = false, found = false;
};

// Sums for softmax: the terms, stored in `terms` where that is not null. See each_term for `ahead` and `far`.
//
// Ports, AVX-512, of two for arithmetic: clamp 1, reduce 4, polynomial 4, pow2 3, value 1, sum 5: 18 / 2 = 9 cycles
// for 16 elements. (Intel; AMD adds elsewhere, and multiplies 9: 9 half-blocks / 2.)
template <class V, bool moved, bool stored, bool peeking = false>
INLINE void sum_terms(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exponential, size_t ahead,
                      typename V::Scalar* terms, TermSum<V>& total, Next<V>* next = nullptr, size_t far = 0) {
  using T = typename V::Scalar;
  const Exp<V, moved> exp = exponential;
  TermSum<V> sum = total;  // by value: in registers, or each addition waits for a store
  const T* peeked = peeking ? next->x : nullptr;
  V max = splat<V>(T(-infinity));
  if constexpr (V::registers <= 2) {
    // Chunks of a row that come through a buffer are aligned: no lane moves, however long the chunk is.
    const size_t head = until_aligned<V>(x, n);
    if (head > 0 && (!stored || until_aligned<V>(terms, n) == head)) {
      add_head<V, moved, stored>(x, head, exp, terms, sum);
      x += head, n -= head;
      if (stored) terms += head;
      if constexpr (peeking) max = max_number(load<V>(peeked), max), peeked += head;
    }
  }
  size_t i;
  if constexpr (few_registers && sizeof(T) == 4) {
    i = sum_in_two_steps<stored>(x, n, exp, terms, sum);
  } else {
    i = each_term(x, n, exp, peeking ? ahead + fetch_distance : ahead, far,
                  [&](size_t i, Term<V> e) INLINE_LAMBDA {
                    if (stored) store(terms + i, e.value());
                    sum.add_term(e);
                    if constexpr (peeking) max = max_number(load<V>(peeked + i), max);
                  });
  }
  if (i < n) {
    add_tail<V, moved, stored>(x + i, n - i, exp, stored ? terms + i : nullptr, sum);
    if constexpr (peeking) max = max_number(load<V>(peeked + n - V::lanes), max);
  }
  total = sum;
  if constexpr (peeking) next->max = max, next->found = true;
}

// The same as a function of its own, for long stretches: gcc then keeps its constants in registers. Who peeks reads at two
// places; the one further on comes in time only by way of the second cache.
template <class V, bool moved, bool stored, bool peeking = false>
__attribute__((noinline)) void sum_stretch(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp,
                                           typename V::Scalar* terms, TermSum<V>& total, Next<V>* next = nullptr) {
  sum_terms<V, moved, stored, peeking>(x, n, exp, n, terms, total, next,
                                       peeking && !stored ? n + far_distance : 0);
}

// In line for speed; the portable kernels are smaller with a call.
#ifndef SUMS_INLINE
#define SUMS_INLINE INLINE
#endif

// Sums for the logarithms: terms of logits other than the maximum, and how many logits equal it. Apart, so that
// log(1 + 4e-18) is not lost.
// All terms are stored in `terms` where they are to be. Memory is fetched `ahead` elements further on, if not 0. See sum_terms
// for `next`.
template <class V, bool moved, bool stored = false, bool peeking = false, bool may_be_long = true>
SUMS_INLINE void sum_below(const typename V::Scalar* x, size_t n, const Exp<V, moved> exp, size_t ahead, V max,
                           RestSum<V>& total, V& equal, typename V::Scalar* terms = nullptr,
                           Next<V>* next = nullptr) {
  using T = typename V::Scalar;
  RestSum<V> rest = total;  // by value: in registers, or each addition waits for a store
  V count = equal, peeked = splat<V>(T(-infinity));
  constexpr bool at_once = V::registers == 1 && sizeof(T) == 4 && !moved;
  constexpr size_t L = V::lanes, run = RestSum<V>::run * L;
  size_t i = 0;
  const auto settle = [&](V v, Term<V> e, size_t lanes, bool may_be_max) INLINE_LAMBDA {
    if (stored) lanes == L ? store(terms + i, e.value()) : store_first(terms + i, e.value(), lanes);
    if (may_be_max) e.t = zero_if_equal(v, max, e.t), count = count_if_equal(v, max, count);
    if constexpr (peeking) peeked = max_number(load<V>(next->x + (lanes == L ? i : n - L)), peeked);
    return e;
  };
  const auto add_run = [&](T* t, bool may_be_max) INLINE_LAMBDA {
    // Floats wait for each other in `t`; but where a block is a register, all in registers.
    constexpr size_t group = at_once ? run / L : sizeof(T) == 8 && !moved && !few_registers ? together<V> : 1;
    for (size_t at = 0; at < run; at += group * L) {
      if (ahead) fetch<false>(x + i + ahead, group * L);
      Reduced<V> reduced[group];
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++, i += L) {
        const Term<V> e = settle(load<V>(x + i), exp.term(reduced[k]), L, may_be_max);
        if constexpr (at_once) rest.add_term(e);
        if constexpr (!at_once) rest.add_later(e, t + at + k * L);
      }
    }
    if constexpr (at_once) rest.end_run();
    if constexpr (!at_once) rest.end_run(t);
  };
  alignas(64) T t[run];
  while (i + run <= n) {
    // Few runs of a long row have its maximum: those without are seen by one operation a block, and save four. (But one in each
    // row is guessed wrong.)
    bool may_be_max = true;
    if ((may_be_long || !at_once) && n >= (at_once ? 16 : 4) * run) {
      V top = load<V>(x + i);
      for (size_t k = i + L; k < i + run; k += L) top = max_number(load<V>(x + k), top);
      may_be_max = !all_less(top, max);
    }
    if constexpr (few_registers) {
      add_run(t, may_be_max);
    } else {
      may_be_max ? add_run(t, true) : add_run(t, false);
    }
  }
  const auto add_block = [&](V v, size_t lanes) INLINE_LAMBDA {
    const Term<V> e = settle(v, exp.term(v), lanes, true);
    rest.add_term(e);
  };
  for (; i + L <= n; i += L) add_block(load<V>(x + i), L);
  if (i < n) add_block(load_first<V>(x + i, n - i, T(-infinity)), n - i);
  total = rest, equal = count;
  if constexpr (peeking) next->max = peeked, next->found = true;
}

// The same as a function of its own.
template <class V, bool moved, bool stored, bool peeking = false>
__attribute__((noinline)) void sum_below_apart(const typename V::Scalar* x, size_t n, const Exp<V, moved>& exp,
                                               V max, RestSum<V>& total, V& equal, typename V::Scalar* terms,
                                               Next<V>* next = nullptr) {
  sum_below<V, moved, stored, peeking>(x, n, exp, peeking ? n + fetch_distance : n, max, total, equal, terms,
                                       next);
}

template <class V>
INLINE double count_of(V count) {
  alignas(64) typename V::Scalar lane[V::lanes];
  store(lane, count);
  double sum = 0;
  for (size_t i = 0; i < V::lanes; i++) sum += double(lane[i]);
  return sum;
}

}  // namespace UNITS
