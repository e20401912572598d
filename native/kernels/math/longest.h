// The largest of a list of numbers, or of the rows between offsets.
#pragma once
#include "../isa/block.h"
#include "../kernels.h"

namespace UNITS {

// Of numbers below 2^31, many at once: with a sign they compare in one operation. Several vectors: each would wait for itself.
struct Largest {
  typedef int32_t Lanes
      __attribute__((vector_size(sizeof(f32r))));  // of wider ones gcc compares each lane by itself
  static constexpr size_t lanes = sizeof(f32r) / sizeof(int32_t), together = 4, step = lanes * together;
  Lanes largest[together] = {}, all[together] = {};

  static INLINE Lanes load(const uint32_t* p) {
    Lanes v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  // `bits`: of all that has to be below 2^31.
  INLINE void take(size_t k, Lanes v, Lanes bits) {
    largest[k] = v > largest[k] ? v : largest[k];
    all[k] |= bits;
  }
  bool sound() const {
    int32_t any = 0;
    for (const Lanes& v : all) {
      for (size_t i = 0; i < lanes; i++) any |= v[i];
    }
    return any >= 0;
  }
  uint64_t total() const {
    int32_t most = 0;
    for (const Lanes& v : largest) {
      for (size_t i = 0; i < lanes; i++) most = v[i] > most ? v[i] : most;
    }
    return uint64_t(most);
  }
};

inline uint64_t largest_of(const uint32_t* list, size_t count) {
  Largest found;
  size_t i = 0;
  for (; i + Largest::step <= count; i += Largest::step) {
#pragma GCC unroll 4
    for (size_t k = 0; k < Largest::together; k++) {
      const Largest::Lanes v = Largest::load(list + i + k * Largest::lanes);
      found.take(k, v, v);
    }
  }
  if (!found.sound()) i = 0;
  uint64_t most = i == 0 ? 0 : found.total();
  for (; i < count; i++) most = list[i] > most ? list[i] : most;
  return most;
}

inline uint64_t longest_between(const uint32_t* offsets, size_t count) {
  Largest found;
  size_t i = 0;
  for (; i + Largest::step < count; i += Largest::step) {
#pragma GCC unroll 4
    for (size_t k = 0; k < Largest::together; k++) {
      const uint32_t* const at = offsets + i + k * Largest::lanes;
      const Largest::Lanes to = Largest::load(at + 1), length = to - Largest::load(at);
      found.take(k, length, length | to);
    }
  }
  if (count == 0) return 0;
  if (!found.sound() || offsets[0] > uint32_t(INT32_MAX)) i = 0;
  uint64_t most = i == 0 ? 0 : found.total();
  for (; i + 1 < count; i++) {
    if (offsets[i] > offsets[i + 1]) return descends;
    const uint64_t length = offsets[i + 1] - offsets[i];
    most = length > most ? length : most;
  }
  return most;
}

inline uint64_t longest(const uint32_t* list, size_t count, bool between) {
  return between ? longest_between(list, count) : largest_of(list, count);
}

}  // namespace UNITS
