// top-p of rows that are too long to be ranked in one place.
//
//   a strided sample  --> thresholds, around the logit at which the last class kept is to be expected
//   one pass          --> what the logits up to each of them weigh, by segments
//   another           --> what lies between the two thresholds that enclose the last class, ranked
//
// The masses are by segments because the draw goes on from there. Where too many lie between two thresholds, others are laid
// between those. Where the last class is not certain, exact weights tell what the row weighs, and what lies above. Logits may
// change while they are read: nothing that was counted in one pass is an address in another.
#pragma once
#include "quick_cut.h"
#include "select_many.h"

namespace UNITS {

template <class V>
class LongCut {
 public:
  using T = typename V::Scalar;

  // `unit`: of estimated weights, in weights.
  LongCut(const Source& row, T max, const Estimator<V>& estimator, double unit, Segments& segments)
      : row(row), estimator(estimator), unit(unit), segments(segments), low(max), high(max), max(max) {}

  // Gives the segments what is above a logit; false if a logit is NaN.
  bool add_up_above(T over) {
    threshold[0] = over, off = 0;
    measure<1>();
    for (size_t s = 0; s < count; s++) above_high[s] = side[0][s], beside[s] = 0;
    give_segments();
    return sum_of(all) == sum_of(all);
  }

  // The same sums more closely, of the cut that was found last.
  void refine() {
    if (off == 0) return;
    threshold[0] = high, off = 0;
    measure<1>();
    for (size_t s = 0; s < count; s++) above_high[s] = side[0][s];
    give_segments();
  }

  // The cut of top-p, and what it leaves to the segments; false where it is not found.
  bool find(double top_p, double temperature, const Weigher& weigher, Cut<V>& cut) {
    share = top_p;
    low = T(double(max) - temperature * negligible_depth(row.length, 1 - share));
    if (!(low < max)) low = Selection<V>::below(max);
    Ranking<V> ranking;
    lay_by_sample(ranking, false);
    for (int round = 0; round < 8; round++) {
      measure<thresholds>();
      total = sum_of(all);
      if (!enclose() && (round > 0 || total != total)) return false;
      if (has_low) {
        const size_t between = gather(ranking);
        const bool even = Selection<V>::below(high) == low;
        if (even || between <= Ranking<V>::most) {
          if (!(even ? find_even(between, cut) : find_ranked(ranking, cut)) &&
              !find_exactly(weigher, ranking, between, even, cut))
            return false;
          even ? add_even(cut) : add_ranked(ranking, cut);
          give_segments();
          return true;
        }
      }
      round == 0 && has_low ? lay_by_sample(ranking, true) : lay_evenly();
    }
    return false;
  }

 private:
  static constexpr size_t L = V::lanes, thresholds = 8, run = 8 * L, group = weight_group;
  // Of sums in `measure`, in parts of themselves: 8 roundings in a run, 8 where runs are added up, 4 of the lanes.
  static constexpr double error =
      Estimator<V>::error + 8 * Estimator<V>::rounding + (chunk_length / run + 4) * Estimator<V>::rounding;

  const Source& row;
  const Estimator<V>& estimator;
  const double unit;
  Segments& segments;
  double share = 1, total = 0;

  // The last class kept lies above `low` and not above `high`.
  T low, high;
  const T max;
  bool has_low = false;
  double below_low = 0, slack = 0;     // what is not above low; how far what may go beside it may be off
  double beside[Segments::most] = {};  // what the cut leaves of what lies between
  double above_high[Segments::most] = {},
         off = 0;  // what is above high, by segments; how far off the sum may be, beside its error

  T threshold[thresholds];                                       // descending
  double side[thresholds][Segments::most], all[Segments::most];  // by segments: what is not above each, and all
  size_t count = 0;

  double sum_of(const double* part) const {
    double sum = 0;
    for (size_t s = 0; s < count; s++) sum += part[s];
    return sum;
  }

  // With one threshold: what is above it.
  template <size_t N>
  __attribute__((noinline)) void measure() {
    const V zero = splat<V>(0);
    V limit[N];
    for (size_t j = 0; j < N; j++) limit[j] = splat<V>(threshold[j]);
    count = 0;
    for (size_t at = 0; at < row.length; at += segments.length, count++) {
      for (size_t j = 0; j < N; j++) side[j][count] = 0;
      all[count] = 0;
      const size_t end = lesser(row.length, at + segments.length);
      for (size_t i = at; i < end && !(i > 0 && is_set(row.cancelled)); i += chunk_length) {
        alignas(64) T buffer[chunk_length];
        const size_t n = lesser(end - i, chunk_length);
        const T* x = row.fetch(i, n, buffer);
        V sum[N], whole = zero;
#pragma GCC unroll 8
        for (size_t j = 0; j < N; j++) sum[j] = zero;
        for (size_t from = 0; from < n; from += run) {
          V part[N], own = zero;
#pragma GCC unroll 8
          for (size_t j = 0; j < N; j++) part[j] = zero;
          const size_t to = lesser(n, from + run);
          for (size_t k = from; k < to; k += L) {
            __builtin_prefetch(x + k + segment_length);
            const V v = to - k < L ? load_first<V>(x + k, to - k, T(-infinity)) : load<V>(x + k),
                    w = estimator.of(v);
            own = add(own, w);
#pragma GCC unroll 8
            for (size_t j = 0; j < N; j++) {
              part[j] = add(part[j],
                            N == 1 ? select_greater(v, limit[j], w, zero) : select_greater(v, limit[j], zero, w));
            }
          }
          whole = add(whole, own);
#pragma GCC unroll 8
          for (size_t j = 0; j < N; j++) sum[j] = add(sum[j], part[j]);
        }
        all[count] += double(reduce_add(whole));
        for (size_t j = 0; j < N; j++) side[j][count] += double(reduce_add(sum[j]));
      }
    }
  }

  // From what was measured to the nearest thresholds above and below the last class; false where none is new.
  bool enclose() {
    const double rest = (1 - share) * total, margin = 2.02 * error * rest + rounding_of(row.length) / unit;
    slack = margin;
    bool is_new = false;
    for (size_t j = 0; j < thresholds; j++) {
      const double below = sum_of(side[j]);
      if (below > rest + margin && threshold[j] < high) {
        is_new = true, high = threshold[j], off = error * (total + below);
        for (size_t s = 0; s < count; s++) above_high[s] = all[s] - side[j][s];
      }
      if (below < rest - margin && (threshold[j] > low || !has_low)) {
        is_new = has_low = true, low = threshold[j], below_low = below;
      }
    }
    return is_new;
  }

  // Takes what lies between, if there is room; how many that is.
  size_t gather(Ranking<V>& ranking) const {
    size_t between = 0;
    ranking.clear();
    each_group([&](const T* x, size_t n, size_t at) INLINE_LAMBDA {
      uint64_t bits = bits_between(x, n);
      between += size_t(__builtin_popcountll(bits));
      if (between > Ranking<V>::most) return true;
      for (; bits != 0; bits &= bits - 1) {
        const size_t i = size_t(__builtin_ctzll(bits));
        ranking.add(x[i], at + i);
      }
      return true;
    });
    ranking.pad();
    return between;
  }

  // Calls visit(logits, how many, class of the first) until it returns false.
  template <class Visit>
  INLINE void each_group(Visit visit) const {
    alignas(64) T buffer[chunk_length];
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      const T* x = row.fetch(at, n, buffer);
      for (size_t i = 0; i < n; i += group) {
        if (!visit(x + i, lesser(n - i, group), at + i)) return;
      }
    }
  }

  double rest_between() const { return (1 - share) * total - below_low; }

  bool find_ranked(Ranking<V>& ranking, Cut<V>& cut) const {
    ranking.weigh(estimator, T(-infinity));
    const double more = 1.01 * Ranking<V>::error * ranking.add_up();
    typename Ranking<V>::Last last;
    if (!ranking.find_mass(rest_between(), slack + more, low, high, last)) return false;
    cut.least = last.logit, cut.last = uint32_t(ranking.class_at(last.place));
    return true;
  }

  // Where all that is between equals `high`, of however many.
  bool find_even(size_t between, Cut<V>& cut) const {
    size_t kept;
    const double each = double(first_lane(estimator.of(splat<V>(high))));
    if (!Ranking<V>::kept_of_even(between, each, rest_between(), slack, kept)) return false;
    cut.least = high, cut.last = class_of_even(kept);
    return true;
  }

  INLINE uint64_t bits_between(const T* x, size_t n) const {
    const uint64_t bits = Selection<V>::above(x, n, low);
    return bits != 0 ? bits & ~Selection<V>::above(x, n, high) : bits;
  }

  uint32_t class_of_even(size_t number) const {
    size_t left = number, last = 0;
    each_group([&](const T* x, size_t n, size_t at) INLINE_LAMBDA {
      uint64_t bits = bits_between(x, n);
      const size_t own = size_t(__builtin_popcountll(bits));
      if (own < left) return left -= own, true;
      for (; left > 1; left--) bits &= bits - 1;
      last = at + (bits != 0 ? size_t(__builtin_ctzll(bits)) : 0);
      return false;
    });
    return uint32_t(last);
  }

  // By exact weights of the whole row.
  __attribute__((noinline)) bool find_exactly(const Weigher& weigher, const Ranking<V>& ranking, size_t between,
                                              bool even, Cut<V>& cut) const {
    const Cut<V> every;
    const Nucleus<V, false> nucleus(row, weigher, every);
    const F64 zero = splat<F64>(0), over = splat<F64>(double(high));
    F64 whole = zero, above = zero;
    for_each_group<V>(row, 0, row.length, every, [&](const T* x, size_t n, size_t) INLINE_LAMBDA {
      for (size_t i = 0; i < n; i += F64::lanes) {
        const F64 v = load_eight(x + i), w = nucleus.rounded_weight(v);
        whole = add(whole, w), above = add(above, select_greater(v, over, w, zero));
      }
    });
    const double target = share * reduce_add(whole), reached = reduce_add(above);
    if (!(reached < target)) return false;
    if (even) {
      const double each = nucleus.rounded_weight(double(high));
      if (!(reached + double(between) * each >= target)) return false;
      cut.least = high, cut.last = class_of_even(Ranking<V>::fewest(between, each, target, reached));
      return true;
    }
    typename Ranking<V>::Last last;
    if (!ranking.find_exactly(nucleus, target, reached, last)) return false;
    cut.least = last.logit, cut.last = uint32_t(ranking.class_at(last.place));
    return true;
  }

  // What the cut leaves of what is between goes to what is above.
  void add_ranked(const Ranking<V>& ranking, const Cut<V>& cut) {
    for (size_t i = 0; i < ranking.count; i++) {
      const size_t index = ranking.index[i];
      beside[index / segments.length] += cut.keeps(ranking.logit[i], index) ? double(ranking.weight[i]) : 0;
    }
  }
  void add_even(const Cut<V>& cut) {
    const double each = double(first_lane(estimator.of(splat<V>(high))));
    each_group([&](const T* x, size_t n, size_t at) INLINE_LAMBDA {
      uint64_t bits = bits_between(x, n);
      const bool goes_on = at + group <= cut.last;
      if (!goes_on) bits &= (uint64_t(2) << (cut.last - at)) - 1;
      beside[at / segments.length] += each * double(__builtin_popcountll(bits));
      return goes_on;
    });
  }

  void give_segments() {
    double sum = 0;
    for (size_t s = 0; s < count; s++) segments.sum[s] = sum += (above_high[s] + beside[s]) * unit;
    segments.count = count, segments.error = error, segments.off = off * unit;
  }

  void lay_evenly() {
    for (size_t j = 0; j < thresholds; j++) {
      threshold[j] = T(double(high) - (double(high) - double(low)) * double(j + 1) / double(thresholds + 1));
    }
  }

  // Quantiles of a sample's mass, nearer to each other where the last class is more likely. What is left out is estimated well,
  // by many light classes, and what all weigh may not be, by few heavy ones: until it is known, both may err by a factor.
  void lay_by_sample(Ranking<V>& ranking, bool knows_total) {
    constexpr size_t half = thresholds / 2;
    constexpr double deviations[half] = {3.5, 1.7, 0.8, 0.25};
    ranking.read_sample(row);
    ranking.weigh(estimator, T(-infinity));
    const double sampled = ranking.add_up();
    if (!(sampled > 0)) return lay_evenly();
    const double mass = knows_total ? total * double(ranking.count) / double(row.length) : sampled,
                 rest = (1 - share) * mass;
    const T about = ranking.quantile(rest, low, high, false);
    const auto relative = [&](T up_to, double of) {
      return ranking.squares_up_to(up_to, unit) / (of * of * unit * unit);
    };
    const double variance = relative(about, rest) + (knows_total ? 0 : relative(high, mass));
    const double deviation = __builtin_sqrt(variance < 1 ? variance : 1);
    const auto rest_at = [&](double by) {
      return by < 0 ? rest / (1 - by * deviation) : rest * (1 + by * deviation);
    };
    // The outer ones first: the others lie between them.
    const T top = ranking.quantile(rest_at(deviations[0]), low, high, true);
    const T bottom = ranking.quantile(rest_at(-deviations[0]), low, high, false);
    threshold[0] = top, threshold[thresholds - 1] = bottom;
    const double base = ranking.below(bottom);
    ranking.template list_between<true>(bottom, top);
    for (size_t j = 1; j < half; j++) {
      threshold[j] = ranking.quantile(rest_at(deviations[j]) - base, bottom, top, true);
      threshold[thresholds - 1 - j] = ranking.quantile(rest_at(-deviations[j]) - base, bottom, top, false);
    }
  }
};

}  // namespace UNITS
