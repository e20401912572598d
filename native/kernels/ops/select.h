// Selecting the k best logits of a row without sorting it: larger before smaller, of equals the lower class, and
// NaN before all.
#pragma once
#include "../shapes/measure.h"

namespace UNITS {

// A logit and its class as one unsigned number, larger for what comes first: the bits of the logit ordered (NaN
// highest, -0 as 0), then those of the class, turned over.
template <class T>
struct KeyTraits;
template <>
struct KeyTraits<float> {
  using Bits = uint32_t;
  using Key = uint64_t;
};
template <>
struct KeyTraits<double> {
  using Bits = uint64_t;
  using Key = unsigned __int128;
};
template <class T>
using Key = typename KeyTraits<T>::Key;
template <class T>
constexpr int key_bits = 8 * sizeof(T) + 32;

template <class T>
INLINE typename KeyTraits<T>::Bits order_of(T x) {
  using Bits = typename KeyTraits<T>::Bits;
  constexpr int sign = 8 * sizeof(T) - 1;
  const Bits bits = __builtin_bit_cast(Bits, T(x + 0));
  const Bits ordered = bits ^ (-(bits >> sign) | Bits(1) << sign);
  return x == x ? ordered : ~Bits(0);
}

template <class T>
INLINE T logit_of_order(typename KeyTraits<T>::Bits ordered) {
  using Bits = typename KeyTraits<T>::Bits;
  constexpr int sign = 8 * sizeof(T) - 1;
  return __builtin_bit_cast(T, Bits(ordered ^ (((ordered >> sign) - 1) | Bits(1) << sign)));
}

template <class T>
INLINE Key<T> key_of(T x, size_t index) {
  return Key<T>(order_of(x)) << 32 | uint32_t(~uint32_t(index));
}
template <class T>
INLINE T logit_of(Key<T> key) {
  return logit_of_order<T>(typename KeyTraits<T>::Bits(key >> 32));
}
template <class K>
INLINE uint32_t class_of(K key) {
  return ~uint32_t(key);
}

// The first `count` of two sorted lists.
template <class K>
INLINE void merge_keys(const K* a, size_t a_count, const K* b, size_t b_count, K* to, size_t count) {
  size_t i = 0, j = 0;
  while (i < a_count && j < b_count && i + j < count) {
    const bool first = a[i] > b[j];
    to[i + j] = first ? a[i] : b[j];
    i += first, j += !first;
  }
  for (; i < a_count && i + j < count; i++) to[i + j] = a[i];
  for (; j < b_count && i + j < count; j++) to[i + j] = b[j];
}

// Sorts up to eight keys, largest first, in registers: a network of 19 exchanges (Knuth 5.3.4), no branch. Vector
// compares would have to load what scalar stores have just written, which waits until all before it has retired.
template <class K>
INLINE void sort_eight(K* key, size_t count) {
  K k[8];
  for (size_t i = 0; i < 8; i++) k[i] = i < count ? key[i] : 0;
  const auto order = [&k](size_t i, size_t j) INLINE_LAMBDA {
    const K a = k[i], b = k[j];
    k[i] = a > b ? a : b, k[j] = a > b ? b : a;
  };
  order(0, 2), order(1, 3), order(4, 6), order(5, 7);
  order(0, 4), order(1, 5), order(2, 6), order(3, 7);
  order(0, 1), order(2, 3), order(4, 5), order(6, 7);
  order(2, 4), order(3, 5);
  order(1, 4), order(3, 6);
  order(1, 2), order(3, 4), order(5, 6);
  for (size_t i = 0; i < 8; i++) key[i] = k[i];  // there is room
}

// Sorts keys, largest first; `spare` has room for as many.
template <class K>
void sort_keys(K* key, size_t count, K* spare) {
  constexpr size_t run = 16;
  for (size_t at = 0; at < count; at += run) {  // runs by rank: no branch depends on the keys
    const size_t n = count - at < run ? count - at : run;
    for (size_t i = 0; i < n; i++) {
      size_t rank = 0;
      for (size_t j = 0; j < n; j++) rank += key[at + j] > key[at + i];
      spare[at + rank] = key[at + i];
    }
  }
  K *from = spare, *to = key;
  for (size_t width = run; width < count; width *= 2) {
    for (size_t at = 0; at < count; at += 2 * width) {
      const size_t middle = count - at < width ? count : at + width;
      const size_t end = count - at < 2 * width ? count : at + 2 * width;
      merge_keys(from + at, middle - at, from + middle, end - middle, to + at, end - at);
    }
    K* swap = from;
    from = to, to = swap;
  }
  if (from != key) __builtin_memcpy(key, from, count * sizeof(K));
}

constexpr size_t most_selected = 512;

// The k <= most_selected best keys of those pushed, in a fixed room: when it is full, all but the k best go.
//
// What is pushed comes out of a filter that works on 64 logits at a time and costs a compare for each block where
// nothing passes. It gets its threshold from what is selected already and, as that is of no use in the first
// segments of a row, nor in any where the logits ascend, from the segment itself: at least k of a segment's lane
// maxima, or of its logits, lie above the threshold, so that about k pass.
template <class V>
struct Selection {
  using T = typename V::Scalar;
  static constexpr size_t group = 64, room = 2 * most_selected + 4 * group;
  size_t k;
  size_t count = 0, sorted = 0;
  T least = T(-infinity);  // a logit that is not above this, of a class after those pushed, has no place
  Key<T> key[room], spare[room];

  explicit Selection(size_t k) : k(k) {}

  void clear() { count = sorted = 0, least = T(-infinity); }

  // Begins anew, for the k best of other logits.
  void clear(size_t other) { k = other, clear(); }

  // Keeps the k best, sorted.
  void shrink() {
    const size_t fresh = count - sorted;
    if (fresh == 0) return;
    if (fresh <= 8) {
      if (fresh > 1) sort_eight(key + sorted, fresh);
    } else {
      sort_keys(key + sorted, fresh, spare);
    }
    const size_t kept = count < k ? count : k;
    if (sorted > 0) {
      merge_keys(key, sorted, key + sorted, fresh, spare, kept);
      __builtin_memcpy(key, spare, kept * sizeof(*key));
    }
    count = sorted = kept;
    if (kept == k && k > 0) least = logit_of<T>(key[k - 1]);
  }

  // A logit that at least k of those whose lane maxima these are exceed; -Infinity if there are too few lanes.
  INLINE T bound(V maxima) const {
    if (k > V::lanes) return T(-infinity);
    if (k == 1) return below(reduce_max(maxima));
    // How many lanes are higher than each: no branch depends on the logits.
    alignas(64) T lane[V::lanes];
    store(lane, maxima);
    V higher = splat<V>(T(0));
    const V one = splat<V>(T(1));
    for (size_t i = 0; i < V::lanes; i++) {
      higher = select_greater(splat<V>(lane[i]), maxima, add(higher, one), higher);
    }
    const V enough = splat<V>(T(k) - T(1.5));
    return below(reduce_max(select_greater(higher, enough, maxima, splat<V>(T(-infinity)))));
  }

  // Pushes the logits of a segment that are above `threshold` (or `least`) and so may have a place; `at` is the
  // class of the first. Not NaN, nor -Infinity.
  void filter(const T* x, size_t n, size_t at, T threshold, V maxima) {
    T t = threshold > least ? threshold : least;
    uint64_t groups = groups_above(x, n, t);
    if (size_t(__builtin_popcountll(groups)) > few_groups && count_above(x, n, t) > k + k / 2 + group) {
      t = raised(x, n, t, maxima);
      groups = groups_above(x, n, t);
    }
    // Two loops, over the groups and over what passes in all of them, and not one in the other: that mispredicts two
    // branches instead of one for every group.
    while (groups != 0) {
      uint64_t word[segment_length / group + 1];
      size_t base[segment_length / group + 1], words = 0, passed = 0;
      for (; groups != 0 && passed < group; groups &= groups - 1) {
        const size_t from = size_t(__builtin_ctzll(groups)) * group;
        base[words] = from;
        word[words] = above(x + from, n - from, t);
        passed += size_t(__builtin_popcountll(word[words]));
        words += word[words] != 0;
      }
      word[words] = 0;
      uint64_t bits = word[0];
      for (size_t w = 0; passed > 0; passed--) {
        const size_t i = base[w] + size_t(__builtin_ctzll(bits));
        key[count++] = key_of(x[i], at + i);
        bits &= bits - 1;
        w += bits == 0;
        bits = bits == 0 ? word[w] : bits;
      }
      if (count >= 2 * k + group) shrink();
      if (least > t) t = least;
    }
    shrink();
  }

  // Goes on as the selection of fewer, without the classes that `drops` tells; how many are left.
  template <class Drops>
  size_t narrow(size_t to, Drops drops) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
      if (!drops(class_of(key[i]))) key[kept++] = key[i];
    }
    k = to;
    count = sorted = kept < k ? kept : k;
    least = T(-infinity);
    return kept;
  }

  // Puts any logit but NaN in, in any order.
  void insert(T x, size_t index) {
    if (x == T(-infinity)) return;
    key[count++] = key_of(x, index);
    if (count == room) shrink();
  }

  // The same for any logits, one by one.
  void offer(T x, size_t index) {
    if (count >= k && x <= least) return;
    key[count++] = key_of(x, index);
    if (count >= 2 * k + group) shrink();
  }

  // The next lower value; 0 is -0.
  static T below(T x) { return x == T(-infinity) ? x : logit_of_order<T>(order_of(x) - (x == 0 ? 2 : 1)); }

  // Bit i is set where x[i] > t, of at most a group.
  static INLINE uint64_t above(const T* x, size_t n, T t) {
    const V threshold = splat<V>(t);
    uint64_t bits = 0;
    if (n >= group) {
#pragma GCC unroll 8
      for (size_t i = 0; i < group; i += V::lanes) bits |= uint64_t(mask_greater(load<V>(x + i), threshold)) << i;
      return bits;
    }
    for (size_t i = 0; i < n; i += V::lanes) {
      const V v = n - i < V::lanes ? load_first<V>(x + i, n - i, T(-infinity)) : load<V>(x + i);
      bits |= uint64_t(mask_greater(v, threshold)) << i;
    }
    return bits;
  }

 private:
  static constexpr size_t few_groups = 12;

  // Bit g is set where any logit of group g is above t. Working through a map of the groups, and then of the logits
  // of each, mispredicts fewer branches than meeting them one by one.
  static INLINE uint64_t groups_above(const T* x, size_t n, T t) {
    static_assert(segment_length / group <= 64, "a bit for each group");
    const V threshold = splat<V>(t);
    uint64_t map = 0;
    size_t g = 0;
    for (; (g + 1) * group <= n; g++) {
      V max[group / V::lanes];
      for (size_t i = 0; i < group / V::lanes; i++) max[i] = load<V>(x + g * group + i * V::lanes);
      for (size_t half = group / V::lanes / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) max[i] = max_number(max[i], max[i + half]);
      }
      map |= uint64_t(mask_greater(max[0], threshold) != 0) << g;
    }
    if (g * group < n) map |= uint64_t(above(x + g * group, n - g * group, t) != 0) << g;
    return map;
  }

  static size_t count_above(const T* x, size_t n, T t) {
    size_t count = 0;
    for (size_t i = 0; i < n; i += group) count += size_t(__builtin_popcountll(above(x + i, n - i, t)));
    return count;
  }

  // A threshold, at least t, that k and few more of n logits exceed: down from the maximum in growing steps until
  // it is passed, then by halves.
  T raised(const T* x, size_t n, T t, V maxima) const {
    alignas(64) T lane[V::lanes];
    store(lane, maxima);
    T high = lane[0], low = lane[0];
    for (size_t i = 1; i < V::lanes; i++) {
      high = lane[i] > high ? lane[i] : high;
      low = lane[i] < low ? lane[i] : low;
    }
    bool passed = false;
    T step = high - low;
    for (int probe = 0; probe < 14; probe++) {
      const T middle = passed ? low + (high - low) / 2 : high - step;
      if (!(middle > t) || !(middle < high)) break;
      const size_t above = count_above(x, n, middle);
      if (above < k) {
        high = middle;
        step *= passed ? T(0.5) : T(2);
      } else {
        low = t = middle;
        passed = true;
        if (above <= k + k / 2 + group / 4) break;
      }
    }
    return t;
  }
};

// The logits of a row that are above a bound, as bits: of each group in which there are any, and where it begins.
struct Passed {
  static constexpr size_t group = Selection<F32>::group, most = grouped_classes / group + 1;
  uint64_t word[most];
  uint32_t base[most];
  size_t words = 0, count = 0;

  template <class V>
  INLINE void list(const typename V::Scalar* x, size_t n, typename V::Scalar bound) {
    for (size_t i = 0; i < n; i += group) {
      word[words] = Selection<V>::above(x + i, n - i, bound), base[words] = uint32_t(i);
      count += size_t(__builtin_popcountll(word[words]));
      words += word[words] != 0;
    }
  }
};

}  // namespace UNITS
