// topK of a few classes whose logarithms are asked for, with a row per lane: the bits of logSoftmax.
#pragma once
#include "logarithms.h"
#include "top_few.h"

namespace UNITS {

template <class V>
struct TopFewLogs : Logarithms<V> {
  using Rows<V>::p;
  const BestOfRows<V> best;
  explicit TopFewLogs(const Problem& p) : Logarithms<V>(p), best(p) {}

  static constexpr bool writes_classes = false, has_columns = false;
  struct Ends : Logarithms<V>::Ends, Best<V> {};

  static bool fits(const Problem& p) {
    return p.log && p.k > 0 && p.k <= most_few && p.k <= p.length && p.length <= panel_log_classes && p.inner == 1;
  }

  template <class Group>
  INLINE void begin(Group& g) const {
    Logarithms<V>::begin(g);
    best.find(g, g.ends);
  }
  template <class Group>
  INLINE void write(Group& g) const {
    this->put_logs(g, g.ends.key, V::lanes, p.k);
    best.write(g, g.ends);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { TopKSolver<V>(*this).solve(r, r + 1); }
};

}  // namespace UNITS
