// Rows under masks, or draws of padded ones, for ops that have no shape for masks. They are copied (row_copies.h), a set at a time,
// and their copies are a problem without masks. Where -Infinity is something else than no part, the row is solved by itself, from
// where it is: where fewer numbers are left than are asked for, and beside NaN and +Infinity.
#pragma once
#include "../ops/sample_settings.h"
#include "row_copies.h"

namespace UNITS {

template <class V>
class Masked {
 public:
  using T = typename V::Scalar;
  using Solve = void (*)(const Problem&, size_t begin, size_t end);

  static bool fits(const Problem& p, size_t rows) {
    if (!(p.where || p.bitmask || p.lengths) || p.offsets || p.inner > 1 || p.logNormalizer) return false;
    if (p.length < 2 || p.length > copied_classes || rows <= V::lanes / 8) return false;
    switch (p.op) {
      case Op::topK:
        // Terms start at the bias of a row's own length, and logarithms of few floats have a way of their own.
        if (p.lengths && (p.log || bias_for<V>(1) != bias_for<V>(p.length))) return false;
        return p.k > 0 && p.k <= most_chosen;
      case Op::logProb: return !p.lengths && !p.renormalize && !p.ranks;
      case Op::crossEntropy:
        if (p.lengths || !p.targets || p.labelSmoothing != 0) return false;
        return !p.gradient || (lanes_for_all && p.type == type_of<T>);
      case Op::sample: return draws_alike(p);
      case Op::entropy: return !p.lengths && p.length <= few_for_logs;
      default: return false;
    }
  }

  // `solve`: rows of any problem.
  Masked(const Problem& posed, Solve solve)
      : p(posed), solve_rows(solve), rows(posed), part(posed), needed(p.op == Op::topK ? p.k : 1) {
    part.where = nullptr, part.bitmask = nullptr, part.lengths = nullptr;
    part.type = type_of<T>;
  }

  void solve(size_t begin, size_t end) {
    const size_t n = p.length, step = rows.rows_of_set();
    alignas(64) T copies[RowCopies<V>::room];
    for (size_t row = begin, next; row < end && !(row > begin && is_set(p.cancelled)); row = next) {
      next = lesser(end, row + step);
      odd_count = 0;
      rows.is_narrow() ? copy_narrow(row, next - row, copies) : copy_wide(row, next - row, copies);
      part.x = array_around(copies, row * n);
      part.outer = next, part.elements = (next - row) * n;
      if (!lanes_for_all || p.gradient != p.x) {
        solve_over(row, next);
      } else {
        solve_between(row, next);
      }
      if (lanes_for_all && p.gradient) hide_targets(row, next, copies);
    }
  }

 private:
  const Problem& p;
  const Solve solve_rows;
  RowCopies<V> rows;
  Problem part;
  const size_t needed;  // numbers of a row
  size_t odd_count = 0;
  uint16_t odd[RowCopies<V>::most / 2];  // rows of a set that are solved by themselves

  // Odd rows are solved once more, by themselves.
  void solve_over(size_t row, size_t next) {
    solve_rows(part, row, next);
    for (size_t i = 0; i < odd_count; i++) solve_rows(p, row + odd[i], row + odd[i] + 1);
  }
  // The same where they would be lost by then.
  void solve_between(size_t row, size_t next) {
    size_t from = row;
    for (size_t i = 0; i < odd_count; i++) {
      const size_t r = row + odd[i];
      if (r > from) solve_rows(part, from, r);
      solve_rows(p, r, r + 1);
      from = r + 1;
    }
    if (next > from) solve_rows(part, from, next);
  }

  // A target that takes no part has none in the gradient.
  void hide_targets(size_t row, size_t next, const T* copy) const {
    const size_t n = p.length;
    for (size_t r = row; r < next; r++, copy += n) {
      const int32_t given = read_once(p.targets + r);
      if (given < 0 || size_t(given) >= n || copy[given] != T(-infinity)) continue;
      if (source_of(p, r).masked_out(size_t(given))) static_cast<T*>(p.gradient)[r * n + size_t(given)] = 0;
    }
  }

  void copy_narrow(size_t row, size_t count, T* copies) {
    const size_t n = p.length;
    rows.copy_narrow(row, count, copies);
    if (lanes_for_all && needed == 1 && !rows.has_others) return find_empty(count, copies);
    for (size_t k = 0; k < count; k++) {
      const uint32_t bits = uint32_t(numbers_from(k * n)) & ((1u << n) - 1);
      if (rows.has_others || size_t(__builtin_popcount(bits)) < needed) set_aside(k, copies);
    }
  }

  // Zeros take its place: the others of its group do not see it.
  void set_aside(size_t k, T* copies) {
    odd[odd_count++] = uint16_t(k);
    for (size_t i = 0; i < p.length; i++) copies[k * p.length + i] = 0;
  }

  // 32 bits and more, from that of element `at` on.
  INLINE uint64_t numbers_from(size_t at) const {
    return (rows.numbers[at / 32] | uint64_t(rows.numbers[at / 32 + 1]) << 32) >> at % 32;
  }

  // The rows without a number, several at a time: bit k * n is set where any of the n from there on are.
  void find_empty(size_t count, T* copies) {
    const size_t n = p.length, step = 33 / n;
    uint64_t firsts = 0;
    for (size_t k = 0; k < step; k++) firsts |= uint64_t(1) << k * n;
    for (size_t row = 0; row < count; row += step) {
      uint64_t any = numbers_from(row * n);
      size_t covered = 1;
      for (; 2 * covered <= n; covered *= 2) any |= any >> covered;
      any |= any >> (n - covered);
      for (uint64_t empty = firsts & ~any; empty; empty &= empty - 1) {
        const size_t k = row + size_t(__builtin_ctzll(empty)) / n;
        if (k < count) set_aside(k, copies);
      }
    }
  }

  void copy_wide(size_t row, size_t count, T* copies) {
    for (size_t k = 0; k < count; k++) {
      typename RowCopies<V>::Found found;
      rows.copy_row(row + k, copies + k * p.length, found);
      if (found.count < needed || found.others != 0) set_aside(k, copies);
    }
  }
};

}  // namespace UNITS
