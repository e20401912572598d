// topK with k = 1: the maximum of a row, its place and its probability, with a row per lane.
#pragma once
#include "top_k.h"

namespace UNITS {

template <class V>
struct TopOne : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale;
  explicit TopOne(const Problem& p) : Rows<V>(p) {}

  static constexpr Sums sums = Sums::all;
  static constexpr bool writes_classes = false;
  struct Ends {
    V place, share;
    Reduced<V> largest;
  };

  // The place of the maximum, the lowest where several equal it. Backwards: one class further down, what was found is one
  // further away.
  template <class Group>
  INLINE void begin(Group& g) const {
    g.ends.largest = g.reduced_max(scale);
    if constexpr (Group::along) return find_along(g);
    const V one = splat<V>(1), max = g.max;
    V away = splat<V>(0);
    for (size_t c = p.length; c-- > 0;) away = zero_if_equal(load<V>(g.x + c * g.step), max, add(away, one));
    g.ends.place = away;
  }
  template <class Group>
  INLINE void end(Group& g) const {
    g.ends.share = g.largest_share(g.ends.largest, bias_for<V>(p.length));
  }
  template <class Group>
  INLINE void write(const Group& g) const {
    alignas(64) T share[V::lanes];
    store(share, g.ends.share);
    g.put(Sink{static_cast<char*>(p.out), p.outType, 1}, share);
    g.put(p.indices, g.ends.place);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { TopKSolver<V>(*this).solve(r, r + 1); }

 private:
  template <class Group>
  INLINE void find_along(Group& g) const {
    const size_t n = p.length;
    alignas(64) T max[V::lanes], place[V::lanes] = {};
    store(max, g.max);
    for (size_t k = 0; k < g.count; k++) {
      const T* x = g.row_of(k);
      const T over = Selection<V>::below(max[k]);
      uint64_t bits = 0;
      size_t i = 0;
      while (i < n && (bits = Selection<V>::above(x + i, n - i, over)) == 0) i += Selection<V>::group;
      place[k] = T(i + size_t(bits != 0 ? __builtin_ctzll(bits) : 0));
    }
    g.ends.place = load<V>(place);
  }
};

}  // namespace UNITS
