// Constants of the exponential and the logarithm, each with its source and error. docs/algorithm.md derives
// the bounds; test/constants.test.ts checks every one of them against decimal.js.
#pragma once
#include <stdint.h>

#include "../namespace.h"

namespace UNITS {

// log2(e) as an unevaluated sum of two doubles, error < 2^-108. Source: decimal expansion, rounded twice.
constexpr double log2e_hi = 0x1.71547652b82fep+0, log2e_lo = 0x1.777d0ffda0d24p-56;

// float32: 2^(j/8) * K for j = 0..7, less j << 20 as integers so that adding (8n + j) << 20 to the bits gives
// K * 2^(n + j/8) with no masking. K = 1.41059171764513050 is the common factor, of all that leave the first
// entry's 2^23 significands, for which the eight roundings err least: within 0.0463 * 2^-24 relative each,
// eleven times better than rounding 2^(j/8) itself. K cancels in every quotient.
constexpr uint32_t table_entry(uint32_t bits, uint32_t j) { return bits - (j << 20); }
alignas(32) constexpr uint32_t pow2_table[8] = {table_entry(0x3fb48e45, 0), table_entry(0x3fc4e5be, 1),
                                                table_entry(0x3fd6b7da, 2), table_entry(0x3fea26de, 3),
                                                table_entry(0x3fff5829, 4), table_entry(0x400b3a3e, 5),
                                                table_entry(0x4017d424, 6), table_entry(0x40259202, 7)};
constexpr double table_factor = 1.41059171764513050212;

// float32: 2^(r/8) - 1 = r * (p[0] + r * (p[1] + r * (p[2] + r * p[3]))) on |r| <= 0.504, relative error of
// 2^(r/8) < 2.7e-10 = 2^-31.8. Source: Sollya fpminimax(2^(x/8)-1, [|1,2,3,4|], [|SG...|], relative).
constexpr float exp_f32[4] = {0x1.62e43p-4f, 0x1.ebfbep-9f, 0x1.c6b876p-14f, 0x1.3b2d08p-19f};

// The same on |r| <= 1.008, where the differences of two reduced logits lie: relative error of 2^(r/8) < 7.5e-11 = 2^-33.6. Source:
// least squares, weighted until the errors are level (Lawson), each coefficient rounded before the next are fitted.
constexpr float exp_beside_f32[5] = {0x1.62e43p-4f, 0x1.ebfbep-9f, 0x1.c6afep-14f, 0x1.3b3cap-19f,
                                     0x1.60e4dcp-25f};

// float64: 2^r - 1 = r * (p[0] + r * (... p[10])) on |r| <= 0.501, relative error of 2^r < 9.2e-18 = 2^-56.6.
// Source: Sollya fpminimax(2^x-1, [|1,...,11|], [|D...|], relative).
constexpr double exp_f64[11] = {0x1.62e42fefa39efp-1,  0x1.ebfbdff82c598p-3,  0x1.c6b08d704a1aap-5,
                                0x1.3b2ab6fba1e93p-7,  0x1.5d87fe7880e18p-10, 0x1.430913095821ep-13,
                                0x1.ffcbfcfdc0ef1p-17, 0x1.62bfd493456b5p-20, 0x1.b523e516382cfp-24,
                                0x1.e6064303667b1p-28, 0x1.eb4c91413a63ep-32};

// The weights that classes are drawn by (weights.h): 2^r - 1 as exp_f64, to degree 7: relative error of 2^r on
// |r| <= 0.5 < 1e-10. Source: Sollya fpminimax(2^x-1, [|1,...,7|], [|D...|], relative). lib/backends/js/weights.ts has them too.
constexpr double weight_f64[7] = {0x1.62e42fefd32c2p-1, 0x1.ebfbe045300dp-3,   0x1.c6b08cb16834ap-5,
                                  0x1.3b2a1c3666ce3p-7, 0x1.5d88bdb12b329p-10, 0x1.443f620076d32p-13,
                                  0x1.ffcbdd8e1778ep-17};

// log(m) for m in [sqrt(1/2), sqrt(2)): with f = m - 1, s = f / (2 + f), the odd series in s. Source: FreeBSD
// (Sun fdlibm) e_log.c Lg1..Lg7; |error| < 2^-58.45.
constexpr double log_f64[7] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                               2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                               1.479819860511658591e-01};

// The same for results of float32: log(1 + f) = f - f^2 / 2 + f^3 * (c[0] + f * (... c[9])) for 1 + f in [sqrt(1/2), sqrt(2)],
// relative error < 1.4e-10 = 2^-32.7. Source: Remez exchange in extended precision, relative.
constexpr double log1p_f64[10] = {0x1.555554af2c3f3p-2,  -0x1.ffffd3a9063cep-3, 0x1.999a1316cb1d3p-3,
                                  -0x1.5563b1f2c348dp-3, 0x1.248f281cd3120p-3,  -0x1.fce73361a2b7dp-4,
                                  0x1.c40b0b8488155p-4,  -0x1.bb2bcfa3523cep-4, 0x1.b37cb1a8310adp-4,
                                  -0x1.e99e4b2c5655fp-5};

// And in floats, for rows of few classes (few_log.h): log(1 + f) = f - f^2 / 2 + f^3 * (c[0] + f * (... c[8])), relative error
// < 3.3e-9 = 2^-28.2. Source: as above, rounded to float.
constexpr float log1p_f32[9] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a4b6p-3f,  -0x1.555c4ep-3f, 0x1.233768p-3f,
                                -0x1.fc2206p-4f, 0x1.e6f066p-4f,  -0x1.de3c1ep-4f, 0x1.1457bcp-4f};
// log(2) in two floats. The first has 9 bits: whole numbers of up to 15 bits times it are exact. Source: decimal expansion.
constexpr float ln2_f32_hi = 0x1.63p-1f, ln2_f32_lo = -0x1.bd0106p-13f;

// ln2_hi has 32 trailing zero bits, so k * ln2_hi is exact.
constexpr double ln2_hi = 6.93147180369123816490e-01, ln2_lo = 1.90821492927058770002e-10;

// log((1 + s) / (1 - s)) = 2 s (1 + z (p[0] + z (p[1] + ...))) with z = s^2 <= 1/9: the relative error of the whole is below
// 2^-30.3 for float32 and 2^-58 for float64. Source: Remez exchange over z for the error times z (mpmath, 200 bits), then
// rounded.
constexpr float atanh_f32[5] = {0x1.555558p-2f, 0x1.9996a8p-3f, 0x1.250972p-3f, 0x1.b6d69ap-4f, 0x1.f1af08p-4f};
constexpr double atanh_f64[10] = {
    0x1.5555555555535p-2, 0x1.99999999a0841p-3, 0x1.24924920856aep-3, 0x1.c71c741f92614p-4, 0x1.745cb39a93e3bp-4,
    0x1.3b1de336234ebp-4, 0x1.106767abf74ebp-4, 0x1.efdd91ff08735p-5, 0x1.559c0e8c4a883p-5, 0x1.5c8a9472bb428p-4};

// Bit patterns of doubles that split_exponent in isa/*.h works with.
constexpr int64_t one_bits = 0x3ff0000000000000, half_root_bits = 0x3fe6a09e00000000;
constexpr int64_t mantissa_bits = 0x000fffffffffffff, two52_bits = 0x4330000000000000;
constexpr double two52_plus_bias = 0x1p52 + 1023;
// And of floats, for exponent_of.
constexpr int32_t one_bits_f32 = 0x3f800000, half_root_bits_f32 = 0x3f3504f3, exponent_bits_f32 = 0x7f800000;
constexpr int32_t twice_bias_bits_f32 = 0x7f000000, two23_bits_f32 = 0x4b000000;
constexpr float two23_plus_bias_f32 = 0x1p23f + 127;

}  // namespace UNITS
