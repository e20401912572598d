// What topK does with rows in lanes, or groups along their blocks, however their best are found.
#pragma once
#include "../shapes/turned.h"
#include "top_k.h"

namespace UNITS {

template <class V>
struct TopInLanes : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale;
  static constexpr size_t L = V::lanes;
  using Rows<V>::Rows;

  static constexpr Sums sums = Sums::all;
  static constexpr bool writes_classes = false;

  template <class Group>
  void after(const Group& g) const {
    for (uint32_t redo = Group::along ? g.ends.redo : 0; redo; redo &= redo - 1) {
      solve(g.row + size_t(__builtin_ctz(redo)));
    }
  }
  void solve(size_t r) const { TopKSolver<V>(*this).solve(r, r + 1); }

 protected:
  // The k best logits, a block each, give way to their probabilities.
  template <class Group>
  INLINE void to_shares(const Group& g, T* key) const {
    const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
    const V hi = g.hi, lo = g.lo;
    store(key, g.largest_share(g.reduced_max(scale), bias_for<V>(p.length)));
    for (size_t j = 1; j < p.k; j++) store(key + j * L, scaled(exp.term(load<V>(key + j * L)).value(), hi, lo));
  }
};

}  // namespace UNITS
