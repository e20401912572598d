// Rows of a block at most, so few that setting anything up would take longer than they do: softmax (few_blocks.h), the best of it,
// and draws. Each is told as it would be elsewhere, with the same bits, or left to be solved there.
#pragma once
#include "../math/philox.h"
#include "../shapes/few_blocks.h"
#include "entries.h"
#include "sample_settings.h"

namespace UNITS {

// See is_alone, which is that of softmax.
template <class V>
INLINE bool are_few(const Problem& p, size_t rows, size_t classes) {
  return rows <= V::lanes / 8 && p.length <= classes && is_plain(p) && p.inner == 1 &&
         p.type == type_of<typename V::Scalar>;
}

// Each logit is compared with each.
constexpr size_t most_ranked = 8;

template <class V>
INLINE bool is_top_alone(const Problem& p, size_t rows) {
  return p.op == Op::topK && are_few<V>(p, rows, most_ranked) && p.k <= p.length && !p.log && p.outType == p.type;
}

// The k best of a row's probabilities; false where softmax leaves the row.
template <class V, class T>
INLINE bool top_alone(const Scale<V>& scale, const T* x, size_t n, size_t k, T* best, uint32_t* indices) {
  T share[most_ranked];
  if (!softmax_of_few<V>(scale, x, n, share)) return false;
  for (size_t i = 0; i < n; i++) {
    size_t before = 0;
    for (size_t j = 0; j < i; j++) before += x[j] >= x[i];
    for (size_t j = i + 1; j < n; j++) before += x[j] > x[i];
    if (before < k) best[before] = share[i], indices[before] = uint32_t(i);
  }
  return true;
}

template <class V>
INLINE bool is_drawn_alone(const Problem& p, size_t rows) {
  return p.op == Op::sample && are_few<V>(p, rows, V::lanes) && p.count == 1 && draws_alike(p) && !filters(p);
}

// The class at which the running sum exceeds that share of the total; false where rounding leaves that open.
template <class V, class T>
INLINE bool draw_alone(const Scale<V>& scale, double temperature, const T* x, size_t n, double share,
                       uint32_t& drawn) {
  const V logits = load_first<V>(x, n, T(-infinity));
  const T max = reduce_max(logits);
  const Estimator<V> estimator(max, temperature, scale);
  if (!(__builtin_fabs(double(max)) < __builtin_inf()) || !estimator.sound()) return false;
  alignas(64) T weight[V::lanes];
  const V weights = estimator.of(logits);
  store(weight, weights);
  const double total = double(reduce_add(weights)), slack = 0.51 * Entries<V>::error * total;
  const double low = share * total - slack, high = share * total + slack;
  double running = 0;
  size_t least = 0, surely = 0;
  for (size_t i = 0; i < n; i++) {
    running += double(weight[i]);
    least += running <= low, surely += running <= high;
  }
  drawn = uint32_t(least);
  return total < __builtin_inf() && least == surely && least < n;
}

}  // namespace UNITS
