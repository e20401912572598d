// Up to 16 float rows of few classes in lanes, however they lie and whatever masks them: for ops that are done with a row
// before its neighbours matter. A lane has the same bits whatever is in the others, so a row alone goes in lanes too.
//
//   row 0: a0 a1 -             class 0: a0 b0 c0 ...
//   row 1: b0 b1 b2     =>     class 1: a1 b1 c1 ...
//   row 2: c0 c1 c2            class 2:  - b2 c2 ...     - is -Infinity
#pragma once
#include "few_classes.h"
#include "lanes_for_all.h"
#include "measure.h"

namespace UNITS {

constexpr size_t most_gathered = 32;  // classes

INLINE bool fits_gathered(const Problem& p) {
  return p.type != Type::float64 && p.length > 0 && p.length <= most_gathered;
}

// Such rows, in groups of 16.
struct GatheredRows {
  static constexpr size_t L = F32::lanes;
  const Problem& p;
  const bool plain, is_known;
  KnownLoad<F32> known = {};

  explicit GatheredRows(const Problem& p)
      : p(p),
        plain(is_plain(p) && p.inner == 1 && p.type == Type::float32),
        is_known(lanes_for_all && plain && p.length >= 2 && p.length <= few_classes<F32>) {
    if constexpr (lanes_for_all) {
      if (is_known) known = known_load<F32>(p.length);
    }
  }

  // Up to `most` groups of the rows [begin, end) of `data`, which is laid out as x, and their maxima: class c of group g is
  // the block at blocks + (g * classes + c) * 16. How many groups: only the last one may have fewer rows.
  size_t load(const void* data, size_t begin, size_t end, size_t most, float* blocks, F32* max) const {
    const size_t n = p.length;
    size_t groups = 0;
    if (is_known && begin + L + known.beyond <= p.rows() && begin + L <= end) {
      groups = lesser(lesser(p.rows() - begin - known.beyond, end - begin) / L, most);
      known.load(static_cast<const float*>(data) + begin * n, blocks, groups, groups == most, max);
    } else {
      for (; groups < most && begin < end; groups++, begin += L, blocks += n * L) {
        gather(data, begin, lesser(end - begin, L), blocks);
        max[groups] = UNITS::load<F32>(blocks);
        for (size_t c = 1; c < n; c++) max[groups] = max_number(UNITS::load<F32>(blocks + c * L), max[groups]);
      }
    }
    return groups;
  }

 private:
  void gather(const void* data, size_t begin, size_t count, float* blocks) const {
    constexpr size_t P = panel_columns<F32>;
    alignas(64) float rows[most_gathered * L + P];  // a panel reads 16 bytes of each row
    const size_t n = p.length;
    if (plain) __builtin_memcpy(rows, static_cast<const float*>(data) + begin * n, count * n * sizeof(float));
    for (size_t i = 0; !plain && i < count; i++) {
      Source row = source_of(p, begin + i);
      row.data = static_cast<const char*>(data) + (row.data - static_cast<const char*>(p.x));
      float* const to = rows + i * n;
      const float* x = row.fetch(0, row.length, to);
      if (x != to && row.length > 0) __builtin_memcpy(to, x, row.length * sizeof(float));
      for (size_t c = row.length; c < n; c++) to[c] = -infinity;
    }
    for (size_t c = 0; c < n; c += P) {
      F32 column[P];
      load_panel(rows + c, n, count, column);
      for (size_t j = 0; j < P && c + j < n; j++) store(blocks + (c + j) * L, column[j]);
    }
  }
};

// Row r as of a problem whose rows have at most so many classes, as it has: it is solved as it would be alone, whatever the
// longest of its neighbours. It is still row r.
INLINE Problem narrowed(const Problem& p, size_t r, size_t classes) {
  Problem few = p;
  few.length = classes;
  if (p.offsets) return few;
  // Where more classes are said to be than there are, it lies before its first row.
  const ptrdiff_t by = ptrdiff_t(start_of(p, r)) - ptrdiff_t(start_of(few, r)),
                  bytes = by * ptrdiff_t(size_of(p.type));
  few.x = static_cast<const char*>(p.x) + bytes;
  if (p.other) few.other = static_cast<const char*>(p.other) + bytes;
  if (p.where && !p.whereShared) few.where = p.where + by;
  if (p.bitmask && !p.bitmaskShared)
    few.bitmask = p.bitmask + ptrdiff_t(r) * (ptrdiff_t(p.words()) - ptrdiff_t(few.words()));
  return few;
}

// log(1 + rho) for rho >= 0, as log1p, with one division instead of two: to 2^-50, which is enough for floats. Where no power
// of 2 is split off, rho itself goes into the series; elsewhere what 1 + rho rounds off is too little to count.
INLINE F64 log1p_for_floats(F64 rho) {
  const F64 one = splat<F64>(1), none = splat<F64>(0);
  F64 k, m;
  split_exponent(add(one, rho), k, m);
  const F64 f = add(zero_if_equal(k, none, sub(m, one)), sub(rho, zero_if_equal(k, none, rho)));
  const F64 half_square = mul(mul(splat<F64>(0.5), f), f), s = div(f, add(splat<F64>(2), f)), z = mul(s, s);
  F64 series = splat<F64>(log_f64[6]);
#pragma GCC unroll 8
  for (int i = 5; i >= 0; i--) series = muladd(series, z, splat<F64>(log_f64[i]));
  const F64 tail = sub(sub(half_square, mul(s, muladd(series, z, half_square))), f);
  return muladd(k, splat<F64>(ln2_hi + ln2_lo), sub(none, tail));
}

// The rows, as bits, whose maximum is too large to reduce, or no number.
INLINE uint32_t odd_rows(F32 max, const Scale<F32>& scale) {
  const F32 reducible = splat<F32>(float(ExpTraits<F32>::reducible));
  return ~mask_greater(reducible, absolute(mul(max, splat<F32>(float(scale.c)))));
}

}  // namespace UNITS
