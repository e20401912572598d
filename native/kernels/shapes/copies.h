// Rows that do not lie as the other shapes want them: under a mask, padded, or of 16 bits. A set of them at a time is copied
// (row_copies.h), and is then a problem like any other, whose results go where they belong, or are narrowed.
//
// Rows that need more care (NaN, infinities, nothing left) are solved by themselves, from where they came: see
// Problem::copied.
#pragma once
#include "../math/few_log.h"
#include "row_copies.h"
#include "sink.h"

namespace UNITS {

template <class V, class Op>
struct Copies {
  using T = typename V::Scalar;
  const Problem& p;
  RowCopies<V> rows;
  const size_t n, step;
  const bool narrows;
  Problem from, own;  // what is copied, and the copies

  explicit Copies(const Problem& p)
      : p(p),
        rows(p),
        n(p.length),
        step(rows.rows_of_set()),
        narrows(Op::writes_classes && p.outType != type_of<T>),
        from(p),
        own(p) {
    if (narrows) from.outType = own.outType = type_of<T>;
    own.where = nullptr, own.bitmask = nullptr, own.lengths = nullptr;
    own.type = type_of<T>;
    own.copied = &from;
  }

  // `solve` solves rows of a problem that lie as the other shapes want them.
  template <class Solve>
  void solve(size_t begin, size_t end, Solve solve) {
    alignas(64) T copies[RowCopies<V>::room];
    for (size_t row = begin, count; row < end && !(row > begin && is_set(p.cancelled)); row += count) {
      count = lesser(step, end - row);
      own.emptyRows = copy(row, count, copies);
      own.elements = count * n;
      T* const around = array_around(copies, row * n);
      own.x = around;
      if (narrows) own.out = from.out = around;
      solve(own, row, row + count);
      for (size_t i = 0; i < single; i++) Op(from).solve(row + alone[i]);
      if (narrows) Sink{static_cast<char*>(p.out), p.outType, 1}.flush(row * n, count * n, copies);
    }
  }

 private:
  size_t single = 0;
  uint16_t
      alone[RowCopies<V>::most / RowCopies<V>::narrow_row];  // rows of wide sets that are not among the copies

  // Whether a copied row of -Infinity has nothing left, that is, whether none of what takes part is -Infinity or NaN.
  bool copy(size_t row, size_t count, T* copies) {
    single = 0;
    if (!p.where && !p.bitmask && !p.lengths) {
      Source{rows.data(row), p.type, 1, nullptr, 0, count * n}.fetch_to(copies, count * n);
      return false;
    }
    if (!rows.is_narrow()) return copy_wide(row, count, copies), false;
    rows.copy_narrow(row, count, copies);
    return !rows.has_lowest;
  }

  // Row by row.
  void copy_wide(size_t row, size_t count, T* copies) {
    for (size_t k = 0; k < count; k++, copies += n) {
      typename RowCopies<V>::Found found;
      const Source source = rows.copy_row(row + k, copies, found);
      // Of few floats logarithms are not what they are among more.
      const bool differs = Op::sums == Sums::below && has_few_for_logs<V>(source.length);
      if (!differs && !source.nothing_left()) continue;
      alone[single++] = uint16_t(k);
      for (size_t i = 0; i < n; i++) copies[i] = 0;
    }
  }
};

}  // namespace UNITS
