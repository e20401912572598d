// Elements in memory: float32 and float64 as they are, float16 and bfloat16 widened to float on the way in and rounded on
// the way out.
#pragma once
#include "../isa/block.h"
#include "../../problem.h"

namespace UNITS {

template <class T>
constexpr Type type_of = sizeof(T) == 4 ? Type::float32 : Type::float64;

constexpr float infinity = __builtin_inff();

INLINE float half_to_float(uint16_t h) {
  // Shift into place and rescale: 2^112 moves the exponent bias, subnormals included; Inf and NaN need their own.
  const uint32_t magnitude = (h & 0x7fffu) << 13;
  float f = __builtin_bit_cast(float, magnitude) * 0x1p112f;
  if ((h & 0x7c00u) == 0x7c00u) f = __builtin_bit_cast(float, magnitude | 0x7f800000u);
  return h & 0x8000u ? -f : f;
}

INLINE uint16_t float_to_half(float f) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, f), sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7e00;
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 lets the FPU round at 2^-24
    const float sum = __builtin_bit_cast(float, magnitude) + 0.5f;
    return uint16_t(sign | (__builtin_bit_cast(uint32_t, sum) - 0x3f000000u));
  }
  return uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1)) >> 13));
}

INLINE float bfloat_to_float(uint16_t b) { return __builtin_bit_cast(float, uint32_t(b) << 16); }

INLINE uint16_t float_to_bfloat(float f) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
  return uint16_t((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

// Which of 8 bytes are not 0, a bit for each: the top bit of each byte says so, and the product gathers those.
INLINE uint32_t set_among_eight(const uint8_t* p) {
  uint64_t bytes;
  __builtin_memcpy(&bytes, p, 8);
  constexpr uint64_t low = 0x7f7f7f7f7f7f7f7f;
  const uint64_t tops = (((bytes & low) + low) | bytes) & ~low;
  return uint32_t((tops >> 7) * 0x0102040810204080 >> 56);
}

// The same of 16, where the ISA has no function of that name.
template <class = void>
INLINE uint32_t set_among_sixteen(const uint8_t* p) {
  return set_among_eight(p) | set_among_eight(p + 8) << 8;
}

// What elements of a type are in memory.
template <Type>
struct StoredAs {
  using Element = uint16_t;
};
template <>
struct StoredAs<Type::float32> {
  using Element = float;
};
template <>
struct StoredAs<Type::float64> {
  using Element = double;
};
template <Type type>
using Element = typename StoredAs<type>::Element;

// Hands f the type, by name, of elements that kernels over T read or write.
template <Type type>
struct Named {
  constexpr operator Type() const { return type; }
};
template <class T, class F>
INLINE void by_type(Type type, F f) {
  if constexpr (sizeof(T) == 4) {
    if (type == Type::float16) return f(Named<Type::float16>());
    if (type == Type::bfloat16) return f(Named<Type::bfloat16>());
  }
  f(Named<type_of<T>>());
}

// A few neighbours as T: where they are, or widened to `buffer`; and back.
template <Type type, class T>
INLINE const T* widened(const Element<type>* x, size_t count, T* buffer) {
  if constexpr (type == type_of<T>) {
    return x;
  } else {
    size_t i = type == Type::float16 ? widen_halves(x, count, buffer) : 0;
    for (; i < count; i++) buffer[i] = type == Type::float16 ? half_to_float(x[i]) : bfloat_to_float(x[i]);
    return buffer;
  }
}
template <Type type, class T>
INLINE void narrow_from(const T* buffer, size_t count, Element<type>* y) {
  if constexpr (type != type_of<T>) {
    size_t i = type == Type::float16 ? narrow_halves(buffer, count, y) : 0;
    for (; i < count; i++) y[i] = type == Type::float16 ? float_to_half(buffer[i]) : float_to_bfloat(buffer[i]);
  }
}

}  // namespace UNITS
