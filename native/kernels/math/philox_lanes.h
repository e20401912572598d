// Uniform numbers for rows in lanes: philox.h, number for number, with a counter to each 64-bit lane.
#pragma once
#include "philox.h"

namespace UNITS {

constexpr size_t word_lanes = sizeof(u64r) / sizeof(uint64_t);

// The first two words of what philox makes of (row, draw), in the low halves of the lanes. Of several registers at once: the
// rounds of each wait for each other.
template <size_t count>
INLINE void philox(const u64r* row, uint64_t draw, const uint32_t* seed, u64r* word0, u64r* word1) {
  const u64r none = row[0] ^ row[0], a = none + 0xd2511f53u, b = none + 0xcd9e8d57u;
  u64r c0[count], c1[count], c2[count], c3[count], key0 = none + seed[0], key1 = none + seed[1];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    c0[i] = row[i], c1[i] = row[i] >> 32, c2[i] = none + uint32_t(draw), c3[i] = none + uint32_t(draw >> 32);
  }
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 8
    for (size_t i = 0; i < count; i++) {
      const u64r first = mul_words(c0[i], a), second = mul_words(c2[i], b);
      c0[i] = (second >> 32) ^ c1[i] ^ key0, c2[i] = (first >> 32) ^ c3[i] ^ key1;
      c1[i] = second, c3[i] = first;
    }
    key0 += 0x9e3779b9, key1 += 0xbb67ae85;  // what they carry is in no low half
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) word0[i] = c0[i], word1[i] = c1[i];
}

// 53 bits of two words: each half is the significand of a double whose unit is 1.
INLINE f64r uniform_of_words(u64r word0, u64r word1) {
  const u64r none = word0 ^ word0, unit = none + 0x4330000000000000u;
  const f64r whole = splat_register(0x1p52);
  const f64r high = sub((f64r)((word0 << 32 >> 37) | unit), whole);
  const f64r low = sub((f64r)((word1 << 32 >> 38) | unit), whole);
  return mul(add(mul(high, splat_register(0x1p26)), low), splat_register(0x1p-53));
}

// For draw `draw` of rows `row`, `row` + `apart`, ...; floats are rounded. A function by itself: ten rounds are long.
template <class V>
__attribute__((noinline)) V uniform_lanes(uint64_t row, size_t apart, uint64_t draw, const uint32_t* seed) {
  alignas(64) uint64_t number[V::lanes];
  for (size_t i = 0; i < V::lanes; i++) number[i] = row + i * apart;
  constexpr size_t count = V::lanes / word_lanes;
  u64r rows[count], word0[count], word1[count];
  __builtin_memcpy(rows, number, sizeof rows);
  philox<count>(rows, draw, seed, word0, word1);
  F64 share[V::lanes / F64::lanes];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    share[i / F64::registers].r[i % F64::registers] = uniform_of_words(word0[i], word1[i]);
  }
  return narrow(share, V());
}

}  // namespace UNITS
