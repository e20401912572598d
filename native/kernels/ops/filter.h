// sample with filters, with a row per lane: terms that top-k, top-p or min-p leave out become 0 before a class is drawn. Where the
// last class kept is not certain, by rounding or because another's term equals its own, the row is solved by itself.
#pragma once
#include "draw.h"
#include "sorted_lanes.h"

namespace UNITS {

template <class V>
struct FilteredDraw : Draw<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale;
  static constexpr size_t L = V::lanes;
  // Of doubles along another axis so few are wanted.
  static constexpr bool has_columns = Rows<V>::has_columns && sizeof(T) == 4;
  const size_t kept;  // at most so many classes, without those that equal the last: one of min-p 1
  explicit FilteredDraw(const Problem& p)
      : Draw<V>(p),
        kept(p.minPDepth == 0                        ? 1
             : p.keepTop > 0 && p.keepTop < p.length ? p.keepTop
                                                     : p.length) {}

  static constexpr bool ends_together = true;
  template <class Op, class Group>
  static INLINE void end_all(const Op& op, Group* group, size_t count) {
    Side side[2];
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
      Group& g = group[i];
      if (!g.solvable) continue;
      side[waiting++] = {g.x, g.step, &g, &g.ends.redo};
      if constexpr (most_paired > 0) {
        if (op.p.length <= most_paired) {
          if (waiting == 2) op.template filter<2, most_paired>(side), waiting = 0;
          continue;
        }
      }
      op.template filter<1, panel_classes>(side), waiting = 0;
    }
    if (waiting > 0) op.template filter<1, panel_classes>(side);
  }

 private:
  // Rows of up to so many classes are filtered two groups at a time: the steps of one wait for each other.
  static constexpr size_t most_paired = lanes_for_all ? 16 : 0;

  // The terms of a group, and its sums, which become those of the terms that are kept.
  struct Side {
    T* x;
    size_t step;
    Lanes<V, Sums::all>* sums;
    uint32_t* redo;
  };

  // `most`: classes.
  template <size_t sides, size_t most>
  __attribute__((noinline)) void filter(const Side* side) const {
    const size_t n = p.length;
    const V none = splat<V>(0);
    V least[sides];
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) least[s] = none;
    if (kept < n || p.topP < 1) {
      alignas(64) T sorted[sides][most * L];
      for (size_t s = 0; s < sides; s++) {
        const Side& own = side[s];
        SortedLanes<PlainKey<V>>::best(n, kept + 1, sorted[s], [&own](size_t c, T* to) INLINE_LAMBDA {
          store(to, load<V>(own.x + c * own.step));
        });
      }
      if (p.topP < 1) {
        nucleus<sides>(sorted, side, least);
      } else {
        for (size_t s = 0; s < sides; s++) least[s] = load<V>(sorted[s] + (kept - 1) * L);
      }
      for (size_t s = 0; kept < n && s < sides; s++) {
        *side[s].redo |= ~mask_differs(least[s], load<V>(sorted[s] + kept * L)) & that_count(least[s]);
      }
    }
    for (size_t s = 0; s < sides; s++) {
      if (p.minPDepth > 0 && p.minPDepth < __builtin_inf())
        least[s] = max_number(least_by_depth(side[s]), least[s]);
      T* x = side[s].x;
      V taken = none;
      for (size_t c = 0; c < n; c++, x += side[s].step) {
        const V term = load<V>(x), left = select_greater(least[s], term, none, term);
        store(x, left), taken = add(taken, left);
      }
      side[s].sums->taken = taken, side[s].sums->rest = none;
    }
  }

  // The least term within min-p's reach. Other terms so near that the order of terms may not be that of their logits are left to
  // the row by itself.
  INLINE V least_by_depth(const Side& side) const {
    const auto& shift = side.sums->shift;
    const V logit = least_logit(side.sums->max),
            term = Exp<V, false>(scale, shift.magic, shift.lower).term(logit).value();
    const V slack = mul(term, splat<V>(T(sizeof(T) == 4 ? 0x1p-21 : 0x1p-50)));
    const V low = sub(term, slack), high = add(term, slack), none = splat<V>(0);
    const T* x = side.x;
    V near = none;
    for (size_t c = 0; c < p.length; c++, x += side.step) {
      const V own = load<V>(x);
      near = max_number(select_greater(own, low, select_greater(high, own, own, none), none), near);
    }
    *side.redo |= that_count(near);
    return term;
  }
  // Terms, as bits, that a draw can tell from none: its share is not as fine.
  static INLINE uint32_t that_count(V term) {
    return mask_greater(term, splat<V>(T(power_of_two(int(ExpTraits<V>::offset) - 60))));
  }
  // As least_within does it.
  INLINE V least_logit(V max) const {
    const F64 reach = splat<F64>(p.temperature * p.minPDepth), zero = splat<F64>(0), one = splat<F64>(1);
    F64 least[wides<V>], nearest[wides<V>];
    widen(max, least);
#pragma GCC unroll 4
    for (size_t w = 0; w < wides<V>; w++) least[w] = sub(least[w], reach);
    const V rounded = narrow(least, V());
    if constexpr (sizeof(T) == 4) {  // up to the next float where it was rounded down
      widen(rounded, nearest);
#pragma GCC unroll 4
      for (size_t w = 0; w < wides<V>; w++) nearest[w] = select_greater(least[w], nearest[w], one, zero);
      const V up = splat<V>(__builtin_bit_cast(T, 1)), down = splat<V>(__builtin_bit_cast(T, -1)),
              none = splat<V>(0);
      const V next = add_bits(rounded, select_greater(none, rounded, down, up));
      return select_greater(narrow(nearest, V()), none, next, rounded);
    }
    return rounded;
  }

  static INLINE uint32_t mask_differs(V a, V b) { return mask_greater(a, b) | mask_greater(b, a); }

  // The term of the last class that top-p keeps of the `kept` best.
  template <size_t sides, size_t most>
  INLINE void nucleus(const T (&sorted)[sides][most], const Side* side, V* least) const {
    alignas(64) T sum[sides][most];
    V running[sides], low[sides], high[sides], likely[sides], next[sides];
    const V none = splat<V>(0);
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) running[s] = none;
    for (size_t c = 0; c < kept; c++) {
#pragma GCC unroll 2
      for (size_t s = 0; s < sides; s++) {
        running[s] = add(running[s], load<V>(sorted[s] + c * L));
        store(sum[s] + c * L, running[s]);
      }
    }
#pragma GCC unroll 2
    for (size_t s = 0; s < sides; s++) {
      const V slack = mul(running[s], splat<V>(T(this->slack_of(p.length))));
      const V target = mul(running[s], splat<V>(T(p.topP)));
      low[s] = sub(target, slack), high[s] = add(target, slack);
      least[s] = likely[s] = load<V>(sorted[s]), next[s] = none;  // the largest that is not certainly kept
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
