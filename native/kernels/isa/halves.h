// float16 for registers of 16 bytes that have no instruction for it: by whole numbers, in vectors as gcc and clang lower them. The
// same bits as half_to_float and float_to_half (shapes/element.h), NaN too. Included by the headers of such ISAs, for which INLINE
// and f32r are defined.
#pragma once

namespace UNITS {

typedef uint16_t halves_of_register __attribute__((vector_size(8)));
typedef int32_t whole_register __attribute__((vector_size(16)));
typedef uint32_t bits_register __attribute__((vector_size(16)));

// Shifted into place and rescaled: 2^112 moves the bias of the exponent, of subnormals too. Infinity and NaN have all bits of
// the exponent.
INLINE f32r widened_halves(bits_register half) {
  const bits_register magnitude = half & 0x7fff;
  const f32r scaled = (f32r)(magnitude << 13) * 0x1p112f;
  const bits_register special = (bits_register)((whole_register)magnitude > 0x7bff) & 0x7f800000;
  return (f32r)((bits_register)scaled | special | (half & 0x8000) << 16);
}

// To nearest, ties to even. Where a half is subnormal, adding 0.5 lets the addition round at 2^-24.
INLINE bits_register narrowed_to_halves(f32r v) {
  const bits_register bits = (bits_register)v, magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
  const whole_register size = (whole_register)magnitude;
  const bits_register subnormal = (bits_register)((f32r)magnitude + 0.5f) - 0x3f000000;
  const bits_register normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  const bits_register small = (bits_register)(size < 0x38800000), large = (bits_register)(size >= 0x477ff000);
  const bits_register finite = (subnormal & small) | (normal & ~small);
  const bits_register nan = (bits_register)(size > 0x7f800000);
  return (((finite & ~large) | (0x7c00 & large) | sign) & ~nan) | (0x7e00 & nan);
}

// As many of `count` halves as fill registers; how many that was.
INLINE size_t widen_halves(const uint16_t* half, size_t count, float* p) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    halves_of_register four;
    __builtin_memcpy(&four, half + i, sizeof four);
    const f32r v = widened_halves(__builtin_convertvector(four, bits_register));
    __builtin_memcpy(p + i, &v, sizeof v);
  }
  return i;
}
INLINE size_t narrow_halves(const float* p, size_t count, uint16_t* half) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    f32r v;
    __builtin_memcpy(&v, p + i, sizeof v);
    const halves_of_register four = __builtin_convertvector(narrowed_to_halves(v), halves_of_register);
    __builtin_memcpy(half + i, &four, sizeof four);
  }
  return i;
}

}  // namespace UNITS
