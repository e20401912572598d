#include "classes.h"

#include <algorithm>
#include <cstring>

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

// The usual list.
double count_plain(const int32_t* list, size_t length, int32_t last, int32_t ignored, int32_t* to) {
  typedef int32_t Lanes __attribute__((vector_size(16)));
  constexpr size_t lanes = 4, most = size_t(1) << 30;  // lists whose lanes count without overflow
  // As unsigned numbers those below 0 are the largest; with the top bit turned they compare as signed ones.
  constexpr int32_t turn = INT32_MIN;
  Lanes bad = {}, without = {};
  size_t i = 0;
#pragma GCC unroll 4
  for (; i + lanes <= std::min(length, most); i += lanes) {
    Lanes one;
    std::memcpy(&one, list + i, sizeof one);
    const Lanes is_ignored = one == ignored;
    bad |= ((one ^ turn) > (last ^ turn)) & ~is_ignored;
    without -= is_ignored;
    if (to) std::memcpy(to + i, &one, sizeof one);
  }
  const double rest = count_each(list + i, length - i, last, nullptr, ignored, to ? to + i : nullptr);
  if ((bad[0] | bad[1] | bad[2] | bad[3]) != 0 || rest < 0) return -1;
  return rest + double(i) - (double(without[0]) + double(without[1]) + double(without[2]) + double(without[3]));
}

}  // namespace

double count_classes(const Integers& list, int64_t last, const uint32_t* offsets, int32_t ignored, int32_t* to) {
  last = std::min<int64_t>(last, INT32_MAX);
  switch (list.type) {
    case Integers::Type::int32: {
      const auto* entries = static_cast<const int32_t*>(list.data);
      return offsets || last < 0 ? count_each(entries, list.length, last, offsets, ignored, to)
                                 : count_plain(entries, list.length, int32_t(last), ignored, to);
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
