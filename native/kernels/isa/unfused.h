// Fused multiply-adds for registers that have none: worked out in higher precision. Included by the headers of such
// ISAs, for which INLINE, the registers, widen_register and narrow_registers are defined.
#pragma once

namespace UNITS {

INLINE f32r muladd(f32r a, f32r b, f32r c) { return a * b + c; }
INLINE f64r muladd(f64r a, f64r b, f64r c) { return a * b + c; }
INLINE double muladd(double a, double b, double c) { return a * b + c; }

// A product of floats is exact in double; the sum then rounds to 53 bits before it rounds to 24. In the loops of WebAssembly a
// factor that stays the same is widened once: softmax takes 70 % of the time, and a module 2 % more.
#ifdef __wasm__
INLINE
#else
__attribute__((noinline)) inline
#endif
f32r fma(f32r a, f32r b, f32r c) {
  f64r x[2], y[2], z[2];
  widen_register(a, x), widen_register(b, y), widen_register(c, z);
  return narrow_registers(x[0] * y[0] + z[0], x[1] * y[1] + z[1]);
}
// Dekker's product in halves of 26 bits (|a|, |b| < 2^996), added so that nothing is lost when c cancels it.
template <class D>
INLINE D fma_in_parts(D a, D b, D c, D splitter) {
  const D sa = a * splitter, sb = b * splitter;
  const D a_hi = sa - (sa - a), b_hi = sb - (sb - b), a_lo = a - a_hi, b_lo = b - b_hi;
  const D product = a * b, error = ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo;
  const D sum = product + c, back = sum - product;
  return sum + (((product - (sum - back)) + (c - back)) + error);
}
__attribute__((noinline)) inline double fma(double a, double b, double c) {
  const double plain = a * b + c, split = fma_in_parts(a, b, c, 0x1p27 + 1);
  return split - split == 0 ? split : plain;  // infinities, and operands too large to split
}
__attribute__((noinline)) inline f64r fma(f64r a, f64r b, f64r c) {
  const f64r plain = a * b + c, split = fma_in_parts(a, b, c, splat_register(0x1p27 + 1));
  auto good = split - split == splat_register(0.0);  // a mask
  return (f64r)(((decltype(good))split & good) | ((decltype(good))plain & ~good));
}

}  // namespace UNITS
