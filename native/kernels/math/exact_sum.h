// The exact sum of doubles: the same in whatever order they come, and however they are shared out among calls, threads and
// backends. lib/backends/js/exactSum.ts is its twin, and rounds it.
//
// A double is a whole number of 2^-1074. The sum is kept in digits of 26 bits: digit i counts 2^(26 i - 1074). Behind them lie
// how many numbers were Infinity, -Infinity and NaN:
//
//   | 2^-1074 | 2^-1048 | ...                  | digit 83 | Infinity | -Infinity | NaN |
#pragma once
#include "../../problem.h"
#include "../isa/block.h"

namespace UNITS {

struct ExactSum {
  static constexpr size_t digits = total_length - 3;
  static constexpr int bits = 26;
  // The largest double ends in digit 80; 2^64 of them in digit 83.
  static_assert(digits * bits >= 2098 + 64, "room for the sum of the largest numbers");
  // Numbers at a time: 2^10.
  static constexpr size_t most = 1024;

  int64_t at[total_length] = {};

  INLINE void add(double x) {
    const uint64_t pattern = __builtin_bit_cast(uint64_t, x), exponent = pattern >> 52 & 0x7ff;
    const uint64_t fraction = pattern & ((uint64_t(1) << 52) - 1);
    const bool negative = pattern >> 63;
    if (exponent == 0x7ff) return (void)at[digits + (fraction ? 2 : negative)]++;
    const uint64_t whole = exponent ? fraction | uint64_t(1) << 52 : fraction, place = exponent ? exponent - 1 : 0;
    const size_t i = place / bits, shift = place % bits;
    constexpr uint64_t digit = (uint64_t(1) << bits) - 1;
    const uint64_t low = (whole & digit) << shift, high = (whole >> bits) << shift;
    const auto put = [&](size_t i, uint64_t part)
                         INLINE_LAMBDA { at[i] += negative ? -int64_t(part) : int64_t(part); };
    put(i, low & digit), put(i + 1, (low >> bits) + (high & digit)), put(i + 2, high >> bits);
  }

  // Up to `most` numbers, which are lost. What they have above some bit adds up without rounding (Rump, Ogita and Oishi
  // 2008): of at most 2^10 numbers below 2^e all that is above 2^(e - 42), then what is left above 2^(e - 84). What few
  // have below takes another turn. Two sums each: an addition waits for the one before.
  __attribute__((noinline)) void add_all(double* x, size_t count) {
    constexpr size_t L = F64::lanes;
    while (count % (2 * L)) x[count++] = 0;
    for (double largest; count > 0 && (largest = finite_largest(x, count)) > 0;) {
      const int exponent = int(__builtin_bit_cast(uint64_t, largest) >> 52) - 1022;  // largest < 2^exponent
      if (exponent + 11 > 1023) {
        for (size_t i = 0; i < count; i++) add(x[i]);
        return;
      }
      const F64 first = above(exponent + 10), second = above(exponent + 10 - 42), none = splat<F64>(0x1p-1074);
      F64 sum[2] = {splat<F64>(0), splat<F64>(0)}, more[2] = {sum[0], sum[1]};
      size_t left = 0;
      for (size_t i = 0; i < count; i += 2 * L) {
        F64 last[2];
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; j++) {
          const F64 number = load<F64>(x + i + j * L), high = sub(UNITS::add(first, number), first),
                    rest = sub(number, high);
          const F64 low = sub(UNITS::add(second, rest), second);
          last[j] = sub(rest, low);
          sum[j] = UNITS::add(sum[j], high), more[j] = UNITS::add(more[j], low);
        }
        if (!all_less(max_number(absolute(last[0]), absolute(last[1])), none)) {
          store(x + left, last[0]), store(x + left + L, last[1]), left += 2 * L;
        }
      }
      for (size_t j = 0; j < 2; j++) add(reduce_add(sum[j])), add(reduce_add(more[j]));
      count = left;
    }
  }

  // To a sum that other threads add to.
  void add_to(double* total) {
    for (size_t i = 0; i + 1 < digits; i++) {
      const int64_t carry = (at[i] + (int64_t(1) << (bits - 1))) >> bits;
      at[i] -= carry * (int64_t(1) << bits), at[i + 1] += carry;
    }
    for (size_t i = 0; i < total_length; i++) {
      if (at[i] != 0) add_to(reinterpret_cast<uint64_t*>(total + i), double(at[i]));
    }
  }

 private:
  // Added and taken away again, this leaves of numbers below 2^top / 2^10 what they have above 2^(top - 53).
  static INLINE F64 above(int top) {
    constexpr int least = -1022;  // its last bit is 2^-1074: all that a double has
    return splat<F64>(1.5 * __builtin_bit_cast(double, uint64_t((top < least ? least : top) + 1023) << 52));
  }

  static void add_to(uint64_t* digit, double more) {
    uint64_t was = __atomic_load_n(digit, __ATOMIC_RELAXED), is;
    do {
      is = __builtin_bit_cast(uint64_t, __builtin_bit_cast(double, was) + more);
    } while (!__atomic_compare_exchange_n(digit, &was, is, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  }

  // The largest size of finite numbers; others are counted, and 0 from then on.
  INLINE double finite_largest(double* x, size_t count) {
    constexpr size_t L = F64::lanes;
    for (;;) {
      F64 largest[2] = {splat<F64>(0), splat<F64>(0)}, odd[2] = {largest[0], largest[1]};
      for (size_t i = 0; i < count; i += 2 * L) {
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; j++) {
          const F64 size = absolute(load<F64>(x + i + j * L));
          largest[j] = max_number(size, largest[j]), odd[j] = muladd(size, splat<F64>(0), odd[j]);
        }
      }
      if (all_less(UNITS::add(odd[0], odd[1]), splat<F64>(1)))
        return reduce_max(max_number(largest[0], largest[1]));
      for (size_t i = 0; i < count; i++) {
        if (!(x[i] - x[i] == 0)) add(x[i]), x[i] = 0;
      }
    }
  }
};

}  // namespace UNITS
