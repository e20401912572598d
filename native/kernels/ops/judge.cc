// judge: what a row says of its target, a number in each of six arrays: see lib/backends/js/judge.ts. Rows of few classes in
// lanes, others one by one.
#include SIMD_HEADER
#include "judge_row.h"
#include "../units.h"

using namespace UNITS;

namespace {

// Longest row that is judged in a lane, whatever lies beside it: so its bits do not depend on that.
constexpr size_t lane_classes = 64;

// Up to here a target's logit is found by comparing each class with the targets of all lanes.
constexpr size_t most_compared = 12;

template <class V>
struct Judge : JudgeRow<V> {
  using typename JudgeRow<V>::T;
  using JudgeRow<V>::p, JudgeRow<V>::scale, JudgeRow<V>::scale64;
  using JudgeRow<V>::L, JudgeRow<V>::W, JudgeRow<V>::nan, JudgeRow<V>::ignored, JudgeRow<V>::furthest,
      JudgeRow<V>::unit;
  using JudgeRow<V>::doubtful, JudgeRow<V>::is_extreme, JudgeRow<V>::target_of, JudgeRow<V>::put;
  using JudgeRow<V>::equal_before, JudgeRow<V>::is_near_edge, JudgeRow<V>::confidence_of;
  explicit Judge(const Problem& p) : JudgeRow<V>(p) {}

  void solve(size_t begin, size_t end) const {
    for (; begin < end; begin += L) {
      const size_t count = lesser(end - begin, L);
      const uint32_t alone = is_extreme() ? ~0u : solve_lanes(begin, count);
      for (size_t i = 0; i < count; i++) {
        if (alone >> i & 1) JudgeRow<V>::solve(begin + i);
      }
    }
  }

 private:
  // Rows in lanes, class c of all of them in the block at x + c * L. Those that are not there, or are solved alone, are
  // [0, -Infinity, ...].
  struct Group {
    alignas(64) T x[lane_classes * L];
    alignas(64) T own[L];     // the logits of the targets
    alignas(64) T length[L];  // how many classes a row has
    size_t begin, count, classes = 1;
    uint32_t alone = 0;    // rows, as bits, that are solved alone
    uint32_t silent = 0;   // whose target is ignored
    uint32_t outside = 0;  // whose target takes no part
    V max;
  };

  void blank(Group& g, size_t lane) const {
    g.alone |= 1u << lane;
    for (size_t c = 0; c < g.classes; c++) g.x[c * L + lane] = c == 0 ? T(0) : T(-infinity);
  }

  // Of the rows that are left, as bits.
  uint32_t solve_lanes(size_t begin, size_t count) const {
    Group g;
    g.begin = begin, g.count = count;
    const uint32_t there = count < 32 ? (1u << count) - 1 : ~0u;
    const bool whole = count == L && is_plain(p) && p.inner == 1 && p.type == type_of<T> && p.length > 0 &&
                       p.length <= lane_classes && has_panels(begin);
    whole ? turn(g) : collect(g);
    if ((g.alone & there) == there) return there;
    g.max = max_of_classes(g);
    LaneShift<V> shift(g.max, scale, ExpTraits<V>::log_vanish);
    if (!shift.reducible) {
      set_apart(g);
      shift = LaneShift<V>(g.max, scale, ExpTraits<V>::log_vanish);
    }
    if (whole && p.targets && p.length <= most_compared) {
      compare_targets(g);
    } else {
      for (size_t i = 0; i < count; i++) take_target(g, i, whole);
      for (size_t i = count; i < L; i++) g.own[i] = 0;
    }
    judge(g, shift);
    return g.alone & there;
  }

  V max_of_classes(const Group& g) const {
    V max = load<V>(g.x);
    for (size_t c = 1; c < g.classes; c++) max = max_number(load<V>(g.x + c * L), max);
    return max;
  }

  // Rows without a maximum that can be reduced. Each is told by itself: its neighbours must not see it.
  __attribute__((noinline)) void set_apart(Group& g) const {
    alignas(64) T max[L];
    store(max, g.max);
    for (size_t i = 0; i < g.count; i++) {
      const bool fits = __builtin_fabs(double(max[i] * T(scale.c))) < ExpTraits<V>::reducible;
      if (!fits && !(g.alone >> i & 1)) blank(g, i);
    }
    g.max = max_of_classes(g);
  }

  // The same for a whole group of few classes: each is compared with the targets of all lanes. (As in logarithms.h.)
  INLINE void compare_targets(Group& g) const {
    const V given = load_whole<V>(p.targets + g.begin), zero = splat<V>(0), one = splat<V>(1);
    V own = load<V>(g.x);
    for (size_t c = 1; c < g.classes; c++) {
      own = select_greater(given, splat<V>(T(c) - T(0.5)), load<V>(g.x + c * L), own);
    }
    store(g.own, own);
    const V from = select_greater(given, splat<V>(-1), one, zero);
    const V counts =
        zero_if_equal(given, splat<V>(T(p.ignoreIndex)), select_greater(splat<V>(T(p.length)), given, from, zero));
    g.silent = mask_greater(one, counts);
  }

  INLINE void take_target(Group& g, size_t i, bool whole) const {
    const size_t target = target_of(g.begin + i);
    g.own[i] = 0;
    if (target == ignored) {
      g.silent |= 1u << i;
    } else if (whole || (target < size_t(g.length[i]) && !source_of(p, g.begin + i).masked_out(target))) {
      g.own[i] = g.x[target * L + i];
    } else {
      g.outside |= 1u << i, g.own[i] = T(-infinity);
    }
  }

  // Whether panels of a group's rows end with x at the latest: those of fewer classes reach into the rows behind.
  bool has_panels(size_t begin) const {
    return p.length >= panel_columns<V> || (begin + L - 1) * p.length + panel_columns<V> <= p.rows() * p.length;
  }

  // Neighbours of the kernel's type. The last panel may overlap the one before.
  INLINE void turn(Group& g) const {
    constexpr size_t P = panel_columns<V>;
    const size_t n = g.classes = p.length;
    const T* x = static_cast<const T*>(p.x) + g.begin * n;
    for (size_t i = 0; i < n; i += P) {
      const size_t at = i + P <= n || n < P ? i : n - P, own = lesser(n, P);
      V column[P];
      load_panel(x + at, n, L, column);
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) {
        if (j < own) store(g.x + (at + j) * L, column[j]);
      }
    }
  }

  // Any others.
  __attribute__((noinline)) void collect(Group& g) const {
    alignas(64) T buffer[lane_classes];
    Source row[L];
    for (size_t i = 0; i < g.count; i++) {
      row[i] = source_of(p, g.begin + i);
      if (row[i].length <= lane_classes && row[i].length > g.classes) g.classes = row[i].length;
    }
    for (size_t i = 0; i < L; i++) {
      const size_t n = i < g.count ? row[i].length : 0;
      g.length[i] = 0;
      if (n == 0 || n > lane_classes) {
        blank(g, i);
        continue;
      }
      g.length[i] = T(n);
      const T* x = row[i].fetch(0, n, buffer);
      for (size_t c = 0; c < n; c++) g.x[c * L + i] = x[c];
      for (size_t c = n; c < g.classes; c++) g.x[c * L + i] = T(-infinity);
    }
  }

  // What is asked of the terms of a group, row by row in lanes.
  struct LaneSums {
    F64 terms[W], squares[W], distances[W];
    V tops, equal, no_more, first;
  };

  // Classes in the order that they have: terms that vanish are none at all, so that no row sees how long the others are.
  INLINE void add(const Group& g, const LaneShift<V>& shift, LaneSums& sums) const {
    const Exp<V, false> exp(scale, shift.magic, shift.lower);
    const V max = g.max, lower = shift.lower, target = load<V>(g.own), units = splat<V>(T(unit)),
            zero = splat<V>(0);
    const V most = splat<V>(T(furthest * p.temperature)), far = splat<V>(T(2 * lane_classes));
    V tops = zero, equal = zero, no_more = zero, first = far, place = zero;
    for (size_t w = 0; w < W; w++) sums.terms[w] = sums.squares[w] = sums.distances[w] = splat<F64>(0);
    constexpr size_t lane_run = 8;  // classes
    for (size_t c = 0; c < g.classes;) {
      V terms = zero, squares = zero, distances = zero;
      for (const size_t end = lesser(c + lane_run, g.classes); c < end; c++) {
        const V v = load<V>(g.x + c * L);
        const V term = zero_if_equal(max_number(lower, v), lower, exp.term(v).value());
        const V below = zero_if_equal(v, max, term), small = mul(below, units);
        terms = UNITS::add(terms, below);
        squares = muladd(small, small, squares);
        distances = muladd(below, min_number(sub(max, v), most), distances);
        tops = count_if_equal(v, max, tops);
        equal = count_if_equal(v, target, equal);
        no_more = count_if_equal(max_number(v, target), target, no_more);
        first = min_number(UNITS::add(place, zero_if_equal(v, max, far)), first);
        place = UNITS::add(place, splat<V>(1));
      }
      F64 wide[W];
      widen(terms, wide);
      for (size_t w = 0; w < W; w++) sums.terms[w] = UNITS::add(sums.terms[w], wide[w]);
      widen(squares, wide);
      for (size_t w = 0; w < W; w++) sums.squares[w] = UNITS::add(sums.squares[w], wide[w]);
      widen(distances, wide);
      for (size_t w = 0; w < W; w++) sums.distances[w] = UNITS::add(sums.distances[w], wide[w]);
    }
    sums.tops = tops, sums.equal = equal, sums.no_more = no_more, sums.first = first;
  }

  // As for a row, and the few lanes with something to put right by themselves.
  INLINE void judge(const Group& g, const LaneShift<V>& shift) const {
    LaneSums sums;
    add(g, shift, sums);
    const V max = g.max;
    const V own = load<V>(g.own), none = splat<V>(T(-infinity)), zero = splat<V>(0);
    const Exp<V, false> exp(scale, shift.magic, shift.lower);
    const V own_term = zero_if_equal(own, none, exp.term(own).value());
    F64 maxima[W], shifts[W], tops[W], owns[W], own_terms[W], is_top[W];
    widen(max, maxima), widen(shift.top, shifts), widen(sums.tops, tops), widen(own, owns);
    widen(own_term, own_terms), widen(count_if_equal(own, max, zero), is_top);
    alignas(64) double losses[L], confidences[L], briers[L], entropies[L];
    alignas(64) uint32_t likeliest[L], ranks[L];
    uint32_t odd = 0;
    const F64 one = splat<F64>(1), temperature = splat<F64>(p.temperature);
    const bool is_one = p.temperature == 1;
    const auto over_temperature = [&](F64 x) INLINE_LAMBDA { return is_one ? x : div(x, temperature); };
    for (size_t w = 0; w < W; w++) {
      // In units of the maximum's term: what the others add to it is all that is rounded, and nothing of p - y cancels.
      const Wide<F64> top = term_of_max<V>(maxima[w], shifts[w], scale64);
      const F64 unit_of_top = div(one, top.hi), ratio = mul(sums.terms[w], unit_of_top);
      const F64 others = UNITS::add(sub(tops[w], one), ratio), confidence = div(one, UNITS::add(tops[w], ratio));
      const F64 log_sum = log1p(sub(others, mul(ratio, mul(top.lo, unit_of_top))));
      const F64 share = mul(confidence, unit_of_top), own_share = mul(own_terms[w], share);
      const F64 p_of_own = UNITS::add(zero_if_equal(is_top[w], one, own_share), mul(is_top[w], confidence));
      const F64 lacking =
          UNITS::add(zero_if_equal(is_top[w], one, sub(one, own_share)), mul(is_top[w], mul(others, confidence)));
      const F64 squares = mul(mul(mul(sums.squares[w], splat<F64>(1 / unit / unit)), share), share);
      const F64 tops_squared = sub(mul(mul(tops[w], confidence), confidence), mul(p_of_own, p_of_own));
      const size_t at = w * F64::lanes;
      store(losses + at, UNITS::add(over_temperature(sub(maxima[w], owns[w])), log_sum));
      store(confidences + at, confidence);
      store(briers + at, UNITS::add(mul(lacking, lacking), UNITS::add(squares, tops_squared)));
      store(entropies + at, UNITS::add(log_sum, mul(over_temperature(sums.distances[w]), share)));
      odd |= to_put_right(confidence) << at;
    }
    store_whole(likeliest, sums.first);
    store_whole(ranks, sub(splat<V>(T(g.classes + 1)), sums.no_more));
    const uint32_t tied = mask_greater(sums.equal, splat<V>(1));
    odd |= g.silent | g.outside | tied;
    copy(p.losses, losses, g), copy(p.confidences, confidences, g);
    copy(p.brierScores, briers, g), copy(p.entropies, entropies, g);
    copy(p.likeliest, likeliest, g), copy(p.targetRanks, ranks, g);
    odd &= ~g.alone & (g.count < 32 ? (1u << g.count) - 1 : ~0u);
    for (size_t i = 0; odd >> i; i++) {
      if (odd >> i & 1) put_right(g, i, tied >> i & 1);
    }
  }

  template <class E>
  static INLINE void copy(E* to, const E* from, const Group& g) {
    __builtin_memcpy(to + g.begin, from, g.count == L ? L * sizeof(E) : g.count * sizeof(E));
  }

  // Lanes, as bits, whose confidence is NaN or could lie in the wrong bin. (The same as is_near_edge.)
  uint32_t to_put_right(F64 confidence) const {
    const F64 bins = splat<F64>(double(p.bins)), place = mul(confidence, bins), edge = round_to_integer(place);
    uint32_t lanes = ~mask_greater(confidence, splat<F64>(0));
    if (sizeof(T) == 4) {
      lanes |=
          mask_greater(mul(place, splat<F64>(doubtful)), absolute(sub(place, edge))) & mask_greater(bins, edge);
    }
    return lanes & ((1u << F64::lanes) - 1);
  }

  __attribute__((noinline)) void put_right(const Group& g, size_t lane, bool is_tied) const {
    const size_t r = g.begin + lane;
    if (g.silent >> lane & 1) return put(r, {});
    if (!(p.confidences[r] > 0)) return put(r, {nan, nan, nan, nan, no_class, no_rank});
    const Source row = source_of(p, r);
    if (g.outside >> lane & 1) {
      p.targetRanks[r] = uint32_t(full_length(p, row));
    } else if (is_tied) {
      p.targetRanks[r] += equal_before(row, target_of(r), g.own[lane]);
    }
    if (is_near_edge(p.confidences[r])) p.confidences[r] = confidence_of(row);
  }
};

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  Judge<V>(p).solve(begin, end);
}

}  // namespace

void UNITS::solve_judge(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
