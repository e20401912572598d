// What entropy and judge share: rows whose terms are added up beside each term times its distance from the maximum.
#pragma once
#include "../shapes/rows.h"

namespace UNITS {

template <class V>
struct Distances : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p;
  explicit Distances(const Problem& p) : Rows<V>(p) {}

  // Terms of logits further below the maximum are at most 2^-164 of its own, and count as such: with distances of at most
  // this many temperatures they come to nothing.
  static constexpr double furthest = 1000;

  // Whether the quotients are not to be had from sums.
  bool is_extreme() const { return !(p.temperature < warmest && p.temperature > 1 / warmest); }

 protected:
  static constexpr size_t L = V::lanes;
  // Blocks that are added up as they are before they go to doubles. Their sums, of numbers none of which is negative, are
  // rounded so often less one: with what a term errs by and the rounding of the result, under 4 ULP of float32, 16 of float64.
  static constexpr size_t run = sizeof(T) == 4 ? 4 : 16;
  static_assert(run % together<V> == 0 || together<V> > run, "a run is a whole number of groups");
  // Temperatures that keep a term times its distance within the range of T.
  static constexpr double warmest = sizeof(T) == 4 ? 1e10 : 1e100;

  // The distance that counts as the furthest, in units of the logits.
  V most() const { return splat<V>(T(furthest * (p.temperature < warmest ? p.temperature : warmest))); }

  T max_of_row(const Source& row) const {
    alignas(64) T buffer[chunk_length];
    T max = T(-infinity);
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T part = max_of<V>(row.fetch(at, n, buffer), n);
      max = part > max ? part : max;
    }
    return max;
  }

  // take(logits, terms) for each block of a run, which starts at i; i is then behind it.
  template <bool moved, class Take>
  static INLINE void take_run(const T* x, size_t& i, const Exp<V, moved>& exp, Take take) {
    constexpr size_t group = run < together<V> ? run : together<V>;
    for (const size_t end = i + run * L; i < end; i += group * L) {
      Reduced<V> reduced[group];
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) take(load<V>(x + i + k * L), exp.term(reduced[k]).value());
    }
  }

  // take(logits, terms) for each block, end_run() after each run of blocks. Lanes past the end hold `past`.
  template <bool moved, class Take, class EndRun>
  static INLINE void each_run(const T* x, size_t n, const Exp<V, moved>& exp, T past, Take take, EndRun end_run) {
    size_t i = 0;
    for (; i + run * L <= n; end_run()) take_run(x, i, exp, take);
    for (; i + L <= n; i += L) take(load<V>(x + i), exp.term(load<V>(x + i)).value());
    if (i < n) {
      const V v = load_first<V>(x + i, n - i, past);
      take(v, exp.term(v).value());
    }
    end_run();
  }

  // The quotients of extreme numbers are not to be had from sums.
  template <bool moved>
  __attribute__((noinline)) double distances_of(const T* x, size_t n, const Exp<V, moved>& exp, T max) const {
    double sum = 0;
    for (size_t i = 0; i < n; i += L) {
      alignas(64) T term[L];
      const size_t count = lesser(n - i, L);
      store(term, exp.term(load_first<V>(x + i, count, T(-infinity))).value());
      for (size_t k = 0; k < count; k++) {
        const double far = distance(double(max), double(x[i + k]), p.temperature);
        sum += double(term[k]) * (far < furthest ? far : 0);
      }
    }
    return sum;
  }
};

}  // namespace UNITS
