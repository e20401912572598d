// What a target makes of a row's logarithms, where it has a share of every class: coefficients in double precision, and what they
// and the distances of the logits add up to.
#pragma once
#include "../choose.h"
#include "../shapes/rows.h"

namespace UNITS {

// A sum that keeps what each addition rounds off (Knuth's two-sum).
struct SumOfDoubles {
  double high = 0, low = 0;
  void add(double x) {
    const double sum = high + x, part = sum - high;
    low += (high - (sum - part)) + (x - part);
    high = sum;
  }
  void add(const double (&x)[F64::lanes]) {
    for (double lane : x) add(lane);
  }
  double value() const { return high - high == 0 ? high + low : high; }
};

// The sum of the coefficients, and that of each times the distance of its logit from the maximum, in units of the temperature.
struct Weighed {
  SumOfDoubles weight, distances;
};

// The coefficients of a row's logarithms: those of a class, with label smoothing, or of the row's distribution.
template <class V>
struct Coefficients {
  using T = typename V::Scalar;
  static constexpr size_t no_target = ~size_t(0), lanes = F64::lanes;
  const Problem& p;
  const Source& row;
  Source q;       // the target's distribution; nothing for a class
  size_t target;  // or the class, else no_target
  double weight;  // of that class, before weights[]
  double even;    // what label smoothing adds to every class
  bool weighted;

  // Of rows of floats: whether all are to be had as they lie, those of a block of classes from `from` on.
  bool are_direct() const {
    return row.template direct<T>() && !weighted && (target != no_target || q.template direct<T>());
  }
  INLINE F64 of(size_t from) const {
    const F64 all = splat<F64>(even);
    if (target == no_target)
      return add(mul(splat<F64>(1 - p.labelSmoothing), load_widened(reinterpret_cast<const T*>(q.data) + from)),
                 all);
    if (target - from >= lanes) return all;
    alignas(64) double a[lanes];
    store(a, all), a[target - from] += weight;
    return load<F64>(a);
  }
  // Those of classes [from, from + count).
  void fill(size_t from, size_t count, double* a) const {
    if (target == no_target) {
      const double* share = q.fetch(from, count, a);
      for (size_t i = 0; i < count; i++) a[i] = (1 - p.labelSmoothing) * share[i] + even;
    } else {
      for (size_t i = 0; i < count; i++) a[i] = even;
    }
    if (row.is_masked()) {
      for (size_t i = 0; i < count; i++) a[i] = row.masked_out(from + i) ? 0 : a[i];
    }
    if (target >= from && target - from < count) a[target - from] += weight;
    if (weighted) {
      for (size_t i = 0; i < count; i++) a[i] *= p.weights[from + i];
    }
  }

  // Of a row whose maximum is `largest`.
  Weighed weigh(double largest) const {
    if constexpr (sizeof(T) == 4) {
      Weighed weighed = row.length <= panel_log_classes ? weigh_few(largest) : weigh_floats(largest);
      const double distance = weighed.distances.value();
      if (distance < __builtin_inf()) {
        weighed.distances = SumOfDoubles();
        weighed.distances.add(distance / p.temperature);
        return weighed;
      }
    }
    return weigh_all(largest);
  }

 private:
  // One after the other, as in lanes.
  Weighed weigh_few(double largest) const {
    alignas(64) double x[panel_log_classes], a[panel_log_classes];
    const size_t n = row.length;
    fill(0, n, a);
    const double* const logits = row.fetch(0, n, x);
    double weight = 0, distance = 0;
    for (size_t i = 0; i < n; i++) {
      weight += a[i];
      distance += a[i] == 0 ? 0 : a[i] * (largest - logits[i]);
    }
    Weighed weighed;
    weighed.weight.add(weight), weighed.distances.add(distance);
    return weighed;
  }
  Weighed weigh_floats(double largest) const {
    alignas(64) double x[chunk_length], a[chunk_length];
    const F64 max = splat<F64>(largest), none = splat<F64>(0);
    Weighed weighed;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      F64 weight = none, distance = none;
      const auto take = [&](F64 share, F64 logit) INLINE_LAMBDA {
        weight = add(weight, share);
        distance = add(distance, zero_if_equal(share, none, mul(share, sub(max, logit))));
      };
      size_t done = 0;
      if (are_direct()) {
        const T* const logits = row.template fetch<T>(at, n, nullptr);
        for (; done + lanes <= n; done += lanes) take(of(at + done), load_widened(logits + done));
      }
      const size_t left = n - done;
      if (left > 0) {
        fill(at + done, left, a);
        const double* const logits = row.fetch(at + done, left, x);
        size_t i = 0;
        for (; i + lanes <= left; i += lanes) take(load<F64>(a + i), load<F64>(logits + i));
        if (i < left) take(load_first<F64>(a + i, left - i, 0), load_first<F64>(logits + i, left - i, 0));
      }
      weighed.weight.add(reduce_add(weight)), weighed.distances.add(reduce_add(distance));
    }
    return weighed;
  }
  // Whatever overflows.
  Weighed weigh_all(double largest) const {
    alignas(64) double x[chunk_length], a[chunk_length];
    Weighed weighed;
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = lesser(row.length - at, chunk_length);
      fill(at, n, a);
      const double* logits = row.fetch(at, n, x);
      alignas(64) double sums[lanes] = {}, far[lanes] = {};
      const F64 max = splat<F64>(largest), temperature = splat<F64>(p.temperature), none = splat<F64>(0);
      for (size_t i = 0; i < n; i += lanes) {
        const F64 difference = sub(max, n - i < lanes ? none : load<F64>(logits + i));
        // Of finite logits it may overflow; see distance().
        if (n - i >= lanes && all_less(difference, splat<F64>(__builtin_inf()))) {
          const F64 share = load<F64>(a + i), far_off = mul(share, div(difference, temperature));
          store(sums, add(load<F64>(sums), share));
          store(far, add(load<F64>(far), zero_if_equal(share, none, far_off)));
        } else {
          for (size_t j = i; j < n && j < i + lanes; j++) {
            sums[j - i] += a[j];
            far[j - i] += a[j] == 0 ? 0 : a[j] * distance(largest, logits[j], p.temperature);
          }
        }
      }
      weighed.weight.add(sums), weighed.distances.add(far);
    }
    return weighed;
  }
};

}  // namespace UNITS
