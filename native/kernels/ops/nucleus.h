// top-p: narrowing a cut to the fewest of the best classes whose weights add up to a share of all.
//
// The weights are rounded to multiples of 2^-52 times a power of two that no sum of them exceeds: sums are exact then,
// and so the same in any order. (They err by at most 2^-53 of the square of the number of classes.) One pass adds them
// up by eighths of a power of two, and what is left to search is the classes of one such bin.
#pragma once
#include "radix.h"
#include "weights.h"

namespace UNITS {

// Calls visit(logit, class) for the classes, in order, whose logits are above `over` and not above `most`.
template <class V, class Visit>
INLINE void for_each_between(const Source& row, typename V::Scalar over, typename V::Scalar most, Visit visit) {
  using T = typename V::Scalar;
  alignas(64) T buffer[chunk_length];
  for (size_t at = 0; row.goes_on(at); at += chunk_length) {
    const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
    const T* x = row.fetch(at, n, buffer);
    for (size_t g = 0; g < n; g += weight_group) {
      uint64_t bits = Selection<V>::above(x + g, n - g, over);
      if (bits != 0) bits &= ~Selection<V>::above(x + g, n - g, most);
      for (; bits != 0; bits &= bits - 1) {
        const size_t i = g + size_t(__builtin_ctzll(bits));
        visit(x[i], at + i);
      }
    }
  }
}

// The least value of a type that is not less than x.
template <class T>
INLINE T at_least(double x) {
  const T nearest = T(x);
  return double(nearest) < x ? logit_of_order<T>(order_of(nearest) + 1) : nearest;
}

// The least logit that is not further below the maximum.
template <class T>
INLINE T least_within(T max, double reach) {
  return reach < __builtin_inf() ? at_least<T>(double(max) - reach) : T(-infinity);
}

// The cut at the last class of a key that is not below this one, of those among which it was searched.
template <class V, class Among>
Cut<V> cut_at(const Source& row, Key<typename V::Scalar> key, typename V::Scalar over, Among among) {
  using T = typename V::Scalar;
  Key<T> last = ~Key<T>(0);
  for_each_between<V>(row, over, T(infinity), [&](T x, size_t i) INLINE_LAMBDA {
    const Key<T> own = key_of(x, i);
    if (own >= key && own < last && among(x, i)) last = own;
  });
  return {logit_of<T>(last), class_of(last)};
}

template <class V, bool moved>
struct Nucleus {
  using T = typename V::Scalar;
  const Source& row;
  const Weigher& weigher;
  const Cut<V>& cut;
  double bound = 1, magic;

  Nucleus(const Source& row, const Weigher& weigher, const Cut<V>& cut) : row(row), weigher(weigher), cut(cut) {
    while (bound < double(row.length)) bound *= 2;
    magic = 1.5 * bound;
  }

  // A weight as it counts here.
  template <class D>
  INLINE D rounded_weight(D x) const {
    const D whole = constant<D>(magic);
    return sub(add(weigher.weight<moved>(x), whole), whole);
  }

  Cut<V> keeping(double share) const {
    double bin[bins] = {}, light = 0;
    add_up((1 - share) / double(row.length), bin, light);
    double total = light;
    for (double sum : bin) total += sum;
    if (total != total) return cut;
    const double target = share * total;
    double reached = 0;
    size_t b = bins - 1;
    for (; b > 0 && reached + bin[b] < target; b--) reached += bin[b];
    // The bounds leave room beside the bin: they are rounded. The last has none below.
    const T over = b == 0 ? T(-infinity) : Selection<V>::below(logit_at(double(bins - b)));
    const T most = b == bins - 1 ? T(infinity) : logit_at(double(bins - b) - 2);
    const auto among = [&](T x, size_t i) INLINE_LAMBDA { return bin_of(x) == b && cut.keeps(x, i); };
    const Key<T> key = search_keys<T, double>(
        [&](auto visit) {
          for_each_between<V>(row, over, most, [&](T x, size_t i) INLINE_LAMBDA {
            if (among(x, i)) visit(key_of(x, i), [&] { return rounded(weigher.weight<moved>(double(x))); });
          });
        },
        target, reached);
    return cut_at<V>(row, key, over, among);
  }

  // The same, where these are the keys of all that the cut leaves, best first.
  Cut<V> keeping(double share, const Key<T>* key, size_t count) const {
    alignas(64) T logit[most_selected];
    alignas(64) double weight[most_selected];
    for (size_t i = 0; i < (count + 7) / 8 * 8; i++) logit[i] = i < count ? logit_of<T>(key[i]) : T(-infinity);
    double total = 0;
    for (size_t i = 0; i < count; i += 8) store(weight + i, weigher.weight<moved>(load_eight(logit + i)));
    for (size_t i = 0; i < count; i++) total += weight[i] = rounded(weight[i]);
    if (total != total) return cut;
    double reached = 0;
    size_t last = 0;
    while (last + 1 < count && (reached += weight[last]) < share * total) last++;
    return {logit[last], class_of(key[last])};
  }

 private:
  static constexpr size_t bins = 512;  // the first from 2^-63.8 down
  static constexpr double per_octave = 8;

  INLINE double rounded(double weight) const { return weight + magic - magic; }

  // The number of a logit's bin, in the low bits of the significand.
  template <class D>
  INLINE D bin_in_bits(D x) const {
    const D eighths = mul(weigher.power<moved>(x), constant<D>(per_octave));
    return add(max_number(constant<D>(1 - double(bins)), eighths), constant<D>(0x1.8p52 + double(bins - 1)));
  }
  static INLINE uint32_t bin_from_bits(double z) { return uint32_t(__builtin_bit_cast(uint64_t, z)) % bins; }
  INLINE size_t bin_of(T x) const { return bin_from_bits(bin_in_bits(double(x))); }

  // About the logit that is so many bins below the maximum.
  T logit_at(double bins_below) const {
    return T((weigher.max - bins_below / per_octave / weigher.c / weigher.up) / weigher.down);
  }

  // Adds up what the cut leaves: by bins, but for groups without any weight above the `least`. As no sum is less than
  // 1, all those lighter than that together do not make up what the nucleus leaves out.
  void add_up(double least, double* bin, double& light) const {
    const double power = double(int64_t(__builtin_bit_cast(uint64_t, least) >> 52) - 1023);
    const bool skips = least > bound * 0x1p-50;
    const T threshold = skips ? Selection<V>::below(logit_at((1 - power) * per_octave)) : T(-infinity);
    const F64 magics = splat<F64>(magic);
    F64 lanes = splat<F64>(0);
    for_each_group<V>(row, 0, row.length, cut, [&](const T* x, size_t n, size_t) INLINE_LAMBDA {
      alignas(64) double weight[weight_group], place[weight_group];
      const bool light_only = skips && Selection<V>::above(x, n, threshold) == 0;
      for (size_t i = 0; i < n; i += 8) {
        const F64 exact = weigher.weight<moved>(load_eight(x + i)), w = sub(add(exact, magics), magics);
        if (light_only) {
          lanes = add(lanes, w);
        } else {
          store(weight + i, w);
          store(place + i, bin_in_bits(load_eight(x + i)));
        }
      }
      if (light_only) return;
      for (size_t i = 0; i < n; i++) bin[bin_from_bits(place[i])] += weight[i];
    });
    light = reduce_add(lanes);
  }
};

}  // namespace UNITS
