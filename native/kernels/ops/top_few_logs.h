// topK of a few classes whose logarithms are asked for, with a row per lane: the bits of logSoftmax.
#pragma once
#include "logarithms.h"
#include "top_few.h"

namespace UNITS {

template <class V>
struct TopFewLogs : Logarithms<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale64, Logarithms<V>::W;
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
    F64 max[W], log_sum[W];
    widen(g.max, max), this->log_sums(g.ends, log_sum);
#pragma GCC unroll 4
    for (size_t w = 0; w < W; w++) {
      const LogProbability<T> log_of(max[w], log_sum[w], p.temperature, scale64);
      T* x = g.ends.key + w * F64::lanes;
      for (size_t j = 0; j < p.k; j++, x += V::lanes) Rows<V>::logs(x, x, F64::lanes, log_of);
    }
    best.write(g, g.ends);
  }
  template <class Group>
  void after(const Group&) const {}

  void solve(size_t r) const { TopKSolver<V>(*this).solve(r, r + 1); }
};

}  // namespace UNITS
