// Some thousands of classes, what each weighs, and how far down the best of them a count of them or a share of their mass
// reaches: by halves between two logits, until so few lie between them that each is compared with each.
//
//   -Infinity ....... low ........... high ... max        above high: all kept; up to low: none;
//                         v                               the last one kept lies between
//
// Sums are rounded. An answer is given only where it would be the same with so much more or less of everything.
#pragma once
#include "estimate.h"
#include "select_many.h"

namespace UNITS {

template <class V>
class Ranking {
 public:
  using T = typename V::Scalar;
  static constexpr size_t most = 32768 / sizeof(T), group = weight_group;

  size_t count = 0;  // both arrays go on to a whole group, with -Infinity and 0
  alignas(64) T logit[most], weight[most];
  uint32_t index[most];  // the classes, where they are listed; else those of a row, from 0 on
  bool listed = false;

  // How far a sum of weights may be off, in parts of itself.
  static constexpr double error = Estimator<V>::error + 20 * Estimator<V>::rounding;

  size_t class_at(size_t i) const { return listed ? index[i] : i; }

  // What is known of a row that was read.
  struct Read {
    T max, depth;  // of the least lane's maximum below the largest
    bool nan;
  };

  // Takes a whole row in, of at most `most` classes. Its memory is not read again.
  Read read(const Source& row) {
    count = row.length, listed = false;
    const V one = splat<V>(1);
    V max = splat<V>(T(-infinity)), nan = splat<V>(0);
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(count - at, chunk_length);
      const T* x = row.fetch(at, n, logit + at);
      for (size_t i = 0; i < n; i += L) {
        const V v = n - i < L ? load_first<V>(x + i, n - i, T(-infinity)) : load<V>(x + i);
        max = max_number(v, max), nan = max_number(zero_if_equal(v, v, one), nan);
        store(logit + at + i, v);
      }
    }
    pad();
    const T largest = reduce_max(max);
    return {largest, largest + reduce_max(sub(splat<V>(0), max)), reduce_max(nan) > 0};
  }

  // Some of a row: stretches, from the first to the last.
  void read_sample(const Source& row) {
    count = ManySelection<V>::sampled_of(row.length), listed = true;
    ManySelection<V>::take_sample(row, count, logit);
    pad();
  }

  // Weighs what is above `over`; the rest weighs nothing.
  void weigh(const Estimator<V>& estimator, T over) {
    const V limit = splat<V>(over), zero = splat<V>(0);
    for (size_t i = 0; i < padded(); i += L) {
      const V x = load<V>(logit + i);
      store(weight + i, select_greater(x, limit, estimator.of(x), zero));
    }
  }

  // Leaves only what is above `low` and not above `high`, listed. Returns the weight of what is not above `low`.
  double list_between(T low, T high) {
    const double below = split<false>(low).below;
    size_t kept = 0;
    for (size_t i = 0; i < padded(); i += group) {
      for (uint64_t bits = between(i, low, high); bits != 0; bits &= bits - 1) {
        const size_t from = i + size_t(__builtin_ctzll(bits));
        logit[kept] = logit[from], weight[kept] = weight[from], index[kept++] = uint32_t(class_at(from));
      }
    }
    count = kept, listed = true;
    pad();
    return below;
  }

  // A list of its own: cleared, added to, and padded.
  void clear() { count = 0, listed = true; }
  void add(T x, size_t class_of_x) { logit[count] = x, index[count++] = uint32_t(class_of_x); }
  void pad() {
    for (size_t i = count; i < padded(); i++) logit[i] = T(-infinity), weight[i] = 0;
  }

  // In the unit of the weights, squared; `unit` makes them numbers that may be squared.
  double sum_of_squares(double unit) const {
    V sum = splat<V>(0);
    for (size_t i = 0; i < padded(); i += L) {
      const V w = mul(load<V>(weight + i), splat<V>(T(unit)));
      sum = UNITS::add(sum, mul(w, w));
    }
    return double(reduce_add(sum)) / (unit * unit);
  }

  // About the logit up to which the weights add up to `rest`, between two others: the next one above that, or below.
  T quantile(double rest, T low, T high, bool above) const {
    Bracket in = {low, high, 0, count, 0};
    for (int step = 0; step < 12 && in.between() > 8; step++) {
      T middle = in.low / 2 + in.high / 2;
      if (!(middle > in.low && middle < in.high)) break;
      const Split at = split<false>(middle);
      at.below > rest ? (in.high = middle, in.above_high = at.above) : (in.low = middle, in.above_low = at.above);
    }
    if (in.between() > 8) {  // of equal logits, exactly that one and the one below it
      T least, largest;
      bounds(in, least, largest);
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
    if (!listed && above_low <= most / 4) list_between(low, T(infinity));
    // Kept is a logit with k - 1 or fewer above it, and so with more than this many not above it.
    const double rest = double(count - k) + 0.5;
    return find<true>({low, high, double(count - above_low), above_low, above_high}, rest, 0, last);
  }

  // The last of the best beside which no more than `rest` is left, give or take the slack. All that is not above `low` has to
  // go, and is less than that.
  bool find_mass(double rest, double slack, T low, T high, Last& last) const {
    const Split at_low = split<false>(low);
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

  // The sums of the weights up to the end of each group; the last one.
  double add_up() {
    double total = 0;
    for (size_t i = 0; i < padded(); i += group) sum[i / group] = total += double(sum_of_group(i));
    return total;
  }

  // The place at which the running sum first exceeds the target; false where that is not certain.
  bool find_sum(double target, double slack, size_t& place) const {
    const double low = target - slack, high = target + slack;
    const size_t groups = padded() / group;
    size_t g = 0;
    for (size_t i = 0; i + 1 < groups; i++) g += sum[i] <= target;
    double running = g == 0 ? 0 : sum[g - 1];
    size_t at = g * group;
    for (size_t i = 0; i + 1 < group / L; i++) {
      const double next = running + double(reduce_add(load<V>(weight + at)));
      if (next > target) break;
      running = next, at += L;
    }
    if (!(running <= low || running == 0)) return false;
    size_t least = 0, surely = 0;
    for (size_t i = 0; i < L; i++) {
      running += double(weight[at + i]);
      least += running <= low, surely += running <= high;
    }
    place = at + least;
    return least == surely && least < L && place < count;
  }

 private:
  static constexpr size_t L = V::lanes, few = 64, stretch = 16 * group;
  double sum[most / group];

  size_t padded() const { return (count + group - 1) / group * group; }

  // Bit i is set where logit from + i is above `low` and not above `high`.
  INLINE uint64_t between(size_t from, T low, T high) const {
    const uint64_t bits = Selection<V>::above(logit + from, group, low);
    return bits != 0 ? bits & ~Selection<V>::above(logit + from, group, high) : bits;
  }

  INLINE T sum_of_group(size_t from) const {
    V part[group / L];
    for (size_t j = 0; j < group / L; j++) part[j] = load<V>(weight + from + j * L);
    for (size_t half = group / L / 2; half > 0; half /= 2) {
      for (size_t j = 0; j < half; j++) part[j] = UNITS::add(part[j], part[j + half]);
    }
    return reduce_add(part[0]);
  }

  size_t above(T at) const {
    size_t n = 0;
    for (size_t i = 0; i < padded(); i += group) {
      n += size_t(__builtin_popcountll(Selection<V>::above(logit + i, group, at)));
    }
    return n;
  }

  // What is not above a logit: its mass, or how many there are; and how many are above it.
  struct Split {
    double below;
    size_t above;
  };

  template <bool counts>
  __attribute__((noinline)) Split split(T at) const {
    if (counts) {
      const size_t n = above(at);
      return {double(count - n), n};
    }
    const V limit = splat<V>(at), zero = splat<V>(0);
    F64 wide[2] = {splat<F64>(0), splat<F64>(0)};
    size_t above = 0;
    for (size_t from = 0; from < padded();
         from += stretch) {  // 16 roundings to each chain, 2 to put them together
      V chain[4] = {zero, zero, zero, zero};
      const size_t end = lesser(padded(), from + stretch);
      for (size_t i = from; i < end; i += 4 * L) {
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
          const V x = load<V>(logit + i + j * L);
          above += size_t(__builtin_popcount(mask_greater(x, limit)));
          chain[j] = UNITS::add(chain[j], select_greater(x, limit, zero, load<V>(weight + i + j * L)));
        }
      }
      F64 part[2];
      part[1] = splat<F64>(0);
      widen(UNITS::add(UNITS::add(chain[0], chain[1]), UNITS::add(chain[2], chain[3])), part);
      wide[0] = UNITS::add(wide[0], part[0]), wide[1] = UNITS::add(wide[1], part[1]);
    }
    return {reduce_add(UNITS::add(wide[0], wide[1])), above};
  }

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
      if (!splits || step % 4 == 3) {
        T least, largest;
        bounds(in, least, largest);
        if (!(least < largest)) return find_among_even<counts>(in, largest, rest, slack, last);
        in.high = largest;
        middle = least / 2 + largest / 2;
        if (!(middle < largest)) middle = least;
      }
      const Split at = split<counts>(middle);
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

  // The least and the largest between.
  void bounds(const Bracket& in, T& least, T& largest) const {
    const V low = splat<V>(in.low), high = splat<V>(in.high), none = splat<V>(T(-infinity));
    V up = none, down = none;
    for (size_t i = 0; i < padded(); i += L) {
      const V x = load<V>(logit + i), inside = select_greater(x, high, none, select_greater(x, low, x, none));
      up = max_number(inside, up);
      down = max_number(select_greater(inside, none, sub(splat<V>(0), inside), none), down);
    }
    largest = reduce_max(up), least = -reduce_max(down);
  }

  // Where all that is between equals v.
  template <bool counts>
  bool find_among_even(const Bracket& in, T v, double rest, double slack, Last& last) const {
    size_t place = 0;
    while (place + 1 < count && logit[place] != v) place++;
    size_t kept;
    if (!kept_of_even(in.between(), counts ? 1 : double(weight[place]), rest - in.below, slack, kept))
      return false;
    for (size_t i = place; i < count; i++) {
      if (logit[i] != v) continue;
      place = i;
      if (--kept == 0) break;
    }
    last = {v, place};
    return true;
  }

 public:
  // How many of `even` classes that weigh the same are kept where `rest` of them may go; false where that is not certain.
  static bool kept_of_even(size_t even, double each, double rest, double slack, size_t& kept) {
    const double go = rest / each, off = slack / each + go * 0x1p-40;
    const size_t least = go > off ? size_t(go - off) : 0, most = go + off > 0 ? size_t(go + off) : 0;
    kept = even - least;
    return least == most && least < even;
  }

 private:
  template <bool counts>
  bool find_among_few(const Bracket& in, double rest, double slack, Last& last) const {
    alignas(64) T x[few], own[few];
    uint32_t place[few];
    size_t n = 0;
    for (size_t i = 0; i < padded(); i += group) {
      for (uint64_t bits = between(i, in.low, in.high); bits != 0 && n < few; bits &= bits - 1) {
        const size_t at = i + size_t(__builtin_ctzll(bits));
        x[n] = logit[at], own[n] = counts ? T(1) : weight[at], place[n++] = uint32_t(at);
      }
    }
    const size_t blocks = (n + L - 1) / L;
    for (size_t i = n; i < blocks * L; i++) x[i] = T(infinity), own[i] = 0;
    // Of each, what is not above it.
    V below[few / L];
    const V zero = splat<V>(0), none = splat<V>(T(-infinity));
    for (size_t b = 0; b < blocks; b++) below[b] = zero;
    for (size_t i = 0; i < n; i++) {
      const V other = splat<V>(x[i]), weighs = splat<V>(own[i]);
      for (size_t b = 0; b < blocks; b++) {
        below[b] = UNITS::add(below[b], select_greater(other, load<V>(x + b * L), zero, weighs));
      }
    }
    double mass = 0;
    for (size_t i = 0; i < n; i++) mass += double(own[i]);
    if (!counts) slack += mass * (Estimator<V>::error + double(n) * Estimator<V>::rounding);
    const V low = splat<V>(T(rest - in.below - slack)), high = splat<V>(T(rest - in.below + slack));
    V likely = none, surely = none;
    for (size_t b = 0; b < blocks; b++) {
      const V minus = sub(zero, load<V>(x + b * L));
      likely = max_number(select_greater(below[b], low, minus, none), likely);
      surely = max_number(select_greater(below[b], high, minus, none), surely);
    }
    const T v = -reduce_max(surely);
    if (v != -reduce_max(likely) || !(v < T(infinity))) return false;
    size_t even = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
      const bool is = x[i] == v;
      even += is, at = is ? i : at;
    }
    if (even > 1) {
      double lighter = 0;
      for (size_t i = 0; i < n; i++) lighter += x[i] < v ? double(own[i]) : 0;
      size_t kept;
      if (!kept_of_even(even, double(own[at]), rest - in.below - lighter, slack, kept)) return false;
      for (at = 0; kept > 0; at++) kept -= x[at] == v;
      at--;
    }
    last = {v, place[at]};
    return true;
  }
};

}  // namespace UNITS
