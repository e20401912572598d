// The classes that a row's lists name, each once and in order, and the number of each.
#pragma once
#include "../shapes/source.h"

namespace UNITS {

// A bit for each class, a number for each 64 of them: a twentieth of a row. Only what is named is looked at.
class ClassSet {
 public:
  ClassSet() {}
  ClassSet(const ClassSet&) = delete;
  ~ClassSet() { __builtin_free(memory); }

  // Room for classes below this; false where there is no memory for it.
  bool reserve(size_t classes) {
    if (memory) return true;
    words = classes / 64 + 1;
    const size_t groups = words / 64 + 1;
    memory = __builtin_malloc((words + groups) * sizeof(uint64_t) + words * sizeof(uint32_t));
    if (!memory) return false;
    bits = static_cast<uint64_t*>(memory), group = bits + words;
    before = reinterpret_cast<uint32_t*>(group + groups);
    __builtin_memset(bits, 0, (words + groups) * sizeof(uint64_t));
    return true;
  }

  INLINE void add(size_t index) {
    bits[index / 64] |= uint64_t(1) << index % 64;
    group[index / 4096] |= uint64_t(1) << index / 64 % 64;
  }

  // Lists the classes, for which there is room and three more, and numbers them; how many there are.
  size_t list(uint32_t* classes) {
    size_t n = 0;
    for (size_t g = 0; g * 64 < words; g++) {
      for (uint64_t left = group[g]; left != 0; left &= left - 1) {
        const size_t word = g * 64 + size_t(__builtin_ctzll(left));
        uint64_t own = bits[word];
        before[word] = uint32_t(n);
        const size_t end = n + size_t(__builtin_popcountll(own));
        // Four at a time, of which the last may be none: their number is a branch that is mispredicted.
        for (; n < end; n += 4) {
#pragma GCC unroll 4
          for (size_t j = 0; j < 4; j++) {
            classes[n + j] = uint32_t(word * 64) + uint32_t(__builtin_ctzll(own | uint64_t(1) << 63));
            own &= own - 1;
          }
        }
        n = end;
      }
    }
    return n;
  }

  // The number of a class that is listed.
  INLINE size_t number_of(size_t index) const {
    const uint64_t below = (uint64_t(1) << index % 64) - 1;
    return before[index / 64] + size_t(__builtin_popcountll(bits[index / 64] & below));
  }

  void clear(const uint32_t* classes, size_t count) {
    for (size_t i = 0; i < count; i++) bits[classes[i] / 64] = 0, group[classes[i] / 4096] = 0;
  }

 private:
  void* memory = nullptr;
  size_t words = 0;
  uint64_t *bits = nullptr, *group = nullptr;  // of each word, whether it has any
  uint32_t* before = nullptr;                  // how many classes the words before have
};

}  // namespace UNITS
