// Register vocabulary for AArch64 NEON. What each function means is said in block.h.
#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "../math/constants.h"

#define INLINE inline __attribute__((always_inline))

namespace UNITS {

// Code may be large where that is faster.
constexpr bool is_compact = false;

using f32r = float32x4_t;
using f64r = float64x2_t;
using f32q = f32r;

// Words in 64-bit lanes, and the product of the low words of each.
typedef uint64_t u64r __attribute__((vector_size(sizeof(f64r))));
INLINE u64r mul_words(u64r a, u64r b) {
  return (u64r)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
}

INLINE f32r splat_register(float v) { return vdupq_n_f32(v); }
INLINE f64r splat_register(double v) { return vdupq_n_f64(v); }
INLINE f32r load_register(const float* p) { return vld1q_f32(p); }
INLINE f64r load_register(const double* p) { return vld1q_f64(p); }
INLINE void store_register(float* p, f32r v) { vst1q_f32(p, v); }
INLINE void store_register(double* p, f64r v) { vst1q_f64(p, v); }
INLINE void stream_register(float* p, f32r v) { store_register(p, v); }
INLINE void stream_register(double* p, f64r v) { store_register(p, v); }
INLINE void stream_fence() {}

INLINE f32q splat_quarter(float v) { return splat_register(v); }
INLINE f32q load_quarter(const float* p) { return load_register(p); }
INLINE f32r load_register_first(const float* p, size_t count, float fill) {
  f32r v = vdupq_n_f32(fill);
  if (count > 0) v = vld1q_lane_f32(p, v, 0);
  if (count > 1) v = vld1q_lane_f32(p + 1, v, 1);
  if (count > 2) v = vld1q_lane_f32(p + 2, v, 2);
  return v;
}
INLINE f32q load_quarter_first(const float* p, size_t count, float fill) {
  return load_register_first(p, count, fill);
}
INLINE f64r load_register_first(const double* p, size_t count, double fill) {
  const f64r v = vdupq_n_f64(fill);
  return count > 0 ? vld1q_lane_f64(p, v, 0) : v;
}
INLINE void store_register_first(float* p, f32r v, size_t count) {
  if (count > 0) vst1q_lane_f32(p, v, 0);
  if (count > 1) vst1q_lane_f32(p + 1, v, 1);
  if (count > 2) vst1q_lane_f32(p + 2, v, 2);
}
INLINE void store_register_first(double* p, f64r v, size_t count) {
  if (count > 0) vst1q_lane_f64(p, v, 0);
}

INLINE f64r load_register_widened(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
INLINE void store_register_narrowed(float* p, f64r v) { vst1_f32(p, vcvt_f32_f64(v)); }
INLINE void widen_register(f32r v, f64r* half) {
  half[0] = vcvt_f64_f32(vget_low_f32(v));
  half[1] = vcvt_high_f64_f32(v);
}
INLINE f32r narrow_registers(f64r lo, f64r hi) { return vcvt_high_f32_f64(vcvt_f32_f64(lo), hi); }

INLINE f32r add(f32r a, f32r b) { return vaddq_f32(a, b); }
INLINE f64r add(f64r a, f64r b) { return vaddq_f64(a, b); }
INLINE f32r sub(f32r a, f32r b) { return vsubq_f32(a, b); }
INLINE f64r sub(f64r a, f64r b) { return vsubq_f64(a, b); }
INLINE f32r mul(f32r a, f32r b) { return vmulq_f32(a, b); }
INLINE f64r mul(f64r a, f64r b) { return vmulq_f64(a, b); }
INLINE f32r div(f32r a, f32r b) { return vdivq_f32(a, b); }
INLINE f64r div(f64r a, f64r b) { return vdivq_f64(a, b); }
INLINE f32r fma(f32r a, f32r b, f32r c) { return vfmaq_f32(c, a, b); }
INLINE f64r fma(f64r a, f64r b, f64r c) { return vfmaq_f64(c, a, b); }
INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
// Not -(c - a * b), whose zero has the other sign.
INLINE f32r fms(f32r a, f32r b, f32r c) { return vfmaq_f32(vnegq_f32(c), a, b); }
INLINE f64r fms(f64r a, f64r b, f64r c) { return vfmaq_f64(vnegq_f64(c), a, b); }
INLINE f32r muladd(f32r a, f32r b, f32r c) { return vfmaq_f32(c, a, b); }
INLINE f64r muladd(f64r a, f64r b, f64r c) { return vfmaq_f64(c, a, b); }
INLINE double muladd(double a, double b, double c) { return __builtin_fma(a, b, c); }
// FMAX keeps a NaN of either operand and FMAXNM of neither; here the second's is kept.
INLINE f32r max_number(f32r a, f32r b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
INLINE f64r max_number(f64r a, f64r b) { return vbslq_f64(vcgtq_f64(a, b), a, b); }
INLINE f32r min_number(f32r a, f32r b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
INLINE f64r min_number(f64r a, f64r b) { return vbslq_f64(vcltq_f64(a, b), a, b); }
INLINE f32r absolute(f32r a) { return vabsq_f32(a); }
INLINE f64r absolute(f64r a) { return vabsq_f64(a); }

INLINE f32r zero_if_equal(f32r a, f32r b, f32r c) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(c), vceqq_f32(a, b)));
}
INLINE f64r zero_if_equal(f64r a, f64r b, f64r c) {
  return vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(c), vceqq_f64(a, b)));
}
INLINE f32r count_if_equal(f32r a, f32r b, f32r c) {
  const uint32x4_t one = vreinterpretq_u32_f32(vdupq_n_f32(1));
  return vaddq_f32(c, vreinterpretq_f32_u32(vandq_u32(vceqq_f32(a, b), one)));
}
INLINE f64r count_if_equal(f64r a, f64r b, f64r c) {
  const uint64x2_t one = vreinterpretq_u64_f64(vdupq_n_f64(1));
  return vaddq_f64(c, vreinterpretq_f64_u64(vandq_u64(vceqq_f64(a, b), one)));
}
INLINE f32r keep(uint32_t bits, f32r v, f32r other) {
  const uint32x4_t bit = {1, 2, 4, 8};
  return vbslq_f32(vtstq_u32(vdupq_n_u32(bits), bit), v, other);
}
INLINE f64r keep(uint32_t bits, f64r v, f64r other) {
  const uint64x2_t bit = {1, 2};
  return vbslq_f64(vtstq_u64(vdupq_n_u64(bits), bit), v, other);
}
INLINE f32r select_greater(f32r a, f32r b, f32r c, f32r d) { return vbslq_f32(vcgtq_f32(a, b), c, d); }
INLINE f64r select_greater(f64r a, f64r b, f64r c, f64r d) { return vbslq_f64(vcgtq_f64(a, b), c, d); }
INLINE void load_register_whole(const int32_t* p, f32r& v) { v = vcvtq_f32_s32(vld1q_s32(p)); }
INLINE void load_register_whole(const int32_t* p, f64r& v) { v = vcvtq_f64_s64(vmovl_s32(vld1_s32(p))); }
INLINE uint32_t mask_greater(f32r a, f32r b) {
  const uint32x4_t bit = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcgtq_f32(a, b), bit));
}
INLINE uint32_t mask_greater(f64r a, f64r b) {
  const uint64x2_t bit = {1, 2};
  return uint32_t(vaddvq_u64(vandq_u64(vcgtq_f64(a, b), bit)));
}
INLINE bool all_less(f32r a, f32r b) { return vminvq_u32(vcltq_f32(a, b)) != 0; }
INLINE bool all_less(f64r a, f64r b) { return vminvq_u32(vreinterpretq_u32_u64(vcltq_f64(a, b))) != 0; }

INLINE f32r add_bits(f32r a, f32r b) {
  return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
// The table is looked up byte by byte: entry j is bytes 4j to 4j + 3.
INLINE f32r pow2(f32r z) {
  const uint8x16x2_t table = vld1q_u8_x2(reinterpret_cast<const uint8_t*>(pow2_table));
  const uint32x4_t bits = vreinterpretq_u32_f32(z), j = vandq_u32(bits, vdupq_n_u32(7));
  const uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100), j, vdupq_n_u32(0x04040404));
  const uint32x4_t entry = vreinterpretq_u32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
  return vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(bits, 20), entry));
}
INLINE f64r pow2(f64r z) { return vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(z), 52)); }

INLINE void split_exponent(f64r u, f64r& k, f64r& m) {
  const int64x2_t half_root = vdupq_n_s64(half_root_bits);
  const int64x2_t bits = vaddq_s64(vreinterpretq_s64_f64(u), vdupq_n_s64(one_bits - half_root_bits));
  const int64x2_t exponent = vorrq_s64(vshrq_n_s64(bits, 52), vdupq_n_s64(two52_bits));
  k = vsubq_f64(vreinterpretq_f64_s64(exponent), vdupq_n_f64(two52_plus_bias));
  m = vreinterpretq_f64_s64(vaddq_s64(vandq_s64(bits, vdupq_n_s64(mantissa_bits)), half_root));
}
INLINE void exponent_of(f32r u, f32r& k, f32r& down) {
  const int32x4_t bits = vaddq_s32(vreinterpretq_s32_f32(u), vdupq_n_s32(one_bits_f32 - half_root_bits_f32));
  const int32x4_t exponent = vorrq_s32(vshrq_n_s32(bits, 23), vdupq_n_s32(two23_bits_f32));
  k = vsubq_f32(vreinterpretq_f32_s32(exponent), vdupq_n_f32(two23_plus_bias_f32));
  const int32x4_t own = vandq_s32(bits, vdupq_n_s32(exponent_bits_f32));
  down = vreinterpretq_f32_s32(vsubq_s32(vdupq_n_s32(twice_bias_bits_f32), own));
}

// The fixed tree of promise 2: lanes i and i + half, from half the lanes down to 1; folded: down to 16 bytes.
INLINE f64r fold_add(const f64r* r) { return vaddq_f64(vaddq_f64(r[0], r[2]), vaddq_f64(r[1], r[3])); }
INLINE f32r fold_add(const f32r* r) { return vaddq_f32(vaddq_f32(r[0], r[2]), vaddq_f32(r[1], r[3])); }
INLINE double reduce_add(f64r v) { return vgetq_lane_f64(v, 0) + vgetq_lane_f64(v, 1); }
INLINE float reduce_add(f32q v) {
  const float32x2_t two = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
// There is no NaN among these.
INLINE f64r fold_max(const f64r* r) { return vmaxq_f64(vmaxq_f64(r[0], r[1]), vmaxq_f64(r[2], r[3])); }
INLINE f32r fold_max(const f32r* r) { return vmaxq_f32(vmaxq_f32(r[0], r[1]), vmaxq_f32(r[2], r[3])); }
INLINE double reduce_max(f64r v) { return vmaxvq_f64(v); }
INLINE float reduce_max(f32q v) { return vmaxvq_f32(v); }

// Four rows of four neighbouring columns as four column registers, and back; see block.h.
INLINE void transpose_quarters(f32r* c) {
  const float64x2_t ab0 = vreinterpretq_f64_f32(vtrn1q_f32(c[0], c[1]));
  const float64x2_t ab1 = vreinterpretq_f64_f32(vtrn2q_f32(c[0], c[1]));
  const float64x2_t cd0 = vreinterpretq_f64_f32(vtrn1q_f32(c[2], c[3]));
  const float64x2_t cd1 = vreinterpretq_f64_f32(vtrn2q_f32(c[2], c[3]));
  c[0] = vreinterpretq_f32_f64(vtrn1q_f64(ab0, cd0));
  c[1] = vreinterpretq_f32_f64(vtrn1q_f64(ab1, cd1));
  c[2] = vreinterpretq_f32_f64(vtrn2q_f64(ab0, cd0));
  c[3] = vreinterpretq_f32_f64(vtrn2q_f64(ab1, cd1));
}
template <class Row>
INLINE void load_panel_registers(Row row, f32r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) c[j] = vld1q_f32(row(j));
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f32r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) put(j, c[j]);
}

// Of rows of two in two registers the first and the second of each, and back.
INLINE void split_pairs(f32r* c) {
  const f32r first = vuzp1q_f32(c[0], c[1]), second = vuzp2q_f32(c[0], c[1]);
  c[0] = first, c[1] = second;
}
INLINE void join_pairs(f32r* c) {
  const f32r lo = vzip1q_f32(c[0], c[1]), hi = vzip2q_f32(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}

// Two rows of two neighbouring columns.
INLINE void transpose_quarters(f64r* c) {
  const f64r lo = vtrn1q_f64(c[0], c[1]), hi = vtrn2q_f64(c[0], c[1]);
  c[0] = lo, c[1] = hi;
}
template <class Row>
INLINE void load_panel_registers(Row row, f64r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) c[j] = vld1q_f64(row(j));
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f64r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(j, c[j]);
}

// As many of `count` halves as fill registers; how many that was.
INLINE size_t widen_halves(const uint16_t* half, size_t count, float* p) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(p + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(half + i))));
  return i;
}
INLINE size_t narrow_halves(const float* p, size_t count, uint16_t* half) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1_u16(half + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(p + i))));
  return i;
}

}  // namespace UNITS

#undef INLINE
