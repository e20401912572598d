// Random logits of every element type, the odd ones among them. Everything comes from integers, so that it is the same
// on every machine.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../problem.h"

// SplitMix64 (Steele, Lea and Flood, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return size_t((next() >> 32) * n >> 32); }
  size_t between(size_t least, size_t most) { return least + below(most - least + 1); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <class T, size_t n>
  T any_of(const T (&list)[n]) {
    return list[below(n)];
  }

 private:
  uint64_t state;
};

struct Format {
  const char* name;
  Type type;
  size_t bytes;
  int mantissa_bits, bias;
};
inline constexpr Format formats[] = {{"float32", Type::float32, 4, 23, 127},
                                     {"float64", Type::float64, 8, 52, 1023},
                                     {"float16", Type::float16, 2, 10, 15},
                                     {"bfloat16", Type::bfloat16, 2, 7, 127}};
inline const Format& format_of(Type type) { return formats[size_t(type)]; }

// What the logits of a row look like.
enum class Logits { plain, near, tied, wide, huge, tiny, sparse, zeros, nan, infinite, nothing };
inline constexpr Logits plain_logits[] = {Logits::plain};
inline constexpr Logits finite_logits[] = {Logits::plain, Logits::near, Logits::tied, Logits::wide,
                                           Logits::huge,  Logits::tiny, Logits::zeros};
inline constexpr Logits special_logits[] = {Logits::sparse,   Logits::zeros,   Logits::nan,
                                            Logits::infinite, Logits::nothing, Logits::tied};

// Bits of logits, from a significand and an exponent drawn apart.
class LogitSource {
 public:
  LogitSource(Random& random, const Format& f, Logits kind)
      : random(random),
        f(f),
        kind(kind),
        row_sign(random.below(2)),
        row_exponent(any_exponent()),
        row_significand(random.next()) {}

  uint64_t next() {
    const uint64_t significand = random.next(), sign = random.below(2);
    const bool rare = random.one_in(8);
    const uint64_t plain = bits(sign, random.between(f.bias - 7, f.bias + 3), significand);
    const uint64_t infinite = 2 * f.bias + 1;
    switch (kind) {
      case Logits::plain: return plain;
      case Logits::near: return bits(row_sign, row_exponent, significand);
      case Logits::tied: return bits(0, f.bias + sign, row_significand);
      case Logits::wide: return bits(sign, any_exponent(), significand);
      case Logits::huge: return bits(sign, 2 * f.bias - random.below(3), significand);
      case Logits::tiny: return bits(sign, random.below(3), significand);
      case Logits::zeros: return rare ? plain : bits(sign, 0, 0);
      case Logits::sparse: return rare ? plain : bits(1, infinite, 0);
      case Logits::nan: return rare ? bits(sign, infinite, significand | 1) : plain;
      case Logits::infinite: return rare ? bits(sign, infinite, 0) : plain;
      case Logits::nothing: return bits(1, infinite, 0);
    }
    return 0;
  }

 private:
  size_t any_exponent() { return random.below(2 * f.bias + 1); }
  uint64_t bits(uint64_t sign, uint64_t exponent, uint64_t significand) const {
    const uint64_t mask = (uint64_t(1) << f.mantissa_bits) - 1;
    return sign << (8 * f.bytes - 1) | exponent << f.mantissa_bits | (significand & mask);
  }

  Random& random;
  const Format& f;
  Logits kind;
  uint64_t row_sign, row_exponent, row_significand;
};
