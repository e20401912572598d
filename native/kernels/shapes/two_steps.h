// The sums of terms.h where a CPU has so few registers that what a term needs and the sums do not fit them: the logits of a chunk are
// reduced in one loop, and become terms in the next. Where even a reduction fills them, powers of two are looked up in between.
#pragma once
#include "../math/sum.h"

#ifndef POWERS_APART
#define POWERS_APART false
#endif

namespace UNITS {

// Halves of blocks that wait between the steps, in the first cache.
constexpr size_t halves_between = 128;

// Adds the terms of whole blocks to `total` and returns how many elements they had. In `exp` all lanes are alike.
template <bool stored, class V, bool moved>
__attribute__((noinline)) size_t sum_in_two_steps(const float* x, size_t n, const Exp<V, moved>& exp, float* terms,
                                                  TermSum<V>& total) {
  constexpr size_t L = V::lanes, between = Half::registers, parts = V::registers / between;
  alignas(64) Reduced<Half> waiting[halves_between];
  const Exp<Half, moved> half(exp);
  const float* const end = x + n / L * L;
  while (x != end) {
    const size_t left = size_t(end - x) / Half::lanes, count = left < halves_between ? left : halves_between;
    // By pointers: clang folds the distances of indices into no address.
    Reduced<Half>* const last = waiting + count;
    for (Reduced<Half>* p = waiting; p != last; p++, x += Half::lanes) {
      *p = POWERS_APART ? half.split(load<Half>(x)) : half.reduce(load<Half>(x));
    }
    if (POWERS_APART) {
      for (Reduced<Half>* p = waiting; p != last; p++) p->t = pow2(p->t);
    }
    for (size_t part = 0; part < parts; part++) {
      auto* const sum = total.sum.r + part * between;
      auto* const rest = total.rest.r + part * between;
      TermSum<Half> own(Half{{sum[0], sum[1]}}, Half{{rest[0], rest[1]}});
      float* to = terms + part * Half::lanes;
      for (const Reduced<Half>* p = waiting + part; p != last + part; p += parts) {
        const Term<Half> e = Exp<Half, moved>::term(*p);
        if (stored) store(to, e.value()), to += L;
        own.add_term(e);
      }
      for (size_t i = 0; i < between; i++) sum[i] = own.sum.r[i], rest[i] = own.rest.r[i];
    }
    if (stored) terms += count * Half::lanes;
  }
  return n / L * L;
}

}  // namespace UNITS
