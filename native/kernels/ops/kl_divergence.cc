// klDivergence: the divergence of the softmax of each row of x from that of y.
//
// Float rows have terms of floats, and d and all sums in doubles. Rows of few classes lie in lanes, each with its own bits
// whatever the rows beside it; longer ones along their blocks. Those that want more digits are taken in doubles: huge logits,
// odd rows, and distributions that are all but equal.
#include SIMD_HEADER
#include "../shapes/gathered.h"
#include "../units.h"
#include "divergence.h"

using namespace UNITS;

namespace {

constexpr size_t L = F32::lanes, H = L / F64::lanes;
// A sum of terms, 2^-28 of which is what it errs by, is taken without those of the maximum: so c errs by no more than 2^-27 of
// what the rest adds up to, in units of that term. Its square adds less than 2^-26 of a divergence that is at least so many times
// the square of the rest.
constexpr double least_of_floats = 0x1p-28;

// Terms of floats end at 2^-184 (ExpTraits): with distances of at most this they come to nothing.
constexpr double farthest_of_floats = 0x1p60;

// 16 pairs of logits with their terms: of one row, or of a class of 16 rows.
struct Pairs {
  F64 between[H], c[H], ratio[H];  // max x - max y; see divergence.h; the sum of x's terms over that of y's
  F64 inverse;                     // 1 / T
  F64 near[H], far[H];             // sums, in units of the terms of x
  F64 most[H];                     // the largest distance that a term multiplies

  explicit Pairs(double temperature) : inverse(splat<F64>(1 / temperature)) {
    for (size_t h = 0; h < H; h++) near[h] = far[h] = most[h] = splat<F64>(0);
  }

  // `holes`: logits may be -Infinity; their terms are 0, and where y's alone is, the distance outweighs any term.
  template <bool holes>
  INLINE void add(const float* x, const float* y, const float* x_terms, const float* y_terms) {
    F64 d[H];
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      F64 left = load_widened(x + h * F64::lanes), right = load_widened(y + h * F64::lanes);
      if (holes) left = max_number(left, splat<F64>(-0x1p200)), right = max_number(right, splat<F64>(-0x1p1000));
      d[h] = fms(sub(sub(left, right), between[h]), inverse, c[h]);
    }
    const F32 distance = narrow(d, F32()), clamped = clamp(distance, F32());
    F64 share[H];
    widen(mul(load<F32>(x_terms), divergence_series<F32, 13>(clamped)), share);
    if (!mask_greater(absolute(sub(distance, clamped)), splat<F32>(0))) {
#pragma GCC unroll 2
      for (size_t h = 0; h < H; h++) near[h] = muladd(mul(d[h], d[h]), share[h], near[h]);
      return;
    }
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const F64 at = clamp(d[h], F64()), p = load_widened(x_terms + h * F64::lanes);
      const F64 series = mul(mul(at, at), share[h]);
      near[h] = UNITS::add(near[h], sub(series, zero_if_equal(d[h], at, series)));
      most[h] = max_number(zero_if_equal(p, splat<F64>(0), absolute(d[h])), most[h]);
      // Beyond that little cancels: q + p (d - 1).
      const F64 q = mul(load_widened(y_terms + h * F64::lanes), ratio[h]);
      far[h] = UNITS::add(far[h], zero_if_equal(d[h], at, muladd(p, sub(d[h], splat<F64>(1)), q)));
    }
  }

 private:
  // Where q + p (d - 1) would cancel: for -2 <= d <= 1.
  template <class V>
  static INLINE V clamp(V d, V) {
    return min_number(max_number(d, splat<V>(-2)), splat<V>(1));
  }
};

struct Divergences {
  const Problem& p;
  const Scale<F32> scale;
  const ExactDivergence exact;
  const Sink out;

  explicit Divergences(const Problem& p)
      : p(p), scale(scale_of<F32>(p.temperature)), exact(p), out{static_cast<char*>(p.out), p.outType, 1} {}

  void solve_exactly(size_t r) const { out.put(r, exact.value(source_of(p, r))); }

  void solve(size_t begin, size_t end) const {
    const bool floats = p.type != Type::float64 && !scale.extreme;
    if (!floats) {
      for (size_t r = begin; r < end; r++) solve_exactly(r);
    } else if (fits_gathered(p)) {
      for (; begin < end; begin += L) solve_in_lanes(begin, lesser(end - begin, L));
    } else {
      for (size_t r = begin; r < end; r++) solve_along(r);
    }
  }

 private:
  static constexpr float none = -infinity;

  // A row along its blocks ---------------------------------------------------------------------------------------------

  struct Side {
    Source row;
    float max = none, least = infinity;
    Shift<float> shift;
    double sum, rest, count, top;  // of all terms; of those below the maximum; how many equal it; its term
  };

  struct Below {
    RestSum<F32> sum;
    F32 count = splat<F32>(0);
  };

  // False where floats do not do.
  bool measure(Side& s, float* terms) const {
    alignas(64) float buffer[chunk_length];
    for (size_t at = 0; s.row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(s.row.length - at, chunk_length);
      find_extremes(s, s.row.fetch(at, n, buffer), n);
    }
    if (!(__builtin_fabsf(s.max) < infinity)) return false;
    s.shift = shift_for<F32>(s.max, scale, ExpTraits<F32>::log_vanish);
    if (s.shift.moved) return false;
    s.top = term_of_max<F32>(double(s.max), s.shift.top, exact.scale).hi;
    Below below;
    for (size_t at = 0; s.row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(s.row.length - at, chunk_length);
      terms_of(s, s.row.fetch(at, n, buffer), n, terms, below);
    }
    double left;
    below.sum.total(s.rest, left);
    s.count = count_of(below.count);
    s.sum = s.rest + s.count * s.top;
    return s.sum == s.sum;
  }

  static __attribute__((noinline)) void find_extremes(Side& s, const float* x, size_t n) {
    F32 max = splat<F32>(s.max), least = splat<F32>(s.least);
    size_t i = 0;
    for (; i + L <= n; i += L) {
      const F32 v = load<F32>(x + i);
      max = max_number(v, max), least = min_number(v, least);
    }
    if (i < n) {
      const F32 v = load_first<F32>(x + i, n - i, x[i]);
      max = max_number(v, max), least = min_number(v, least);
    }
    s.max = reduce_max(max), s.least = -reduce_max(sub(splat<F32>(0), least));
  }

  // Whole blocks, the last filled up with zeros.
  void terms_of(const Side& s, const float* x, size_t n, float* terms, Below& below) const {
    const Exp<F32, false> exp(scale, s.shift);
    const F32 max = splat<F32>(s.max);
    s.least == none ? terms_of<true>(exp, max, x, n, terms, below) : terms_of<false>(exp, max, x, n, terms, below);
  }
  template <bool holes>
  __attribute__((noinline)) static void terms_of(const Exp<F32, false>& exponential, F32 max, const float* x,
                                                 size_t n, float* terms, Below& below) {
    const Exp<F32, false> exp = exponential;
    RestSum<F32> sum = below.sum;
    F32 count = below.count;
    const auto term = [&](F32 v, float* to, bool may_be_none) INLINE_LAMBDA {
      Term<F32> e = exp.term(v);
      if (may_be_none) e.t = zero_if_equal(v, splat<F32>(none), e.t);
      store(to, e.value());
      e.t = zero_if_equal(v, max, e.t);
      count = count_if_equal(v, max, count);
      return e;
    };
    constexpr size_t run = RestSum<F32>::run * L;
    alignas(64) float t[run];
    size_t i = 0;
    for (; i + run <= n; sum.end_run(t)) {
#pragma GCC unroll 8
      for (size_t k = 0; k < run; k += L, i += L) sum.add_later(term(load<F32>(x + i), terms + i, holes), t + k);
    }
    for (; i + L <= n; i += L) sum.add_term(term(load<F32>(x + i), terms + i, holes));
    if (i < n) sum.add_term(term(load_first<F32>(x + i, n - i, none), terms + i, true));
    below.sum = sum, below.count = count;
  }

  __attribute__((noinline)) void solve_along(size_t r) const {
    alignas(64) float xs[chunk_length], ys[chunk_length], x_terms[chunk_length], y_terms[chunk_length];
    Side x, y;
    x.row = source_of(p, r), y.row = beside(p, x.row);
    if (!measure(x, x_terms) || !measure(y, y_terms)) return solve_exactly(r);
    const double x_rest = x.count - 1 + x.rest / x.top, y_rest = y.count - 1 + y.rest / y.top;
    const double c = log1p(x_rest) - log1p(y_rest);
    Pairs pairs(p.temperature);
    for (size_t h = 0; h < H; h++) {
      pairs.between[h] = splat<F64>(double(x.max) - double(y.max));
      pairs.c[h] = splat<F64>(c);
      pairs.ratio[h] = splat<F64>(x.sum / y.sum);
    }
    const bool stored = x.row.length <= chunk_length, holes = x.least == none || y.least == none;
    Below ignored;
    for (size_t at = 0; x.row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(x.row.length - at, chunk_length);
      const float *xa = x.row.fetch(at, n, xs), *ya = y.row.fetch(at, n, ys);
      if (!stored) terms_of(x, xa, n, x_terms, ignored), terms_of(y, ya, n, y_terms, ignored);
      holes ? add<true>(pairs, xa, ya, n, x_terms, y_terms) : add<false>(pairs, xa, ya, n, x_terms, y_terms);
    }
    const double sum = reduce_add(
        UNITS::add(UNITS::add(pairs.near[0], pairs.near[H - 1]), UNITS::add(pairs.far[0], pairs.far[H - 1])));
    const double value = sum / x.sum;
    const double most = reduce_max(max_number(pairs.most[0], pairs.most[H - 1]));
    const bool good = value > least_for(x_rest + y_rest) && most < farthest_of_floats;
    good ? out.put(r, value) : solve_exactly(r);
  }

  static double least_for(double rest) { return least_of_floats * (rest < 1 ? rest * rest : 1); }

  template <bool holes>
  __attribute__((noinline)) static void add(Pairs& total, const float* x, const float* y, size_t n,
                                            const float* x_terms, const float* y_terms) {
    Pairs pairs = total;
    size_t i = 0;
    for (; i + L <= n; i += L) pairs.add<holes>(x + i, y + i, x_terms + i, y_terms + i);
    if (i < n) {
      alignas(64) float last_x[L], last_y[L];
      store(last_x, load_first<F32>(x + i, n - i, 0)), store(last_y, load_first<F32>(y + i, n - i, 0));
      pairs.add<holes>(last_x, last_y, x_terms + i, y_terms + i);
    }
    total = pairs;
  }

  // Rows in lanes ------------------------------------------------------------------------------------------------------

  // The logits and terms of up to 16 rows, a block for each class.
  struct LanesSide {
    alignas(64) float x[most_gathered * L], terms[most_gathered * L];
    F32 max;
    F64 sum[H], rest[H];  // of all terms; of all but one that is the largest, over that
    uint32_t odd;         // rows, as bits, for which floats do not do
  };

  void measure(LanesSide& s) const {
    const size_t n = p.length;
    F32 max = load<F32>(s.x);
    for (size_t c = 1; c < n; c++) max = max_number(load<F32>(s.x + c * L), max);
    const LaneShift<F32> shift(max, scale, ExpTraits<F32>::log_vanish);
    s.odd = odd_rows(max, scale);
    const Exp<F32, false> exp(scale, shift.magic, shift.lower);
    RestSum<F32> sum;
    F32 count = splat<F32>(0);
    for (size_t c = 0; c < n; c++) {
      const F32 v = load<F32>(s.x + c * L);
      Term<F32> e = exp.term(v);
      e.t = zero_if_equal(v, splat<F32>(none), e.t);
      store(s.terms + c * L, e.value());
      e.t = zero_if_equal(v, max, e.t);
      count = count_if_equal(v, max, count);
      sum.add_term(e);
    }
    sum.end_run();
    s.max = max;
    const F64 below[2] = {sum.lo, sum.hi};
    F64 wide[H], exponent[H], counts[H];
    widen(max, wide), widen(shift.top, exponent), widen(count, counts);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const F64 top = term_of_max<F32>(wide[h], exponent[h], exact.scale).hi;
      s.sum[h] = muladd(counts[h], top, below[h]);
      s.rest[h] = UNITS::add(sub(counts[h], splat<F64>(1)), div(below[h], top));
    }
  }

  __attribute__((noinline)) void solve_in_lanes(size_t begin, size_t count) const {
    LanesSide x, y;
    gather_rows(p, p.x, begin, count, x.x), gather_rows(p, p.other, begin, count, y.x);
    measure(x), measure(y);
    Pairs pairs(p.temperature);
    F64 x_max[H], y_max[H];
    widen(x.max, x_max), widen(y.max, y_max);
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      pairs.between[h] = sub(x_max[h], y_max[h]);
      pairs.ratio[h] = div(x.sum[h], y.sum[h]);
      pairs.c[h] = sub(log1p_for_floats(x.rest[h]), log1p_for_floats(y.rest[h]));
    }
    for (size_t c = 0; c < p.length; c++)
      pairs.add<true>(x.x + c * L, y.x + c * L, x.terms + c * L, y.terms + c * L);
    alignas(64) double value[L];
    uint32_t good = 0, odd = x.odd | y.odd;
#pragma GCC unroll 2
    for (size_t h = 0; h < H; h++) {
      const F64 own = div(UNITS::add(pairs.near[h], pairs.far[h]), x.sum[h]);
      store(value + h * F64::lanes, own);
      const F64 rest = min_number(UNITS::add(x.rest[h], y.rest[h]), splat<F64>(1));
      good |= mask_greater(own, mul(mul(rest, rest), splat<F64>(least_of_floats))) << (h * F64::lanes);  // not NaN
      odd |= mask_greater(pairs.most[h], splat<F64>(farthest_of_floats)) << (h * F64::lanes);
    }
    good &= ~odd;
    for (size_t i = 0; i < count; i++) good >> i & 1 ? out.put(begin + i, value[i]) : solve_exactly(begin + i);
  }
};

}  // namespace

void UNITS::solve_divergence(const Problem& p, size_t begin, size_t end) { Divergences(p).solve(begin, end); }
