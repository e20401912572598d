// Keys of floats, see sorted_lanes.h, for ISAs that compare doubles faster than whole numbers of 64 bits.
#pragma once
#include "block.h"

namespace UNITS {

// A float, widened, leaves 29 bits. In the last 24 of them its place makes of equal ones the lower place the larger double.
// -Infinity, which would be NaN then, is a number below all others.
typedef f64r keyr;
using KeyScalar = double;
typedef int64_t KeyBits __attribute__((vector_size(sizeof(f64r))));
typedef int32_t HalfBits __attribute__((vector_size(sizeof(f32r))));
constexpr int64_t most_places = (1 << 24) - 1;

INLINE keyr load_keys(const double* p) { return load_register(p); }
INLINE void store_keys(double* p, keyr v) { store_register(p, v); }
INLINE keyr least_keys() { return splat_register(-__builtin_inf()); }
INLINE keyr max_keys(keyr a, keyr b) { return max_number(a, b); }
INLINE keyr min_keys(keyr a, keyr b) { return min_number(a, b); }

INLINE void pack_keys(f32r x, uint32_t place, keyr* key) {
  widen_register(add(x, splat_register(0.0f)), key);
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    const KeyBits bits = (KeyBits)max_number(key[i], splat_register(-0x1p1000)), is_less = (KeyBits)(bits < 0);
    key[i] = (keyr)(bits | ((is_less ^ ~int64_t(place)) & most_places));
  }
}

// Half of the bits of both: the low words.
template <class Words>
INLINE Words low_words(Words a, Words b) {
  if constexpr (sizeof(Words) == 32) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  } else {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
  }
}
INLINE void unpack_keys(const keyr* key, float* logit, uint32_t* place) {
  const f32r x = narrow_registers((f64r)((KeyBits)key[0] & ~most_places), (f64r)((KeyBits)key[1] & ~most_places));
  store_register(logit, x);
  const HalfBits is_less = (HalfBits)x < 0, words = low_words((HalfBits)key[0], (HalfBits)key[1]);
  const HalfBits own = (is_less ^ ~words) & int32_t(most_places);
  __builtin_memcpy(place, &own, sizeof own);
}

}  // namespace UNITS
