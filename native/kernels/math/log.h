// log(1 + rho) for rho >= 0, within 1 ULP also where rho is tiny: fdlibm's scheme over blocks of doubles.
#pragma once
#include "../isa/block.h"
#include "constants.h"

namespace {

template <class D>
INLINE D log1p(D rho) {
  const D one = constant<D>(1);
  const D u = add(one, rho);
  const D back = sub(u, one);
  const D lost = add(sub(one, sub(u, back)), sub(rho, back));  // exactly 1 + rho - u
  D k, m;
  split_exponent(u, k, m);
  const D f = sub(m, one);
  const D half_square = mul(mul(constant<D>(0.5), f), f);
  const D s = div(f, add(constant<D>(2), f));
  const D z = mul(s, s);
  D series = constant<D>(log_f64[6]);
  for (int i = 5; i >= 0; i--) series = muladd(series, z, constant<D>(log_f64[i]));
  series = mul(series, z);
  const D low = muladd(k, constant<D>(ln2_lo), div(lost, u));
  const D tail = sub(sub(half_square, muladd(s, add(half_square, series), low)), f);
  return sub(mul(k, constant<D>(ln2_hi)), tail);
}

}  // namespace
