// What AVX2 and AVX-512 do alike: a quarter of a block, and a part of a register. Included by their headers, for which
// INLINE is defined.
#pragma once

namespace UNITS {

using f32q = __m128;

INLINE f32q splat_quarter(float v) { return _mm_set1_ps(v); }
INLINE f32q load_quarter(const float* p) { return _mm_loadu_ps(p); }
INLINE f32q load_quarter_first(const float* p, size_t count, float fill) {
  return _mm_setr_ps(count > 0 ? p[0] : fill, count > 1 ? p[1] : fill, count > 2 ? p[2] : fill, fill);
}
INLINE void store_register(float* p, f32q v) { _mm_storeu_ps(p, v); }
INLINE void store_register(double* p, __m128d v) { _mm_storeu_pd(p, v); }

INLINE f32q add(f32q a, f32q b) { return _mm_add_ps(a, b); }
INLINE f32q sub(f32q a, f32q b) { return _mm_sub_ps(a, b); }
INLINE f32q mul(f32q a, f32q b) { return _mm_mul_ps(a, b); }
INLINE f32q div(f32q a, f32q b) { return _mm_div_ps(a, b); }
INLINE f32q fma(f32q a, f32q b, f32q c) { return _mm_fmadd_ps(a, b, c); }
INLINE f32q fms(f32q a, f32q b, f32q c) { return _mm_fmsub_ps(a, b, c); }
INLINE f32q muladd(f32q a, f32q b, f32q c) { return _mm_fmadd_ps(a, b, c); }
INLINE f32q max_number(f32q a, f32q b) { return _mm_max_ps(a, b); }
INLINE f32q absolute(f32q a) { return _mm_andnot_ps(_mm_set1_ps(-0.0f), a); }
INLINE uint32_t mask_greater(f32q a, f32q b) { return uint32_t(_mm_movemask_ps(_mm_cmpgt_ps(a, b))); }
INLINE bool all_less(f32q a, f32q b) { return _mm_movemask_ps(_mm_cmplt_ps(a, b)) == 0xf; }
INLINE f32q add_bits(f32q a, f32q b) {
  return _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(a), _mm_castps_si128(b)));
}
INLINE f32q pow2(f32q z) {
  const __m256i table = _mm256_load_si256((const __m256i*)pow2_table);
  const __m128i bits = _mm_castps_si128(z);
  const __m256i entry = _mm256_permutevar8x32_epi32(table, _mm256_castsi128_si256(bits));
  return _mm_castsi128_ps(_mm_add_epi32(_mm_slli_epi32(bits, 20), _mm256_castsi256_si128(entry)));
}
// Which of 16 bytes are not 0.
INLINE uint32_t set_among_sixteen(const uint8_t* p) {
  const __m128i zero = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i*)p), _mm_setzero_si128());
  return uint32_t(_mm_movemask_epi8(zero)) ^ 0xffff;
}
INLINE float reduce_add(f32q v) {
  const __m128 two = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
INLINE float reduce_max(f32q v) {
  const __m128 two = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
INLINE double reduce_add(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
INLINE double reduce_max(__m128d v) { return _mm_cvtsd_f64(_mm_max_sd(v, _mm_unpackhi_pd(v, v))); }

// The first `count` (< lanes) elements, by halves, since Zen takes 20 cycles or more for a masked store, and a
// load of what lies behind would wait for one to leave the core, though it is masked out.
INLINE void store_register_first(float* p, f32q v, size_t count) {
  if (count & 2) {
    _mm_storel_pi((__m64*)p, v);
    v = _mm_movehl_ps(v, v);
    p += 2;
  }
  if (count & 1) _mm_store_ss(p, v);
}
INLINE void store_register_first(double* p, __m128d v, size_t count) {
  if (count & 1) _mm_store_sd(p, v);
}
INLINE void store_ymm_first(float* p, __m256 v, size_t count) {
  __m128 part = _mm256_castps256_ps128(v);
  if (count & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  store_register_first(p, part, count);
}
INLINE void store_ymm_first(double* p, __m256d v, size_t count) {
  __m128d part = _mm256_castpd256_pd128(v);
  if (count & 2) {
    _mm_storeu_pd(p, part);
    part = _mm256_extractf128_pd(v, 1);
    p += 2;
  }
  store_register_first(p, part, count);
}

}  // namespace UNITS
