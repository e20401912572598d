// What a cut leaves of a selection, by class: the only classes that weigh anything.
#pragma once
#include "weights.h"

namespace UNITS {

template <class V>
struct Shortlist {
  using T = typename V::Scalar;
  size_t count = 0;
  uint32_t index[most_selected];
  alignas(64) T logit[most_selected];
  alignas(64) double weight[most_selected];

  template <bool moved>
  void take(const Weigher& weigher, const Cut<V>& cut, const Selection<V>& selection) {
    uint64_t order[most_selected], spare[most_selected];
    count = 0;
    for (size_t i = 0; i < selection.count; i++) {
      const Key<T> key = selection.key[i];
      // The lowest class has the largest of these.
      if (cut.keeps(logit_of<T>(key), class_of(key))) order[count++] = uint64_t(uint32_t(key)) << 32 | i;
    }
    sort_keys(order, count, spare);
    for (size_t i = 0; i < (count + 7) / 8 * 8; i++) {
      const bool is_padding = i >= count;
      const Key<T> key = selection.key[is_padding ? 0 : uint32_t(order[i])];
      index[i] = class_of(key), logit[i] = is_padding ? T(-infinity) : logit_of<T>(key);
    }
    for (size_t i = 0; i < count; i += 8) store(weight + i, weigher.weight<moved>(load_eight(logit + i)));
  }
};

}  // namespace UNITS
