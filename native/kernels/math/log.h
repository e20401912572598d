// log(1 + rho) for rho >= 0 over blocks of doubles; the relative error is small also where rho is tiny.
#pragma once
#include "constants.h"
#include "series.h"

namespace UNITS {

// Within 1 ULP: fdlibm's scheme. over(u, lost) is lost / u, to some bits.
template <class D, class Over>
INLINE D log1p(D rho, Over over) {
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
  const D low = muladd(k, constant<D>(ln2_lo), over(u, lost));
  const D tail = sub(sub(half_square, muladd(s, add(half_square, series), low)), f);
  return sub(mul(k, constant<D>(ln2_hi)), tail);
}

template <class D>
INLINE D log1p(D rho) {
  return log1p(rho, [](D u, D lost) INLINE_LAMBDA { return div(lost, u); });
}

// Within 2^-32, for results that are rounded to float32: with no division.
template <class D>
INLINE D short_log1p(D rho) {
  const D one = constant<D>(1), u = add(one, rho);
  const D lost = sub(rho, sub(u, one));  // 1 + rho - u, but for what a large rho does not notice
  D k, m;
  split_exponent(u, k, m);
  const D f = sub(m, one), f2 = mul(f, f);
  const D cubic = series<10>(log1p_f64, f, f2);
  const D tail = muladd(f2, constant<D>(-0.5), muladd(mul(f2, f), cubic, lost));
  return muladd(k, constant<D>(ln2_hi + ln2_lo), add(f, tail));
}

}  // namespace UNITS
