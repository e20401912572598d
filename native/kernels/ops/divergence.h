// The divergence of two rows in doubles, whatever they hold: sum of p (e^-d - 1 + d) with d = ln p - ln q. No term is
// negative. d is taken from the difference of the logits:
//
//   d = ((x - y) - (max x - max y)) / T - c,   c = ln(sum of e^((x - max x) / T) / sum of e^((y - max y) / T)).
//
// What c errs by, e, adds e^2 / 2 to the sum, for the sum of p - q is 0. Where that counts, c is put right by what the sum of
// p e^-d misses 1, and the sum is taken again.
#pragma once
#include "../math/total.h"
#include "../shapes/rows.h"

namespace UNITS {

// 1/2!, -1/3!, 1/4! ...: (e^-d - 1 + d) / d^2 = 1/2 - d/6 + d^2/24 - ... For |d| <= 2 what 23 terms leave out is less than
// 2^23 / 25! < 2^-60 of the sum; for |d| <= 1, 12 leave 2 / 14! < 2^-35.
struct DivergenceTerms {
  double term[23];
  constexpr DivergenceTerms() : term() {
    double product = 0.5;
    for (int k = 0; k < 23; product /= -(k + 3), k++) term[k] = product;
  }
};
constexpr DivergenceTerms divergence_terms;

template <class V, int terms>
INLINE V divergence_series(V d) {
  using T = typename V::Scalar;
  V sum = splat<V>(T(divergence_terms.term[terms - 1]));
#pragma GCC unroll 32
  for (int k = terms - 2; k >= 0; k--) sum = muladd(sum, d, splat<V>(T(divergence_terms.term[k])));
  return sum;
}

// The row of y beside one of x.
INLINE Source beside(const Problem& p, const Source& row) {
  Source other = row;
  other.data = static_cast<const char*>(p.other) + (row.data - static_cast<const char*>(p.x));
  return other;
}

struct ExactDivergence {
  const Problem& p;
  const Scale<F64> scale;

  explicit ExactDivergence(const Problem& p) : p(p), scale(scale_of<F64>(p.temperature)) {}

  double value(const Source& row) const {
    if (row.nothing_left()) return 0;
    alignas(64) double terms[2][chunk_length];
    const Side x = side(row, terms[0]), y = side(beside(p, row), terms[1]);
    if (!x.good || !y.good) return __builtin_nan("");
    const double ratio = (x.sum / x.top) / (y.sum / y.top);
    double c = ratio >= 1 ? log1p(ratio - 1) : -log1p(1 / ratio - 1);
    Result result = divergence(x, y, c);
    // Sums err by 2^-50 at most.
    if (result.value < 0x1p-40) {
      c -= result.missing - result.missing * result.missing / 2;
      result = divergence(x, y, c);
    }
    return result.value > 0 ? result.value : 0;
  }

 private:
  static constexpr size_t L = F64::lanes;
  // Logits are scaled down so that no difference overflows, and probabilities up so that those below the least normal number
  // have their digits when such a difference multiplies them.
  static constexpr double down = 0x1p-103, up = 0x1p100;

  // One of the two rows.
  struct Side {
    Source row;
    double max, sum, top;  // the sum of all terms, and the term of the maximum
    Shift<double> shift;
    double* terms;  // room for those of a chunk; a row of one has them there
    bool good;
    bool has_terms() const { return row.length <= chunk_length; }
  };

  Side side(const Source& row, double* terms) const {
    alignas(64) double buffer[chunk_length];
    Side s = {row, -__builtin_inf(), 0, 1, {}, terms, false};
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      s.max = max_number(s.max, max_of<F64>(row.fetch(at, n, buffer), n));
    }
    if (!(__builtin_fabs(s.max) < __builtin_inf())) return s;
    s.shift = shift_for<F64>(s.max, scale, ExpTraits<F64>::log_vanish);
    s.top = term_of_max<F64>(s.shift.origin != 0 ? 0 : s.max * scale.down * scale.up, s.shift.top, scale).hi;
    Total<F64> total;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      terms_of(s, row.fetch(at, n, buffer), n, terms);
      for (size_t i = 0; i < n; i += L) total.add(load<F64>(terms + i));
    }
    s.sum = total.rounded();
    s.good = s.sum == s.sum;
    return s;
  }

  // The terms of n logits, those of -Infinity exactly 0; whole blocks, the last filled up with zeros.
  void terms_of(const Side& s, const double* x, size_t n, double* terms) const {
    s.shift.moved ? terms_of(Exp<F64, true>(scale, s.shift), x, n, terms)
                  : terms_of(Exp<F64, false>(scale, s.shift), x, n, terms);
  }
  template <bool moved>
  __attribute__((noinline)) static void terms_of(const Exp<F64, moved>& exponential, const double* x, size_t n,
                                                 double* terms) {
    const Exp<F64, moved> exp = exponential;
    const F64 none = splat<F64>(-__builtin_inf());
    const auto term = [&](F64 v) INLINE_LAMBDA { return zero_if_equal(v, none, exp.term(v).value()); };
    size_t i = 0;
    for (; i + L <= n; i += L) store(terms + i, term(load<F64>(x + i)));
    if (i < n) store(terms + i, term(load_first<F64>(x + i, n - i, -__builtin_inf())));
  }

  struct Result {
    double value;
    double missing;  // sum of p e^-d, less 1
  };

  Result divergence(const Side& x, const Side& y, double c) const {
    alignas(64) double xs[chunk_length], ys[chunk_length];
    // At the least temperatures logits do not bear to be scaled down, but distances do; what lies far below the maximum counts
    // as much there.
    const bool scales = p.temperature > 0x1p-800;
    const double s = scales ? down : 1, after = down / s;
    const double x_least = scales ? -0x1.fffffffffffffp1023 : x.max - 0x1p200;
    const double y_least = scales ? -0x1.fffffffffffffp1023 : y.max - 0x1p200;
    const double a = x.max * s, b = y.max * s;
    const double between = a - b, back = between - a;
    const double between_lo = (a - (between - back)) - (b + back);
    Total<F64> near_sum, far_sum, mean;
    F64 infinite = splat<F64>(0);
    for (size_t at = 0; x.row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(x.row.length - at, chunk_length);
      const double *xa = x.row.fetch(at, n, xs), *ya = y.row.fetch(at, n, ys);
      if (!x.has_terms()) terms_of(x, xa, n, x.terms), terms_of(y, ya, n, y.terms);
      for (size_t i = 0; i < n; i += L) {
        const size_t count = lesser(n - i, L);
        const F64 none = splat<F64>(-__builtin_inf());
        const F64 v = count == L ? load<F64>(xa + i) : load_first<F64>(xa + i, count, -__builtin_inf());
        const F64 w = count == L ? load<F64>(ya + i) : load_first<F64>(ya + i, count, -__builtin_inf());
        infinite = UNITS::add(infinite, zero_if_equal(v, none, count_if_equal(w, none, splat<F64>(0))));
        const F64 left = mul(max_number(v, splat<F64>(x_least)), splat<F64>(s));
        const F64 right = mul(max_number(w, splat<F64>(y_least)), splat<F64>(s));
        const Wide<F64> far = minus(minus(left, right), splat<F64>(between), splat<F64>(between_lo));
        const F64 quotient = div(UNITS::add(far.hi, far.lo), splat<F64>(p.temperature));
        const F64 most = splat<F64>(0x1p1000);
        const F64 distance = min_number(max_number(quotient, sub(splat<F64>(0), most)), most);
        const F64 d = sub(mul(distance, splat<F64>(1 / s)), splat<F64>(c));
        const F64 two = splat<F64>(2), near = min_number(max_number(d, sub(splat<F64>(0), two)), two);
        const F64 share = mul(load<F64>(x.terms + i), splat<F64>(up / x.sum));
        const F64 other = mul(load<F64>(y.terms + i), splat<F64>(up / y.sum));
        const F64 by_series = mul(mul(near, near), mul(share, divergence_series<F64, 23>(near)));
        near_sum.add(sub(by_series, zero_if_equal(d, near, by_series)));
        mean.add(sub(mul(share, near), zero_if_equal(d, near, mul(share, near))));
        // Beyond that nothing cancels: q + p (d - 1).
        const F64 less = mul(sub(distance, splat<F64>((c + 1) * s)), splat<F64>(after));
        far_sum.add(zero_if_equal(d, near, muladd(share, less, mul(other, splat<F64>(down)))));
      }
    }
    const double near = near_sum.rounded();
    if (reduce_add(infinite) > 0) return {__builtin_inf(), 0};
    return {near / up + far_sum.rounded() / (up * down), (near - mean.rounded()) / up};
  }

  // a - b, exactly; and less another such.
  static INLINE Wide<F64> minus(F64 a, F64 b) {
    const F64 hi = sub(a, b), back = sub(hi, a);
    return {hi, sub(sub(a, sub(hi, back)), UNITS::add(b, back))};
  }
  static INLINE Wide<F64> minus(Wide<F64> a, F64 b, F64 b_lo) {
    const Wide<F64> hi = minus(a.hi, b);
    return {hi.hi, UNITS::add(hi.lo, sub(a.lo, b_lo))};
  }
};

}  // namespace UNITS
