// Sums of terms, lane by lane: element i of a row goes to lane i % V::lanes, and the lanes are added by a fixed
// tree. The order is part of promise 2 and the same in every kernel.
#pragma once
#include "exp.h"

namespace {

template <class V>
struct LaneSum;

// Float terms are summed unrounded, t and t * p apart: the sum's error would come on top of that of the term it
// divides. t goes to doubles, widened from memory (from a register it takes three ports instead of one); t * p,
// 22 times smaller, is added up as floats that go to doubles every 8 blocks: an error of less than 8 * 0.0446
// half-ULP. (Runs of 16, and a tree of floats at the end, let a row that a search found come out 2.04 ULP off.)
template <>
struct LaneSum<F32> {
  static constexpr size_t run = 8;  // blocks
  F64 lo = splat<F64>(0), hi = splat<F64>(0);
  F32 small = splat<F32>(0);

  INLINE void add_term(Term<F32> e) {
    add_widened(e.t);
    small = muladd(e.t, e.p, small);
  }
  INLINE void end_run() {
    add_widened(small);
    small = splat<F32>(0);
  }
  INLINE void total(double& sum, double& error) {
    end_run();
    sum = reduce_add(add(lo, hi).r), error = 0;
  }

 private:
  INLINE void add_widened(F32 v) {
    alignas(64) float lane[F32::lanes];
    store(lane, v);
    // Keeps the compiler from taking the halves out of the register just stored.
    __asm__("" : "+m"(*reinterpret_cast<float(*)[F32::lanes]>(lane)));
    lo = add(lo, load_widened(lane));
    hi = add(hi, load_widened(lane + F64::lanes));
  }
};

// Double terms carry the rounding errors of their sum along (Dekker's FastTwoSum: the running sum starts at a
// bias above every term, so that it is always the larger operand). A million equal terms stay exact.
template <>
struct LaneSum<F64> {
  static constexpr size_t run = 16;
  static constexpr double bias = 0x1p504;  // > the largest term, 2^(500 + 1/2)
  F64 sum = splat<F64>(bias), error = splat<F64>(0);

  INLINE void add_term(Term<F64> e) {
    const F64 term = e.value(), next = add(sum, term);
    error = add(error, sub(term, sub(next, sum)));
    sum = next;
  }
  INLINE void end_run() {}
  INLINE void total(double& total, double& lost) const {
    total = reduce_add(sub(sum, splat<F64>(bias)).r), lost = reduce_add(error.r);
  }
};

}  // namespace
