// Uniform numbers for rows in lanes: philox.h, number for number, with a counter to each 64-bit lane.
#pragma once
#include "philox.h"

namespace UNITS {

constexpr size_t word_lanes = sizeof(u64r) / sizeof(uint64_t);

// The keys of the rounds, in the low halves: they are the same for all rows, and to work them out takes as long as a round.
struct RoundKeys {
  uint64_t key[10][2];
  explicit RoundKeys(const uint32_t* seed) {
    uint32_t key0 = seed[0], key1 = seed[1];
    for (auto& round : key) {
      round[0] = key0, round[1] = key1;
      key0 += 0x9e3779b9, key1 += 0xbb67ae85;
    }
  }
};

// The first two words of what philox makes of (row, draw), in the low halves of the lanes. Of several registers at once: the
// rounds of each wait for each other.
template <size_t count>
INLINE void philox(const u64r* row, uint64_t draw, const RoundKeys& keys, u64r* word0, u64r* word1) {
  const u64r none = row[0] ^ row[0], a = none + 0xd2511f53u, b = none + 0xcd9e8d57u;
  u64r c0[count], c1[count], c2[count], c3[count];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    c0[i] = row[i], c1[i] = row[i] >> 32, c2[i] = none + uint32_t(draw), c3[i] = none + uint32_t(draw >> 32);
  }
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    const u64r key0 = none + keys.key[round][0], key1 = none + keys.key[round][1];
#pragma GCC unroll 8
    for (size_t i = 0; i < count; i++) {
      const u64r first = mul_words(c0[i], a), second = mul_words(c2[i], b);
      c0[i] = (second >> 32) ^ c1[i] ^ key0, c2[i] = (first >> 32) ^ c3[i] ^ key1;
      c1[i] = second, c3[i] = first;
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) word0[i] = c0[i], word1[i] = c1[i];
}

// Of whole numbers below 2^52: each is the significand of a double whose unit is 1.
INLINE f64r double_of_whole(u64r whole) {
  const u64r unit = (whole ^ whole) + 0x4330000000000000u;
  return sub((f64r)(whole | unit), splat_register(0x1p52));
}

// 53 bits of two words.
INLINE f64r uniform_of_words(u64r word0, u64r word1) {
  const f64r high = double_of_whole(word0 << 32 >> 37), low = double_of_whole(word1 << 32 >> 38);
  return mul(add(mul(high, splat_register(0x1p26)), low), splat_register(0x1p-53));
}

// For draw `draw` of rows `row`, `row` + `apart`, ... Floats have the first 27 bits, which floats may round. A function by
// itself: ten rounds are long.
template <class V>
__attribute__((noinline)) V uniform_lanes(uint64_t row, size_t apart, uint64_t draw, const RoundKeys& keys) {
  alignas(64) static constexpr uint64_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  constexpr size_t count = V::lanes / word_lanes;
  u64r rows[count], word0[count], word1[count];
  __builtin_memcpy(rows, numbers, sizeof rows);
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    const u64r none = rows[i] ^ rows[i];
    if (apart != 1)
      rows[i] = mul_words(rows[i], none + apart) + (mul_words(rows[i], none + (uint64_t(apart) >> 32)) << 32);
    rows[i] += none + row;
  }
  philox<count>(rows, draw, keys, word0, word1);
  F64 share[V::lanes / F64::lanes];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    f64r& own = share[i / F64::registers].r[i % F64::registers];
    if constexpr (sizeof(typename V::Scalar) == 4) {
      own = mul(double_of_whole(word0[i] << 32 >> 37), splat_register(0x1p-27));
    } else {
      own = uniform_of_words(word0[i], word1[i]);
    }
  }
  return narrow(share, V());
}

}  // namespace UNITS
