// Register vocabulary for AVX2 with FMA and F16C. What each function means is said in block.h.
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

using f32r = __m256;
using f64r = __m256d;

// Words in 64-bit lanes, and the product of the low words of each.
typedef uint64_t u64r __attribute__((vector_size(sizeof(f64r))));
INLINE u64r mul_words(u64r a, u64r b) { return (u64r)_mm256_mul_epu32((__m256i)a, (__m256i)b); }

INLINE f32r splat_register(float v) { return _mm256_set1_ps(v); }
INLINE f64r splat_register(double v) { return _mm256_set1_pd(v); }
INLINE f32r load_register(const float* p) { return _mm256_loadu_ps(p); }
INLINE f64r load_register(const double* p) { return _mm256_loadu_pd(p); }
INLINE void store_register(float* p, f32r v) { _mm256_storeu_ps(p, v); }
INLINE void store_register(double* p, f64r v) { _mm256_storeu_pd(p, v); }
INLINE void stream_register(float* p, f32r v) { _mm256_stream_ps(p, v); }
INLINE void stream_register(double* p, f64r v) { _mm256_stream_pd(p, v); }
INLINE void stream_fence() { _mm_sfence(); }

// Ones, zeros, ones: the first or the last lanes of a register, in words of 4 bytes, are read from the middle of this.
alignas(32) constexpr int32_t lane_masks[24] = {-1, -1, -1, -1, -1, -1, -1, -1, 0,  0,  0,  0,
                                                0,  0,  0,  0,  -1, -1, -1, -1, -1, -1, -1, -1};
INLINE __m256i first_words(size_t count) { return _mm256_loadu_si256((const __m256i*)(lane_masks + 8 - count)); }
INLINE __m256i last_words(size_t count) { return _mm256_loadu_si256((const __m256i*)(lane_masks + 8 + count)); }
INLINE f32r load_masked(const float* p, __m256i mask, float fill) {
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
INLINE f64r load_masked(const double* p, __m256i mask, double fill) {
  return _mm256_blendv_pd(_mm256_set1_pd(fill), _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
}
INLINE f32r load_register_first(const float* p, size_t count, float fill) {
  return load_masked(p, first_words(count), fill);
}
INLINE f64r load_register_first(const double* p, size_t count, double fill) {
  return load_masked(p, first_words(2 * count), fill);
}
// The last `count` lanes, of what ends at `end`.
INLINE f32r load_register_last(const float* end, size_t count, float fill) {
  return load_masked(end - 8, last_words(count), fill);
}
INLINE f64r load_register_last(const double* end, size_t count, double fill) {
  return load_masked(end - 4, last_words(2 * count), fill);
}
INLINE void store_register_first(float* p, f32r v, size_t count) { store_ymm_first(p, v, count); }
INLINE void store_register_first(double* p, f64r v, size_t count) { store_ymm_first(p, v, count); }

INLINE void load_register_whole(const int32_t* p, f32r& v) {
  v = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i*)p));
}
INLINE void load_register_whole(const int32_t* p, f64r& v) {
  v = _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i*)p));
}
INLINE f64r load_register_widened(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
INLINE void store_register_narrowed(float* p, f64r v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
INLINE void widen_register(f32r v, f64r* half) {
  half[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
  half[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}
INLINE f32r narrow_registers(f64r lo, f64r hi) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(lo)), _mm256_cvtpd_ps(hi), 1);
}

INLINE f32r add(f32r a, f32r b) { return _mm256_add_ps(a, b); }
INLINE f64r add(f64r a, f64r b) { return _mm256_add_pd(a, b); }
INLINE f32r sub(f32r a, f32r b) { return _mm256_sub_ps(a, b); }
INLINE f64r sub(f64r a, f64r b) { return _mm256_sub_pd(a, b); }
INLINE f32r mul(f32r a, f32r b) { return _mm256_mul_ps(a, b); }
INLINE f64r mul(f64r a, f64r b) { return _mm256_mul_pd(a, b); }
INLINE f32r div(f32r a, f32r b) { return _mm256_div_ps(a, b); }
INLINE f64r div(f64r a, f64r b) { return _mm256_div_pd(a, b); }
INLINE f32r fma(f32r a, f32r b, f32r c) { return _mm256_fmadd_ps(a, b, c); }
INLINE f64r fma(f64r a, f64r b, f64r c) { return _mm256_fmadd_pd(a, b, c); }
INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
INLINE f32r fms(f32r a, f32r b, f32r c) { return _mm256_fmsub_ps(a, b, c); }
INLINE f64r fms(f64r a, f64r b, f64r c) { return _mm256_fmsub_pd(a, b, c); }
INLINE f32r muladd(f32r a, f32r b, f32r c) { return _mm256_fmadd_ps(a, b, c); }
INLINE f64r muladd(f64r a, f64r b, f64r c) { return _mm256_fmadd_pd(a, b, c); }
INLINE double muladd(double a, double b, double c) { return __builtin_fma(a, b, c); }
INLINE f32r max_number(f32r a, f32r b) { return _mm256_max_ps(a, b); }
INLINE f64r max_number(f64r a, f64r b) { return _mm256_max_pd(a, b); }
INLINE f32r min_number(f32r a, f32r b) { return _mm256_min_ps(a, b); }
INLINE f64r min_number(f64r a, f64r b) { return _mm256_min_pd(a, b); }
INLINE f32r absolute(f32r a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE f64r absolute(f64r a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }

INLINE f32r zero_if_equal(f32r a, f32r b, f32r c) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NEQ_UQ), c); }
INLINE f64r zero_if_equal(f64r a, f64r b, f64r c) { return _mm256_and_pd(_mm256_cmp_pd(a, b, _CMP_NEQ_UQ), c); }
INLINE f32r count_if_equal(f32r a, f32r b, f32r c) {
  return _mm256_add_ps(c, _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), _mm256_set1_ps(1)));
}
INLINE f64r count_if_equal(f64r a, f64r b, f64r c) {
  return _mm256_add_pd(c, _mm256_and_pd(_mm256_cmp_pd(a, b, _CMP_EQ_OQ), _mm256_set1_pd(1)));
}
INLINE f32r keep(uint32_t bits, f32r v, f32r other) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(bits)), bit), bit);
  return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(set));
}
INLINE f64r keep(uint32_t bits, f64r v, f64r other) {
  const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
  const __m256i set = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(bits), bit), bit);
  return _mm256_blendv_pd(other, v, _mm256_castsi256_pd(set));
}
INLINE f32r keep_where(f32r words, int bit, f32r v, f32r other) {
  return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 31 - bit)));
}
INLINE f32r select_greater(f32r a, f32r b, f32r c, f32r d) {
  return _mm256_blendv_ps(d, c, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
INLINE f64r select_greater(f64r a, f64r b, f64r c, f64r d) {
  return _mm256_blendv_pd(d, c, _mm256_cmp_pd(a, b, _CMP_GT_OQ));
}
INLINE uint32_t mask_greater(f32r a, f32r b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
INLINE uint32_t mask_greater(f64r a, f64r b) { return _mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_GT_OQ)); }
INLINE bool all_less(f32r a, f32r b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) == 0xff; }
INLINE bool all_less(f64r a, f64r b) { return _mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_LT_OQ)) == 0xf; }

INLINE f32r add_bits(f32r a, f32r b) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
INLINE f32r pow2(f32r z) {
  const __m256i table = _mm256_load_si256((const __m256i*)pow2_table), bits = _mm256_castps_si256(z);
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_slli_epi32(bits, 20), _mm256_permutevar8x32_epi32(table, bits)));
}
INLINE f64r pow2(f64r z) { return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(z), 52)); }

INLINE void split_exponent(f64r u, f64r& k, f64r& m) {
  const __m256i half_root = _mm256_set1_epi64x(half_root_bits);
  const __m256i bits = _mm256_add_epi64(_mm256_castpd_si256(u), _mm256_set1_epi64x(one_bits - half_root_bits));
  const __m256i exponent = _mm256_or_si256(_mm256_srli_epi64(bits, 52), _mm256_set1_epi64x(two52_bits));
  k = _mm256_sub_pd(_mm256_castsi256_pd(exponent), _mm256_set1_pd(two52_plus_bias));
  m = _mm256_castsi256_pd(_mm256_add_epi64(_mm256_and_si256(bits, _mm256_set1_epi64x(mantissa_bits)), half_root));
}
INLINE void exponent_of(f32r u, f32r& k, f32r& down) {
  const __m256i bits =
      _mm256_add_epi32(_mm256_castps_si256(u), _mm256_set1_epi32(one_bits_f32 - half_root_bits_f32));
  const __m256i exponent = _mm256_or_si256(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(two23_bits_f32));
  k = _mm256_sub_ps(_mm256_castsi256_ps(exponent), _mm256_set1_ps(two23_plus_bias_f32));
  down = _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(twice_bias_bits_f32),
                                              _mm256_and_si256(bits, _mm256_set1_epi32(exponent_bits_f32))));
}

// The fixed tree of promise 2: lanes i and i + half, from half the lanes down to 1; folded: down to 16 bytes.
INLINE __m128d fold_add(const f64r* r) {
  const __m256d four = _mm256_add_pd(r[0], r[1]);
  return _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
}
INLINE __m128 fold_add(const f32r* r) {
  const __m256 eight = _mm256_add_ps(r[0], r[1]);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
INLINE __m128d fold_max(const f64r* r) {
  const __m256d four = _mm256_max_pd(r[0], r[1]);
  return _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
}
INLINE __m128 fold_max(const f32r* r) {
  const __m256 eight = _mm256_max_ps(r[0], r[1]);
  return _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}

// Eight rows of four neighbouring columns as four column registers, and back; see block.h. Row i is loaded into
// 128-bit lane i / 4 of register i % 4, so that in-lane shuffles finish the transpose.
INLINE void transpose_quarters(f32r* c) {
  const __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(c[0], c[1]));
  const __m256d ab1 = _mm256_castps_pd(_mm256_unpackhi_ps(c[0], c[1]));
  const __m256d cd0 = _mm256_castps_pd(_mm256_unpacklo_ps(c[2], c[3]));
  const __m256d cd1 = _mm256_castps_pd(_mm256_unpackhi_ps(c[2], c[3]));
  c[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, cd0));
  c[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, cd0));
  c[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab1, cd1));
  c[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab1, cd1));
}
template <class Row>
INLINE void load_panel_registers(Row row, f32r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    c[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row(j))), _mm_loadu_ps(row(4 + j)), 1);
  }
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f32r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(j, _mm256_castps256_ps128(c[j]));
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(4 + j, _mm256_extractf128_ps(c[j], 1));
}

// Of rows of two in two registers the first and the second of each, and back; within 128-bit lanes.
INLINE void split_pairs(f32r* c) {
  const f32r first = _mm256_shuffle_ps(c[0], c[1], 0x88), second = _mm256_shuffle_ps(c[0], c[1], 0xdd);
  c[0] = first, c[1] = second;
}
INLINE void join_pairs(f32r* c) {
  const f32r lo = _mm256_unpacklo_ps(c[0], c[1]), hi = _mm256_unpackhi_ps(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}

// What transpose_quarters and split_pairs make of rows that fill registers lies in another order than the rows: into that
// of the rows, and back.
INLINE f32r order_quarters(f32r v) {
  return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
INLINE f32r disorder_quarters(f32r v) {
  return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}
INLINE f64r order_quarters(f64r v) { return _mm256_permute4x64_pd(v, 0xd8); }
INLINE f64r disorder_quarters(f64r v) { return order_quarters(v); }
INLINE f32r order_pairs(f32r v) { return _mm256_castpd_ps(order_quarters(_mm256_castps_pd(v))); }
INLINE f32r disorder_pairs(f32r v) { return order_pairs(v); }

// Four rows of two neighbouring columns.
INLINE void transpose_quarters(f64r* c) {
  const __m256d lo = _mm256_unpacklo_pd(c[0], c[1]), hi = _mm256_unpackhi_pd(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}
template <class Row>
INLINE void load_panel_registers(Row row, f64r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) {
    c[j] = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(row(j))), _mm_loadu_pd(row(2 + j)), 1);
  }
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f64r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(j, _mm256_castpd256_pd128(c[j]));
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(2 + j, _mm256_extractf128_pd(c[j], 1));
}

// As many of `count` halves as fill registers; how many that was.
INLINE size_t widen_halves(const uint16_t* half, size_t count, float* p) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(p + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(half + i))));
  return i;
}
INLINE size_t narrow_halves(const float* p, size_t count, uint16_t* half) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128((__m128i*)(half + i), _mm256_cvtps_ph(_mm256_loadu_ps(p + i), _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

}  // namespace UNITS

#undef INLINE
