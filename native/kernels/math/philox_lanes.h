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
INLINE void philox(const u64r* row, const u64r* draw, const RoundKeys& keys, u64r* word0, u64r* word1) {
  const u64r none = row[0] ^ row[0], a = none + 0xd2511f53u, b = none + 0xcd9e8d57u;
  u64r c0[count], c1[count], c2[count], c3[count];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    c0[i] = row[i], c1[i] = row[i] >> 32, c2[i] = draw[i], c3[i] = draw[i] >> 32;
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
INLINE f64r uniform_of_numbers(u64r word0, u64r word1) {
  const f64r high = double_of_whole(word0 << 32 >> 37), low = double_of_whole(word1 << 32 >> 38);
  return mul(add(mul(high, splat_register(0x1p26)), low), splat_register(0x1p-53));
}

// Of whole numbers below 2^32 in two registers, those of even places in the first, their first 27 bits, which floats may round.
INLINE f32r uniform_of_words(u64r even, u64r odd) {
  typedef int32_t Whole __attribute__((vector_size(sizeof(f32r))));
  typedef uint32_t Bits __attribute__((vector_size(sizeof(f32r))));
  const Bits bits = (Bits)((even & 0xffffffffu) | odd << 32) >> 5;
  return mul((f32r) __builtin_convertvector((Whole)bits, f32r), splat_register(0x1p-27f));
}

// Which of its rows the lanes of a block's words are of: see uniform_of_words.
template <class V>
struct RowsOfWords {
  uint64_t row[V::lanes] = {};
  constexpr RowsOfWords() {
    for (size_t i = 0; i < V::lanes; i++) {
      const size_t word = i / word_lanes, lane = i % word_lanes;
      row[i] = sizeof(typename V::Scalar) == 8 ? i : 2 * (word / 2 * word_lanes + lane) + word % 2;
    }
  }
};

// So many blocks of rows are worked on together: as many as there are registers for. The rounds of each wait for each other.
template <class V>
constexpr size_t shares_together = V::registers == 1 ? 2 : 1;

// For draw draw[i] of rows row[i], row[i] + `apart`, ..., to share[i]; of those given, where `given` is not null, row[i] + given[i][0],
// .... A function by itself: ten rounds are long.
template <class V>
__attribute__((noinline)) void uniform_lanes(const uint64_t* row, const uint32_t* const* given, size_t apart,
                                             const uint64_t* draw, const RoundKeys& keys, V* const* share) {
  alignas(64) static constexpr RowsOfWords<V> numbers;
  constexpr size_t words = V::lanes / word_lanes, count = shares_together<V> * words;
  u64r rows[count], draws[count], word0[count], word1[count];
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    u64r& own = rows[i];
    const uint64_t* const of = numbers.row + i % words * word_lanes;
    __builtin_memcpy(&own, of, sizeof own);
    const u64r none = own ^ own;
    if (given) {
      uint64_t those[word_lanes];
      for (size_t j = 0; j < word_lanes; j++) those[j] = given[i / words][of[j]];
      __builtin_memcpy(&own, those, sizeof own);
    } else if (apart != 1) {
      own = mul_words(own, none + apart) + (mul_words(own, none + (uint64_t(apart) >> 32)) << 32);
    }
    own += none + row[i / words], draws[i] = none + draw[i / words];
  }
  philox<count>(rows, draws, keys, word0, word1);
#pragma GCC unroll 8
  for (size_t i = 0; i < count; i++) {
    V& own = *share[i / words];
    const size_t r = i % words;
    if constexpr (sizeof(typename V::Scalar) == 8) {
      own.r[r] = uniform_of_numbers(word0[i], word1[i]);
    } else if (r % 2 == 1) {
      own.r[r / 2] = uniform_of_words(word0[i - 1], word0[i]);
    }
  }
}

}  // namespace UNITS
