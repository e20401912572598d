// The divergence of float rows of few classes, a row in each lane, with its own bits whatever the rows beside it.
#pragma once
#include "../shapes/gathered.h"
#include "pairs.h"

namespace UNITS {

struct DivergencesInLanes {
  const Problem& p;
  const Scale<F32> scale;
  const ExactDivergence exact;
  const Sink out;

  static constexpr size_t L = F32::lanes, H = L / F64::lanes;

  explicit DivergencesInLanes(const Problem& p)
      : p(p), scale(scale_of<F32>(p.temperature)), exact(p), out{static_cast<char*>(p.out), p.outType, 1} {}

  // Groups of rows take each step together: the next step of one waits for the one before.
  static constexpr size_t together = 4, most_blocks = most_gathered;
  static size_t groups_of(size_t classes) { return classes <= most_blocks / together ? together : 1; }

  struct Group {
    size_t begin, count;
    uint32_t odd;  // rows, as bits, for which floats do not do
    float *x, *y, *x_terms, *y_terms;
    F32 max, other_max;
    BothSums<F64> sums[H];
    F64 ratio[H], c[H];
  };

  void solve(size_t begin, size_t end) const {
    const size_t n = p.length, most = groups_of(n);
    const bool plain = is_plain(p);
    alignas(64) float blocks[4][most_blocks * L];
    Group group[together];
    for (size_t g = 0; g < most; g++) {
      group[g].x = blocks[0] + g * n * L, group[g].y = blocks[1] + g * n * L;
      group[g].x_terms = blocks[2] + g * n * L, group[g].y_terms = blocks[3] + g * n * L;
    }
    const GatheredRows rows(p);
    while (begin < end) {
      F32 max[together], other_max[together];
      const size_t groups = rows.load(p.x, begin, end, most, blocks[0], max);
      rows.load(p.other, begin, end, most, blocks[1], other_max);
      for (size_t g = 0; g < groups; g++, begin += L) {
        group[g].begin = begin, group[g].count = lesser(end - begin, L);
        group[g].max = max[g], group[g].other_max = other_max[g];
      }
      for (size_t g = 0; g < groups; g++) plain ? measure<false>(group[g]) : measure<true>(group[g]);
      for (size_t g = 0; g < groups; g++) find_shift(group[g]);
      for (size_t g = 0; g < groups; g++) plain ? write<false>(group[g]) : write<true>(group[g]);
    }
  }

 private:
  template <bool holes>
  void measure(Group& g) const {
    const float bias = bias_for<F32>(p.length);
    TermSum<F32> sum(bias);
    Pairs::RoughSum other;
    F64 whole[H], rest[H], rough[H], top[H], other_top[H];
    g.odd = measure<holes>(g.max, g.x, g.x_terms, sum, top) |
            measure<holes>(g.other_max, g.y, g.y_terms, other, other_top);
    widen(sum.taken(bias), whole), widen(sum.rest, rest), widen(other.sum, rough);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) g.sums[h] = {UNITS::add(whole[h], rest[h]), rough[h], top[h], other_top[h]};
  }
  template <bool holes, class Sum>
  INLINE uint32_t measure(F32 max, const float* x, float* terms, Sum& sum, F64* top) const {
    const LaneShift<F32> shift(max, scale, ExpTraits<F32>::log_vanish);
    Pairs::terms_of<holes || is_compact>(x, p.length, Exp<F32, false>(scale, shift.magic, shift.lower), terms, 0,
                                         sum);
    widen(shift.top, top);
    return odd_rows(max, scale);
  }

  INLINE void find_shift(Group& g) const {
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      g.ratio[h] = g.sums[h].ratio();
      g.c[h] = g.sums[h].shift(g.ratio[h]);
    }
  }

  // The rows, as bits, whose values may stay.
  template <bool holes>
  INLINE uint32_t evaluate(const Group& g, Outcome* outcome) const {
    Pairs::Parts parts;
    Pairs::add<holes || is_compact>(g.x, g.y, g.x_terms, g.y_terms, p.length, g.c, 1 / p.temperature, parts);
    uint32_t good = 0;
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const F64 whole = UNITS::add(UNITS::add(parts.near[h], parts.far[h]), mul(parts.away[h], g.ratio[h]));
      outcome[h] = Outcome(g.sums[h].sum, whole, parts.mean[h]);
      good |= outcome[h].good(g.c[h]) << (h * F64::lanes);
    }
    return good & ~mask_greater(parts.most, splat<F32>(float(Pairs::farthest)));
  }

  template <bool holes>
  INLINE void write(Group& g) const {
    const uint32_t all = (1u << g.count) - 1;
    Outcome outcome[H];
    F64 value[H];
    uint32_t good = evaluate<holes>(g, outcome) & ~g.odd;
    for (size_t h = 0; h < H; h++) value[h] = outcome[h].value;
    if ((good & all) == all) {
      if (g.count == L && p.outType == Type::float32)
        return store(static_cast<float*>(p.out) + g.begin, max_number(narrow(value, F32()), splat<F32>(0)));
    } else {
      good = evaluate_again(g, good, value);
    }
    alignas(64) double each[L];
    for (size_t h = 0; h < H; h++) store(each + h * F64::lanes, value[h]);
    for (size_t i = 0; i < g.count; i++)
      out.put(g.begin + i, good >> i & 1 ? each[i] > 0 ? each[i] : 0 : exact.value(source_of(p, g.begin + i)));
  }

  // With better c, and as if there were holes; what was good stays.
  __attribute__((noinline)) uint32_t evaluate_again(Group& g, uint32_t good, F64* value) const {
    const uint32_t odd = g.odd;
    if (is_plain(p)) measure<true>(g), find_shift(g);
    for (size_t round = 0; round < Pairs::most_rounds && (good | odd) != (1u << L) - 1; round++) {
      Outcome outcome[H];
      const uint32_t now = evaluate<true>(g, outcome) & ~odd;
      for (size_t h = 0; h < H; h++) {
        value[h] = keep(good >> (h * F64::lanes), value[h], outcome[h].value);
        outcome[h].improve(g.c[h], g.ratio[h]);
      }
      good |= now;
    }
    return good;
  }
};

}  // namespace UNITS
