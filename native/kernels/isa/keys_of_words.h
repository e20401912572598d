// Keys of floats, see sorted_lanes.h, for AVX-512, which compares whole numbers of 64 bits.
#pragma once
#include "block.h"

namespace UNITS {

// The high word orders as the float does; of equal ones the low word has the lower place first. Rows lie as shuffles within 128-bit
// lanes leave them.
typedef int64_t keyr __attribute__((vector_size(64)));
using KeyScalar = int64_t;
INLINE keyr load_keys(const int64_t* p) { return (keyr)_mm512_loadu_si512(p); }
INLINE void store_keys(int64_t* p, keyr v) { _mm512_storeu_si512(p, (__m512i)v); }
INLINE keyr least_keys() { return (keyr)_mm512_set1_epi64(INT64_MIN); }
INLINE keyr max_keys(keyr a, keyr b) { return (keyr)_mm512_max_epi64((__m512i)a, (__m512i)b); }
INLINE keyr min_keys(keyr a, keyr b) { return (keyr)_mm512_min_epi64((__m512i)a, (__m512i)b); }
INLINE __m512i turn_negative(__m512i bits) {
  return _mm512_xor_si512(bits, _mm512_and_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32(0x7fffffff)));
}
INLINE void pack_keys(f32r x, uint32_t place, keyr* key) {
  const __m512i bits = _mm512_castps_si512(_mm512_add_ps(x, _mm512_setzero_ps()));
  const __m512i ordered = turn_negative(bits), places = _mm512_set1_epi32(int(~place));
  key[0] = (keyr)_mm512_unpacklo_epi32(places, ordered), key[1] = (keyr)_mm512_unpackhi_epi32(places, ordered);
}
INLINE void unpack_keys(const keyr* key, float* logit, uint32_t* place) {
  const __m512 lo = _mm512_castsi512_ps((__m512i)key[0]), hi = _mm512_castsi512_ps((__m512i)key[1]);
  const __m512i ordered = _mm512_castps_si512(_mm512_shuffle_ps(lo, hi, 0xdd));
  _mm512_storeu_ps(logit, _mm512_castsi512_ps(turn_negative(ordered)));
  const __m512i places = _mm512_castps_si512(_mm512_shuffle_ps(lo, hi, 0x88));
  _mm512_storeu_si512(place, _mm512_xor_si512(places, _mm512_set1_epi32(-1)));
}

}  // namespace UNITS
