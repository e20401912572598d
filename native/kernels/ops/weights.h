// The weights that classes are drawn by, 2^((x - max) * log2(e) / T), and their sums: the twin of lib/backends/js/weights.ts,
// operation for operation.
//
// A draw compares a random number with sums of weights, and one bit more or less may make it another class. So that
// no two backends ever differ, weights are worked out in double precision for every type, without fused operations,
// and added up in one order everywhere. A weight errs by 1e-10 of itself.
#pragma once
#include "select.h"

namespace UNITS {

INLINE double pow2(double z) { return __builtin_bit_cast(double, __builtin_bit_cast(uint64_t, z) << 52); }

struct Weigher {
  double max, c;
  double down = 1, up = 1;  // for temperatures whose reciprocal, or logits whose distance, could overflow

  Weigher(double largest, double temperature) : max(largest) {
    if (temperature < 0x1p-500) up = 0x1p600;
    if (temperature > 0x1p500) down = 0x1p-600;
    c = log2e_hi / (temperature * down * up);
    max *= down;
  }

  bool moved() const { return down != up; }

  template <bool moved, class D>
  INLINE D power(D x) const {
    if (moved) x = mul(x, constant<D>(down));
    D d = sub(x, constant<D>(max));
    if (moved) d = mul(d, constant<D>(up));
    return mul(d, constant<D>(c));
  }

  template <bool moved, class D>
  INLINE D weight(D x) const {
    // 2^-1023 becomes 0, as of a masked logit. NaN stays.
    const D p = max_number(constant<D>(-1023), power<moved>(x));
    const D magic = constant<D>(0x1.8p52 + 1023), z = add(p, magic), r = sub(p, sub(z, magic));
    D q = constant<D>(weight_f64[6]);
    for (int i = 5; i >= 0; i--) q = add(mul(q, r), constant<D>(weight_f64[i]));
    return mul(add(mul(q, r), constant<D>(1)), pow2(z));
  }
};

// The classes that filters leave: those whose logits are above `least`, and of those equal to it the ones up to `last`.
// Classes masked out read as -Infinity, whose weight is 0.
template <class V>
struct Cut {
  using T = typename V::Scalar;
  T least = T(-infinity);
  uint32_t last = 0xffffffff;

  bool filters() const { return least > T(-infinity); }
  bool keeps(T x, size_t index) const { return x > least || (x == least && index <= last); }
  void raise(T to) {
    if (to > least) least = to, last = 0xffffffff;
  }
  // To what another cut leaves too.
  void narrow(const Cut& other) {
    if (other.least > least || (other.least == least && other.last < last)) *this = other;
  }
};

constexpr size_t weight_group = 64;

// Hands groups of a row's weights to visit(weights, count, class of the first), eight by eight in `weights`; groups
// of which nothing is left are passed over. `from` is a multiple of the group.
template <class V, class Visit>
INLINE void for_each_group(const Source& row, size_t from, size_t to, const Cut<V>& cut, Visit visit) {
  using T = typename V::Scalar;
  alignas(64) T buffer[chunk_length];
  alignas(64) T group[weight_group];
  const bool filters = cut.filters();
  const T threshold = Selection<V>::below(cut.least);
  for (size_t at = from; at < to && !(at > from && is_set(row.cancelled)); at += chunk_length) {
    const size_t end = to - at < chunk_length ? to - at : chunk_length;
    const T* x = row.fetch(at, end, buffer);
    for (size_t i = 0; i < end; i += weight_group) {
      const size_t n = end - i < weight_group ? end - i : weight_group;
      const T* logits = x + i;
      if (filters) {
        if (Selection<V>::above(logits, n, threshold) == 0) continue;
        const uint64_t past = cut.last + uint64_t(1),
                       ties = past > at + i ? past - (at + i) : 0;  // size_t may have 32 bits
        const size_t even = ties < n ? ties : n;                    // up to here, logits equal to the least stay
        for (size_t j = 0; j < even; j++) group[j] = logits[j] >= cut.least ? logits[j] : T(-infinity);
        for (size_t j = even; j < n; j++) group[j] = logits[j] > cut.least ? logits[j] : T(-infinity);
        logits = group;
      }
      const size_t whole = (n + 7) / 8 * 8;
      if (n < whole) {
        T* tail = filters ? group : static_cast<T*>(__builtin_memcpy(group, logits, n * sizeof(T)));
        for (size_t j = n; j < whole; j++) tail[j] = T(-infinity);
        logits = tail;
      }
      visit(logits, whole, at + i);
    }
  }
}

// The sums of a row's weights up to the end of each of its segments, of which there are so few that any row can be
// searched in fixed room. Class i of a segment is added to lane i % 8, the lanes by the fixed tree, the segments in
// order.
struct Segments {
  static constexpr size_t most = 128;
  size_t length, count = 0;
  double error = 0;  // how far a segment's sum may be off, in parts of itself; 0 where it is the twin's
  double off = 0;    // and how far the sums of all may be beside
  double sum[most];

  // Of at least so many classes, a power of 2 times weight_group.
  explicit Segments(size_t classes, size_t least = weight_group) { divide(classes, least); }
  double total() const { return sum[count - 1]; }

  template <bool moved, class V>
  void add_up(const Source& row, const Weigher& weigher, const Cut<V>& cut) {
    double total = 0;
    divide(row.length, weight_group);
    count = 0, error = 0, off = 0;
    for (size_t at = 0; at < row.length; at += length) {
      F64 lanes = splat<F64>(0);
      const size_t end = row.length - at < length ? row.length : at + length;
      for_each_group<V>(row, at, end, cut, [&](const auto* x, size_t n, size_t) INLINE_LAMBDA {
        for (size_t i = 0; i < n; i += 8) lanes = add(lanes, weigher.weight<moved>(load_eight(x + i)));
      });
      sum[count++] = total += reduce_add(lanes);
    }
  }

  // The same where these are the only classes that weigh anything, ascending.
  void add_up(const uint32_t* index, const double* weight, size_t n, size_t classes) {
    double total = 0;
    divide(classes, weight_group);
    count = 0, error = 0, off = 0;
    size_t i = 0;
    for (size_t at = 0; at < classes; at += length) {
      if (i < n && index[i] < at + length) {
        alignas(64) double lane[8] = {};
        for (; i < n && index[i] < at + length; i++) lane[index[i] % 8] += weight[i];
        total += reduce_add(load<F64>(lane));
      }
      sum[count++] = total;
    }
  }

  double before(size_t segment) const { return segment == 0 ? 0 : sum[segment - 1]; }

  // How far `share` of the total may be off from a sum of all before the segment and exact weights in it: an error of
  // the former goes into both.
  double slack(size_t segment, double share) const {
    return error * ((1 - share) * before(segment) + share * (total() - before(segment))) + off;
  }

  // The segment in which the running sum first exceeds x; the last that adds to it where none does (x < total, but
  // a product may round up to it).
  size_t find(double x) const {
    size_t low = 0, high = count - 1;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (sum[middle] > x || sum[middle] == total()) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

 private:
  void divide(size_t classes, size_t least) {
    length = least;
    while (length * most < classes) length *= 2;
  }
};

}  // namespace UNITS
