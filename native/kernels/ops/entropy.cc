// entropy: log S + sum of p * (max - x) / T, where S is the sum of e^((x - max) / T). No part is negative: nothing cancels.
#include SIMD_HEADER
#include "../math/total.h"
#include "../shapes/gathered.h"
#include "../units.h"
#include "distances.h"

using namespace UNITS;

namespace {

template <class V>
struct Entropy : Distances<V> {
  using typename Rows<V>::T;
  using Rows<V>::p, Rows<V>::scale, Rows<V>::scale64;
  explicit Entropy(const Problem& p) : Distances<V>(p) {}

  void solve(size_t r) const { Sink{static_cast<char*>(p.out), p.outType, 1}.put(r, value(source_of(p, r))); }

  // What a row adds up to: the terms below the maximum, those times their distances, and how many are the maximum.
  struct Sums {
    Total<V> terms, distances;
    V count = splat<V>(0);
  };

  // That of a row, or of a row in each lane, of which the sums and the term of the maximum are known.
  template <class D>
  static INLINE D entropy(Wide<D> below, D count, Wide<D> top, D far) {
    const D whole = UNITS::add(mul(count, top.hi), UNITS::add(below.hi, UNITS::add(below.lo, mul(count, top.lo))));
    return UNITS::add(log_of_sum<V>(below, count, top), div(far, whole));
  }

 private:
  using Distances<V>::max_of_row, Distances<V>::distances_of, Distances<V>::L, Distances<V>::run;

  double value(const Source& row) const {
    alignas(64) T buffer[segment_length];
    const Source near = row.length <= segment_length ? row.fetched(buffer) : row;
    const T max = max_of_row(near);
    if (max == T(-infinity)) return row.nothing_left() ? 0 : __builtin_nan("");
    if (max == T(infinity)) return __builtin_nan("");
    const Shift<T> shift = shift_for<V>(max, scale, ExpTraits<V>::log_vanish);
    const double moved = shift.origin != 0 ? 0 : double(max) * scale64.down * scale64.up;
    const Wide<double> top = term_of_max<V>(moved, shift.top, scale64);
    return shift.moved ? value(near, Exp<V, true>(scale, shift), max, top)
                       : value(near, Exp<V, false>(scale, shift), max, top);
  }

  template <bool moved>
  double value(const Source& row, const Exp<V, moved>& exp, T max, Wide<double> top) const {
    alignas(64) T buffer[chunk_length];
    const bool is_extreme = this->is_extreme();
    Sums sums;
    double extreme = 0;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T* x = row.fetch(at, n, buffer);
      add(x, n, exp, max, sums);
      if (is_extreme) extreme += distances_of(x, n, exp, max);
    }
    const double count = count_of(sums.count);
    const Wide<double> below = sums.terms.value(), distances = sums.distances.value();
    return entropy(below, count, top, is_extreme ? extreme : (distances.hi + distances.lo) / p.temperature);
  }

 public:
  template <bool moved>
  __attribute__((noinline)) void add(const T* x, size_t n, const Exp<V, moved>& exponential, T max,
                                     Sums& sums) const {
    constexpr size_t whole_run = run * L;
    const Exp<V, moved> exp = exponential;
    const V top = splat<V>(max), most = this->most();
    V terms = splat<V>(0), distances = splat<V>(0), count = sums.count;
    Total<V> all_terms = sums.terms, all_distances = sums.distances;  // by value: in registers
    const auto take = [&](V v, V term, bool may_be_max) INLINE_LAMBDA {
      const V below = may_be_max ? zero_if_equal(v, top, term) : term;
      terms = UNITS::add(terms, below);
      distances = muladd(below, min_number(sub(top, v), most), distances);
      if (may_be_max) count = count_if_equal(v, top, count);
    };
    const auto end_run = [&]() INLINE_LAMBDA {
      all_terms.add(terms), all_distances.add(distances);
      terms = splat<V>(0), distances = splat<V>(0);
    };
    size_t i = 0;
    if (n >= 4 * whole_run) {
      // Few runs of a long row have its maximum: those without are seen by one operation a block, and save four.
      for (; i + whole_run <= n; end_run()) {
        V largest = load<V>(x + i);
        for (size_t k = i + L; k < i + whole_run; k += L) largest = max_number(load<V>(x + k), largest);
        const bool may_be_max = !all_less(largest, top);
        may_be_max ? this->take_run(x, i, exp, [&](V v, V term) INLINE_LAMBDA { take(v, term, true); })
                   : this->take_run(x, i, exp, [&](V v, V term) INLINE_LAMBDA { take(v, term, false); });
      }
    }
    this->each_run(
        x + i, n - i, exp, T(-infinity), [&](V v, V term) INLINE_LAMBDA { take(v, term, true); }, end_run);
    sums.count = count, sums.terms = all_terms, sums.distances = all_distances;
  }
};

// Float rows of few classes, a row per lane.
struct EntropyInLanes {
  static constexpr size_t L = F32::lanes, H = L / F64::lanes;
  // Products of terms and distances that are added up as they are before they go to doubles.
  static constexpr size_t run = 4;
  const Problem& p;
  const Entropy<F32> rows;

  explicit EntropyInLanes(const Problem& p) : p(p), rows(p) {}

  // The terms below the maximum, and those times their distances.
  struct FewSums {
    Wide<F32> terms, distances;
    friend INLINE FewSums add(const FewSums& a, const FewSums& b) {
      return {UNITS::add(a.terms, b.terms), UNITS::add(a.distances, b.distances)};
    }
  };

  // Groups of rows take each step together: the next step of one waits for the one before.
  static constexpr size_t together = 4;
  struct Group {
    size_t begin, count;
    F32 max, equal;
    LaneShift<F32> shift;
    // Of few classes: see few_log.h.
    FewSums few;
    FewLog split;
    F32 far;
    F64 below[H], distances[H], value[H];
    float* x;
  };

  void solve(size_t begin, size_t end) const {
    alignas(64) float blocks[together * most_gathered * L];
    Group group[together];
    const GatheredRows gathered(p);
    while (begin < end) {
      F32 max[together];
      const size_t groups = gathered.load(p.x, begin, end, together, blocks, max);
      for (size_t g = 0; g < groups; g++, begin += L) {
        group[g].begin = begin, group[g].count = lesser(end - begin, L);
        group[g].x = blocks + g * p.length * L;
        group[g].max = max[g], group[g].shift = LaneShift<F32>(max[g], rows.scale, ExpTraits<F32>::log_vanish);
      }
      if (p.length <= few_for_logs) {
        for (size_t g = 0; g < groups; g++) add_few(group[g]);
        for (size_t g = 0; g < groups; g++) divide_few(group[g]);
        for (size_t g = 0; g < groups; g++) end_few(group[g]);
      } else {
        for (size_t g = 0; g < groups; g++) add_up(group[g]);
        for (size_t g = 0; g < groups; g++) work_out(group[g]);
      }
      for (size_t g = 0; g < groups; g++) write(group[g]);
    }
  }

 private:
  F32 furthest() const { return splat<F32>(float(Entropy<F32>::furthest * p.temperature)); }

  // Each class is alone in its lane of the sum.
  INLINE void add_few(Group& g) const {
    const F32 max = g.max, most = furthest();
    const FewTerms<F32> exp(rows.scale, g.shift.magic, g.shift.lower, max);
    // Of two classes, one is below the maximum: the smaller.
    const bool is_pair = p.length == 2;
    const size_t below = is_pair ? 1 : p.length;
    F32 equal = splat<F32>(is_pair ? 1.0f : 0.0f);
    FewSums partial[few_for_logs];
    for (size_t c = 0; c < below; c++) {
      const F32 own = UNITS::load<F32>(g.x + c * L),
                v = is_pair ? min_number(own, UNITS::load<F32>(g.x + L)) : own;
      const F32 far = min_number(sub(max, v), most);
      Term<F32> e = exp.term(v);
      e.t = zero_if_equal(v, max, e.t);
      equal = count_if_equal(v, max, equal);
      const Wide<F32> term = two_parts(e);
      const F32 product = mul(term.hi, far);
      partial[c] = {term, {product, muladd(term.lo, far, fms(term.hi, far, product))}};
    }
    g.equal = equal, g.few = tree<few_for_logs>(partial, below);
  }
  INLINE void divide_few(Group& g) const {
    const FewSum sum = few_sum(g.few.terms, g.equal);
    g.far = rounded_product(apart(g.few.distances), inverse_of(sum.all));
    g.split = split_few(sum);
  }
  INLINE void end_few(Group& g) const {
    const F64 inverse = splat<F64>(1 / FewTerms<F32>::unit / p.temperature);
    F64 far[H];
    widen(g.far, far);
    widen(log_of_few(g.split), g.value);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) g.value[h] = muladd(far[h], inverse, g.value[h]);
  }

  INLINE void add_up(Group& g) const {
    const size_t n = p.length;
    const F32 max = g.max, most = furthest();
    const Exp<F32, false> exp(rows.scale, g.shift.magic, g.shift.lower);
    RestSum<F32> sum;
    F32 equal = splat<F32>(0);
    F64 distances[H];
    for (size_t h = 0; h < H; h++) distances[h] = splat<F64>(0);
    for (size_t c = 0; c < n;) {
      F32 products = splat<F32>(0);
      for (const size_t end = lesser(n, c + run); c < end; c++) {
        const F32 v = UNITS::load<F32>(g.x + c * L);
        Term<F32> e = exp.term(v);
        e.t = zero_if_equal(v, max, e.t);
        products = muladd(e.value(), min_number(sub(max, v), most), products);
        equal = count_if_equal(v, max, equal);
        sum.add_term(e);
      }
      F64 wide[H];
      widen(products, wide);
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) distances[h] = add(distances[h], wide[h]);
    }
    sum.end_run();
    g.below[0] = sum.lo, g.below[H - 1] = sum.hi, g.equal = equal;
    for (size_t h = 0; h < H; h++) g.distances[h] = distances[h];
  }

  INLINE void work_out(Group& g) const {
    F64 maxima[H], exponents[H], counts[H];
    widen(g.max, maxima), widen(g.shift.top, exponents), widen(g.equal, counts);
    const F64 one = splat<F64>(1), inverse = splat<F64>(1 / p.temperature);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const F64 top = term_of_max<F32>(maxima[h], exponents[h], rows.scale64).hi;
      const F64 whole = muladd(counts[h], top, g.below[h]), both = div(one, mul(top, whole));
      const F64 rest = mul(mul(g.below[h], whole), both);
      const F64 far = mul(mul(mul(g.distances[h], inverse), top), both);
      g.value[h] = add(log1p_for_floats(add(sub(counts[h], one), rest)), far);
    }
  }

  INLINE void write(const Group& g) const {
    constexpr uint32_t all = (1u << L) - 1;
    uint32_t good = ~odd_rows(g.max, rows.scale);
    uint32_t numbers = 0;
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) numbers |= mask_greater(g.value[h], splat<F64>(-1)) << (h * F64::lanes);
    good &= numbers;
    if (good == all && g.count == L && p.outType == Type::float32) {
      return store(static_cast<float*>(p.out) + g.begin, narrow(g.value, F32()));
    }
    alignas(64) double value[L];
    for (size_t h = 0; h < H; h++) store(value + h * F64::lanes, g.value[h]);
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    for (size_t i = 0; i < g.count; i++) good >> i & 1 ? out.put(g.begin + i, value[i]) : rows.solve(g.begin + i);
  }
};

// Float rows of up to a chunk, which lie one behind the other: each step of many together, for a row's steps wait for each other.
struct EntropyAlong {
  static constexpr size_t L = F32::lanes, H = L / F64::lanes;
  const Problem& p;
  const Entropy<F32> rows;

  explicit EntropyAlong(const Problem& p) : p(p), rows(p) {}

  bool fits() const {
    return is_plain(p) && p.inner == 1 && p.type == Type::float32 && p.length <= chunk_length &&
           !rows.is_extreme();
  }

  void solve(size_t begin, size_t end) const {
    for (; begin < end; begin += L) solve_together(begin, lesser(end - begin, L));
  }

 private:
  void solve_together(size_t begin, size_t count) const {
    const size_t n = p.length;
    const float* const x = static_cast<const float*>(p.x) + begin * n;
    alignas(64) float max[L] = {}, magic[L], lower[L];
    alignas(64) double below[L] = {}, distances[L] = {}, equal[L] = {}, value[L];
    for (size_t i = 0; i < count; i++) max[i] = max_of<F32>(x + i * n, n);
    const F32 maxima = load<F32>(max);
    const LaneShift<F32> shift(maxima, rows.scale, ExpTraits<F32>::log_vanish);
    store(magic, shift.magic), store(lower, shift.lower);
    for (size_t i = 0; i < count; i++) {
      Entropy<F32>::Sums sums;
      rows.add(x + i * n, n, Exp<F32, false>(rows.scale, splat<F32>(magic[i]), splat<F32>(lower[i])), max[i],
               sums);
      below[i] = sums.terms.rounded(), distances[i] = sums.distances.rounded(), equal[i] = reduce_add(sums.count);
    }
    F64 wide[H], exponent[H];
    widen(maxima, wide), widen(shift.top, exponent);
    const F64 zero = splat<F64>(0), temperature = splat<F64>(p.temperature);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const size_t i = h * F64::lanes;
      const Wide<F64> top = term_of_max<F32>(wide[h], exponent[h], rows.scale64);
      const F64 far = div(load<F64>(distances + i), temperature);
      store(value + i, Entropy<F32>::entropy<F64>({load<F64>(below + i), zero}, load<F64>(equal + i), top, far));
    }
    const uint32_t odd = odd_rows(maxima, rows.scale);
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    for (size_t i = 0; i < count; i++) odd >> i & 1 ? rows.solve(begin + i) : out.put(begin + i, value[i]);
  }
};

// Rows of several lengths.
void solve_by_length(const Problem& p, size_t begin, size_t end) {
  const Entropy<F32> rows(p);
  for (size_t r = begin; r < end; r++) {
    const size_t length = source_of(p, r).length;
    if (length > most_gathered) {
      rows.solve(r);
      continue;
    }
    const Problem few = narrowed(p, r, length <= few_for_logs ? few_for_logs : most_gathered);
    EntropyInLanes(few).solve(r, r + 1);
  }
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  if constexpr (sizeof(typename V::Scalar) == 4) {
    const EntropyInLanes lanes(p);
    const bool is_extreme = lanes.rows.is_extreme(), varies = p.offsets || p.lengths;
    if (varies && p.length > few_for_logs && !is_extreme) return solve_by_length(p, begin, end);
    if (fits_gathered(p) && !is_extreme) return lanes.solve(begin, end);
    if constexpr (!is_compact) {
      const EntropyAlong along(p);
      if (along.fits()) return along.solve(begin, end);
    }
  }
  const Entropy<V> rows(p);
  for (size_t r = begin; r < end; r++) rows.solve(r);
}

}  // namespace

void UNITS::solve_entropy(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
