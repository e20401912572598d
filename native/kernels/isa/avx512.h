// Register vocabulary for AVX-512 (F, DQ, BW, VL). What each function means is said in block.h.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "../math/constants.h"

#define INLINE inline __attribute__((always_inline))

#include "x86.h"

namespace UNITS {

// Code may be large where that is faster.
constexpr bool is_compact = false;

using f32r = __m512;
using f64r = __m512d;

// Words in 64-bit lanes, and the product of the low words of each.
typedef uint64_t u64r __attribute__((vector_size(sizeof(f64r))));
INLINE u64r mul_words(u64r a, u64r b) { return (u64r)_mm512_mul_epu32((__m512i)a, (__m512i)b); }

INLINE f32r splat_register(float v) { return _mm512_set1_ps(v); }
INLINE f64r splat_register(double v) { return _mm512_set1_pd(v); }
INLINE f32r load_register(const float* p) { return _mm512_loadu_ps(p); }
INLINE f64r load_register(const double* p) { return _mm512_loadu_pd(p); }
INLINE void store_register(float* p, f32r v) { _mm512_storeu_ps(p, v); }
INLINE void store_register(double* p, f64r v) { _mm512_storeu_pd(p, v); }
INLINE void stream_register(float* p, f32r v) { _mm512_stream_ps(p, v); }
INLINE void stream_register(double* p, f64r v) { _mm512_stream_pd(p, v); }
INLINE void stream_fence() { _mm_sfence(); }

INLINE __mmask16 first(size_t count) { return (__mmask16)((1u << count) - 1); }
INLINE f32r load_register_first(const float* p, size_t count, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(count), p);
}
INLINE f64r load_register_first(const double* p, size_t count, double fill) {
  return _mm512_mask_loadu_pd(_mm512_set1_pd(fill), (__mmask8)first(count), p);
}
// The last `count` lanes, of what ends at `end`.
INLINE f32r load_register_last(const float* end, size_t count, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)~first(16 - count), end - 16);
}
INLINE f64r load_register_last(const double* end, size_t count, double fill) {
  return _mm512_mask_loadu_pd(_mm512_set1_pd(fill), (__mmask8)~first(8 - count), end - 8);
}
INLINE void store_register_first(float* p, f32r v, size_t count) {
  __m256 half = _mm512_castps512_ps256(v);
  if (count & 8) {
    _mm256_storeu_ps(p, half);
    half = _mm512_extractf32x8_ps(v, 1);
    p += 8;
  }
  store_ymm_first(p, half, count % 8);
}
INLINE void store_register_first(double* p, f64r v, size_t count) {
  __m256d half = _mm512_castpd512_pd256(v);
  if (count & 4) {
    _mm256_storeu_pd(p, half);
    half = _mm512_extractf64x4_pd(v, 1);
    p += 4;
  }
  store_ymm_first(p, half, count % 4);
}

INLINE void load_register_whole(const int32_t* p, f32r& v) { v = _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
INLINE void load_register_whole(const int32_t* p, f64r& v) {
  v = _mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i*)p));
}
INLINE f64r load_register_widened(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
INLINE void store_register_narrowed(float* p, f64r v) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }

INLINE void widen_register(f32r v, f64r* half) {
  half[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
  half[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}
INLINE f32r narrow_registers(f64r lo, f64r hi) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lo)), _mm512_cvtpd_ps(hi), 1);
}

INLINE f32r add(f32r a, f32r b) { return _mm512_add_ps(a, b); }
INLINE f64r add(f64r a, f64r b) { return _mm512_add_pd(a, b); }
INLINE f32r sub(f32r a, f32r b) { return _mm512_sub_ps(a, b); }
INLINE f64r sub(f64r a, f64r b) { return _mm512_sub_pd(a, b); }
INLINE f32r mul(f32r a, f32r b) { return _mm512_mul_ps(a, b); }
INLINE f64r mul(f64r a, f64r b) { return _mm512_mul_pd(a, b); }
INLINE f32r div(f32r a, f32r b) { return _mm512_div_ps(a, b); }
INLINE f64r div(f64r a, f64r b) { return _mm512_div_pd(a, b); }
INLINE f32r fma(f32r a, f32r b, f32r c) { return _mm512_fmadd_ps(a, b, c); }
INLINE f64r fma(f64r a, f64r b, f64r c) { return _mm512_fmadd_pd(a, b, c); }
INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
INLINE double muladd(double a, double b, double c) { return __builtin_fma(a, b, c); }
INLINE f32r fms(f32r a, f32r b, f32r c) { return _mm512_fmsub_ps(a, b, c); }
INLINE f64r fms(f64r a, f64r b, f64r c) { return _mm512_fmsub_pd(a, b, c); }
INLINE f32r muladd(f32r a, f32r b, f32r c) { return _mm512_fmadd_ps(a, b, c); }
INLINE f64r muladd(f64r a, f64r b, f64r c) { return _mm512_fmadd_pd(a, b, c); }
INLINE f32r max_number(f32r a, f32r b) { return _mm512_max_ps(a, b); }
INLINE f64r max_number(f64r a, f64r b) { return _mm512_max_pd(a, b); }
INLINE f32r min_number(f32r a, f32r b) { return _mm512_min_ps(a, b); }
INLINE f64r min_number(f64r a, f64r b) { return _mm512_min_pd(a, b); }
INLINE f32r absolute(f32r a) { return _mm512_abs_ps(a); }
INLINE f64r absolute(f64r a) { return _mm512_abs_pd(a); }

INLINE f32r zero_if_equal(f32r a, f32r b, f32r c) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ), c);
}
INLINE f64r zero_if_equal(f64r a, f64r b, f64r c) {
  return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ), c);
}
INLINE f32r count_if_equal(f32r a, f32r b, f32r c) {
  return _mm512_mask_add_ps(c, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), c, _mm512_set1_ps(1));
}
INLINE f64r count_if_equal(f64r a, f64r b, f64r c) {
  return _mm512_mask_add_pd(c, _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ), c, _mm512_set1_pd(1));
}
INLINE f32r keep(uint32_t bits, f32r v, f32r other) { return _mm512_mask_mov_ps(other, (__mmask16)bits, v); }
INLINE f64r keep(uint32_t bits, f64r v, f64r other) { return _mm512_mask_mov_pd(other, (__mmask8)bits, v); }
INLINE f32r keep_where(f32r words, int bit, f32r v, f32r other) {
  return _mm512_mask_mov_ps(other, _mm512_test_epi32_mask(_mm512_castps_si512(words), _mm512_set1_epi32(1 << bit)),
                            v);
}
INLINE f32r select_greater(f32r a, f32r b, f32r c, f32r d) {
  return _mm512_mask_mov_ps(d, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), c);
}
INLINE f64r select_greater(f64r a, f64r b, f64r c, f64r d) {
  return _mm512_mask_mov_pd(d, _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), c);
}
INLINE uint32_t mask_greater(f32r a, f32r b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
INLINE uint32_t mask_greater(f64r a, f64r b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
INLINE bool all_less(f32r a, f32r b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) == 0xffff; }
INLINE bool all_less(f64r a, f64r b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ) == 0xff; }

INLINE f32r add_bits(f32r a, f32r b) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
INLINE f32r pow2(f32r z) {
  const __m512i table = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i*)pow2_table));
  const __m512i bits = _mm512_castps_si512(z);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32(bits, 20), _mm512_permutexvar_epi32(bits, table)));
}
// The same, and 0 in the lanes whose bits are not set.
INLINE f32r pow2(f32r z, uint32_t bits) {
  const __m512i table = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i*)pow2_table));
  const __m512i steps = _mm512_castps_si512(z);
  return _mm512_castsi512_ps(_mm512_maskz_add_epi32((__mmask16)bits, _mm512_slli_epi32(steps, 20),
                                                    _mm512_permutexvar_epi32(steps, table)));
}
INLINE f64r pow2(f64r z) { return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(z), 52)); }
INLINE f64r pow2(f64r z, uint32_t bits) {
  return _mm512_castsi512_pd(_mm512_maskz_slli_epi64((__mmask8)bits, _mm512_castpd_si512(z), 52));
}
INLINE f32r muladd(f32r a, f32r b, f32r c, uint32_t bits) {
  return _mm512_maskz_fmadd_ps((__mmask16)bits, a, b, c);
}
INLINE f64r muladd(f64r a, f64r b, f64r c, uint32_t bits) {
  return _mm512_maskz_fmadd_pd((__mmask8)bits, a, b, c);
}

INLINE void split_exponent(f64r u, f64r& k, f64r& m) {
  const __m512i half_root = _mm512_set1_epi64(half_root_bits);
  const __m512i bits = _mm512_add_epi64(_mm512_castpd_si512(u), _mm512_set1_epi64(one_bits - half_root_bits));
  const __m512i exponent = _mm512_or_si512(_mm512_srli_epi64(bits, 52), _mm512_set1_epi64(two52_bits));
  k = _mm512_sub_pd(_mm512_castsi512_pd(exponent), _mm512_set1_pd(two52_plus_bias));
  m = _mm512_castsi512_pd(_mm512_add_epi64(_mm512_and_si512(bits, _mm512_set1_epi64(mantissa_bits)), half_root));
}
INLINE void exponent_of(f32r u, f32r& k, f32r& down) {
  const __m512i bits =
      _mm512_add_epi32(_mm512_castps_si512(u), _mm512_set1_epi32(one_bits_f32 - half_root_bits_f32));
  const __m512i exponent = _mm512_or_si512(_mm512_srli_epi32(bits, 23), _mm512_set1_epi32(two23_bits_f32));
  k = _mm512_sub_ps(_mm512_castsi512_ps(exponent), _mm512_set1_ps(two23_plus_bias_f32));
  down = _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(twice_bias_bits_f32),
                                              _mm512_and_si512(bits, _mm512_set1_epi32(exponent_bits_f32))));
}

// The fixed tree of promise 2: lanes i and i + half, from half the lanes down to 1; folded: down to 16 bytes.
INLINE __m128d fold_add(const f64r* r) {
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(r[0]), _mm512_extractf64x4_pd(r[0], 1));
  return _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
}
INLINE __m128 fold_add(const f32r* r) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(r[0]), _mm512_extractf32x8_ps(r[0], 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
INLINE __m128d fold_max(const f64r* r) {
  const __m256d four = _mm256_max_pd(_mm512_castpd512_pd256(r[0]), _mm512_extractf64x4_pd(r[0], 1));
  return _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
}
INLINE __m128 fold_max(const f32r* r) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(r[0]), _mm512_extractf32x8_ps(r[0], 1));
  return _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}

// Sixteen rows of four neighbouring columns as four column registers, and back; see block.h. Row i is loaded
// into 128-bit lane i / 4 of register i % 4, so that in-lane shuffles finish the transpose.
INLINE void transpose_quarters(f32r* c) {
  const __m512d ab0 = _mm512_castps_pd(_mm512_unpacklo_ps(c[0], c[1]));
  const __m512d ab1 = _mm512_castps_pd(_mm512_unpackhi_ps(c[0], c[1]));
  const __m512d cd0 = _mm512_castps_pd(_mm512_unpacklo_ps(c[2], c[3]));
  const __m512d cd1 = _mm512_castps_pd(_mm512_unpackhi_ps(c[2], c[3]));
  c[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab0, cd0));
  c[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab0, cd0));
  c[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab1, cd1));
  c[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab1, cd1));
}
template <class Row>
INLINE void load_panel_registers(Row row, f32r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    c[j] = _mm512_castps128_ps512(_mm_loadu_ps(row(j)));
    c[j] = _mm512_insertf32x4(c[j], _mm_loadu_ps(row(4 + j)), 1);
    c[j] = _mm512_insertf32x4(c[j], _mm_loadu_ps(row(8 + j)), 2);
    c[j] = _mm512_insertf32x4(c[j], _mm_loadu_ps(row(12 + j)), 3);
  }
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f32r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(j, _mm512_castps512_ps128(c[j]));
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(4 + j, _mm512_extractf32x4_ps(c[j], 1));
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(8 + j, _mm512_extractf32x4_ps(c[j], 2));
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(12 + j, _mm512_extractf32x4_ps(c[j], 3));
}

// Of rows of two in two registers the first and the second of each, and back; within 128-bit lanes.
INLINE void split_pairs(f32r* c) {
  const f32r first = _mm512_shuffle_ps(c[0], c[1], 0x88), second = _mm512_shuffle_ps(c[0], c[1], 0xdd);
  c[0] = first, c[1] = second;
}
INLINE void join_pairs(f32r* c) {
  const f32r lo = _mm512_unpacklo_ps(c[0], c[1]), hi = _mm512_unpackhi_ps(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}

// What transpose_quarters and split_pairs make of rows that fill registers lies in another order than the rows: into that
// of the rows, and back.
INLINE f32r order_quarters(f32r v) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}
INLINE f32r disorder_quarters(f32r v) { return order_quarters(v); }
INLINE f32r order_pairs(f32r v) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15), v);
}
INLINE f32r disorder_pairs(f32r v) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15), v);
}
INLINE f64r order_quarters(f64r v) { return _mm512_permutexvar_pd(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), v); }
INLINE f64r disorder_quarters(f64r v) {
  return _mm512_permutexvar_pd(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), v);
}

// Eight rows of two neighbouring columns: rows 2i and 2i + 1 in 128-bit lane i of registers 0 and 1.
INLINE void transpose_quarters(f64r* c) {
  const __m512d lo = _mm512_unpacklo_pd(c[0], c[1]), hi = _mm512_unpackhi_pd(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}
template <class Row>
INLINE void load_panel_registers(Row row, f64r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) {
    c[j] = _mm512_castpd128_pd512(_mm_loadu_pd(row(j)));
    c[j] = _mm512_insertf64x2(c[j], _mm_loadu_pd(row(2 + j)), 1);
    c[j] = _mm512_insertf64x2(c[j], _mm_loadu_pd(row(4 + j)), 2);
    c[j] = _mm512_insertf64x2(c[j], _mm_loadu_pd(row(6 + j)), 3);
  }
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f64r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(j, _mm512_castpd512_pd128(c[j]));
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(2 + j, _mm512_extractf64x2_pd(c[j], 1));
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(4 + j, _mm512_extractf64x2_pd(c[j], 2));
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(6 + j, _mm512_extractf64x2_pd(c[j], 3));
}

// As many of `count` halves as fill registers; how many that was.
INLINE size_t widen_halves(const uint16_t* half, size_t count, float* p) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16)
    _mm512_storeu_ps(p + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)(half + i))));
  return i;
}
INLINE size_t narrow_halves(const float* p, size_t count, uint16_t* half) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512 v = _mm512_loadu_ps(p + i);
    _mm256_storeu_si256((__m256i*)(half + i), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

}  // namespace UNITS

#undef INLINE
