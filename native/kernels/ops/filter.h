// sample with filters, with a row per lane: logits that top-k, top-p or min-p leaves out become -Infinity before terms are
// summed. Where the last class kept is not certain, by rounding or because another equals it, the row is solved by itself.
#pragma once
#include "draw.h"

namespace UNITS {

// What sorts n numbers, the largest first, or at least the first `wanted`: pairs to be exchanged where they stand the wrong way
// round. Batcher's odd-even mergesort (Knuth, vol. 3, 5.3.4).
struct Network {
  static constexpr size_t most = 1471;  // of few_classes
  size_t n = 0, wanted = 0, count = 0;
  uint8_t pair[most][2];

  void build(size_t classes, size_t first) {
    if (n == classes && wanted == first) return;
    n = classes, wanted = first, count = 0;
    for (size_t p = 1; p < n; p *= 2) {
      for (size_t k = p; k > 0; k /= 2) {
        for (size_t j = k % p; j + k < n; j += 2 * k) {
          for (size_t i = j; i < j + k && i + k < n; i++) {
            if (i / (2 * p) != (i + k) / (2 * p)) continue;
            pair[count][0] = uint8_t(i), pair[count++][1] = uint8_t(i + k);
          }
        }
      }
    }
    keep_wanted();
  }

 private:
  // From the last one on, what none of the wanted comes through goes.
  void keep_wanted() {
    bool needed[few_classes];
    for (size_t i = 0; i < n; i++) needed[i] = i < wanted;
    size_t to = count;
    for (size_t i = count; i-- > 0;) {
      const uint8_t a = pair[i][0], b = pair[i][1];
      if (!needed[a] && !needed[b]) continue;
      needed[a] = needed[b] = true;
      to--, pair[to][0] = a, pair[to][1] = b;
    }
    __builtin_memmove(pair, pair + to, (count -= to) * sizeof *pair);
  }
};

// The latest of each thread.
inline const Network& network_for(size_t n, size_t wanted) {
  static thread_local Network latest;
  latest.build(n, wanted);
  return latest;
}

template <class V>
struct FilteredDraw : Draw<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale;
  static constexpr size_t L = V::lanes;
  const size_t kept;  // at most so many classes
  const Network& network;
  explicit FilteredDraw(const Problem& p)
      : Draw<V>(p),
        kept(p.keepTop > 0 && p.keepTop < p.length ? p.keepTop : p.length),
        network(network_for(p.length, kept + 1)) {}

  static constexpr bool begins_together = true;

  template <class Group>
  INLINE void begin(Group& g) const {
    begin(&g, 1);
  }
  template <class Group>
  void begin(Group* group, size_t count) const {
    Side side[2];
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
      Group& g = group[i];
      if (!g.solvable) continue;
      Draw<V>::begin(g);
      side[waiting] = {g.x, g.step, g.max, g.shift.magic, g.shift.lower, &g.ends.redo};
      if (p.length > most_paired) {
        filter<1, few_classes>(side);
      } else if (++waiting == 2) {
        filter<2, most_paired>(side), waiting = 0;
      }
    }
    if (waiting > 0) filter<1, few_classes>(side);
  }

 private:
  // Rows of up to so many classes are filtered two groups at a time: the steps of one wait for each other.
  static constexpr size_t most_paired = 16;

  struct Side {
    T* x;
    size_t step;
    V max, magic, lower;
    uint32_t* redo;
  };

  template <size_t sides, size_t most>
  __attribute__((noinline)) void filter(const Side* side) const {
    const size_t n = p.length;
    const V none = splat<V>(T(-infinity));
    V least[sides];
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) least[s] = none;
    if (kept < n || p.topP < 1) {
      alignas(64) T sorted[sides][most * L];
      for (size_t c = 0; c < n; c++) {
#pragma GCC unroll 2
        for (size_t s = 0; s < sides; s++) store(sorted[s] + c * L, load<V>(side[s].x + c * side[s].step));
      }
      for (size_t i = 0; i < network.count; i++) {
        const size_t first = network.pair[i][0] * L, second = network.pair[i][1] * L;
#pragma GCC unroll 2
        for (size_t s = 0; s < sides; s++) {
          const V x = load<V>(sorted[s] + first), y = load<V>(sorted[s] + second);
          store(sorted[s] + first, max_number(x, y)), store(sorted[s] + second, min_number(x, y));
        }
      }
      if (p.topP < 1) {
        nucleus<sides, most>(sorted, side, least);
      } else {
        for (size_t s = 0; s < sides; s++) least[s] = load<V>(sorted[s] + (kept - 1) * L);
      }
      for (size_t s = 0; kept < n && s < sides; s++) {
        *side[s].redo |= ~mask_differs(least[s], load<V>(sorted[s] + kept * L));
      }
    }
    for (size_t s = 0; s < sides; s++) {
      if (p.minPDepth < __builtin_inf()) least[s] = max_number(least_by_depth(side[s].max), least[s]);
      T* x = side[s].x;
      for (size_t c = 0; c < n; c++, x += side[s].step) {
        const V v = load<V>(x);
        store(x, select_greater(least[s], v, none, v));
      }
    }
  }

  V least_by_depth(V max) const {
    const double reach = p.temperature * p.minPDepth;
    alignas(64) T lane[L];
    store(lane, max);
    for (size_t i = 0; i < L; i++) lane[i] = at_least<T>(double(lane[i]) - reach);
    return load<V>(lane);
  }

  static INLINE uint32_t mask_differs(V a, V b) { return mask_greater(a, b) | mask_greater(b, a); }

  // The logit of the last class that top-p keeps of the `kept` best.
  template <size_t sides, size_t most>
  INLINE void nucleus(const T (&sorted)[sides][most * L], const Side* side, V* least) const {
    alignas(64) T sum[sides][most * L];
    V running[sides], low[sides], high[sides], likely[sides], next[sides];
    const V none = splat<V>(T(-infinity));
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) running[s] = splat<V>(0);
    for (size_t c = 0; c < kept; c++) {
#pragma GCC unroll 2
      for (size_t s = 0; s < sides; s++) {
        const Exp<V, false> exp(scale, side[s].magic, side[s].lower);
        running[s] = add(running[s], exp.term(load<V>(sorted[s] + c * L)).value());
        store(sum[s] + c * L, running[s]);
      }
    }
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) {
      const V slack = mul(running[s], splat<V>(T(this->slack_of(p.length))));
      const V target = mul(running[s], splat<V>(T(p.topP)));
      low[s] = sub(target, slack), high[s] = add(target, slack);
      least[s] = likely[s] = load<V>(sorted[s]), next[s] = none;  // the first that is not certainly kept
    }
    for (size_t c = 1; c < kept; c++) {
#pragma GCC unroll 2
      for (size_t s = 0; s < sides; s++) {
        const V before = load<V>(sum[s] + (c - 1) * L), v = load<V>(sorted[s] + c * L);
        least[s] = select_greater(low[s], before, v, least[s]);
        likely[s] = select_greater(high[s], before, v, likely[s]);
        next[s] = max_number(select_greater(low[s], before, none, v), next[s]);
      }
    }
    for (size_t s = 0; s < sides; s++) {
      *side[s].redo |= ~mask_differs(least[s], next[s]) | mask_differs(least[s], likely[s]);
    }
  }
};

}  // namespace UNITS
