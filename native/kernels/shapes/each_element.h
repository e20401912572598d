// Elements by themselves, wherever they lie: what is done to one depends on no other.
#pragma once
#include "../math/logistic.h"
#include "sink.h"

namespace UNITS {

// Blocks that are begun before the first is finished.
template <class V>
constexpr size_t side_by_side = V::registers == 1   ? 8
                                : V::registers == 2 ? 4
                                                    : 1;

// put(k, f(x)), or f(x, y), of a group's blocks, step by step for all: the steps of one wait for each other.
template <class V, size_t group, class F, class Put, class... More>
INLINE void each_of_group(const typename V::Scalar* x, const F& f, Put put, const More*... more) {
  constexpr size_t L = V::lanes;
  Reduced<V> start[group];
  typename F::Middle middle[group];
#pragma GCC unroll 8
  for (size_t k = 0; k < group; k++) start[k] = f.start(load<V>(x + k * L));
#pragma GCC unroll 8
  for (size_t k = 0; k < group; k++) middle[k] = f.middle(start[k]);
#pragma GCC unroll 8
  for (size_t k = 0; k < group; k++) put(k, f.end(middle[k], load<V>(x + k * L), load<V>(more + k * L)...));
}

// out = f(x), or f(x, y), element by element; out may be x or y. In steps: see logistic.h.
template <class V, class F, class... More>
__attribute__((noinline)) void each_element(const typename V::Scalar* x, typename V::Scalar* out, size_t n,
                                            const F& function, const More*... more) {
  using T = typename V::Scalar;
  static_assert(sizeof...(More) <= 1);
  constexpr size_t L = V::lanes, group = side_by_side<V>;
  const F f = function;  // by value: in registers
  size_t i = 0;
  if constexpr (group > 1) {
    for (; i + group * L <= n; i += group * L) {
      each_of_group<V, group>(
          x + i, f, [out, i](size_t k, V v) INLINE_LAMBDA { store(out + i + k * L, v); }, (more + i)...);
    }
  }
  for (; i + L <= n; i += L) {
    const V v = load<V>(x + i);
    store(out + i, f.end(f.middle(f.start(v)), v, load<V>(more + i)...));
  }
  if (i == n) return;
  // What is left, as a block of its own.
  const size_t left = n - i;
  alignas(64) T block[L], beside[L];
  store(block, load_first<V>(x + i, left, 0));
  (store(beside, load_first<V>(more + i, left, 0)), ...);
  [[maybe_unused]] const auto padded = [&beside](const T*) { return static_cast<const T*>(beside); };
  each_element<V>(block, block, L, function, padded(more)...);
  store_first(out + i, load<V>(block), left);
}

}  // namespace UNITS
