// A block is 64 bytes of lanes, 16 floats or 8 doubles, on every ISA: one AVX-512 register, two AVX2, four of
// 16 bytes. The kernels are written over blocks, so that lane i of a row is added to the same partial sum, in
// the same order, everywhere; that is what makes the bits equal across ISAs. Each isa/*.h defines the
// register vocabulary (f32r, f64r and the functions on them); this header lifts it to blocks.
//
// Only intrinsics headers may be included by kernel units, and everything lives in its ISA's own namespace: an
// inline function of the standard library compiled for AVX-512 could be the copy the linker keeps for all.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Unless nothing is to be optimised: sanitizers would make functions of gigabytes.
#ifdef __OPTIMIZE__
#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#else
#define INLINE inline
#define INLINE_LAMBDA
#endif

namespace UNITS {

constexpr size_t block_bytes = 64;
constexpr size_t page_bytes = 4096;

template <class R, class T, size_t bytes = block_bytes>
struct Block {
  using Register = R;
  using Scalar = T;
  static constexpr size_t lanes = bytes / sizeof(T);
  static constexpr size_t registers = bytes / sizeof(R);
  static constexpr size_t per_register = sizeof(R) / sizeof(T);
  R r[registers];
};

using F32 = Block<f32r, float>;
using F64 = Block<f64r, double>;
// Parts of a block, in registers of 16 bytes, for a row by itself: what goes from lane to lane has less far to go.
using Quarter = Block<f32q, float, block_bytes / 4>;
using Half = Block<f32q, float, block_bytes / 2>;
template <class V>
constexpr bool is_part = sizeof(V) < block_bytes && sizeof(typename V::Register) == sizeof(f32q) &&
                         sizeof(typename V::Scalar) == 4;

// A block of what f gives for each register's index. Without a loop: gcc takes blocks apart before it unrolls loops, and
// keeps in memory what it could not take apart.
template <class V, class F>
INLINE V by_registers(F f) {
  if constexpr (V::registers == 1) {
    return {{f(0)}};
  } else if constexpr (V::registers == 2) {
    return {{f(0), f(1)}};
  } else {
    return {{f(0), f(1), f(2), f(3)}};
  }
}
template <class V, class F>
INLINE void each_register(F f) {
  f(0);
  if constexpr (V::registers > 1) f(1);
  if constexpr (V::registers > 2) f(2), f(3);
}

#define LIFT1(name)                                                               \
  template <class R, class T, size_t bytes>                                       \
  INLINE Block<R, T, bytes> name(Block<R, T, bytes> a) {                          \
    using V = Block<R, T, bytes>;                                                 \
    return by_registers<V>([&](size_t i) INLINE_LAMBDA { return name(a.r[i]); }); \
  }
#define LIFT2(name)                                                                       \
  template <class R, class T, size_t bytes>                                               \
  INLINE Block<R, T, bytes> name(Block<R, T, bytes> a, Block<R, T, bytes> b) {            \
    using V = Block<R, T, bytes>;                                                         \
    return by_registers<V>([&](size_t i) INLINE_LAMBDA { return name(a.r[i], b.r[i]); }); \
  }
#define LIFT3(name)                                                                                  \
  template <class R, class T, size_t bytes>                                                          \
  INLINE Block<R, T, bytes> name(Block<R, T, bytes> a, Block<R, T, bytes> b, Block<R, T, bytes> c) { \
    using V = Block<R, T, bytes>;                                                                    \
    return by_registers<V>([&](size_t i) INLINE_LAMBDA { return name(a.r[i], b.r[i], c.r[i]); });    \
  }
#define LIFT4(name)                                                                                       \
  template <class R, class T, size_t bytes>                                                               \
  INLINE Block<R, T, bytes> name(Block<R, T, bytes> a, Block<R, T, bytes> b, Block<R, T, bytes> c,        \
                                 Block<R, T, bytes> d) {                                                  \
    using V = Block<R, T, bytes>;                                                                         \
    return by_registers<V>([&](size_t i) INLINE_LAMBDA { return name(a.r[i], b.r[i], c.r[i], d.r[i]); }); \
  }

LIFT2(add)
LIFT2(sub)
LIFT2(mul)
LIFT2(div)
LIFT2(max_number)      // the larger; a NaN in the first operand is ignored
LIFT2(min_number)      // the smaller, likewise
LIFT3(fma)             // a * b + c, rounded once
LIFT3(fms)             // a * b - c, rounded once
LIFT3(muladd)          // a * b + c, rounded once or twice, whichever is faster
LIFT3(zero_if_equal)   // c where a != b, else +0; a NaN in a keeps c
LIFT3(count_if_equal)  // c + 1 where a == b, else c
LIFT4(select_greater)  // c where a > b, else d
LIFT1(absolute)
LIFT2(add_bits)  // as integers; of floats only
LIFT1(pow2)      // 2^k from k in the low mantissa bits; see exp.h

#undef LIFT1
#undef LIFT2
#undef LIFT3
#undef LIFT4

template <class V>
INLINE V splat(typename V::Scalar value) {
  return by_registers<V>([=](size_t) INLINE_LAMBDA {
    if constexpr (is_part<V>) return splat_quarter(value);
    if constexpr (!is_part<V>) return splat_register(value);
  });
}

template <class R, class T, size_t bytes>
INLINE T first_lane(Block<R, T, bytes> v) {
  T lane[v.per_register];
  store_register(lane, v.r[0]);
  return lane[0];
}

template <class V>
INLINE V load(const typename V::Scalar* p) {
  return by_registers<V>([=](size_t i) INLINE_LAMBDA {
    if constexpr (is_part<V>) return load_quarter(p + i * V::per_register);
    if constexpr (!is_part<V>) return load_register(p + i * V::per_register);
  });
}

template <class R, class T, size_t bytes>
INLINE void store(T* p, Block<R, T, bytes> v) {
  each_register<Block<R, T, bytes>>([&](size_t i)
                                        INLINE_LAMBDA { store_register(p + i * v.per_register, v.r[i]); });
}

// To a multiple of block_bytes, past the caches where the ISA can; to be followed by stream_fence().
template <class R, class T>
INLINE void stream(T* p, Block<R, T> v) {
  each_register<Block<R, T>>([&](size_t i) INLINE_LAMBDA { stream_register(p + i * v.per_register, v.r[i]); });
}

// The first `count` (< lanes) elements; the other lanes hold `fill`, and memory past `count` is not touched.
template <class V>
INLINE V load_first(const typename V::Scalar* p, size_t count, typename V::Scalar fill) {
  return by_registers<V>([=](size_t i) INLINE_LAMBDA {
    const size_t at = i * V::per_register, left = count > at ? count - at : 0;
    const bool whole = left >= V::per_register;
    const auto* const own = left > 0 ? p + at : p;  // of no elements there may be no memory
    if constexpr (is_part<V>) return whole ? load_quarter(own) : load_quarter_first(own, left, fill);
    if constexpr (!is_part<V>) return whole ? load_register(own) : load_register_first(own, left, fill);
  });
}

template <class R, class T, size_t bytes>
INLINE void store_first(T* p, Block<R, T, bytes> v, size_t count) {
  each_register<Block<R, T, bytes>>([&](size_t i) INLINE_LAMBDA {
    const size_t at = i * v.per_register, left = count > at ? count - at : 0;
    if (left >= v.per_register) {
      store_register(p + at, v.r[i]);
    } else {
      store_register_first(p + at, v.r[i], left);
    }
  });
}

// Copies `count` elements, at most a block of them, in pieces of fixed sizes that may overlap.
template <class T>
INLINE void copy_few(T* to, const T* from, size_t count) {
  const size_t bytes = count * sizeof(T);
  char* d = reinterpret_cast<char*>(to);
  const char* s = reinterpret_cast<const char*>(from);
  if (bytes >= 32) {
    __builtin_memcpy(d, s, 32), __builtin_memcpy(d + bytes - 32, s + bytes - 32, 32);
  } else if (bytes >= 16) {
    __builtin_memcpy(d, s, 16), __builtin_memcpy(d + bytes - 16, s + bytes - 16, 16);
  } else if (bytes >= 8) {
    __builtin_memcpy(d, s, 8), __builtin_memcpy(d + bytes - 8, s + bytes - 8, 8);
  } else {
    __builtin_memcpy(d, s, sizeof(T));
  }
}

// Eight floats as eight doubles, and back (rounded to nearest).
INLINE F64 load_widened(const float* p) {
  return by_registers<F64>([=](size_t i)
                               INLINE_LAMBDA { return load_register_widened(p + i * F64::per_register); });
}

INLINE void store_narrowed(float* p, F64 v) {
  each_register<F64>([&](size_t i) INLINE_LAMBDA { store_register_narrowed(p + i * F64::per_register, v.r[i]); });
}

// As many of either type as doubles as D has.
template <class D>
INLINE D load_wide(const float* p) {
  return by_registers<D>([=](size_t i) INLINE_LAMBDA { return load_register_widened(p + i * D::per_register); });
}
template <class D>
INLINE D load_wide(const double* p) {
  return load<D>(p);
}

// Eight of either type as doubles, and back.
INLINE F64 load_eight(const float* p) { return load_widened(p); }
INLINE F64 load_eight(const double* p) { return load<F64>(p); }
INLINE void store_eight(float* p, F64 v) { store_narrowed(p, v); }
INLINE void store_eight(double* p, F64 v) { store(p, v); }

// A block of floats as two of doubles (or half a block as one), and back.
template <size_t bytes>
INLINE void widen(Block<f32r, float, bytes> v, F64* wide) {
  each_register<Block<f32r, float, bytes>>([&](size_t i) INLINE_LAMBDA {
    constexpr size_t R = F64::registers;
    f64r half[2];
    widen_register(v.r[i], half);
    wide[2 * i / R].r[2 * i % R] = half[0];
    wide[(2 * i + 1) / R].r[(2 * i + 1) % R] = half[1];
  });
}

INLINE F32 narrow(const F64* wide, F32) {
  return by_registers<F32>([=](size_t i) INLINE_LAMBDA {
    constexpr size_t R = F64::registers;
    const size_t at = 2 * i, next = 2 * i + 1;
    return narrow_registers(wide[at / R].r[at % R], wide[next / R].r[next % R]);
  });
}

INLINE void widen(F64 v, F64* wide) { wide[0] = v; }
INLINE F64 narrow(const F64* wide, F64) { return wide[0]; }

// Whole numbers, of floats exact up to 2^24.
template <class V>
INLINE V load_whole(const int32_t* p) {
  return by_registers<V>([=](size_t i) INLINE_LAMBDA {
    typename V::Register r;
    load_register_whole(p + i * V::per_register, r);
    return r;
  });
}

// Whole numbers below 2^23: they stand in the low bits of a sum with it.
INLINE void store_whole(uint32_t* p, F32 v) {
  constexpr float whole = 0x1p23f;
  const float minus = __builtin_bit_cast(float, 0u - __builtin_bit_cast(uint32_t, whole));
  const F32 bits = add_bits(add(v, splat<F32>(whole)), splat<F32>(minus));
  __builtin_memcpy(p, &bits, sizeof bits);
}
INLINE void store_whole(uint32_t* p, F64 v) {
  double lane[F64::lanes];
  store(lane, add(v, splat<F64>(0x1p52)));
  for (size_t i = 0; i < F64::lanes; i++) p[i] = uint32_t(__builtin_bit_cast(uint64_t, lane[i]));
}

// v in the lanes whose bits are set, `other` in the rest.
template <class R, class T>
INLINE Block<R, T> keep(uint32_t bits, Block<R, T> v, Block<R, T> other) {
  return by_registers<Block<R, T>>(
      [&](size_t i) INLINE_LAMBDA { return keep(bits >> i * v.per_register, v.r[i], other.r[i]); });
}

// pow2(z) in the lanes whose bits are set, 0 in the rest. (A register may have a function of its own.)
template <class R>
INLINE R pow2(R z, uint32_t bits) {
  return keep(bits, pow2(z), R{});
}
template <class R, class T>
INLINE Block<R, T> pow2(Block<R, T> z, uint32_t bits) {
  return by_registers<Block<R, T>>([&](size_t i)
                                       INLINE_LAMBDA { return pow2(z.r[i], bits >> i * z.per_register); });
}
// a * b + c likewise.
template <class R>
INLINE R muladd(R a, R b, R c, uint32_t bits) {
  return keep(bits, muladd(a, b, c), R{});
}
template <class R, class T>
INLINE Block<R, T> muladd(Block<R, T> a, Block<R, T> b, Block<R, T> c, uint32_t bits) {
  return by_registers<Block<R, T>>(
      [&](size_t i) INLINE_LAMBDA { return muladd(a.r[i], b.r[i], c.r[i], bits >> i * a.per_register); });
}

// x * c + m, rounded once, where -m is x * c as a whole number. (A block may have a function of its own.)
template <class V>
INLINE V beyond_whole(V x, V c, V m) {
  return fma(x, c, m);
}

// v in the lanes where that bit of the word is set, which is in place of a float; `other` in the rest. (A register may have a
// function of its own.)
template <class R>
INLINE R keep_where(R words, int bit, R v, R other) {
  typedef int32_t Whole __attribute__((vector_size(sizeof(R))));
  typedef uint32_t Bits __attribute__((vector_size(sizeof(R))));
  const Whole set = (Whole)((Bits)words << (31 - bit)) >> 31;
  return (R)(((Whole)v & set) | ((Whole)other & ~set));
}
INLINE F32 keep_where(F32 words, int bit, F32 v, F32 other) {
  return by_registers<F32>([&](size_t i)
                               INLINE_LAMBDA { return keep_where(words.r[i], bit, v.r[i], other.r[i]); });
}

// Bit i is set where a > b in lane i.
template <class R, class T, size_t bytes>
INLINE uint32_t mask_greater(Block<R, T, bytes> a, Block<R, T, bytes> b) {
  uint32_t mask = 0;
  each_register<Block<R, T, bytes>>(
      [&](size_t i) INLINE_LAMBDA { mask |= mask_greater(a.r[i], b.r[i]) << i * a.per_register; });
  return mask;
}

// Whether a < b in every lane; false if either is NaN in any.
template <class R, class T, size_t bytes>
INLINE bool all_less(Block<R, T, bytes> a, Block<R, T, bytes> b) {
  bool all = true;
  each_register<Block<R, T, bytes>>([&](size_t i) INLINE_LAMBDA { all = all_less(a.r[i], b.r[i]) && all; });
  return all;
}

// The sum of all lanes, by the fixed tree of promise 2, and the largest (of what is not NaN).
template <class R, class T>
INLINE T reduce_add(Block<R, T> v) {
  return reduce_add(fold_add(v.r));
}
template <class R, class T>
INLINE T reduce_max(Block<R, T> v) {
  return reduce_max(fold_max(v.r));
}
INLINE float reduce_add(Quarter v) { return reduce_add(v.r[0]); }
INLINE float reduce_max(Quarter v) { return reduce_max(v.r[0]); }
INLINE float reduce_add(Half v) { return reduce_add(add(v.r[0], v.r[1])); }
INLINE float reduce_max(Half v) { return reduce_max(max_number(v.r[0], v.r[1])); }

// u = 2^k * m with m in [sqrt(1/2), sqrt(2)), for normal u > 0.
template <class R, size_t bytes>
INLINE void split_exponent(Block<R, double, bytes> u, Block<R, double, bytes>& k, Block<R, double, bytes>& m) {
  each_register<Block<R, double, bytes>>([&](size_t i) INLINE_LAMBDA { split_exponent(u.r[i], k.r[i], m.r[i]); });
}
// The same of floats from 1 on: k and 2^-k.
INLINE void exponent_of(F32 u, F32& k, F32& down) {
  each_register<F32>([&](size_t i) INLINE_LAMBDA { exponent_of(u.r[i], k.r[i], down.r[i]); });
}

// What is done once per row is written for D = F64 (a row per lane) and for D = double, with the same roundings;
// each isa/*.h gives the scalar fma.
INLINE double add(double a, double b) { return a + b; }
INLINE double sub(double a, double b) { return a - b; }
INLINE double mul(double a, double b) { return a * b; }
INLINE double div(double a, double b) { return a / b; }
INLINE double fms(double a, double b, double c) { return fma(a, b, -c); }
INLINE double max_number(double a, double b) { return a > b ? a : b; }
INLINE double min_number(double a, double b) { return a < b ? a : b; }
INLINE void split_exponent(double u, double& k, double& m) {
  const int64_t bits =
      int64_t(__builtin_bit_cast(uint64_t, u) + uint64_t(one_bits - half_root_bits));  // of NaN too
  k = double((bits >> 52) - 1023);
  m = __builtin_bit_cast(double, (bits & mantissa_bits) + half_root_bits);
}

template <class D>
INLINE D constant(double v) {
  return splat<D>(typename D::Scalar(v));
}
template <>
INLINE double constant<double>(double v) {
  return v;
}

// A panel is V::lanes rows of a few neighbouring columns (16 bytes of each row): column[j] lane i is
// base[i * stride + j]. Rows from `rows` on repeat the last one when loaded and are not stored.
template <class V>
constexpr size_t panel_columns = 16 / sizeof(typename V::Scalar);

template <class V>
INLINE void load_panel(const typename V::Scalar* base, size_t stride, size_t rows, V* column) {
#pragma GCC unroll 4
  for (size_t i = 0; i < V::registers; i++) {
    typename V::Register c[panel_columns<V>];
    const size_t at = i * V::per_register;
    if (rows == V::lanes) {
      load_panel_registers([=](size_t row) INLINE_LAMBDA { return base + (at + row) * stride; }, c);
    } else {
      load_panel_registers(
          [=](size_t row) INLINE_LAMBDA { return base + (at + row < rows ? at + row : rows - 1) * stride; }, c);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < panel_columns<V>; j++) column[j].r[i] = c[j];
  }
}

template <class V>
INLINE void store_panel(typename V::Scalar* base, size_t stride, size_t rows, const V* column) {
#pragma GCC unroll 4
  for (size_t i = 0; i < V::registers; i++) {
    typename V::Register c[panel_columns<V>];
#pragma GCC unroll 4
    for (size_t j = 0; j < panel_columns<V>; j++) c[j] = column[j].r[i];
    const size_t at = i * V::per_register;
    if (rows == V::lanes) {
      store_panel_registers(
          [=](size_t row, auto q) INLINE_LAMBDA { store_register(base + (at + row) * stride, q); }, c);
    } else {
      store_panel_registers(
          [=](size_t row, auto q) INLINE_LAMBDA {
            if (at + row < rows) store_register(base + (at + row) * stride, q);
          },
          c);
    }
  }
}

}  // namespace UNITS
