// Counts the classes of a list.
#pragma once
#include "../isa/block.h"

namespace UNITS {

inline double count_classes(const int32_t* list, size_t length, int32_t last, int32_t ignored, int32_t* to) {
  typedef int32_t Lanes
      __attribute__((vector_size(sizeof(f32r))));  // of wider ones gcc compares each lane by itself
  constexpr size_t lanes = sizeof(f32r) / sizeof(int32_t), together = 4;
  constexpr size_t turns = size_t(1) << 24;  // lanes count so far without overflow
  // As unsigned numbers those below 0 are the largest; with the top bit turned they compare as signed ones.
  constexpr int32_t turn = INT32_MIN;
  double count = double(length);
  bool bad = false;
  for (size_t from = 0; from < length; from += turns * lanes) {
    const size_t end = length - from < turns * lanes ? length : from + turns * lanes;
    Lanes worst[together] = {}, without[together] = {};
    size_t i = from;
    for (; i + together * lanes <= end; i += together * lanes) {
#pragma GCC unroll 4
      for (size_t k = 0; k < together; k++) {
        Lanes one;
        __builtin_memcpy(&one, list + i + k * lanes, sizeof one);
        const Lanes is_ignored = one == ignored;
        worst[k] |= ((one ^ turn) > (last ^ turn)) & ~is_ignored;
        without[k] += is_ignored;
        if (to) __builtin_memcpy(to + i + k * lanes, &one, sizeof one);
      }
    }
    for (size_t k = 0; k < together; k++) {
      for (size_t lane = 0; lane < lanes; lane++) bad |= worst[k][lane] != 0, count += double(without[k][lane]);
    }
    for (; i < end; i++) {
      const int32_t one = list[i];
      if (one == ignored) count--;
      bad |= one != ignored && (one < 0 || one > last);
      if (to) to[i] = one;
    }
  }
  return bad ? -1 : count;
}

}  // namespace UNITS
