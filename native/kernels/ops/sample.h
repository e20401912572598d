// sample: classes drawn by the inverse of the cumulative distribution; see lib/backends/js/sample.ts, of which every draw is
// the same number.
//
// A row is read once for its maximum (and its k best), once for the sums of its weights by segments, and each draw
// looks through one segment. A filter is a cut, the last class kept: top-k's comes from the selection, min-p's is a
// distance from the maximum, top-p's is searched for digit by digit, and nothing is sorted but the k best.
#pragma once
#include "adjust.h"
#include "estimate.h"
#include "long_cut.h"
#include "shortlist.h"
#include "survey.h"
#include "../math/philox.h"
#include "../shapes/rows.h"

namespace UNITS {

template <class V>
struct SampleSolver {
  using T = typename V::Scalar;
  const Problem& p;

  explicit SampleSolver(const Problem& p) : p(p) {}

  void solve(size_t begin, size_t end) const {
    Selection<V> selection(0);
    Adjustments adjustments(p);
    NextRow next = {is_plain(p) && p.inner == 1 && p.type == type_of<T>, end, nullptr, 0};
    for (size_t r = begin; r < end; r++) {
      const Settings settings = settings_of(p, r);
      Source row = source_of(p, r);
      // Without memory for what is to change there is nothing to draw by.
      if (adjustments.any() && !adjustments.open(row, r, settings, row.patches)) row.length = 0;
      solve(r, settings, row, adjustments, selection, next);
      if (p.rawLogProbabilities) put_raw(r);
    }
  }

 private:
  struct Drawn {
    size_t index;
    T logit;
    bool sure;
  };

  // Of rows that lie one behind the other, the maximum of the next one.
  struct NextRow {
    const bool follows;
    const size_t end;
    const T* x;  // whose maximum is known
    T max;
  };

  void solve(size_t r, const Settings& settings, const Source& row, Adjustments& adjustments,
             Selection<V>& selection, NextRow& next) const {
    const size_t k = settings.keepTop;
    const bool selects = p.temperature > 0 && k > 0 && k < row.length && k <= most_selected;
    const auto finish = [&] { adjustments.finish<T>(row); };
    if (!selects || row.length <= Ranking<V>::most) finish();
    if (p.temperature > 0x1p-16 && p.temperature < 0x1p16 &&
        (!settings.filter() || p.order == Order::transformers)) {
      if (row.length > 0 && row.length <= Ranking<V>::most && near(r, settings, row, next)) return;
      if (row.length > Ranking<V>::most && settings.filter() && far(r, settings, row)) return;
      if constexpr (sizeof(T) == 4) {
        if (!settings.filter()) return estimated(r, settings, row);
      }
    }
    selection.clear(selects ? k : 0);
    Survey<V> found;
    if (!selects || !Survey<V>::select_patched(row, k, selection, found, adjustments)) {
      finish();
      found = selects ? Survey<V>::select(row, selection) : Survey<V>::of(row);
    }
    if (found.nan || !finite(found.max)) return fill(r, no_class, __builtin_nan(""));
    if (p.temperature == 0) return fill(r, uint32_t(found.first(row)), 0);
    const Weigher weigher(found.max, p.temperature);
    weigher.moved() ? filtered<true>(r, settings, row, weigher, found.max, selection)
                    : filtered<false>(r, settings, row, weigher, found.max, selection);
  }

  // The share of the total at which draw i of a row lies.
  static double share_of(const Settings& settings, size_t i) {
    return uniform(settings.row, settings.firstDraw + i, settings.seed);
  }
  static bool finite(T x) { return __builtin_fabs(double(x)) < __builtin_inf(); }

  template <bool moved>
  void filtered(size_t r, const Settings& settings, const Source& row, const Weigher& weigher, T max,
                const Selection<V>& selection) const {
    // llama.cpp filters before it divides by the temperature.
    const Cut<V> cut =
        p.order == Order::llama_cpp
            ? cut_of<false>(settings, row, Weigher(max, 1), max, settings.minPDepth, selection)
            : cut_of<moved>(settings, row, weigher, max, p.temperature * settings.minPDepth, selection);
    Segments segments(row.length);
    if (is_whole(selection)) {
      Shortlist<V> list;
      list.template take<moved>(weigher, cut, selection);
      segments.add_up(list.index, list.weight, list.count, row.length);
      return draw(r, settings, row, max, cut, [&](double share) { return find(list, segments, share); });
    }
    segments.add_up<moved>(row, weigher, cut);
    draw(r, settings, row, max, cut,
         [&](double share) { return find<moved>(row, weigher, cut, segments, share); });
  }

  // A row short enough to be ranked in one place; false where that does not tell what the filters leave.
  __attribute__((noinline)) bool near(size_t r, const Settings& settings, const Source& row, NextRow& next) const {
    Ranking<V> ranking;
    const Scale<V>& scale = small_scale_of<V>(p.temperature);
    const double first = share_of(settings, 0);  // worked out while the row is read
    if (!settings.filter()) {
      const T* x = row.template direct<T>() ? row.template fetch<T>(0, row.length, nullptr)
                                            : (ranking.read(row), ranking.logit);
      const T max = next.x == x ? next.max : max_of<V>(x, row.length);
      const Estimator<V> estimator(max, p.temperature, scale);
      if (!finite(max) || !estimator.sound()) return false;
      next.x = next.follows && r + 1 < next.end ? x + row.length : nullptr;
      const double total = ranking.weigh(estimator, x, row.length, next.x ? next.x : x, next.max);
      return draw(r, settings, row, max, ranking, total, Cut<V>(), first);
    }
    const auto read = ranking.read(row);
    if (read.nan || !finite(read.max)) return fill(r, no_class, __builtin_nan("")), true;
    const Estimator<V> estimator(read.max, p.temperature, scale);
    Cut<V> cut;
    QuickCut<V> quick{row, settings, p.temperature, ranking};
    return estimator.sound() && quick.find(read, estimator, cut) &&
           draw(r, settings, row, read.max, ranking, ranking.add_up(), cut, first);
  }

  // By the weights that are left in the ranking; false where they do not add up.
  bool draw(size_t r, const Settings& settings, const Source& row, T max, const Ranking<V>& ranking, double total,
            const Cut<V>& cut, double first) const {
    const double slack = 0.51 * Ranking<V>::error * total;
    if (!(total < __builtin_inf())) return false;
    draw(r, settings, row, max, cut, first, [&](double share) {
      size_t place;
      if (!ranking.find_sum(share * total, slack, place)) return find_anew(row, max, cut, share);
      const size_t index = ranking.class_at(place);
      return Drawn{index, p.logProbabilities ? logit_at<T>(row, index) : 0, true};
    });
    return true;
  }

  // A longer row under top-p, min-p or both; false where that does not tell what they leave.
  __attribute__((noinline)) bool far(size_t r, const Settings& settings, const Source& row) const {
    const bool narrows = settings.topP < 1;
    if ((settings.keepTop > 0 && settings.keepTop < row.length) ||
        !(1 - settings.topP > least_left_out || !narrows))
      return false;
    V maxima = splat<V>(T(-infinity));
    for_each_chunk<T>(row,
                      [&](const T* x, size_t n, size_t) { maxima = max_number(lane_maxima<V>(x, n), maxima); });
    const T max = reduce_max(maxima);
    if (!finite(max)) return false;
    const Estimator<V> estimator(max, p.temperature, small_scale_of<V>(p.temperature));
    if (!estimator.sound()) return false;
    const Weigher weigher(max, p.temperature);
    Segments segments(row.length, 256);
    LongCut<V> quick(row, max, estimator, estimator.unit(double(max), p.temperature), segments);
    Cut<V> cut;
    if (narrows && !quick.find(settings.topP, p.temperature, weigher, cut)) return false;
    const T least = least_within(max, p.temperature * settings.minPDepth);
    if (least > cut.least || !narrows) {
      if (!quick.add_up_above(Selection<V>::below(least))) return false;
      cut.raise(least);
    }
    draw(r, settings, row, max, cut, [&](double share) {
      const Drawn drawn = find<false>(row, weigher, cut, segments, share);
      if (drawn.sure) return drawn;
      quick.refine();
      return find_surely(row, weigher, cut, segments, share);
    });
    return true;
  }

  // By exact weights; rare.
  __attribute__((noinline)) Drawn find_anew(const Source& row, T max, const Cut<V>& cut, double share) const {
    Segments segments(row.length);
    return find_surely(row, Weigher(max, p.temperature), cut, segments, share);
  }

  // By sums that may be estimates, or by exact ones from then on where those do not tell.
  Drawn find_surely(const Source& row, const Weigher& weigher, const Cut<V>& cut, Segments& segments,
                    double share) const {
    if (segments.count > 0) {
      const Drawn drawn = find<false>(row, weigher, cut, segments, share);
      if (drawn.sure) return drawn;
    }
    segments.add_up<false>(row, weigher, cut);
    return find<false>(row, weigher, cut, segments, share);
  }

  // Without filters, float32 terms tell nearly every draw. Where one is too near a boundary to be sure, the weights
  // are added up after all.
  void estimated(size_t r, const Settings& settings, const Source& row) const {
    // A segment costs about as much as 256 of its classes, and a draw looks through half of one.
    Segments segments(row.length, 256);
    const Scale<V> scale = scale_of<V>(p.temperature);
    double top[Segments::most];
    Estimate whole;
    for (size_t at = 0; at < row.length; at += segments.length) {
      const size_t end = row.length - at < segments.length ? row.length : at + segments.length;
      Estimate e;
      alignas(64) T buffer[chunk_length];
      for (size_t i = at; i < end && !(i > 0 && is_set(row.cancelled)); i += chunk_length) {
        const size_t n = end - i < chunk_length ? end - i : chunk_length;
        e.add(estimate_of(row.fetch(i, n, buffer), n, scale));
      }
      top[segments.count] = e.top, segments.sum[segments.count++] = e.sum;
      whole.add(e);
    }
    if (whole.sum != whole.sum || !finite(T(whole.max))) return fill(r, no_class, __builtin_nan(""));
    const Weigher weigher(whole.max, p.temperature);
    const Cut<V> all;
    if (__builtin_fabs(whole.max * scale.c) < ExpTraits<V>::reducible / 2) {
      // In units of the largest term.
      const Scale<F64> scale64 = scale_of<F64>(p.temperature);
      const double unit = 1 / term_of_max<V>(whole.max, whole.top, scale64).hi;
      double total = 0;
      for (size_t s = 0; s < segments.count; s++) {
        segments.sum[s] = total += segments.sum[s] * unit * Estimate::unit(top[s], whole.top);
      }
      segments.error = estimate_error;
    } else {
      segments.add_up<false>(row, weigher, all);
      if (segments.total() != segments.total()) return fill(r, no_class, __builtin_nan(""));
    }
    draw(r, settings, row, T(whole.max), all,
         [&](double share) { return find_surely(row, weigher, all, segments, share); });
  }

  // find(share) gives the class at which the running sum exceeds that share of the total.
  template <class Find>
  void draw(size_t r, const Settings& settings, const Source& row, T max, const Cut<V>& cut,
            const Find& find) const {
    draw(r, settings, row, max, cut, share_of(settings, 0), find);
  }
  template <class Find>
  void draw(size_t r, const Settings& settings, const Source& row, T max, const Cut<V>& cut, double first,
            const Find& find) const {
    const double log_total =
        p.logProbabilities ? log_of_total(row, max, cut, p.temperature, p.logProbabilitiesType) : 0;
    for (size_t i = 0; i < p.count && !(i > 0 && is_set(row.cancelled)); i++) {
      const Drawn drawn = find(i == 0 ? first : share_of(settings, i));
      put(r * p.count + i, uint32_t(drawn.index), 0 - (distance(max, drawn.logit, p.temperature) + log_total));
    }
  }

  // The first class at which the running sum exceeds that share of the total; where rounding kept it from that, the
  // last class of the segment that has a weight. Not sure where another total in reach of the slack gives another.
  template <bool moved>
  Drawn find(const Source& row, const Weigher& weigher, const Cut<V>& cut, const Segments& segments,
             double share) const {
    const double target = share * segments.total();
    const size_t segment = segments.find(target), from = segment * segments.length;
    const double slack = segments.slack(segment, share);
    const size_t to = row.length - from < segments.length ? row.length : from + segments.length;
    double running = segments.before(segment);
    const bool exact = segments.error == 0;
    bool sure = segment == 0 || running < target - slack, passed = false;
    Drawn drawn = {from, 0, false};
    for_each_group<V>(row, from, to, cut, [&](const T* x, size_t n, size_t at) {
      if (passed) return;
      alignas(64) double weight[weight_group];
      for (size_t i = 0; i < n; i += 8) store(weight + i, weigher.weight<moved>(load_eight(x + i)));
      for (size_t i = 0; i < n; i++) {
        if (weight[i] == 0) continue;
        drawn.index = at + i, drawn.logit = x[i];
        const double before = running;
        running += weight[i];
        if (!(running > target - slack)) continue;
        // An estimate has to pass the target at once.
        sure &= running > target + slack && (before < target - slack || before == 0);
        passed = true;
        break;
      }
    });
    drawn.sure = exact || (sure && passed);
    return drawn;
  }

  static Drawn find(const Shortlist<V>& list, const Segments& segments, double share) {
    const double target = share * segments.total();
    const size_t segment = segments.find(target), from = segment * segments.length;
    double running = segments.before(segment);
    Drawn drawn = {from, 0, true};
    for (size_t i = 0; i < list.count && list.index[i] < from + segments.length; i++) {
      if (list.index[i] < from || list.weight[i] == 0) continue;
      drawn.index = list.index[i], drawn.logit = list.logit[i];
      running += list.weight[i];
      if (running > target) break;
    }
    return drawn;
  }

  // What the filters leave, each a number of the best: so of filters that look at the same classes the order is all one.
  template <bool moved>
  Cut<V> cut_of(const Settings& settings, const Source& row, const Weigher& weigher, T max, double reach,
                const Selection<V>& selection) const {
    const Cut<V> best = cut_to_best(settings, row, selection);
    const T least = least_within(max, reach);
    Cut<V> cut = best;
    if (p.order == Order::vllm) cut.raise(least);
    if (settings.topP < 1 && p.order == Order::joint) {
      const Cut<V> all;
      cut = Nucleus<V, moved>(row, weigher, all).keeping(settings.topP);
      cut.narrow(best);
    } else if (settings.topP < 1) {
      const Nucleus<V, moved> nucleus(row, weigher, cut);
      if (is_whole(selection)) {
        size_t count = selection.count;
        while (count > 1 && logit_of<T>(selection.key[count - 1]) < cut.least) count--;
        cut = nucleus.keeping(settings.topP, selection.key, count);
      } else {
        cut = nucleus.keeping(settings.topP);
      }
    }
    cut.raise(least);
    return cut;
  }

  // Whether the k best are there. (Fewer may take part.)
  static bool is_whole(const Selection<V>& selection) { return selection.k > 0 && selection.count == selection.k; }

  Cut<V> cut_to_best(const Settings& settings, const Source& row, const Selection<V>& selection) const {
    const size_t k = settings.keepTop;
    if (k > most_selected && k < row.length) {
      return cut_at<V>(row, key_of_best<T>(row, k), T(-infinity), [](T, size_t) { return true; });
    }
    Cut<V> cut;
    if (is_whole(selection)) {
      const Key<T> key = selection.key[k - 1];
      cut.least = logit_of<T>(key), cut.last = class_of(key);
    }
    return cut;
  }

  // log(sum of all that a cut leaves / the largest of them), as exactly as the logarithms of other operations.
  static double log_of_total(const Source& row, T max, const Cut<V>& cut, double temperature, Type type) {
    return type == Type::float64 ? log_of_total<F64>(row, max, cut, temperature)
                                 : log_of_total<V>(row, max, cut, temperature);
  }

  template <class W>
  static double log_of_total(const Source& row, double max, const Cut<V>& cut, double temperature) {
    using S = typename W::Scalar;
    alignas(64) S buffer[chunk_length];
    const Scale<W> scale = scale_of<W>(temperature);
    const Scale<F64> scale64 = scale_of<F64>(temperature);
    const Measurer<W, Sums::below> measurer{scale, scale64};
    const Measure m = measurer.under(S(max), &max, row.length, row.length, [&](auto&& sum) {
      for (size_t at = 0; row.goes_on(at); at += chunk_length) {
        const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
        const S* x = row.fetch(at, n, buffer);
        for (size_t i = 0; cut.filters() && i < n; i++) {
          buffer[i] = cut.keeps(T(x[i]), at + i) ? x[i] : S(-infinity);
        }
        sum(cut.filters() ? buffer : x, n, static_cast<S*>(nullptr));
      }
    });
    return without_least<S>(Rows<W>::log_of_measure(m));
  }

  void fill(size_t r, uint32_t index, double log) const {
    for (size_t i = 0; i < p.count; i++) {
      if (i > 0 && i % chunk_length == 0 && is_set(p.cancelled)) return;
      put(r * p.count + i, index, log);
    }
  }

  // The log-probabilities of the classes drawn, by the row as it is in memory and at a temperature of 1.
  void put_raw(size_t r) const {
    const Source row = source_of(p, r);
    const Survey<V> found = Survey<V>::of(row);
    const bool is_ordinary = !found.nan && finite(found.max);
    const double log_total = is_ordinary ? log_of_total(row, found.max, Cut<V>(), 1, p.rawType) : 0;
    const Sink logs{static_cast<char*>(p.rawLogProbabilities), p.rawType, 1};
    for (size_t i = 0; i < p.count; i++) {
      if (i > 0 && i % chunk_length == 0 && is_set(p.cancelled)) return;
      // What is read back may have been written by others.
      const uint32_t index = read_once(static_cast<const uint32_t*>(p.out) + r * p.count + i);
      const bool is_class = is_ordinary && index < row.length;
      const double log = is_class
                             ? 0 - (distance(double(found.max), double(logit_at<T>(row, index)), 1) + log_total)
                             : __builtin_nan("");
      logs.put(r * p.count + i, log);
    }
  }

  void put(size_t at, uint32_t index, double log) const {
    static_cast<uint32_t*>(p.out)[at] = index;
    if (p.logProbabilities) Sink{static_cast<char*>(p.logProbabilities), p.logProbabilitiesType, 1}.put(at, log);
  }
};

}  // namespace UNITS
