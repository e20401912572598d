// Sums in doubles that keep what each addition rounds off.
#pragma once
#include "finish.h"

namespace UNITS {

// Lanes of doubles, with what each addition rounds off where the parts have as many digits (Knuth's two-sum).
template <class V>
struct Total {
  using T = typename V::Scalar;
  static constexpr size_t W = V::lanes / F64::lanes;
  F64 high = splat<F64>(0), low = splat<F64>(0);

  INLINE void add(V part) {
    F64 wide[W];
    widen(part, wide);
    for (size_t w = 0; w < W; w++) {
      const F64 sum = UNITS::add(high, wide[w]);
      if constexpr (sizeof(T) == 8) {  // floats leave digits enough
        const F64 taken = sub(sum, high);
        low = UNITS::add(low, UNITS::add(sub(high, sub(sum, taken)), sub(wide[w], taken)));
      }
      high = sum;
    }
  }
  INLINE Wide<double> value() const { return {reduce_add(high), reduce_add(low)}; }
  INLINE double rounded() const { return reduce_add(high) + reduce_add(low); }
};

}  // namespace UNITS
