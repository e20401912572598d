// The cut of filters by estimated weights: where it would be the same with so much more or less of each, which is nearly
// always. top-k, then top-p of what that leaves, then min-p.
#pragma once
#include "nucleus.h"
#include "ranking.h"
#include "sample_settings.h"

namespace UNITS {

// So far below the maximum, in multiples of the temperature, that all of n classes from there down are less than a quarter of
// `share` of the largest: log(4 n / share), rounded up.
INLINE double negligible_depth(size_t n, double share) {
  const auto exponent = [](double x) { return double(int64_t(__builtin_bit_cast(uint64_t, x) >> 52) - 1023); };
  return (exponent(double(n)) + 3 - exponent(share)) * (ln2_hi + ln2_lo);
}

// How far n weights, and what is to be left out of them, may be off because weights are rounded for top-p, to multiples of
// 2^-52 times a power of two that is not below their number (nucleus.h). Of the largest weight.
INLINE double rounding_of(size_t n) { return double(n) * double(n) * 0x1p-51; }

// Shares so near 1 leave out too little to tell.
constexpr double least_left_out = 0x1p-20;

// Ranks a row's filters; the weights of what they leave remain.
template <class V>
struct QuickCut {
  using T = typename V::Scalar;
  const Settings& settings;
  double temperature;

  // The cut of a row that is in the ranking whole; false where it is not certain.
  bool near(Ranking<V>& ranking, const typename Ranking<V>::Read& row, const Estimator<V>& estimator,
            Cut<V>& cut) const {
    constexpr T none = T(-infinity);
    const size_t k = settings.keepTop;
    typename Ranking<V>::Last last;
    if (k > 0 && k < ranking.count && ranking.find_count(k, row, last)) {
      ranking.keep_to(last, ranking.logit, none);
      cut.least = last.logit, cut.last = uint32_t(ranking.class_at(last.place));
    }
    const double reach = temperature * settings.minPDepth;
    const T least = reach < __builtin_inf() ? at_least<T>(double(row.max) - reach) : none;
    const T over = Selection<V>::below(least);
    if (!(settings.topP < 1)) {
      ranking.weigh(estimator, over);
      cut.raise(least);
      return true;
    }
    const double share = 1 - settings.topP;
    if (!(share > least_left_out)) return false;
    ranking.weigh(estimator, none);
    const double total = ranking.add_up();
    const double largest = double(first_lane(estimator.of(splat<V>(row.max))));
    const double rest = share * total,
                 slack = 2.02 * Ranking<V>::error * rest + rounding_of(ranking.count) * largest;
    if (!(rest + slack < total)) return false;
    const T low = T(double(row.max) - temperature * negligible_depth(ranking.count, share));
    if (!ranking.find_mass(rest, slack, low < row.max ? low : Selection<V>::below(row.max), row.max, last))
      return false;
    cut.least = last.logit, cut.last = uint32_t(ranking.class_at(last.place));
    if (least > last.logit) {
      ranking.weigh(estimator, over);
      cut.raise(least);
    } else {
      ranking.keep_to(last, ranking.weight, T(0));
    }
    return true;
  }
};

}  // namespace UNITS
