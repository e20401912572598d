// Register vocabulary for any CPU: vectors of 16 bytes as GCC and Clang lower them everywhere (SSE2 on x86-64).
// There may be no fused multiply-add; where one is needed it is worked out in higher precision. Results obey the
// same error bounds as the other ISAs' but differ from theirs in last bits.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../math/constants.h"

#define INLINE inline __attribute__((always_inline))

#define SUMS_INLINE __attribute__((noinline))

namespace UNITS {

// Code is kept small where the last tenth of speed costs much of it: few machines run it.
constexpr bool is_compact = true;

typedef float f32r __attribute__((vector_size(16)));
typedef double f64r __attribute__((vector_size(16)));
using f32q = f32r;
typedef int32_t i32r __attribute__((vector_size(16)));
typedef int64_t i64r __attribute__((vector_size(16)));
// Where bits are added up or shifted, which may overflow.
typedef uint32_t u32r __attribute__((vector_size(16)));
typedef uint64_t u64r __attribute__((vector_size(16)));

// The product of the low words of each lane.
INLINE u64r mul_words(u64r a, u64r b) { return (a & 0xffffffff) * (b & 0xffffffff); }

INLINE f32r splat_register(float v) { return f32r{v, v, v, v}; }
INLINE f64r splat_register(double v) { return f64r{v, v}; }
INLINE f32r load_register(const float* p) {
  f32r v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
INLINE f64r load_register(const double* p) {
  f64r v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
INLINE void store_register(float* p, f32r v) { __builtin_memcpy(p, &v, sizeof v); }
INLINE void store_register(double* p, f64r v) { __builtin_memcpy(p, &v, sizeof v); }
INLINE void stream_register(float* p, f32r v) { store_register(p, v); }
INLINE void stream_register(double* p, f64r v) { store_register(p, v); }
INLINE void stream_fence() {}

INLINE f32q splat_quarter(float v) { return splat_register(v); }
INLINE f32q load_quarter(const float* p) { return load_register(p); }
INLINE f32r load_register_first(const float* p, size_t count, float fill) {
  f32r v = splat_register(fill);
  for (size_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}
INLINE f32q load_quarter_first(const float* p, size_t count, float fill) {
  return load_register_first(p, count, fill);
}
INLINE f64r load_register_first(const double* p, size_t count, double fill) {
  f64r v = splat_register(fill);
  for (size_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}
INLINE void store_register_first(float* p, f32r v, size_t count) {
  for (size_t i = 0; i < count; i++) p[i] = v[i];
}
INLINE void store_register_first(double* p, f64r v, size_t count) {
  for (size_t i = 0; i < count; i++) p[i] = v[i];
}

typedef float f32h __attribute__((vector_size(8)));
INLINE void widen_register(f32r v, f64r* half) {
  f32h part[2];
  __builtin_memcpy(part, &v, sizeof v);
  half[0] = __builtin_convertvector(part[0], f64r);
  half[1] = __builtin_convertvector(part[1], f64r);
}
INLINE f64r load_register_widened(const float* p) {
  f32h v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, f64r);
}
INLINE void store_register_narrowed(float* p, f64r v) {
  const f32h half = __builtin_convertvector(v, f32h);
  __builtin_memcpy(p, &half, sizeof half);
}
INLINE f32r narrow_registers(f64r lo, f64r hi) {
  const f32h part[2] = {__builtin_convertvector(lo, f32h), __builtin_convertvector(hi, f32h)};
  f32r v;
  __builtin_memcpy(&v, part, sizeof v);
  __asm__("" : "+m"(v));  // gcc 12 -O3 takes the rounding away where the floats are widened again
  return v;
}

INLINE f32r add(f32r a, f32r b) { return a + b; }
INLINE f64r add(f64r a, f64r b) { return a + b; }
INLINE f32r sub(f32r a, f32r b) { return a - b; }
INLINE f64r sub(f64r a, f64r b) { return a - b; }
INLINE f32r mul(f32r a, f32r b) { return a * b; }
INLINE f64r mul(f64r a, f64r b) { return a * b; }
INLINE f32r div(f32r a, f32r b) { return a / b; }
INLINE f64r div(f64r a, f64r b) { return a / b; }
}  // namespace UNITS
#include "unfused.h"
namespace UNITS {
INLINE f32r fms(f32r a, f32r b, f32r c) { return fma(a, b, -c); }
INLINE f64r fms(f64r a, f64r b, f64r c) { return fma(a, b, -c); }

INLINE f32r max_number(f32r a, f32r b) {
  const i32r more = a > b;
  return (f32r)(((i32r)a & more) | ((i32r)b & ~more));
}
INLINE f64r max_number(f64r a, f64r b) {
  const i64r more = a > b;
  return (f64r)(((i64r)a & more) | ((i64r)b & ~more));
}
INLINE f32r min_number(f32r a, f32r b) {
  const i32r less = a < b;
  return (f32r)(((i32r)a & less) | ((i32r)b & ~less));
}
INLINE f64r min_number(f64r a, f64r b) {
  const i64r less = a < b;
  return (f64r)(((i64r)a & less) | ((i64r)b & ~less));
}
INLINE f32r absolute(f32r a) { return (f32r)((i32r)a & 0x7fffffff); }
INLINE f64r absolute(f64r a) { return (f64r)((i64r)a & 0x7fffffffffffffff); }
INLINE f32r zero_if_equal(f32r a, f32r b, f32r c) { return (f32r)((i32r)c & (a != b)); }
INLINE f64r zero_if_equal(f64r a, f64r b, f64r c) { return (f64r)((i64r)c & (a != b)); }
INLINE f32r count_if_equal(f32r a, f32r b, f32r c) { return c + (f32r)((i32r)splat_register(1.0f) & (a == b)); }
INLINE f64r count_if_equal(f64r a, f64r b, f64r c) { return c + (f64r)((i64r)splat_register(1.0) & (a == b)); }
INLINE f32r keep(uint32_t bits, f32r v, f32r other) {
  const i32r all = {int32_t(bits), int32_t(bits), int32_t(bits), int32_t(bits)};
  const i32r set = (all & i32r{1, 2, 4, 8}) != 0;
  return (f32r)(((i32r)v & set) | ((i32r)other & ~set));
}
INLINE f64r keep(uint32_t bits, f64r v, f64r other) {
  const i64r all = {int64_t(bits), int64_t(bits)};
  const i64r set = (all & i64r{1, 2}) != 0;
  return (f64r)(((i64r)v & set) | ((i64r)other & ~set));
}
INLINE f32r select_greater(f32r a, f32r b, f32r c, f32r d) {
  const i32r mask = a > b;
  return (f32r)(((i32r)c & mask) | ((i32r)d & ~mask));
}
INLINE f64r select_greater(f64r a, f64r b, f64r c, f64r d) {
  const i64r mask = a > b;
  return (f64r)(((i64r)c & mask) | ((i64r)d & ~mask));
}
INLINE void load_register_whole(const int32_t* p, f32r& v) {
  i32r whole;
  __builtin_memcpy(&whole, p, sizeof whole);
  v = __builtin_convertvector(whole, f32r);
}
INLINE void load_register_whole(const int32_t* p, f64r& v) { v = f64r{double(p[0]), double(p[1])}; }
INLINE uint32_t mask_greater(f32r a, f32r b) {
  const i32r bits = (a > b) & i32r{1, 2, 4, 8};
  return uint32_t(bits[0] | bits[1] | bits[2] | bits[3]);
}
INLINE uint32_t mask_greater(f64r a, f64r b) {
  const i64r bits = (a > b) & i64r{1, 2};
  return uint32_t(bits[0] | bits[1]);
}
INLINE bool all_less(f32r a, f32r b) {
  const i32r less = a < b;
  return (less[0] & less[1] & less[2] & less[3]) != 0;
}
INLINE bool all_less(f64r a, f64r b) {
  const i64r less = a < b;
  return (less[0] & less[1]) != 0;
}

INLINE f32r add_bits(f32r a, f32r b) { return (f32r)((u32r)a + (u32r)b); }
INLINE f32r pow2(f32r z) {
  const u32r bits = (u32r)z, j = bits & 7;
  const u32r entry = {pow2_table[j[0]], pow2_table[j[1]], pow2_table[j[2]], pow2_table[j[3]]};
  return (f32r)((bits << 20) + entry);
}
INLINE f64r pow2(f64r z) { return (f64r)((u64r)z << 52); }

INLINE void split_exponent(f64r u, f64r& k, f64r& m) {
  const i64r bits = (i64r)((u64r)u + uint64_t(one_bits - half_root_bits));  // of NaN too
  k = (f64r)((bits >> 52) | two52_bits) - two52_plus_bias;
  m = (f64r)((bits & mantissa_bits) + half_root_bits);
}
INLINE void exponent_of(f32r u, f32r& k, f32r& down) {
  const u32r bits = (u32r)u + uint32_t(one_bits_f32 - half_root_bits_f32);
  k = (f32r)(bits >> 23 | uint32_t(two23_bits_f32)) - two23_plus_bias_f32;
  down = (f32r)(uint32_t(twice_bias_bits_f32) - (bits & uint32_t(exponent_bits_f32)));
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
  const f32r r[4] = {c[0], c[1], c[2], c[3]};
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) c[j] = f32r{r[0][j], r[1][j], r[2][j], r[3][j]};
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
  const f32r first = {c[0][0], c[0][2], c[1][0], c[1][2]}, second = {c[0][1], c[0][3], c[1][1], c[1][3]};
  c[0] = first, c[1] = second;
}
INLINE void join_pairs(f32r* c) {
  const f32r lo = {c[0][0], c[1][0], c[0][1], c[1][1]}, hi = {c[0][2], c[1][2], c[0][3], c[1][3]};
  c[0] = lo, c[1] = hi;
}

INLINE void transpose_quarters(f64r* c) {
  const f64r lo = {c[0][0], c[1][0]}, hi = {c[0][1], c[1][1]};
  c[0] = lo, c[1] = hi;
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
