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

  template <class Group>
  INLINE void begin(Group& g) const {
    Draw<V>::begin(g);
    filter(g.x, g.step, g.max, Exp<V, false>(scale, g.shift.magic, g.shift.lower), g.ends.redo);
  }

 private:
  __attribute__((noinline)) void filter(T* x, size_t step, V max, const Exp<V, false>& exp, uint32_t& redo) const {
    const size_t n = p.length;
    V least = splat<V>(T(-infinity));
    if (kept < n || p.topP < 1) {
      alignas(64) T sorted[few_classes * L];
      for (size_t c = 0; c < n; c++) store(sorted + c * L, load<V>(x + c * step));
      for (size_t i = 0; i < network.count; i++) {
        T *const a = sorted + network.pair[i][0] * L, *const b = sorted + network.pair[i][1] * L;
        const V x = load<V>(a), y = load<V>(b);
        store(a, max_number(x, y)), store(b, min_number(x, y));
      }
      least = p.topP < 1 ? nucleus(sorted, exp, redo) : load<V>(sorted + (kept - 1) * L);
      if (kept < n) redo |= ~mask_differs(least, load<V>(sorted + kept * L));
    }
    if (p.minPDepth < __builtin_inf()) {
      const double reach = p.temperature * p.minPDepth;
      alignas(64) T lane[L];
      store(lane, max);
      for (size_t i = 0; i < L; i++) lane[i] = at_least<T>(double(lane[i]) - reach);
      least = max_number(load<V>(lane), least);
    }
    const V none = splat<V>(T(-infinity));
    for (size_t c = 0; c < n; c++, x += step) {
      const V v = load<V>(x);
      store(x, select_greater(least, v, none, v));
    }
  }

  static INLINE uint32_t mask_differs(V a, V b) { return mask_greater(a, b) | mask_greater(b, a); }

  // The logit of the last class that top-p keeps of the `kept` best.
  INLINE V nucleus(const T* sorted, const Exp<V, false>& exp, uint32_t& redo) const {
    alignas(64) T sum[few_classes * L];
    V running = splat<V>(0);
    for (size_t c = 0; c < kept; c++) {
      running = add(running, exp.term(load<V>(sorted + c * L)).value());
      store(sum + c * L, running);
    }
    const V slack = mul(running, splat<V>(T(this->slack_of(p.length))));
    const V target = mul(running, splat<V>(T(p.topP))), low = sub(target, slack), high = add(target, slack);
    V least = load<V>(sorted), most = least;
    uint32_t tied = 0;
    for (size_t c = 1; c < kept; c++) {
      const V before = load<V>(sum + (c - 1) * L), v = load<V>(sorted + c * L);
      least = select_greater(low, before, v, least), most = select_greater(high, before, v, most);
      // Not certainly kept, and equal to the last one that is.
      tied |= ~(mask_greater(low, before) | mask_differs(v, least));
    }
    redo |= tied | mask_differs(least, most);
    return least;
  }
};

}  // namespace UNITS
