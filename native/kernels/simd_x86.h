// What the registers of AVX2 and of AVX-512 do alike. Included by their headers, for which INLINE is defined.
#pragma once

namespace {

// The first `count` (< 8 or 4) elements, by halves, since Zen takes 20 cycles or more for a masked store, and a load of
// what lies behind would wait for one to leave the core, though it is masked out. (AVX-512, rows of 130 classes, each
// normalized in place after the one before: 0.50 ns, and 0.45 so.)
INLINE void store_ymm_first(float* p, __m256 v, size_t count) {
  __m128 part = _mm256_castps256_ps128(v);
  if (count & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  if (count & 2) {
    _mm_storel_pi((__m64*)p, part);
    part = _mm_movehl_ps(part, part);
    p += 2;
  }
  if (count & 1) _mm_store_ss(p, part);
}
INLINE void store_ymm_first(double* p, __m256d v, size_t count) {
  __m128d part = _mm256_castpd256_pd128(v);
  if (count & 2) {
    _mm_storeu_pd(p, part);
    part = _mm256_extractf128_pd(v, 1);
    p += 2;
  }
  if (count & 1) _mm_store_sd(p, part);
}

}  // namespace
