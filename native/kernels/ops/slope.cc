// slope: the log loss of a row and its first two derivatives in 1/T, for the search for a temperature. In doubles whatever
// the logits are: where the slope is nearly 0 it is what is left of numbers that are not. See lib/backends/js/slope.ts.
#include SIMD_HEADER
#include "../shapes/rows.h"
#include "../units.h"

using namespace UNITS;

namespace {

struct Slope : Rows<F64> {
  explicit Slope(const Problem& p) : Rows<F64>(p) {}

  void solve(size_t r) const {
    Sloped& said = static_cast<Sloped*>(p.out)[r];
    const Source row = source_of(p, r);
    const int32_t given = p.targets ? read_once(p.targets + r) : p.ignoreIndex;
    if (given == p.ignoreIndex || given < 0 || size_t(given) >= p.length) {
      said = {};
    } else {
      const double none = row.nothing_left() ? double(infinity) : __builtin_nan("");
      said = {none, none, none};
      slope(row, size_t(given), said);
    }
  }

 private:
  static constexpr size_t L = F64::lanes;
  static constexpr double furthest = 1000;  // temperatures below the maximum, as in entropy.cc

  struct Sloped {
    double loss, slope, curvature;
  };
  static_assert(sizeof(Sloped) == slope_count * sizeof(double));

  struct Sums {
    F64 terms = splat<F64>(0), means = splat<F64>(0), squares = splat<F64>(0), tops = splat<F64>(0);
  };

  void slope(const Source& row, size_t target, Sloped& said) const {
    alignas(64) double buffer[chunk_length], one[1];
    const bool takes_part = target < row.length && !row.masked_out(target);
    const double own = takes_part ? *row.fetch<double>(target, 1, one) : -double(infinity);
    double max = -double(infinity);
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const double part = max_of<F64>(row.fetch(at, n, buffer), n);
      max = part > max ? part : max;
    }
    if (__builtin_fabs(max) == double(infinity)) return;
    const Shift<double> shift = shift_for<F64>(max, scale, ExpTraits<F64>::log_vanish);
    const Wide<double> top =
        term_of_max<F64>(shift.origin != 0 ? 0 : max * scale.down * scale.up, shift.top, scale);
    Sums sums;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const double* x = row.fetch(at, n, buffer);
      shift.moved ? add(x, n, Exp<F64, true>(scale, shift), max, sums)
                  : add(x, n, Exp<F64, false>(scale, shift), max, sums);
    }
    const double below = reduce_add(sums.terms), tops = count_of(sums.tops);
    const double whole = tops * top.hi + (below + tops * top.lo), mean = reduce_add(sums.means) / whole;
    const double curvature = reduce_add(sums.squares) / whole - mean * mean;
    said.loss = distance(max, own, p.temperature) + log_of_sum<F64>(Wide<double>{below, 0}, tops, top);
    said.slope = (max - own) - mean;
    said.curvature = curvature < 0 ? 0 : curvature;
    if (below != below) said = {below, below, below};
  }

  template <bool moved>
  __attribute__((noinline)) void add(const double* x, size_t n, const Exp<F64, moved>& exponential, double max,
                                     Sums& total) const {
    const Exp<F64, moved> exp = exponential;
    const F64 top = splat<F64>(max), most = splat<F64>(furthest * p.temperature);
    Sums sums = total;
    const auto take = [&](F64 v) INLINE_LAMBDA {
      const F64 below = zero_if_equal(v, top, exp.term(v).value()), far = min_number(sub(top, v), most);
      const F64 product = mul(below, far);
      sums.terms = UNITS::add(sums.terms, below);
      sums.means = UNITS::add(sums.means, product);
      sums.squares = muladd(product, far, sums.squares);
      sums.tops = count_if_equal(v, top, sums.tops);
    };
    size_t i = 0;
    for (; i + L <= n; i += L) take(load<F64>(x + i));
    if (i < n) take(load_first<F64>(x + i, n - i, -double(infinity)));
    total = sums;
  }
};

}  // namespace

void UNITS::solve_slope(const Problem& p, size_t begin, size_t end) {
  const Slope rows(p);
  for (size_t r = begin; r < end; r++) rows.solve(r);
}
