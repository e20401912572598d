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

// How far what top-p leaves out of n weights may be off because weights are rounded (nucleus.h), to multiples of 2^-52 times
// the least power of two that is not below their number: by half of that for each that is left out, less its share of the
// half for each. Of the largest weight.
INLINE double rounding_of(size_t n) {
  double bound = 1;
  while (bound < double(n)) bound *= 2;
  return double(n) * bound * 0x1p-53;
}

// Shares so near 1 leave out too little to tell.
constexpr double least_left_out = 0x1p-20;

// Ranks a row's filters; the weights of what they leave remain.
template <class V>
struct QuickCut {
  using T = typename V::Scalar;
  using Last = typename Ranking<V>::Last;
  const Source& row;
  const Settings& settings;
  double temperature;
  Ranking<V>& ranking;  // that has the row

  // The cut, where estimates tell it.
  bool find(const typename Ranking<V>::Read& read, const Estimator<V>& estimator, Cut<V>& cut) {
    constexpr T none = T(-infinity);
    const size_t k = settings.keepTop;
    Last last;
    if (k > 0 && k < row.length && ranking.find_count(k, read, last)) {
      ranking.keep_to(last, ranking.logit, none);
      narrow(cut, last);
    }
    const T least = least_within(read.max, temperature * settings.minPDepth);
    const T over = Selection<V>::below(least);
    if (!(settings.topP < 1)) {
      ranking.weigh(estimator, over);
    } else {
      ranking.weigh(estimator, none);
      const bool even = read.depth == 0 && ranking.find_even(read.max, settings.topP, last);
      if (!even && !find_nucleus(read.max, estimator, last) && !find_exactly(read.max, last)) return false;
      narrow(cut, last);
      least > last.logit ? ranking.weigh(estimator, over) : ranking.keep_to(last, ranking.weight, T(0));
    }
    cut.raise(least);
    return true;
  }

 private:
  void narrow(Cut<V>& cut, const Last& last) const {
    cut.least = last.logit, cut.last = uint32_t(ranking.class_at(last.place));
  }

  bool find_nucleus(T max, const Estimator<V>& estimator, Last& last) const {
    const double share = 1 - settings.topP, total = ranking.add_up(), rest = share * total;
    const double largest = double(first_lane(estimator.of(splat<V>(max))));
    const double slack = 2.02 * Ranking<V>::error * rest + rounding_of(ranking.count) * largest;
    if (!(share > least_left_out && rest + slack < total)) return false;
    const T low = T(double(max) - temperature * negligible_depth(ranking.count, share));
    return ranking.find_mass(rest, slack, low < max ? low : Selection<V>::below(max), max, last);
  }

  bool find_exactly(T max, Last& last) const {
    const Weigher weigher(max, temperature);
    const Cut<V> every;
    const Nucleus<V, false> nucleus(row, weigher, every);
    const double target = settings.topP * ranking.exact_mass(nucleus, T(-infinity), T(infinity));
    return ranking.find_exactly(nucleus, target, 0, last);
  }
};

}  // namespace UNITS
