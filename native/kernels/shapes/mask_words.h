// A mask of bytes as the words of a bitmask, for rows of few classes: bit c of a row's word is class c. (What is above its
// classes, none of them is.)
//
//   where   1 0 1  1 1 0 ...      words   0b...101  0b...011 ...
#pragma once
#include "source.h"

namespace UNITS {

struct MaskWords {
  static constexpr size_t most = 1024, widest = 16;  // rows, and their classes
  uint32_t word[most];

  // Of `rows` rows of n classes whose bytes begin at `where`.
  void set(const uint8_t* where, size_t rows, size_t n) {
    alignas(64) uint8_t bits[most * widest / 8 + 16];
    const size_t total = rows * n;
    size_t i = 0;
    const auto put = [&](uint32_t sixteen) INLINE_LAMBDA {
      const uint16_t two = uint16_t(sixteen);
      __builtin_memcpy(bits + i / 8, &two, sizeof two);
    };
    for (; i + 16 <= total; i += 16) put(set_among_sixteen(where + i));
    if (i < total) {
      uint8_t few[16] = {};
      __builtin_memcpy(few, where + i, total - i);
      put(set_among_sixteen(few));
    }
    n <= 4 ? take_eights(bits, rows, uint32_t(n)) : take(bits, rows, n);
  }

 private:
  typedef uint32_t Eight __attribute__((vector_size(32)));

  // Bits at p, and what is behind them.
  template <class T>
  static INLINE T read(const uint8_t* p) {
    T bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return bits;
  }
  // Eight rows of n classes are n bytes.
  INLINE void take_eights(const uint8_t* bits, size_t rows, uint32_t n) {
    const Eight shift = Eight{0, 1, 2, 3, 4, 5, 6, 7} * n;
    for (size_t r = 0; r < rows; r += 8, bits += n) {
      const uint32_t own = read<uint32_t>(bits);
      const Eight eight = Eight{own, own, own, own, own, own, own, own} >> shift;
      __builtin_memcpy(word + r, &eight, sizeof eight);
    }
  }
  INLINE void take(const uint8_t* bits, size_t rows, size_t n) {
    for (size_t r = 0, at = 0; r < rows; r++, at += n) word[r] = read<uint32_t>(bits + at / 8) >> at % 8;
  }
};

}  // namespace UNITS
