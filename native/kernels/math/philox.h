// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): any draw of any row without
// the draws before it, on any thread. The twin of lib/backends/js/philox.ts, number for number.
#pragma once
#include "../isa/block.h"

namespace UNITS {

struct Words {
  uint32_t word[4];
};

// (By names: of an array gcc makes a vector in each round, and takes it apart by way of memory.)
INLINE Words philox(Words counter, uint32_t key0, uint32_t key1) {
  uint32_t first = counter.word[0], second = counter.word[1], third = counter.word[2], fourth = counter.word[3];
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t(0xd2511f53) * first, b = uint64_t(0xcd9e8d57) * third;
    first = uint32_t(b >> 32) ^ second ^ key0, second = uint32_t(b);
    third = uint32_t(a >> 32) ^ fourth ^ key1, fourth = uint32_t(a);
    key0 += 0x9e3779b9;  // the golden ratio and sqrt(3) - 1
    key1 += 0xbb67ae85;
  }
  return {{first, second, third, fourth}};
}

// A uniform number in [0, 1), of 53 bits, for draw `draw` of row `row`.
INLINE double uniform(uint64_t row, uint64_t draw, const uint32_t* seed) {
  const Words w =
      philox({{uint32_t(row), uint32_t(row >> 32), uint32_t(draw), uint32_t(draw >> 32)}}, seed[0], seed[1]);
  return double(uint64_t(w.word[0] >> 5) << 26 | w.word[1] >> 6) * 0x1p-53;
}

}  // namespace UNITS
