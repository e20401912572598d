// A row that is judged by itself: see judge.cc. One pass for the maximum and one for all the rest, over a row that is in the
// cache by then.
#pragma once
#include "distances.h"

namespace UNITS {

// In the order of `out` and the arrays beside it.
struct Verdict {
  double logLoss = 0, confidence = 0, brier = 0, entropy = 0;
  uint32_t top = 0, rank = 0;
};

constexpr uint32_t no_rank = 0x7fffffff;

template <class V>
struct JudgeRow : Distances<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Rows<V>::scale64;
  explicit JudgeRow(const Problem& p) : Distances<V>(p) {}

  void solve(size_t r) const {
    const Source row = source_of(p, r);
    const size_t target = target_of(r);
    if (target == ignored) return put(r, {});
    Verdict said{nan, nan, nan, nan, no_class, no_rank};
    judge(row, target, said);
    put(r, said);
  }

 protected:
  static constexpr size_t L = V::lanes, W = L / F64::lanes;
  static constexpr double nan = __builtin_nan("");
  static constexpr size_t ignored = ~size_t(0);
  using Distances<V>::max_of_row, Distances<V>::distances_of, Distances<V>::furthest;

  // Terms are squared in these units: from 2^77 down to 2^-48, whose squares are all there is to tell of a probability of
  // 2^-125, a run of squares stays in the range of floats. Those of doubles, up to 2^501, do without.
  static constexpr double unit = sizeof(T) == 4 ? 0x1p-15 : 1;
  // No float32 probability is wrong by as much, relative to itself.
  static constexpr double doubtful = 0x1p-20;

  bool is_extreme() const { return scale.extreme || Distances<V>::is_extreme(); }

  size_t target_of(size_t r) const {
    const int32_t given = p.targets ? read_once(p.targets + r) : p.ignoreIndex;
    return given == p.ignoreIndex || given < 0 || size_t(given) >= p.length ? ignored : size_t(given);
  }

  void put(size_t r, const Verdict& said) const {
    p.losses[r] = said.logLoss;
    p.confidences[r] = said.confidence, p.brierScores[r] = said.brier, p.entropies[r] = said.entropy;
    p.likeliest[r] = said.top, p.targetRanks[r] = said.rank;
  }

  // Lanes of doubles.
  struct Total {
    F64 sum = splat<F64>(0);
    INLINE void add(V part) {
      F64 wide[W];
      widen(part, wide);
      for (size_t w = 0; w < W; w++) sum = UNITS::add(sum, wide[w]);
    }
    double value() const { return reduce_add(sum); }
  };

  // Of the terms below the maximum: their sum, that of their squares, and of each times its distance. Of the logits: how many
  // are the maximum, how many the target's, and how many no more than that. Lanes past the end hold the maximum.
  struct Sums {
    Total terms, squares, distances;
    V tops = splat<V>(0), equal = splat<V>(0), no_more = splat<V>(0);
    size_t past = 0;
  };

  void judge(const Source& whole, size_t target, Verdict& said) const {
    alignas(64) T buffer[segment_length], one[1];
    const bool takes_part = target < whole.length && !whole.masked_out(target);
    const T own = takes_part ? *whole.fetch<T>(target, 1, one) : T(-infinity);
    const Source row = whole.length <= segment_length ? whole.fetched(buffer) : whole;
    const T max = max_of_row(row);
    if (max == T(-infinity) && whole.nothing_left()) {
      said = {double(infinity), 0, 1, 0, no_class, uint32_t(full_length(p, whole))};
    }
    if (max == T(-infinity) || max == T(infinity)) return;
    const Shift<T> shift = shift_for<V>(max, scale, ExpTraits<V>::log_vanish);
    const double moved = shift.origin != 0 ? 0 : double(max) * scale64.down * scale64.up;
    const Wide<double> top = term_of_max<V>(moved, shift.top, scale64);
    const size_t equal = shift.moved ? judge(row, Exp<V, true>(scale, shift), max, own, top, said)
                                     : judge(row, Exp<V, false>(scale, shift), max, own, top, said);
    if (said.rank == no_rank) return;
    if (!takes_part) said.rank = uint32_t(full_length(p, whole));
    if (takes_part && equal > 1) said.rank += equal_before(whole, target, own);
    if (is_near_edge(said.confidence)) said.confidence = confidence_of(row);
  }

  // Returns how many logits equal the target's: of those, the lower classes come before it.
  template <bool moved>
  size_t judge(const Source& row, const Exp<V, moved>& exp, T max, T own, Wide<double> top, Verdict& said) const {
    alignas(64) T buffer[chunk_length], lane[L];
    const bool is_extreme = this->is_extreme();
    Sums sums;
    double extreme = 0;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T* x = row.fetch(at, n, buffer);
      add(x, n, exp, max, own, sums);
      if (is_extreme) extreme += distances_of(x, n, exp, max);
    }
    const bool is_top = own == max;
    const double tops = count_of(sums.tops) - double(sums.past);
    double below = sums.terms.value(), squares = sums.squares.value(), far = sums.distances.value();
    if (below != below) return 0;
    // What float32 could not tell from 0 is the terms of -Infinity.
    if (sizeof(T) == 4 && below < top.hi * 0x1p-151) below = squares = far = extreme = 0;
    store(lane, exp.term(splat<V>(own)).value());
    const double term = own == T(-infinity) ? 0 : double(lane[0]);
    const double whole = tops * top.hi + (below + tops * top.lo);
    // Nothing of p - y cancels: where the target is at the top, 1 - p is what the others have.
    const double lacking = (is_top ? below + (tops - 1) * top.hi : whole - term) / whole;
    const double others = squares / unit / unit / whole / whole;
    const double own_share = is_top ? top.hi / whole : term / whole, top_share = top.hi / whole;
    const double log_sum = log_of_sum<F64>(Wide<double>{below, 0}, tops, top);
    said.logLoss = distance(double(max), double(own), p.temperature) + log_sum;
    said.confidence = 1 / (tops + below / top.hi);
    said.brier = lacking * lacking + (others + (tops * top_share * top_share - own_share * own_share));
    said.entropy = log_sum + (is_extreme ? extreme : far / p.temperature) / whole;
    said.top = first_of(row, max);
    const size_t past = is_top ? sums.past : 0;
    said.rank = uint32_t(row.length - (size_t(count_of(sums.no_more)) - past) + 1);
    return size_t(count_of(sums.equal)) - past;
  }

  template <bool moved>
  __attribute__((noinline)) void add(const T* x, size_t n, const Exp<V, moved>& exponential, T max, T own,
                                     Sums& sums) const {
    const Exp<V, moved> exp = exponential;
    const V top = splat<V>(max), target = splat<V>(own), most = this->most();
    const V units = splat<V>(T(unit));
    V terms = splat<V>(0), squares = terms, distances = terms;
    V tops = sums.tops, equal = sums.equal, no_more = sums.no_more;
    const auto take = [&](V v, V term) INLINE_LAMBDA {
      const V below = zero_if_equal(v, top, term), small = mul(below, units);
      terms = UNITS::add(terms, below);
      squares = muladd(small, small, squares);
      distances = muladd(below, min_number(sub(top, v), most), distances);
      tops = count_if_equal(v, top, tops);
      equal = count_if_equal(v, target, equal);
      no_more = count_if_equal(max_number(v, target), target, no_more);
    };
    const auto end_run = [&]() INLINE_LAMBDA {
      sums.terms.add(terms), sums.squares.add(squares), sums.distances.add(distances);
      terms = squares = distances = splat<V>(0);
    };
    this->each_run(x, n, exp, max, take, end_run);
    sums.past += (L - n % L) % L;
    sums.tops = tops, sums.equal = equal, sums.no_more = no_more;
  }

  // The first class of this logit, which is the row's maximum.
  uint32_t first_of(const Source& row, T max) const {
    alignas(64) T buffer[chunk_length];
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T* x = row.fetch(at, n, buffer);
      size_t i = 0;
      const V top = splat<V>(max);
      while (i + L <= n && all_less(load<V>(x + i), top)) i += L;
      for (; i < n; i++) {
        if (x[i] == max) return uint32_t(at + i);
      }
    }
    return no_class;
  }

  // How many classes before the target have its logit.
  uint32_t equal_before(const Source& row, size_t target, T own) const {
    alignas(64) T buffer[chunk_length];
    uint32_t before = 0;
    for (size_t at = 0; at < target && row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(target - at, chunk_length);
      const T* x = row.fetch(at, n, buffer);
      for (size_t i = 0; i < n; i++) before += x[i] == own && !row.masked_out(at + i);
    }
    return before;
  }

  // Whether a confidence from float32 terms could lie in the wrong bin. None is over 1, the last edge.
  bool is_near_edge(double confidence) const {
    if (sizeof(T) == 8 || !(confidence > 0)) return false;
    const double place = confidence * double(p.bins), edge = round_to_integer(place);
    return edge < double(p.bins) && __builtin_fabs(place - edge) < doubtful * place;
  }

  double confidence_of(const Source& row) const {
    const Measure m = Measurer<F64, UNITS::Sums::below>{scale64, scale64}.row(row, nullptr, nullptr);
    return 1 / (m.count + (m.sum + m.sum_lo) / (m.top_term + m.top_term_lo));
  }
};

}  // namespace UNITS
