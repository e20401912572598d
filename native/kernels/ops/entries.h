// Some thousands of classes and what each weighs, as arrays: a row, a sample or a part of one.
#pragma once
#include "estimate.h"
#include "select_many.h"

namespace UNITS {

template <class V>
class Entries {
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

  // Weighs all classes of a row, which stays where it is, and adds them up; finds the maximum of another meanwhile.
  double weigh(const Estimator<V>& by, const T* x, size_t n, const T* other, T& max_of_other) {
    const Estimator<V> estimator = by;  // in registers, or it is read again after each store
    count = n, listed = false;
    double total = 0;
    size_t i = 0;
    V max = splat<V>(T(-infinity));
    for (; i + group <= n; i += group) {
      V own[group / L];
#pragma GCC unroll 8
      for (size_t j = 0; j < group / L; j++) {
        own[j] = estimator.of(load<V>(x + i + j * L));
        store(weight + i + j * L, own[j]);
        max = max_number(load<V>(other + i + j * L), max);
      }
      sum[i / group] = total += double(sum_of(own));
    }
    const size_t last = i;
    for (; i + L <= n; i += L) {
      store(weight + i, estimator.of(load<V>(x + i)));
      max = max_number(load<V>(other + i), max);
    }
    if (i < n) {
      store(weight + i, estimator.of(load_first<V>(x + i, n - i, T(-infinity))));
      max = max_number(load_first<V>(other + i, n - i, T(-infinity)), max), i += L;
    }
    max_of_other = reduce_max(max);
    if (last == n) return total;
    for (; i < padded(); i += L) store(weight + i, splat<V>(0));
    return sum[last / group] = total + double(sum_of_group(last));
  }

  // Leaves only what is above `low` and not above `high`, listed; with their weights, if they are weighed.
  template <bool weighed>
  void list_between(T low, T high) {
    const size_t kept = each_between(low, high, [&](size_t to, size_t from) INLINE_LAMBDA {
      logit[to] = logit[from], index[to] = uint32_t(class_at(from));
      if (weighed) weight[to] = weight[from];
    });
    count = kept, listed = true;
    pad();
  }

  // What weighs that is not above a logit.
  double below(T at) const { return split<false>(at).below; }

  // A list of its own: cleared, added to, and padded.
  void clear() { count = 0, listed = true; }
  void add(T x, size_t class_of_x) { logit[count] = x, index[count++] = uint32_t(class_of_x); }
  void pad() {
    for (size_t i = count; i < padded(); i++) logit[i] = T(-infinity), weight[i] = 0;
  }

  // The squares of the weights of what is not above a logit, in units by which they may be squared.
  double squares_up_to(T at, double unit) const {
    V sum = splat<V>(0);
    for (size_t i = 0; i < padded(); i += L) {
      const V w = mul(load<V>(weight + i), splat<V>(T(unit)));
      sum = UNITS::add(sum, select_greater(load<V>(logit + i), splat<V>(at), splat<V>(0), mul(w, w)));
    }
    return double(reduce_add(sum));
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
    size_t at = g * group, blocks = 0;
    // No branch depends on where it is.
    double before[group / L];
    before[0] = g == 0 ? 0 : sum[g - 1];
#pragma GCC unroll 8
    for (size_t i = 0; count > L && i + 1 < group / L; i++) {
      before[i + 1] = before[i] + double(reduce_add(load<V>(weight + at + i * L)));
      blocks += before[i + 1] <= target;
    }
    double running = before[blocks];
    at += blocks * L;
    if (!(running <= low || running == 0)) return false;
    size_t least = 0, surely = 0;
    const size_t left = lesser(L, count - lesser(at, count));
    for (size_t i = 0; i < left; i++) {
      running += double(weight[at + i]);
      least += running <= low, surely += running <= high;
    }
    place = at + least;
    return least == surely && least < left;
  }

 protected:
  static constexpr size_t L = V::lanes, stretch = 16 * group;
  double sum[most / group];

  size_t padded() const { return (count + group - 1) / group * group; }

  // Bit i is set where logit from + i is above `low` and not above `high`.
  INLINE uint64_t between(size_t from, T low, T high) const {
    const V least = splat<V>(low), most = splat<V>(high), none = splat<V>(T(-infinity));
    uint64_t bits = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < group; i += L) {
      const V x = load<V>(logit + from + i);
      bits |= uint64_t(mask_greater(select_greater(x, most, none, x), least)) << i;
    }
    return bits;
  }

  INLINE T sum_of_group(size_t from) const {
    V part[group / L];
    for (size_t j = 0; j < group / L; j++) part[j] = load<V>(weight + from + j * L);
    return sum_of(part);
  }
  static INLINE T sum_of(V* part) {
#pragma GCC unroll 4
    for (size_t half = group / L / 2; half > 0; half /= 2) {
#pragma GCC unroll 4
      for (size_t j = 0; j < half; j++) part[j] = UNITS::add(part[j], part[j + half]);
    }
    return reduce_add(part[0]);
  }

  __attribute__((noinline)) size_t above(T at) const {
    const V limit = splat<V>(at);
    Count n;
    for (size_t i = 0; i < padded(); i += L) n.add_greater(load<V>(logit + i), limit);
    return n.total();
  }

  // Counts lanes: by their masks, or where these are dear by numbers in lanes.
  struct Count {
    size_t whole = 0;
    V lanes = splat<V>(0);
    INLINE void add_greater(V a, V b) {
      if (V::registers > 2) {
        lanes = UNITS::add(lanes, select_greater(a, b, splat<V>(1), splat<V>(0)));
      } else {
        whole += size_t(__builtin_popcount(mask_greater(a, b)));
      }
    }
    INLINE size_t total() const { return V::registers > 2 ? size_t(reduce_add(lanes)) : whole; }
  };

  // Hands visit(number, place) what is above `low` and not above `high`, numbered from 0 on; returns how many there are. Four at
  // a time, of which the last may be none: their number is a branch that is mispredicted. There is room for three more.
  template <class Visit>
  INLINE size_t each_between(T low, T high, Visit visit) const {
    size_t n = 0;
    for (size_t i = 0; i < padded(); i += group) {
      uint64_t bits = between(i, low, high);
      const size_t end = n + size_t(__builtin_popcountll(bits));
      for (; bits != 0; n += 4) {
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
          visit(n + j, i + size_t(__builtin_ctzll(bits | uint64_t(1) << 63)));
          bits &= bits - 1;
        }
      }
      n = end;
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
    Count above;
    for (size_t from = 0; from < padded();
         from += stretch) {  // 16 roundings to each chain, 2 to put them together
      V chain[4] = {zero, zero, zero, zero};
      const size_t end = lesser(padded(), from + stretch);
      for (size_t i = from; i < end; i += 4 * L) {
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
          const V x = load<V>(logit + i + j * L);
          above.add_greater(x, limit);
          chain[j] = UNITS::add(chain[j], select_greater(x, limit, zero, load<V>(weight + i + j * L)));
        }
      }
      F64 part[2];
      part[1] = splat<F64>(0);
      widen(UNITS::add(UNITS::add(chain[0], chain[1]), UNITS::add(chain[2], chain[3])), part);
      wide[0] = UNITS::add(wide[0], part[0]), wide[1] = UNITS::add(wide[1], part[1]);
    }
    return {reduce_add(UNITS::add(wide[0], wide[1])), above.total()};
  }

  // The least and the largest of what is above `from` and not above `to`.
  void bounds(T from, T to, T& least, T& largest) const {
    const V low = splat<V>(from), high = splat<V>(to), none = splat<V>(T(-infinity));
    V up = none, down = none;
    for (size_t i = 0; i < padded(); i += L) {
      const V x = load<V>(logit + i), inside = select_greater(x, high, none, select_greater(x, low, x, none));
      up = max_number(inside, up);
      down = max_number(select_greater(inside, none, sub(splat<V>(0), inside), none), down);
    }
    largest = reduce_max(up), least = -reduce_max(down);
  }

  // The place of the number'th entry that is v; there are as many.
  size_t place_of(T v, size_t number) const {
    const T low = Selection<V>::below(v);
    for (size_t i = 0; i < padded(); i += group) {
      uint64_t bits = between(i, low, v);
      const size_t own = size_t(__builtin_popcountll(bits));
      if (own < number) {
        number -= own;
        continue;
      }
      for (; number > 1; number--) bits &= bits - 1;
      return i + size_t(__builtin_ctzll(bits));
    }
    return 0;
  }
};

}  // namespace UNITS
