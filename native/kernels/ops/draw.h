// sample without filters, with a row per lane: the class at which the running sum of the terms exceeds a share of their
// total. Terms are not the weights that a draw is defined by (weights.h), and their sums are rounded: a draw is taken twice,
// with the share a little less and a little more, and where the two differ the row is solved by itself.
#pragma once
#include "../math/philox_lanes.h"
#include "../shapes/lanes.h"
#include "sample.h"

namespace UNITS {

template <class V>
struct Draw : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p;
  const RoundKeys keys;
  explicit Draw(const Problem& p) : Rows<V>(p), keys(p.seed) {}

  static constexpr Sums sums = Sums::all;
  static constexpr bool writes_classes = false, wants_terms = true;
  struct Ends {
    V share;        // of the first draw
    uint32_t redo;  // rows, as bits
  };

  static constexpr bool begins_together = true;

  template <class Group>
  INLINE void begin(Group& g) const {
    begin(&g, 1);
  }
  template <class Group>
  INLINE void begin(Group* group, size_t count) const {
    for (size_t i = 0; i < count; i += together) put_shares(group + i, count - i);
  }
  template <class Group>
  void end(Group&) const {}
  template <class Group>
  INLINE void write(Group& g) const {
    Ends& e = g.ends;
    uint32_t* const out = static_cast<uint32_t*>(p.out);
    V share[together];
    for (size_t i = 0; i < p.count; i++) {
      if (i > 0 && (i - 1) % together == 0) shares_of(g, i, share);
      const V place = draw(g, i == 0 ? e.share : share[(i - 1) % together], e.redo);
      if (p.count == 1) return g.put(out, place);
      alignas(64) uint32_t lane[V::lanes];
      store_whole(lane, place);
      for (size_t k = 0; k < g.count; k++) out[(g.row + k * g.apart) * p.count + i] = lane[k];
    }
  }
  template <class Group>
  INLINE void after(const Group& g) const {
    uint32_t redo = g.ends.redo & ((1u << g.count) - 1);
    for (; redo; redo &= redo - 1) solve(g.row + size_t(__builtin_ctz(redo)) * g.apart);
  }

  void solve(size_t r) const { SampleSolver<V>(p).solve(r, r + 1); }

 protected:
  // How far a running sum of n terms and the share of the total may be apart from those of weights, in parts of the total. In
  // units of half a last bit: n for the roundings of the running sum, as many for those of the total, 2 for each term, 3 for
  // the share, its product and the total; and a weight errs by 1e-10. A share of floats lacks its last 26 bits.
  static constexpr double slack_of(size_t n) {
    return (double(n) + 4) * (sizeof(T) == 4 ? 0x1p-23 : 0x1p-52) + (sizeof(T) == 4 ? 0x1p-27 + 1e-9 : 4e-10);
  }

  // For several groups or several draws at once; where there are fewer, the last one's again.
  static constexpr size_t together = shares_together<V>;
  // Of the first draw.
  template <class Group>
  INLINE void put_shares(Group* group, size_t count) const {
    size_t row[together];
    uint64_t draw[together];
    V* to[together];
#pragma GCC unroll 2
    for (size_t i = 0; i < together; i++) {
      Group& g = group[i < count ? i : count - 1];
      row[i] = g.row, draw[i] = whole(p.firstDraw), to[i] = &g.ends.share;
      g.ends.redo = 0;
    }
    put_shares(row, group->apart, draw, to);
  }
  // Of draw `first`, and of those behind it.
  template <class Group>
  INLINE void shares_of(const Group& g, size_t first, V* share) const {
    size_t row[together];
    uint64_t draw[together];
    V* to[together];
#pragma GCC unroll 2
    for (size_t i = 0; i < together; i++) {
      row[i] = g.row, draw[i] = whole(p.firstDraw) + first + i, to[i] = share + i;
    }
    put_shares(row, g.apart, draw, to);
  }
  // Of draw draw[i] of the rows from row[i] on.
  INLINE void put_shares(const size_t* row, size_t apart, const uint64_t* draw, V* const* to) const {
    uint64_t first[together];
    const uint32_t* given[together];
#pragma GCC unroll 2
    for (size_t i = 0; i < together; i++) {
      first[i] = uint64_t(p.firstRow) + (p.rowNumbers ? 0 : row[i]), given[i] = p.rowNumbers + row[i];
    }
    uniform_lanes<V>(first, p.rowNumbers ? given : nullptr, apart, draw, keys, to);
  }

  template <class Group>
  INLINE V draw(const Group& g, V share, uint32_t& redo) const {
    const size_t n = p.length, step = g.step;
    const T* x = g.x;
    const V total = add(g.taken, g.rest), slack = mul(total, splat<V>(T(slack_of(n))));
    const V target = mul(total, share), low = sub(target, slack), high = add(target, slack);
    const V one = splat<V>(1);
    V running = splat<V>(0), next = one, least = running, most = running;
    for (size_t c = 0; c < n; c++, x += step) {
      running = add(running, load<V>(x));
      least = select_greater(running, low, least, next);
      most = select_greater(running, high, most, next);
      next = add(next, one);
    }
    redo |= mask_greater(most, least);
    return least;
  }
};

}  // namespace UNITS
