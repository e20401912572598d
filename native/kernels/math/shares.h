// Whether all numbers of an array are from 0 to 1; not if one is -0.
#pragma once
#include "../isa/block.h"
#include "../../problem.h"

namespace UNITS {

// Numbers from 0 to 1 are those whose bits, as integers, are at most those of 1 (or those of -0, which is not looked for).
template <class I>
inline bool all_shares(const char* data, size_t count, I one) {
  typedef I Lanes __attribute__((vector_size(sizeof(f32r))));  // of wider ones gcc compares each lane by itself
  constexpr size_t lanes = sizeof(f32r) / sizeof(I), together = 4;
  Lanes most[together] = {};
  const auto larger = [](auto a, auto b) INLINE_LAMBDA { return a > b ? a : b; };
  size_t i = 0;
  for (; i + together * lanes <= count; i += together * lanes) {
#pragma GCC unroll 4
    for (size_t k = 0; k < together; k++) {
      Lanes bits;
      __builtin_memcpy(&bits, data + (i + k * lanes) * sizeof(I), sizeof bits);
      most[k] = larger(most[k], bits);
    }
  }
  for (size_t k = 1; k < together; k++) most[0] = larger(most[0], most[k]);
  I largest = 0;
  for (size_t lane = 0; lane < lanes; lane++) largest = larger(largest, most[0][lane]);
  for (; i < count; i++) {
    I bits;
    __builtin_memcpy(&bits, data + i * sizeof(I), sizeof bits);
    largest = larger(largest, bits);
  }
  return largest <= one;
}

inline bool are_shares(const void* numbers, size_t bytes, Type type) {
  const char* const data = static_cast<const char*>(numbers);
  const size_t count = bytes / size_of(type);
  switch (type) {
    case Type::float32: return all_shares<uint32_t>(data, count, 0x3f800000);
    case Type::float64: return all_shares<uint64_t>(data, count, 0x3ff0000000000000);
    case Type::float16: return all_shares<uint16_t>(data, count, 0x3c00);
    case Type::bfloat16: break;
  }
  return all_shares<uint16_t>(data, count, 0x3f80);
}

}  // namespace UNITS
