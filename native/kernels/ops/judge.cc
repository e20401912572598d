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
  using JudgeRow<V>::L, JudgeRow<V>::nan, JudgeRow<V>::ignored, JudgeRow<V>::unit;
  using JudgeRow<V>::doubtful, JudgeRow<V>::is_extreme, JudgeRow<V>::target_of, JudgeRow<V>::put;
  using JudgeRow<V>::equal_before, JudgeRow<V>::is_near_edge, JudgeRow<V>::confidence_of;
  explicit Judge(const Problem& p) : JudgeRow<V>(p) {}

  // A group goes through its classes in slices, whose sums stay in registers: of 8 rows, or as many as a register has.
  static constexpr size_t slice_bytes =
      sizeof(T) == 8 || sizeof(typename V::Register) == block_bytes ? block_bytes : block_bytes / 2;
  using S = Block<typename V::Register, T, slice_bytes>;
  static constexpr size_t W = S::lanes / F64::lanes;
  // What is made of the sums waits for itself: it is done in four registers, or what a block has.
  static constexpr size_t wide_bytes =
      sizeof(T) == 4 && sizeof(f64r) * 4 > block_bytes ? 2 * block_bytes : block_bytes;
  using D = Block<f64r, double, wide_bytes>;

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
    alignas(64) T max[L];     // of all logits
    alignas(64) T length[L];  // how many classes a row has
    alignas(64) uint32_t likeliest[L];
    size_t begin, count, classes = 1;
    uint32_t alone = 0;    // rows, as bits, that are solved alone
    uint32_t silent = 0;   // whose target is ignored
    uint32_t outside = 0;  // whose target takes no part
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
    const bool compares = whole && p.targets && p.length <= most_compared;
    const V max = compares ? survey<true>(g) : survey<false>(g);
    if (!LaneShift<V>(max, scale, 0).reducible) set_apart(g);
    if (!compares) {
      for (size_t i = 0; i < count; i++) take_target(g, i, whole);
      for (size_t i = count; i < L; i++) g.own[i] = 0;
    }
    judge(g);
    return g.alone & there;
  }

  // Returns the largest logits. `compares`: each class is compared with the targets of all lanes.
  template <bool compares>
  INLINE V survey(Group& g) const {
    const V zero = splat<V>(0), one = splat<V>(1), half = splat<V>(T(0.5));
    const V given = compares ? load_whole<V>(p.targets + g.begin) : zero;
    V max = load<V>(g.x), own = max, before = sub(zero, half), first = before;  // class - 1 / 2
    for (size_t c = 1; c < g.classes; c++) {
      const V v = load<V>(g.x + c * L);
      before = UNITS::add(before, one);
      first = select_greater(v, max, before, first);
      max = max_number(v, max);
      if (compares) own = select_greater(given, before, v, own);
    }
    store(g.max, max), store_whole(g.likeliest, UNITS::add(first, half));
    if (!compares) return max;
    store(g.own, own);
    const V from = select_greater(given, splat<V>(-1), one, zero);
    const V counts =
        zero_if_equal(given, splat<V>(T(p.ignoreIndex)), select_greater(splat<V>(T(p.length)), given, from, zero));
    g.silent = mask_greater(one, counts);
    return max;
  }

  // Rows without a maximum that can be reduced. Each is told by itself: its neighbours must not see it.
  __attribute__((noinline)) void set_apart(Group& g) const {
    for (size_t i = 0; i < g.count; i++) {
      const bool fits = __builtin_fabs(double(g.max[i] * T(scale.c))) < ExpTraits<V>::reducible;
      if (fits || (g.alone >> i & 1)) continue;
      blank(g, i);
      g.max[i] = g.own[i] = 0;
    }
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
    fetch<false>(x + 2 * L * n, L * n);
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
  struct GroupSums {
    alignas(64) double terms[L], squares[L], distances[L];  // of terms below the maximum
    alignas(64) T top[L];                                   // the exponent of the maximum
    alignas(64) T own_term[L],
        own_is_top[L];  // what there is of a target below the maximum, and whether it is at the top
    alignas(64) T below[L],
        greater[L];     // how many logits are below the maximum, and how many are greater than the target's
    uint32_t tied = 0;  // rows, as bits, with another logit like the target's
  };

  // Where the results of a group go, an array each.
  struct Results {
    double *losses, *confidences, *brierScores, *entropies;
    uint32_t *likeliest, *targetRanks;
  };

  INLINE void judge(const Group& g) const {
    GroupSums sums;
    for (size_t at = 0; at < L; at += S::lanes) add(g, at, sums);
    const size_t r = g.begin;
    const Results to{p.losses + r,    p.confidences + r, p.brierScores + r,
                     p.entropies + r, p.likeliest + r,   p.targetRanks + r};
    uint32_t odd = g.count == L ? finish(g, sums, to) : finish_some(g, sums, to);
    odd |= sums.tied | g.silent | g.outside;
    odd &= ~g.alone & (g.count < 32 ? (1u << g.count) - 1 : ~0u);
    for (size_t i = 0; odd >> i; i++) {
      if (odd >> i & 1) put_right(g, i);
    }
  }

  // Classes in the order that they have: terms that vanish are none at all, so that no row sees how long the others are.
  INLINE void add(const Group& g, size_t at, GroupSums& sums) const {
    constexpr size_t lane_run = 8;  // classes
    const S max = load<S>(g.max + at), own = load<S>(g.own + at), units = splat<S>(T(unit)), one = splat<S>(1),
            zero = splat<S>(0);
    const LaneShift<S> shift(max, scale, ExpTraits<V>::log_vanish);
    const Exp<S, false> exp(scale, shift.magic, shift.lower);
    S below = zero, equal = zero, greater = zero;
    F64 all_terms[W], all_squares[W], all_distances[W];
    for (size_t w = 0; w < W; w++) all_terms[w] = all_squares[w] = all_distances[w] = splat<F64>(0);
    const T *x = g.x + at, *const last = x + g.classes * L;
    while (x < last) {
      S terms = zero, squares = zero, distances = zero;
      for (const T* const end = x + lesser(size_t(last - x), lane_run * L); x < end; x += L) {
        const S v = load<S>(x), seen = max_number(shift.lower, v);
        const S term = zero_if_equal(v, max, zero_if_equal(seen, shift.lower, exp.term(v).value()));
        const S small = mul(term, units);
        terms = UNITS::add(terms, term);
        squares = muladd(small, small, squares);
        distances = muladd(term, sub(max, seen), distances);
        below = UNITS::add(below, zero_if_equal(v, max, one));
        equal = count_if_equal(v, own, equal);
        greater = UNITS::add(greater, select_greater(v, own, one, zero));
      }
      add_wide(terms, all_terms), add_wide(squares, all_squares), add_wide(distances, all_distances);
    }
    for (size_t w = 0; w < W; w++) {
      const size_t i = at + w * F64::lanes;
      store(sums.terms + i, all_terms[w]), store(sums.squares + i, all_squares[w]),
          store(sums.distances + i, all_distances[w]);
    }
    const S own_term = zero_if_equal(own, splat<S>(T(-infinity)), exp.term(own).value());
    store(sums.top + at, shift.top), store(sums.own_term + at, zero_if_equal(own, max, own_term));
    store(sums.own_is_top + at, count_if_equal(own, max, zero));
    store(sums.below + at, below), store(sums.greater + at, greater);
    sums.tied |= mask_greater(equal, one) << at;
  }

  static INLINE void add_wide(S part, F64* sums) {
    F64 wide[W];
    widen(part, wide);
    for (size_t w = 0; w < W; w++) sums[w] = UNITS::add(sums[w], wide[w]);
  }

  // As for a row. Returns the lanes, as bits, whose confidence is to be looked at.
  __attribute__((noinline)) uint32_t finish(const Group& g, const GroupSums& sums, const Results& to) const {
    const D one = splat<D>(1), temperature = splat<D>(p.temperature);
    const bool is_one = p.temperature == 1;
    const auto over_temperature = [&](D x) INLINE_LAMBDA { return is_one ? x : div(x, temperature); };
    const D classes = splat<D>(double(g.classes));
    uint32_t odd = 0;
    for (size_t i = 0; i < L; i += D::lanes) {
      // In units of the maximum's term: what the others add to it is all that is rounded, and nothing of p - y cancels.
      const D max = load_wide<D>(g.max + i), is_top = load_wide<D>(sums.own_is_top + i);
      const Wide<D> top = term_of_max<V>(max, load_wide<D>(sums.top + i), scale64);
      const D tops = sub(classes, load_wide<D>(sums.below + i));
      const D unit_of_top = div(one, top.hi), ratio = mul(load<D>(sums.terms + i), unit_of_top);
      const D confidence = div(one, UNITS::add(tops, ratio));
      D others = UNITS::add(sub(tops, one), ratio);
      if (sizeof(T) == 8) others = sub(others, mul(ratio, mul(top.lo, unit_of_top)));
      const D log_sum = log1p(others, [&](D, D lost) INLINE_LAMBDA { return mul(lost, confidence); });
      const D share = mul(confidence, unit_of_top), own_share = mul(load_wide<D>(sums.own_term + i), share);
      // 1 - p of the target: of one at the top, what the others have.
      const D lacking = muladd(is_top, mul(others, confidence), sub(sub(one, is_top), own_share));
      const D squares = mul(mul(mul(load<D>(sums.squares + i), splat<D>(1 / unit / unit)), share), share);
      const D of_tops = mul(mul(sub(tops, is_top), confidence), confidence);
      const D of_others = UNITS::add(of_tops, sub(squares, mul(own_share, own_share)));
      store(to.losses + i, UNITS::add(over_temperature(sub(max, load_wide<D>(g.own + i))), log_sum));
      store(to.confidences + i, confidence);
      store(to.brierScores + i, muladd(lacking, lacking, of_others));
      store(to.entropies + i, UNITS::add(log_sum, mul(over_temperature(load<D>(sums.distances + i)), share)));
      odd |= to_put_right(confidence) << i;
    }
    __builtin_memcpy(to.likeliest, g.likeliest, sizeof g.likeliest);
    store_whole(to.targetRanks, UNITS::add(load<V>(sums.greater), splat<V>(1)));
    return odd;
  }

  // The same of a group that is not full.
  uint32_t finish_some(const Group& g, const GroupSums& sums, const Results& to) const {
    alignas(64) double doubles[4][L];
    alignas(64) uint32_t whole[2][L];
    const Results all{doubles[0], doubles[1], doubles[2], doubles[3], whole[0], whole[1]};
    const uint32_t odd = finish(g, sums, all);
    for (size_t i = 0; i < g.count; i++) {
      to.losses[i] = all.losses[i], to.confidences[i] = all.confidences[i];
      to.brierScores[i] = all.brierScores[i], to.entropies[i] = all.entropies[i];
      to.likeliest[i] = all.likeliest[i], to.targetRanks[i] = all.targetRanks[i];
    }
    return odd;
  }

  // Lanes, as bits, whose confidence is NaN or could lie in the wrong bin. (The same as is_near_edge.)
  INLINE uint32_t to_put_right(D confidence) const {
    const D bins = splat<D>(double(p.bins)), place = mul(confidence, bins), edge = round_to_integer(place);
    uint32_t lanes = ~mask_greater(confidence, splat<D>(0));
    if (sizeof(T) == 4) {
      lanes |= mask_greater(mul(place, splat<D>(doubtful)), absolute(sub(place, edge))) & mask_greater(bins, edge);
    }
    return lanes & ((1u << D::lanes) - 1);
  }

  __attribute__((noinline)) void put_right(const Group& g, size_t lane) const {
    const size_t r = g.begin + lane;
    if (g.silent >> lane & 1) return put(r, {});
    if (!(p.confidences[r] > 0)) return put(r, {nan, nan, nan, nan, no_class, no_rank});
    const Source row = source_of(p, r);
    if (g.outside >> lane & 1) {
      p.targetRanks[r] = uint32_t(full_length(p, row));
    } else {
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
