// Fetching memory before it is needed.
#pragma once
#include "../isa/block.h"

namespace UNITS {

// The lines of n elements, to read or to write them; or no nearer than into the second cache.
template <bool written, bool near = true, class T>
INLINE void fetch(const T* x, size_t n) {
  for (size_t i = 0; i < n; i += block_bytes / sizeof(T)) {
    near ? __builtin_prefetch(x + i, written) : __builtin_prefetch(x + i, 0, 2);
  }
}

}  // namespace UNITS
