#include "classes.h"

#include <algorithm>

namespace {

template <class I>
double count_each(const I* list, size_t length, int64_t last, const uint32_t* offsets, int32_t ignored,
                  int32_t* to) {
  size_t count = 0;
  bool bad = false;
  for (size_t i = 0; i < length; i++) {
    const int64_t one = list[i], most = offsets ? int64_t(offsets[i + 1]) - offsets[i] - 1 : last;
    const bool counts = one != ignored;
    bad |= counts & ((one < 0) | (one > most));
    count += counts;
    if (to) to[i] = int32_t(one);
  }
  return bad ? -1 : double(count);
}

}  // namespace

double count_classes(const Integers& list, int64_t last, const uint32_t* offsets, int32_t ignored, int32_t* to,
                     const Kernels& kernels) {
  last = std::min<int64_t>(last, INT32_MAX);
  switch (list.type) {
    case Integers::Type::int32: {
      const auto* entries = static_cast<const int32_t*>(list.data);
      return offsets || last < 0 ? count_each(entries, list.length, last, offsets, ignored, to)
                                 : kernels.count(entries, list.length, int32_t(last), ignored, to);
    }
    case Integers::Type::uint32:
      return count_each(static_cast<const uint32_t*>(list.data), list.length, last, offsets, ignored, to);
    case Integers::Type::int64: break;
  }
  return count_each(static_cast<const int64_t*>(list.data), list.length, last, offsets, ignored, to);
}

void weigh_classes(const int32_t* list, size_t length, int32_t ignored, const double* weights, size_t classes,
                   const Kernels& kernels, double* total) {
  constexpr size_t most = 1024;
  alignas(64) double some[most];
  for (size_t from = 0; from < length; from += most) {
    const size_t count = std::min(length - from, most);
    for (size_t i = 0; i < count; i++) {
      const int32_t one = __atomic_load_n(list + from + i, __ATOMIC_RELAXED);  // other threads may write it
      some[i] = one != ignored && one >= 0 && size_t(one) < classes ? weights[one] : 0;
    }
    kernels.sum(some, count, total);
  }
}
