// Short rows of several lengths, one behind the other, a row per lane: V::lanes of them at once. Each is read from where it
// begins to where the longest ends; what lies behind a row is masked. Results are written whole blocks at a time: what is too
// much is the next row's, which is written then.
//
//   memory  a0 a1 b0 c0 c1 c2 ...         class 0: a0 b0 c0     class 1: a1 -- c1     class 2: -- -- c2
//
// For softmax.
#pragma once
#include "kept.h"
#include "lanes.h"

namespace UNITS {

template <class V, class Op>
struct RaggedLanes {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes, P = panel_columns<V>;
  static constexpr size_t most_classes = exact_terms<V>;  // two to a partial sum
  const Op& op;
  const Problem& p;
  const T* const limit;  // where the rows that may be read end
  const bool overlaps;   // results may be written where logits wait
  size_t longest;
  alignas(64) uint32_t at[L + 1];  // where rows begin
  alignas(64) int32_t length[L] = {};
  alignas(64) T x[most_classes * L];     // a block for each class
  alignas(64) T rows[L * most_classes];  // the results, or logits that lie at the end

  RaggedLanes(const Op& op, const T* limit) : op(op), p(op.p), limit(limit), overlaps(is_in_place(p)) {}

  // Reads where rows lie; whether all are short.
  bool read(size_t first, size_t count) {
    const uint32_t* const offsets = p.offsets + first;
    const uint32_t end = uint32_t(lesser(p.elements, UINT32_MAX));
    for (size_t k = 0; k <= count; k++) {
      const uint32_t offset = read_once(offsets + k);
      at[k] = offset < end ? offset : end;
    }
    for (size_t k = count + 1; k <= L; k++) at[k] = at[count];
    uint32_t most = 0;
    for (size_t k = 0; k < L; k++) {
      const uint32_t n = at[k + 1] > at[k] ? at[k + 1] - at[k] : 0;
      most = n > most ? n : most;
      length[k] = int32_t(n);
    }
    longest = most;
    return most <= most_classes;
  }

  // False, with nothing written, where a row needs more care (infinities, huge logits).
  bool solve(size_t first, size_t count) {
    if (longest == 0) return true;
    const size_t width = (longest + P - 1) / P * P;
    const V lengths = load_whole<V>(length), none = splat<V>(T(-infinity));
    const V max = load_classes(width, lengths);
    const uint32_t some = mask_greater(lengths, splat<V>(T(0))), live = mask_greater(max, none);
    const LaneShift<V> shift(keep(live, max, splat<V>(T(0))), op.scale, ExpTraits<V>::vanish);
    if (!shift.reducible) return false;
    const T bias = bias_for<V>(1);
    V taken, rest, hi, lo;
    add_terms(Exp<V, false>(op.scale, shift.magic, shift.lower), lengths, bias, taken, rest);
    invert<V>(taken, rest, hi, lo);
    for (size_t c = 0; c < width; c += P) {
      V column[P];
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) column[j] = scaled(load<V>(x + (c + j) * L), hi, lo);
      store_panel(rows + c, most_classes, L, column);
    }
    // Rows of nothing but -Infinity, and those with NaN, are read once more: all NaN that come out are one.
    const uint32_t dead = some & ~(live & mask_greater(splat<V>(T(infinity)), taken));
    put(count, dead);
    for (uint32_t left = dead; left; left &= left - 1) op.solve(first + size_t(__builtin_ctz(left)));
    uint32_t alone = alone_in_sum(taken, rest, shift, op.scale, bias) & some & ~dead;
    for (; alone; alone &= alone - 1) {
      const size_t k = size_t(__builtin_ctz(alone));
      make_one(static_cast<T*>(p.out) + at[k], size_t(length[k]), 1);
    }
    return true;
  }

 private:
  // The classes of the rows, and the maximum of each.
  __attribute__((noinline)) V load_classes(size_t width, V lengths) {
    const T* start[L];
    // Each by itself: another thread may have written offsets that do not ascend.
    for (size_t k = 0; k < L; k++) {
      start[k] = static_cast<const T*>(p.x) + at[k];
      if (start[k] + width <= limit) continue;
      T* const copy = rows + k * most_classes;
      for (size_t i = 0; i < size_t(length[k]); i++) copy[i] = start[k][i];
      start[k] = copy;
    }
    V max = splat<V>(T(-infinity));
    for (size_t c = 0; c < width; c += P) {
      V column[P];
#pragma GCC unroll 4
      for (size_t i = 0; i < V::registers; i++) {
        typename V::Register r[P];
        load_panel_registers([&](size_t k) INLINE_LAMBDA { return start[i * V::per_register + k] + c; }, r);
#pragma GCC unroll 4
        for (size_t j = 0; j < P; j++) column[j].r[i] = r[j];
      }
#pragma GCC unroll 4
      for (size_t j = 0; j < P; j++) {
        const uint32_t kept = mask_greater(lengths, splat<V>(T(c + j)));
        store(x + (c + j) * L, column[j]);
        max = keep(kept, max_number(column[j], max), max);
      }
    }
    return max;
  }

  // As add_few_terms does it; terms take the place of logits.
  __attribute__((noinline)) void add_terms(const Exp<V, false>& exponential, V lengths, T bias, V& taken,
                                           V& rest) {
    const Exp<V, false> exp = exponential;
    const V count = lengths;
    const size_t n = longest;
    V sum = splat<V>(T(0));
    const auto term = [&](size_t c) INLINE_LAMBDA {
      const Term<V> e = exp.term(exp.reduce(load<V>(x + c * L), mask_greater(count, splat<V>(T(c)))));
      store(x + c * L, e.value());
      return e;
    };
    const auto rest_of = [&](size_t c) INLINE_LAMBDA {
      TermSum<V> partial(bias);
      partial.add_first(term(c));
      if (c + L < n) partial.add_term(term(c + L));
      sum = add(sum, partial.taken(bias));
      return partial.rest;
    };
    rest = tree_of_lanes<V, false>(rest_of, n < L ? n : L);
    taken = sum;
  }

  // Whole blocks, as far as the next rows are not yet to be read, nor those that are `dead`, and are there.
  void put(size_t count, uint32_t dead) const {
    const size_t end = (longest + L - 1) / L * L;
    T* const out = static_cast<T*>(p.out);
    const T* const last = out + (overlaps ? at[count] : size_t(limit - static_cast<const T*>(p.x)));
    size_t k = 0;
    for (; k < count && !dead; k++) {
      T* const y = out + at[k];
      if (y + end > last) break;
      const T* from = rows + k * most_classes;
      for (size_t i = 0; i < end; i += L) store(y + i, load<V>(from + i));
    }
    for (; k < count; k++) {
      const size_t n = dead >> k & 1 ? 0 : size_t(length[k]);
      for (size_t i = 0; i < n; i++) out[at[k] + i] = rows[k * most_classes + i];
    }
  }
};

}  // namespace UNITS
