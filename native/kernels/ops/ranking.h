// Some thousands of classes, what each weighs, and how far down the best of them a count of them or a share of their mass
// reaches: by halves between two logits, until so few lie between them that each is compared with each.
//
//   -Infinity ....... low ........... high ... max        above high: all kept; up to low: none;
//                         v                               the last one kept lies between
//
// Sums are rounded. An answer is given only where it would be the same with so much more or less of everything.
#pragma once
#include "entries.h"

namespace UNITS {

template <class V>
class Ranking : public Entries<V> {
 public:
  using typename Entries<V>::T;
  using typename Entries<V>::Read;
  using Entries<V>::group, Entries<V>::count, Entries<V>::logit, Entries<V>::weight, Entries<V>::listed;

  // About the logit up to which the weights add up to `rest`, between two others: the next one above that, or below.
  T quantile(double rest, T low, T high, bool above) const {
    Bracket in = {low, high, 0, count, 0};
    for (int step = 0; step < 12 && in.between() > 8; step++) {
      T middle = in.low / 2 + in.high / 2;
      if (!(middle > in.low && middle < in.high)) break;
      const Split at = this->template split<false>(middle);
      at.below > rest ? (in.high = middle, in.above_high = at.above) : (in.low = middle, in.above_low = at.above);
    }
    if (in.between() > 8) {  // of equal logits, exactly that one and the one below it
      T least, largest;
      bounds(in.low, in.high, least, largest);
      if (least <= largest) in.low = Selection<V>::below(least), in.high = largest;
    }
    return above ? in.high : in.low;
  }

  // The last one kept, by its logit and place.
  struct Last {
    T logit;
    size_t place;
  };

  // The last of the k best; false where fewer are above -Infinity.
  bool find_count(size_t k, const Read& row, Last& last) {
    T step = row.depth * T(k < 32 ? 1 : k / 32), high = row.max, low = high - step;
    size_t above_high = 0, above_low;
    while ((above_low = above(low)) < k) {
      if (!(low > T(-infinity))) return false;
      high = low, above_high = above_low;
      step = step > 0 ? 2 * step : T(1);
      low = row.max - step;
    }
    if (!listed && above_low <= 4 * few) this->template list_between<false>(low, T(infinity));
    // Kept is a logit with k - 1 or fewer above it, and so with more than this many not above it.
    const double rest = double(count - k) + 0.5;
    return find<true>({low, high, double(count - above_low), above_low, above_high}, rest, 0, last);
  }

  // The last of the best beside which no more than `rest` is left, give or take the slack. All that is not above `low` has to
  // go, and is less than that.
  bool find_mass(double rest, double slack, T low, T high, Last& last) const {
    const Split at_low = this->template split<false>(low);
    return at_low.below < rest - slack &&
           find<false>({low, high, at_low.below, at_low.above, 0}, rest, slack, last);
  }

  // Leaves an array as it is up to the last one kept, and `none` in the other places.
  void keep_to(const Last& last, T* array, T none) const {
    const V v = splat<V>(last.logit), other = splat<V>(none);
    for (size_t i = 0; i < padded(); i += L) {
      const V x = load<V>(logit + i);
      uint32_t bits = mask_greater(x, v);
      if (i <= last.place) {
        const uint32_t even = ~(bits | mask_greater(v, x));
        bits |= last.place - i < L ? even & ((2u << (last.place - i)) - 1) : even;
      }
      store(array + i, keep(bits, load<V>(array + i), other));
    }
  }

 private:
  using typename Entries<V>::Split;
  using Entries<V>::L, Entries<V>::padded, Entries<V>::above, Entries<V>::between, Entries<V>::each_between,
      Entries<V>::bounds, Entries<V>::place_of;
  static constexpr size_t few = 32;  // are compared with each other

  struct Bracket {
    T low, high;
    double below;  // what is not above low
    size_t above_low, above_high;
    size_t between() const { return above_low - above_high; }
  };

  template <bool counts>
  __attribute__((noinline)) bool find(Bracket in, double rest, double slack, Last& last) const {
    for (int step = 0; in.between() > few; step++) {
      T middle = in.low / 2 + in.high / 2;
      const bool splits = middle > in.low && middle < in.high;
      if (!splits || (step > 4 && step % 2 == 1)) {
        T least, largest;
        bounds(in.low, in.high, least, largest);
        if (!(least < largest)) return find_among_even<counts>(in, largest, rest, slack, last);
        in.high = largest;
        middle = least / 2 + largest / 2;
        if (!(middle < largest)) middle = least;
      }
      const Split at = this->template split<counts>(middle);
      if (at.below > rest + slack) {
        in.high = middle, in.above_high = at.above;
      } else if (at.below < rest - slack) {
        in.low = middle, in.below = at.below, in.above_low = at.above;
      } else {
        return false;
      }
    }
    return find_among_few<counts>(in, rest, slack, last);
  }

  // Where all that is between equals v.
  template <bool counts>
  bool find_among_even(const Bracket& in, T v, double rest, double slack, Last& last) const {
    size_t kept;
    const double each = counts ? 1 : double(weight[place_of(v, 1)]);
    if (!kept_of_even(in.between(), each, rest - in.below, slack, kept)) return false;
    last = {v, place_of(v, kept)};
    return true;
  }

 public:
  // The exact weights, rounded for top-p, of what is above `low` and not above `high`.
  template <class Nucleus>
  __attribute__((noinline)) double exact_mass(const Nucleus& nucleus, T low, T high) const {
    const F64 from = splat<F64>(double(low)), to = splat<F64>(double(high)), zero = splat<F64>(0);
    F64 sum = zero;
    for (size_t i = 0; i < padded(); i += F64::lanes) {
      const F64 x = load_eight(logit + i), w = nucleus.rounded_weight(x);
      sum = UNITS::add(sum, select_greater(x, to, zero, select_greater(x, from, w, zero)));
    }
    return reduce_add(sum);
  }

  // The last of the fewest of the best whose exact weights reach a target, of which `reached` is reached by others. It is above
  // -Infinity.
  template <class Nucleus>
  __attribute__((noinline)) bool find_exactly(const Nucleus& nucleus, double target, double reached,
                                              Last& last) const {
    T low = T(-infinity), high = T(infinity);
    if (!(reached < target && reached + exact_mass(nucleus, low, high) >= target)) return false;
    for (;;) {
      T least, largest;
      bounds(low, high, least, largest);
      if (!(least < largest)) {
        size_t even = 0;
        for (size_t i = 0; i < padded(); i += group) even += size_t(__builtin_popcountll(between(i, low, high)));
        const double each = nucleus.rounded_weight(double(largest));
        last = {largest, place_of(largest, fewest(even, each, target, reached))};
        return even > 0;
      }
      T middle = least / 2 + largest / 2;
      if (!(middle < largest)) middle = least;
      const double mass = exact_mass(nucleus, middle, largest);
      if (reached + mass >= target) {
        low = middle;
      } else {
        high = middle, reached += mass;
      }
    }
  }

  // How many of `even` classes of the same weight it takes to get from there to the target; sums of weights are exact.
  static size_t fewest(size_t even, double each, double target, double reached) {
    const double about = (target - reached) / each;
    size_t n = about > 2 && about < double(even) ? size_t(about) - 1 : 1;
    while (n < even && reached + double(n) * each < target) n++;
    return n;
  }

  // How many of `even` classes that weigh the same are kept where `rest` of them may go; false where that is not certain.
  static bool kept_of_even(size_t even, double each, double rest, double slack, size_t& kept) {
    const double go = rest / each, off = slack / each + go * 0x1p-40;
    const size_t least = go > off ? size_t(go - off) : 0, most = go + off > 0 ? size_t(go + off) : 0;
    kept = even - least;
    return least == most && least < even;
  }

  // The same where all that is above -Infinity equals the maximum, whose weight is 1: by what top-p keeps of their number.
  bool find_even(T max, double top_p, Last& last) const {
    T least, largest;
    bounds(T(-infinity), max, least, largest);
    if (least != max) return false;
    const size_t even = above(Selection<V>::below(max));
    last = {max, place_of(max, fewest(even, 1, top_p * double(even), 0))};
    return true;
  }

 private:
  template <bool counts>
  bool find_among_few(const Bracket& in, double rest, double slack, Last& last) const {
    alignas(64) T x[few + 4], own[few + 4];
    uint32_t place[few + 4];
    const size_t n = each_between(in.low, in.high, [&](size_t i, size_t at) INLINE_LAMBDA {
      x[i] = logit[at], own[i] = counts ? T(1) : weight[at], place[i] = uint32_t(at);
    });
    for (size_t i = n; i < few; i++) x[i] = T(infinity), own[i] = 0;
    // Of each, what is not above it.
    constexpr size_t blocks = few / L;
    const V zero = splat<V>(0), none = splat<V>(T(-infinity));
    V logits[blocks], below[blocks], all = zero;
#pragma GCC unroll 4
    for (size_t b = 0; b < blocks; b++) {
      logits[b] = load<V>(x + b * L), below[b] = zero, all = UNITS::add(all, load<V>(own + b * L));
    }
    for (size_t i = 0; i < n; i++) {
      const V other = splat<V>(x[i]), weighs = splat<V>(own[i]);
#pragma GCC unroll 4
      for (size_t b = 0; b < blocks; b++) {
        below[b] = UNITS::add(below[b], select_greater(other, logits[b], zero, weighs));
      }
    }
    if (!counts) slack += double(reduce_add(all)) * (Estimator<V>::error + (few + 8) * Estimator<V>::rounding);
    const V low = splat<V>(T(rest - in.below - slack)), high = splat<V>(T(rest - in.below + slack));
    V likely = none, surely = none;
#pragma GCC unroll 4
    for (size_t b = 0; b < blocks; b++) {
      const V minus = sub(zero, logits[b]);
      likely = max_number(select_greater(below[b], low, minus, none), likely);
      surely = max_number(select_greater(below[b], high, minus, none), surely);
    }
    const T v = -reduce_max(surely);
    if (v != -reduce_max(likely) || !(v < T(infinity))) return false;
    uint32_t differs = 0;
    const V value = splat<V>(v);
#pragma GCC unroll 4
    for (size_t b = 0; b < blocks; b++) {
      differs |= (mask_greater(logits[b], value) | mask_greater(value, logits[b])) << b * L;
    }
    uint32_t even = ~differs;
    if (even == 0) return false;
    size_t at = size_t(__builtin_ctz(even));
    if ((even & (even - 1)) != 0) {
      double lighter = 0;
      for (size_t i = 0; i < n; i++) lighter += x[i] < v ? double(own[i]) : 0;
      size_t kept;
      if (!kept_of_even(size_t(__builtin_popcount(even)), double(own[at]), rest - in.below - lighter, slack,
                        kept)) {
        return false;
      }
      for (; kept > 1; kept--) even &= even - 1;
      at = size_t(__builtin_ctz(even));
    }
    last = {v, place[at]};
    return true;
  }
};

}  // namespace UNITS
