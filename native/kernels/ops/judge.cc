// judge: what a row says of its target, in JUDGED numbers per row: see lib/backends/js/judge.ts. One pass for the maximum
// and one for all the rest, over a row that is in the cache by then.
#include SIMD_HEADER
#include "../shapes/rows.h"
#include "../units.h"

namespace {

// Longest row that is judged in a lane, whatever lies beside it: so its bits do not depend on that.
constexpr size_t lane_classes = 64;

// In the order of `out` and the arrays beside it.
struct Verdict {
  double logLoss = 0, confidence = 0, brier = 0, entropy = 0;
  uint32_t top = 0, rank = 0;
};

constexpr uint32_t no_class = 0xffffffff, no_rank = 0xffffffff;

template <class V>
struct Judge : Rows<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Rows<V>::scale64;
  explicit Judge(const Problem& p) : Rows<V>(p) {}

  void solve(size_t begin, size_t end) const {
    for (; begin < end; begin += L) {
      const size_t count = lesser(end - begin, L);
      const uint32_t alone = is_extreme() ? ~0u : solve_lanes(begin, count);
      for (size_t i = 0; i < count; i++) {
        if (alone >> i & 1) solve(begin + i);
      }
    }
  }

  void solve(size_t r) const {
    const Source row = source_of(p, r);
    const size_t target = target_of(r);
    if (target == ignored) return put(r, {});
    Verdict said{nan, nan, nan, nan, no_class, no_rank};
    judge(row, target, said);
    put(r, said);
  }

 private:
  static constexpr size_t L = V::lanes, W = L / F64::lanes;
  static constexpr double nan = __builtin_nan("");
  static constexpr size_t ignored = ~size_t(0);
  // As in entropy.cc: blocks that are added up before they go to doubles, how far terms reach, and temperatures whose
  // products stay in range.
  static constexpr size_t run = sizeof(T) == 4 ? 4 : 16;
  static_assert(run % together<V> == 0 || together<V> > run, "a run is a whole number of groups");
  static constexpr double furthest = 1000, warmest = sizeof(T) == 4 ? 1e10 : 1e100;
  // Terms are squared in these units: from 2^77 down to 2^-48, whose squares are all there is to tell of a probability of
  // 2^-125, a run of squares stays in the range of floats. Those of doubles, up to 2^501, do without.
  static constexpr double unit = sizeof(T) == 4 ? 0x1p-15 : 1;
  // No float32 probability is wrong by as much, relative to itself.
  static constexpr double doubtful = 0x1p-20;

  bool is_extreme() const { return scale.extreme || !(p.temperature < warmest && p.temperature > 1 / warmest); }

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
      for (size_t w = 0; w < W; w++) sum = ::add(sum, wide[w]);
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

  T max_of_row(const Source& row) const {
    alignas(64) T buffer[chunk_length];
    T max = T(-infinity);
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T part = max_of<V>(row.fetch(at, n, buffer), n);
      max = part > max ? part : max;
    }
    return max;
  }

  template <bool moved>
  __attribute__((noinline)) void add(const T* x, size_t n, const Exp<V, moved>& exponential, T max, T own,
                                     Sums& sums) const {
    const Exp<V, moved> exp = exponential;
    const double warm = p.temperature < warmest ? p.temperature : warmest;
    const V top = splat<V>(max), target = splat<V>(own), most = splat<V>(T(furthest * warm));
    const V units = splat<V>(T(unit));
    V terms = splat<V>(0), squares = terms, distances = terms;
    V tops = sums.tops, equal = sums.equal, no_more = sums.no_more;
    const auto take = [&](V v, V term) INLINE_LAMBDA {
      const V below = zero_if_equal(v, top, term), small = mul(below, units);
      terms = ::add(terms, below);
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
    size_t i = 0;
    constexpr size_t group = run < together<V> ? run : together<V>;
    while (i + run * L <= n) {
      for (const size_t end = i + run * L; i < end; i += group * L) {
        Reduced<V> reduced[group];
#pragma GCC unroll 8
        for (size_t k = 0; k < group; k++) reduced[k] = exp.reduce(load<V>(x + i + k * L));
#pragma GCC unroll 8
        for (size_t k = 0; k < group; k++) take(load<V>(x + i + k * L), exp.term(reduced[k]).value());
      }
      end_run();
    }
    for (; i + L <= n; i += L) take(load<V>(x + i), exp.term(load<V>(x + i)).value());
    if (i < n) {
      const V v = load_first<V>(x + i, n - i, max);
      take(v, exp.term(v).value());
      sums.past += L - (n - i);
    }
    end_run();
    sums.tops = tops, sums.equal = equal, sums.no_more = no_more;
  }

  template <bool moved>
  __attribute__((noinline)) double distances_of(const T* x, size_t n, const Exp<V, moved>& exp, T max) const {
    double sum = 0;
    for (size_t i = 0; i < n; i += L) {
      alignas(64) T term[L];
      const size_t count = lesser(n - i, L);
      store(term, exp.term(load_first<V>(x + i, count, T(-infinity))).value());
      for (size_t k = 0; k < count; k++) {
        const double far = distance(double(max), double(x[i + k]), p.temperature);
        sum += double(term[k]) * (far < furthest ? far : 0);
      }
    }
    return sum;
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
    const double place = confidence * double(p.bins), edge = double(size_t(place + 0.5));
    return edge < double(p.bins) && __builtin_fabs(place - edge) < doubtful * place;
  }

  double confidence_of(const Source& row) const {
    const Measure m = Measurer<F64, ::Sums::below>{scale64, scale64}.row(row, nullptr, nullptr);
    return 1 / (m.count + (m.sum + m.sum_lo) / (m.top_term + m.top_term_lo));
  }

  // Rows in lanes, class c of all of them in the block at x + c * L. Those that are not there, or are solved alone, are
  // [0, -Infinity, ...].
  struct Group {
    alignas(64) T x[lane_classes * L];
    alignas(64) T own[L];  // the logits of the targets
    size_t classes = 1;
    uint32_t alone = 0;
    Source row[L];
    size_t target[L];
  };

  void blank(Group& g, size_t lane) const {
    g.alone |= 1u << lane;
    for (size_t c = 0; c < g.classes; c++) g.x[c * L + lane] = c == 0 ? T(0) : T(-infinity);
  }

  // Of the rows that are left, as bits.
  uint32_t solve_lanes(size_t begin, size_t count) const {
    Group g;
    const uint32_t there = count < 32 ? (1u << count) - 1 : ~0u;
    const bool whole = count == L && is_plain(p) && p.inner == 1 && p.type == type_of<T> &&
                       p.length >= panel_columns<V> && p.length <= lane_classes;
    for (size_t i = 0; i < count; i++) g.row[i] = source_of(p, begin + i), g.target[i] = target_of(begin + i);
    whole ? turn(g, begin) : collect(g, count);
    if ((g.alone & there) == there) return there;
    V max = max_of_classes(g);
    alignas(64) T top[L];
    store(top, max);
    uint32_t unfit = 0;
    for (size_t i = 0; i < count; i++) {
      const bool fits = __builtin_fabs(double(top[i] * T(scale.c))) < ExpTraits<V>::reducible;
      if (!fits && !(g.alone >> i & 1)) blank(g, i), unfit |= 1;
    }
    if (unfit) max = max_of_classes(g);
    for (size_t i = 0; i < L; i++) {
      const bool takes_part = i < count && g.target[i] < g.row[i].length && !g.row[i].masked_out(g.target[i]);
      g.own[i] = takes_part ? g.x[g.target[i] * L + i] : T(-infinity);
    }
    judge(g, max, begin, count);
    return g.alone & there;
  }

  V max_of_classes(const Group& g) const {
    V max = load<V>(g.x);
    for (size_t c = 1; c < g.classes; c++) max = max_number(load<V>(g.x + c * L), max);
    return max;
  }

  // Neighbours of the kernel's type. The last panel may overlap the one before.
  void turn(Group& g, size_t begin) const {
    constexpr size_t P = panel_columns<V>;
    const size_t n = g.classes = p.length;
    const T* x = static_cast<const T*>(p.x) + begin * n;
    for (size_t i = 0; i < n; i += P) {
      const size_t at = i + P <= n ? i : n - P;
      V column[P];
      load_panel(x + at, n, L, column);
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) store(g.x + (at + j) * L, column[j]);
    }
  }

  // Any others.
  void collect(Group& g, size_t count) const {
    alignas(64) T buffer[lane_classes];
    for (size_t i = 0; i < count; i++) {
      if (g.row[i].length <= lane_classes && g.row[i].length > g.classes) g.classes = g.row[i].length;
    }
    for (size_t i = 0; i < L; i++) {
      const size_t n = i < count ? g.row[i].length : 0;
      if (n == 0 || n > lane_classes) {
        blank(g, i);
        continue;
      }
      const T* x = g.row[i].fetch(0, n, buffer);
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
  __attribute__((noinline)) void add(const Group& g, V max, const LaneShift<V>& shift, LaneSums& sums) const {
    const Exp<V, false> exp(scale, shift.magic, shift.lower);
    const V lower = shift.lower, target = load<V>(g.own), units = splat<V>(T(unit)), zero = splat<V>(0);
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
        terms = ::add(terms, below);
        squares = muladd(small, small, squares);
        distances = muladd(below, min_number(sub(max, v), most), distances);
        tops = count_if_equal(v, max, tops);
        equal = count_if_equal(v, target, equal);
        no_more = count_if_equal(max_number(v, target), target, no_more);
        first = min_number(::add(place, zero_if_equal(v, max, far)), first);
        place = ::add(place, splat<V>(1));
      }
      F64 wide[W];
      widen(terms, wide);
      for (size_t w = 0; w < W; w++) sums.terms[w] = ::add(sums.terms[w], wide[w]);
      widen(squares, wide);
      for (size_t w = 0; w < W; w++) sums.squares[w] = ::add(sums.squares[w], wide[w]);
      widen(distances, wide);
      for (size_t w = 0; w < W; w++) sums.distances[w] = ::add(sums.distances[w], wide[w]);
    }
    sums.tops = tops, sums.equal = equal, sums.no_more = no_more, sums.first = first;
  }

  // The same for lanes as for a row.
  void judge(const Group& g, V max, size_t begin, size_t count) const {
    LaneSums sums;
    const LaneShift<V> shift(max, scale, ExpTraits<V>::log_vanish);
    add(g, max, shift, sums);
    const V own = load<V>(g.own), none = splat<V>(T(-infinity)), zero = splat<V>(0);
    const Exp<V, false> exp(scale, shift.magic, shift.lower);
    const V own_term = zero_if_equal(own, none, exp.term(own).value());
    F64 maxima[W], shifts[W], tops[W], owns[W], own_terms[W], is_top[W];
    widen(max, maxima), widen(shift.top, shifts), widen(sums.tops, tops), widen(own, owns);
    widen(own_term, own_terms), widen(count_if_equal(own, max, zero), is_top);
    alignas(64) double losses[L], confidences[L], briers[L], entropies[L];
    const F64 one = splat<F64>(1), nothing = splat<F64>(0), temperature = splat<F64>(p.temperature);
    for (size_t w = 0; w < W; w++) {
      const Wide<F64> top = term_of_max<V>(maxima[w], shifts[w], scale64);
      const F64 below = sums.terms[w], whole = ::add(mul(tops[w], top.hi), ::add(below, mul(tops[w], top.lo)));
      const F64 inverse = div(one, whole), log_sum = log_of_sum<F64>(Wide<F64>{below, nothing}, tops[w], top);
      // Where the target is at the top, 1 - p is what the others have.
      const F64 others = ::add(below, mul(sub(tops[w], one), top.hi));
      const F64 rest = ::add(zero_if_equal(is_top[w], one, sub(whole, own_terms[w])), mul(is_top[w], others));
      const F64 lacking = mul(rest, inverse), top_share = mul(top.hi, inverse);
      const F64 own_share =
          ::add(zero_if_equal(is_top[w], one, mul(own_terms[w], inverse)), mul(is_top[w], top_share));
      const F64 squares = mul(mul(mul(sums.squares[w], splat<F64>(1 / unit / unit)), inverse), inverse);
      const F64 tops_squared = sub(mul(mul(tops[w], top_share), top_share), mul(own_share, own_share));
      store(losses + w * F64::lanes, ::add(div(sub(maxima[w], owns[w]), temperature), log_sum));
      store(confidences + w * F64::lanes, div(one, ::add(tops[w], div(below, top.hi))));
      store(briers + w * F64::lanes, ::add(mul(lacking, lacking), ::add(squares, tops_squared)));
      store(entropies + w * F64::lanes, ::add(log_sum, mul(div(sums.distances[w], temperature), inverse)));
    }
    alignas(64) T equal[L], no_more[L], first[L];
    store(equal, sums.equal), store(no_more, sums.no_more), store(first, sums.first);
    for (size_t i = 0; i < count; i++) {
      if (g.alone >> i & 1) continue;
      Verdict said;
      const size_t target = g.target[i];
      if (target != ignored && confidences[i] != confidences[i]) {
        said = {nan, nan, nan, nan, no_class, no_rank};
      } else if (target != ignored) {
        said = {losses[i], confidences[i], briers[i], entropies[i], uint32_t(first[i]), 0};
        said.rank = uint32_t(g.classes - size_t(no_more[i]) + 1);
        const bool takes_part = target < g.row[i].length && !g.row[i].masked_out(target);
        if (!takes_part) said.rank = uint32_t(full_length(p, g.row[i]));
        if (takes_part && equal[i] > 1) said.rank += equal_before(g.row[i], target, g.own[i]);
        if (is_near_edge(said.confidence)) said.confidence = confidence_of(g.row[i]);
      }
      put(begin + i, said);
    }
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
