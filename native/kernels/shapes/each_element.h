// Elements by themselves, wherever they lie: what is done to one depends on no other.
#pragma once
#include "../math/logistic.h"
#include "sink.h"

namespace UNITS {

// Blocks that take each step together.
template <class V>
constexpr size_t side_by_side = V::registers <= 2 ? 4 : 1;

// put(i, f(x)), or f(x, y), of the blocks of whole groups, and after(i) behind each group; returns how many elements those are.
// Each block goes through three steps, and while one group takes its last, the next one takes its second and another its first:
// the steps of one block wait for each other.
template <class V, size_t group, class F, class Put, class After, class... More>
INLINE size_t each_of_groups(const typename V::Scalar* x, size_t n, const F& f, Put put, After after,
                             const More*... more) {
  constexpr size_t L = V::lanes, S = group * L;
  const size_t end = n / S * S;
  if (end == 0) return 0;
  Reduced<V> start[group] = {};
  typename F::Middle middle[group] = {};
  if constexpr (V::registers > 2) {  // whose registers hold no more than one step of a group
    for (size_t i = 0; i < end; i += S) {
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) start[k] = f.start(load<V>(x + i + k * L));
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) middle[k] = f.middle(start[k]);
#pragma GCC unroll 8
      for (size_t k = 0; k < group; k++) {
        put(i + k * L, f.end(middle[k], load<V>(x + i + k * L), load<V>(more + i + k * L)...));
      }
      after(i);
    }
    return end;
  }
  // i is where the first step is. (A branch each, not loops of their own for the ends: a third of the code.)
  for (size_t i = 0; i < end + 2 * S; i += S) {
    const bool begins = i < end, goes_on = i >= S && i < end + S, ends = i >= 2 * S;
    const size_t done = i - 2 * S;
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) {
      const size_t at = done + k * L;
      if (ends) put(at, f.end(middle[k], load<V>(x + at), load<V>(more + at)...));
      if (goes_on) middle[k] = f.middle(start[k]);
      if (begins) start[k] = f.start(load<V>(x + i + k * L));
    }
    if (ends) after(done);
  }
  return end;
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
    i = each_of_groups<V, group>(
        x, n, f, [out](size_t at, V v) INLINE_LAMBDA { store(out + at, v); }, [](size_t) {}, more...);
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
