// Counts the classes of a list.
#pragma once
#include "../isa/block.h"

namespace UNITS {

inline double count_classes(const int32_t* list, size_t length, int32_t last, int32_t ignored, int32_t* to) {
  typedef int32_t Lanes __attribute__((vector_size(block_bytes)));
  constexpr size_t lanes = block_bytes / sizeof(int32_t);
  constexpr size_t turns = size_t(1) << 24;  // lanes count so far without overflow
  // As unsigned numbers those below 0 are the largest; with the top bit turned they compare as signed ones.
  constexpr int32_t turn = INT32_MIN;
  double count = double(length);
  bool bad = false;
  for (size_t from = 0; from < length; from += turns * lanes) {
    const size_t end = length - from < turns * lanes ? length : from + turns * lanes;
    Lanes worst = {}, without = {};
    size_t i = from;
    for (; i + lanes <= end; i += lanes) {
      Lanes one;
      __builtin_memcpy(&one, list + i, sizeof one);
      const Lanes is_ignored = one == ignored;
      worst |= ((one ^ turn) > (last ^ turn)) & ~is_ignored;
      without += is_ignored;
      if (to) __builtin_memcpy(to + i, &one, sizeof one);
    }
    for (size_t lane = 0; lane < lanes; lane++) bad |= worst[lane] != 0, count += double(without[lane]);
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
