// Register vocabulary for WebAssembly. What each function means is said in block.h.
//
// With relaxed SIMD a multiply-add is fused where the CPU can, and has the bits of the other fused ISAs; whether it is
// fused is for the caller to find out (lib/backends/wasm/probe.ts). Of the relaxed instructions only that one is used: what others
// do differs from engine to engine. Without relaxed SIMD every result has the bits of portable.h.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include "../math/constants.h"

#define INLINE inline __attribute__((always_inline))

// A module is compiled on every load.
#define SUMS_INLINE __attribute__((noinline))

namespace UNITS {

// Code is kept small where the last tenth of speed costs much of it: it is downloaded.
constexpr bool is_compact = true;

// Types of their own for the registers: v128_t does not tell floats from doubles.
typedef float f32r __attribute__((vector_size(16)));
typedef double f64r __attribute__((vector_size(16)));
using f32q = f32r;

// Words in 64-bit lanes, and the product of the low words of each.
typedef uint64_t u64r __attribute__((vector_size(sizeof(f64r))));
INLINE u64r mul_words(u64r a, u64r b) { return (a & 0xffffffff) * (b & 0xffffffff); }

INLINE f32r splat_register(float v) { return (f32r)wasm_f32x4_splat(v); }
INLINE f64r splat_register(double v) { return (f64r)wasm_f64x2_splat(v); }
INLINE f32r load_register(const float* p) { return (f32r)wasm_v128_load(p); }
INLINE f64r load_register(const double* p) { return (f64r)wasm_v128_load(p); }
INLINE void store_register(float* p, f32r v) { wasm_v128_store(p, (v128_t)v); }
INLINE void store_register(double* p, f64r v) { wasm_v128_store(p, (v128_t)v); }
INLINE void stream_register(float* p, f32r v) { store_register(p, v); }
INLINE void stream_register(double* p, f64r v) { store_register(p, v); }
INLINE void stream_fence() {}

INLINE f32q splat_quarter(float v) { return splat_register(v); }
INLINE f32q load_quarter(const float* p) { return load_register(p); }
INLINE f32r load_register_first(const float* p, size_t count, float fill) {
  v128_t v = wasm_f32x4_splat(fill);
  if (count > 0) v = wasm_v128_load32_lane(p, v, 0);
  if (count > 1) v = wasm_v128_load32_lane(p + 1, v, 1);
  if (count > 2) v = wasm_v128_load32_lane(p + 2, v, 2);
  return (f32r)v;
}
INLINE f32q load_quarter_first(const float* p, size_t count, float fill) {
  return load_register_first(p, count, fill);
}
INLINE f64r load_register_first(const double* p, size_t count, double fill) {
  const v128_t v = wasm_f64x2_splat(fill);
  return (f64r)(count > 0 ? wasm_v128_load64_lane(p, v, 0) : v);
}
INLINE void store_register_first(float* p, f32r v, size_t count) {
  if (count > 0) wasm_v128_store32_lane(p, (v128_t)v, 0);
  if (count > 1) wasm_v128_store32_lane(p + 1, (v128_t)v, 1);
  if (count > 2) wasm_v128_store32_lane(p + 2, (v128_t)v, 2);
}
INLINE void store_register_first(double* p, f64r v, size_t count) {
  if (count > 0) wasm_v128_store64_lane(p, (v128_t)v, 0);
}

INLINE v128_t upper_half(f32r v) { return wasm_i64x2_shuffle((v128_t)v, (v128_t)v, 1, 1); }
INLINE f64r load_register_widened(const float* p) {
  return (f64r)wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(p));
}
INLINE void store_register_narrowed(float* p, f64r v) {
  wasm_v128_store64_lane(p, wasm_f32x4_demote_f64x2_zero((v128_t)v), 0);
}
INLINE void widen_register(f32r v, f64r* half) {
  half[0] = (f64r)wasm_f64x2_promote_low_f32x4((v128_t)v);
  half[1] = (f64r)wasm_f64x2_promote_low_f32x4(upper_half(v));
}
INLINE f32r narrow_registers(f64r lo, f64r hi) {
  return (f32r)wasm_i64x2_shuffle(wasm_f32x4_demote_f64x2_zero((v128_t)lo),
                                  wasm_f32x4_demote_f64x2_zero((v128_t)hi), 0, 2);
}

INLINE f32r add(f32r a, f32r b) { return a + b; }
INLINE f64r add(f64r a, f64r b) { return a + b; }
INLINE f32r sub(f32r a, f32r b) { return a - b; }
INLINE f64r sub(f64r a, f64r b) { return a - b; }
INLINE f32r mul(f32r a, f32r b) { return a * b; }
INLINE f64r mul(f64r a, f64r b) { return a * b; }
INLINE f32r div(f32r a, f32r b) { return a / b; }
INLINE f64r div(f64r a, f64r b) { return a / b; }

#ifdef __wasm_relaxed_simd__
INLINE f32r fma(f32r a, f32r b, f32r c) { return (f32r)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c); }
INLINE f64r fma(f64r a, f64r b, f64r c) { return (f64r)wasm_f64x2_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c); }
INLINE double fma(double a, double b, double c) {
  return fma(splat_register(a), splat_register(b), splat_register(c))[0];
}
INLINE f32r muladd(f32r a, f32r b, f32r c) { return fma(a, b, c); }
INLINE f64r muladd(f64r a, f64r b, f64r c) { return fma(a, b, c); }
INLINE double muladd(double a, double b, double c) { return fma(a, b, c); }
#else
}  // namespace UNITS
#include "unfused.h"
namespace UNITS {
#endif
// Not with a subtraction, whose zero has the other sign.
INLINE f32r fms(f32r a, f32r b, f32r c) { return fma(a, b, -c); }
INLINE f64r fms(f64r a, f64r b, f64r c) { return fma(a, b, -c); }

// A NaN in the first operand is ignored: pmax(b, a) is b < a ? a : b.
INLINE f32r max_number(f32r a, f32r b) { return (f32r)wasm_f32x4_pmax((v128_t)b, (v128_t)a); }
INLINE f64r max_number(f64r a, f64r b) { return (f64r)wasm_f64x2_pmax((v128_t)b, (v128_t)a); }
INLINE f32r min_number(f32r a, f32r b) { return (f32r)wasm_f32x4_pmin((v128_t)b, (v128_t)a); }
INLINE f64r min_number(f64r a, f64r b) { return (f64r)wasm_f64x2_pmin((v128_t)b, (v128_t)a); }
INLINE f32r absolute(f32r a) { return (f32r)wasm_f32x4_abs((v128_t)a); }
INLINE f64r absolute(f64r a) { return (f64r)wasm_f64x2_abs((v128_t)a); }

INLINE f32r zero_if_equal(f32r a, f32r b, f32r c) {
  return (f32r)wasm_v128_andnot((v128_t)c, wasm_f32x4_eq((v128_t)a, (v128_t)b));
}
INLINE f64r zero_if_equal(f64r a, f64r b, f64r c) {
  return (f64r)wasm_v128_andnot((v128_t)c, wasm_f64x2_eq((v128_t)a, (v128_t)b));
}
INLINE f32r count_if_equal(f32r a, f32r b, f32r c) {
  return c + (f32r)wasm_v128_and(wasm_f32x4_splat(1), wasm_f32x4_eq((v128_t)a, (v128_t)b));
}
INLINE f64r count_if_equal(f64r a, f64r b, f64r c) {
  return c + (f64r)wasm_v128_and(wasm_f64x2_splat(1), wasm_f64x2_eq((v128_t)a, (v128_t)b));
}
INLINE f32r keep(uint32_t bits, f32r v, f32r other) {
  const v128_t bit = wasm_i32x4_const(1, 2, 4, 8);
  const v128_t set = wasm_i32x4_eq(wasm_v128_and(wasm_i32x4_splat(int32_t(bits)), bit), bit);
  return (f32r)wasm_v128_bitselect((v128_t)v, (v128_t)other, set);
}
INLINE f64r keep(uint32_t bits, f64r v, f64r other) {
  const v128_t bit = wasm_i64x2_const(1, 2);
  const v128_t set = wasm_i64x2_eq(wasm_v128_and(wasm_i64x2_splat(int64_t(bits)), bit), bit);
  return (f64r)wasm_v128_bitselect((v128_t)v, (v128_t)other, set);
}
INLINE uint32_t set_among_sixteen(const uint8_t* p) {
  return uint32_t(wasm_i8x16_bitmask(wasm_i8x16_ne(wasm_v128_load(p), wasm_i8x16_splat(0))));
}
INLINE f32r select_greater(f32r a, f32r b, f32r c, f32r d) {
  return (f32r)wasm_v128_bitselect((v128_t)c, (v128_t)d, wasm_f32x4_gt((v128_t)a, (v128_t)b));
}
INLINE f64r select_greater(f64r a, f64r b, f64r c, f64r d) {
  return (f64r)wasm_v128_bitselect((v128_t)c, (v128_t)d, wasm_f64x2_gt((v128_t)a, (v128_t)b));
}
INLINE void load_register_whole(const int32_t* p, f32r& v) {
  v = (f32r)wasm_f32x4_convert_i32x4(wasm_v128_load(p));
}
INLINE void load_register_whole(const int32_t* p, f64r& v) { v = f64r{double(p[0]), double(p[1])}; }
INLINE uint32_t mask_greater(f32r a, f32r b) {
  return uint32_t(wasm_i32x4_bitmask(wasm_f32x4_gt((v128_t)a, (v128_t)b)));
}
INLINE uint32_t mask_greater(f64r a, f64r b) {
  return uint32_t(wasm_i64x2_bitmask(wasm_f64x2_gt((v128_t)a, (v128_t)b)));
}
INLINE bool all_less(f32r a, f32r b) { return wasm_i32x4_all_true(wasm_f32x4_lt((v128_t)a, (v128_t)b)); }
INLINE bool all_less(f64r a, f64r b) { return wasm_i64x2_all_true(wasm_f64x2_lt((v128_t)a, (v128_t)b)); }

INLINE f32r add_bits(f32r a, f32r b) { return (f32r)wasm_i32x4_add((v128_t)a, (v128_t)b); }

// V8 makes a constant anew, by three instructions, wherever a loop uses it; what comes from memory before the loop it keeps. Defined
// in wasm.cc, so that clang does not know them here. (Members of a struct it would not read before a loop.)
#define IN_MEMORY(name) name##_in_memory
extern const float exp_f32_in_memory[4];
alignas(16) extern const uint32_t pow2_in_memory[20];  // the table, and three constants of a register each

// The table is looked up by halves of its entries, for two registers at once: a swizzle reaches 16 bytes, which are the eight lower
// or the eight upper halves. Index j stands for the bytes 2j and 2j + 1.
INLINE void pow2(f32r a, f32r b, f32r& of_a, f32r& of_b) {
  const uint32_t *const table = pow2_in_memory, *const seven = table + 8, *const twice = table + 12,
                        *const and_next = table + 16;
  const v128_t mask = wasm_v128_load(seven);
  const v128_t j = wasm_i16x8_narrow_i32x4(wasm_v128_and((v128_t)a, mask), wasm_v128_and((v128_t)b, mask));
  const v128_t bytes = wasm_i16x8_add(wasm_i16x8_mul(j, wasm_v128_load(twice)), wasm_v128_load(and_next));
  const v128_t low = wasm_i8x16_swizzle(wasm_v128_load(table), bytes);
  const v128_t high = wasm_i8x16_swizzle(wasm_v128_load(table + 4), bytes);
  const v128_t first = wasm_i16x8_shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
  const v128_t second = wasm_i16x8_shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
  of_a = (f32r)wasm_i32x4_add(wasm_i32x4_shl((v128_t)a, 20), first);
  of_b = (f32r)wasm_i32x4_add(wasm_i32x4_shl((v128_t)b, 20), second);
}
INLINE f32r pow2(f32r z) {
  f32r of_z, again;
  pow2(z, z, of_z, again);
  return of_z;
}
INLINE f64r pow2(f64r z) { return (f64r)wasm_i64x2_shl((v128_t)z, 52); }

INLINE void split_exponent(f64r u, f64r& k, f64r& m) {
  const v128_t half_root = wasm_i64x2_splat(half_root_bits);
  const v128_t bits = wasm_i64x2_add((v128_t)u, wasm_i64x2_splat(one_bits - half_root_bits));
  const v128_t exponent = wasm_v128_or(wasm_i64x2_shr(bits, 52), wasm_i64x2_splat(two52_bits));
  k = (f64r)exponent - splat_register(two52_plus_bias);
  m = (f64r)wasm_i64x2_add(wasm_v128_and(bits, wasm_i64x2_splat(mantissa_bits)), half_root);
}
INLINE void exponent_of(f32r u, f32r& k, f32r& down) {
  const v128_t bits = wasm_i32x4_add((v128_t)u, wasm_i32x4_splat(one_bits_f32 - half_root_bits_f32));
  const v128_t exponent = wasm_v128_or(wasm_u32x4_shr(bits, 23), wasm_i32x4_splat(two23_bits_f32));
  k = (f32r)exponent - splat_register(two23_plus_bias_f32);
  const v128_t own = wasm_v128_and(bits, wasm_i32x4_splat(exponent_bits_f32));
  down = (f32r)wasm_i32x4_sub(wasm_i32x4_splat(twice_bias_bits_f32), own);
}

// The fixed tree of promise 2: lanes i and i + half, from half the lanes down to 1; folded: down to 16 bytes.
INLINE f64r fold_add(const f64r* r) { return (r[0] + r[2]) + (r[1] + r[3]); }
INLINE f32r fold_add(const f32r* r) { return (r[0] + r[2]) + (r[1] + r[3]); }
INLINE f64r fold_max(const f64r* r) { return max_number(max_number(r[0], r[1]), max_number(r[2], r[3])); }
INLINE f32r fold_max(const f32r* r) { return max_number(max_number(r[0], r[1]), max_number(r[2], r[3])); }
INLINE double reduce_add(f64r v) { return v[0] + v[1]; }
INLINE float reduce_add(f32q v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE float reduce_max(f32q m) {
  const float a = m[0] > m[1] ? m[0] : m[1], b = m[2] > m[3] ? m[2] : m[3];
  return a > b ? a : b;
}
INLINE double reduce_max(f64r m) { return m[0] > m[1] ? m[0] : m[1]; }

// Four rows of four neighbouring columns as four column registers, and back; see block.h.
INLINE void transpose_quarters(f32r* c) {
  const v128_t ab0 = wasm_i32x4_shuffle((v128_t)c[0], (v128_t)c[1], 0, 4, 1, 5);
  const v128_t ab1 = wasm_i32x4_shuffle((v128_t)c[0], (v128_t)c[1], 2, 6, 3, 7);
  const v128_t cd0 = wasm_i32x4_shuffle((v128_t)c[2], (v128_t)c[3], 0, 4, 1, 5);
  const v128_t cd1 = wasm_i32x4_shuffle((v128_t)c[2], (v128_t)c[3], 2, 6, 3, 7);
  c[0] = (f32r)wasm_i64x2_shuffle(ab0, cd0, 0, 2);
  c[1] = (f32r)wasm_i64x2_shuffle(ab0, cd0, 1, 3);
  c[2] = (f32r)wasm_i64x2_shuffle(ab1, cd1, 0, 2);
  c[3] = (f32r)wasm_i64x2_shuffle(ab1, cd1, 1, 3);
}
template <class Row>
INLINE void load_panel_registers(Row row, f32r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) c[j] = load_register(row(j));
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
  const v128_t a = (v128_t)c[0], b = (v128_t)c[1];
  c[0] = (f32r)wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), c[1] = (f32r)wasm_i32x4_shuffle(a, b, 1, 3, 5, 7);
}
INLINE void join_pairs(f32r* c) {
  const v128_t a = (v128_t)c[0], b = (v128_t)c[1];
  c[0] = (f32r)wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), c[1] = (f32r)wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
}

// Two rows of two neighbouring columns.
INLINE void transpose_quarters(f64r* c) {
  const v128_t a = (v128_t)c[0], b = (v128_t)c[1];
  c[0] = (f64r)wasm_i64x2_shuffle(a, b, 0, 2), c[1] = (f64r)wasm_i64x2_shuffle(a, b, 1, 3);
}
template <class Row>
INLINE void load_panel_registers(Row row, f64r* c) {
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) c[j] = load_register(row(j));
  transpose_quarters(c);
}
template <class Put>
INLINE void store_panel_registers(Put put, f64r* c) {
  transpose_quarters(c);
#pragma GCC unroll 4
  for (int j = 0; j < 2; j++) put(j, c[j]);
}

}  // namespace UNITS

#include "halves.h"

#undef INLINE
#include "block.h"

// Of sixteen registers V8 keeps few free: its loops are to have no more constants and sums than that.
#define FEW_REGISTERS true

namespace UNITS {

INLINE F32 pow2(F32 z) {
  F32 powers;
  pow2(z.r[0], z.r[1], powers.r[0], powers.r[1]);
  pow2(z.r[2], z.r[3], powers.r[2], powers.r[3]);
  return powers;
}
INLINE Half pow2(Half z) {
  Half powers;
  pow2(z.r[0], z.r[1], powers.r[0], powers.r[1]);
  return powers;
}

INLINE Half keep_where(Half words, int bit, Half v, Half other) {
  return by_registers<Half>([&](size_t i)
                                INLINE_LAMBDA { return keep_where(words.r[i], bit, v.r[i], other.r[i]); });
}

#ifndef __wasm_relaxed_simd__
#define POWERS_APART true  // that product takes what registers there are

// Dekker's product of halves of 12 bits, whose error is exact; and so is the difference of neighbours: what is rounded is their sum.
// Elsewhere doubles are less code.
INLINE f32r beyond_whole(f32r x, f32r c, f32r m) {
  const v128_t upper = wasm_i32x4_splat(int32_t(0xfffff000));
  const f32r x_hi = (f32r)wasm_v128_and((v128_t)x, upper), c_hi = (f32r)wasm_v128_and((v128_t)c, upper);
  const f32r x_lo = x - x_hi, c_lo = c - c_hi, product = x * c;
  const f32r error = ((x_hi * c_hi - product) + x_hi * c_lo + x_lo * c_hi) + x_lo * c_lo;
  return (product + m) + error;
}
INLINE Half beyond_whole(Half x, Half c, Half m) {
  return {{beyond_whole(x.r[0], c.r[0], m.r[0]), beyond_whole(x.r[1], c.r[1], m.r[1])}};
}
#endif

}  // namespace UNITS
