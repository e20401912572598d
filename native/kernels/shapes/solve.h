// An op over the shapes.
#pragma once
#include "blocks.h"
#include "columns.h"
#include "few_classes.h"
#include "rows.h"

namespace {

template <class V, class Op>
void solve_in_shapes(const Problem& p, size_t begin, size_t end) {
  const Shape shape = shape_of<V>(p, end - begin);
  if constexpr (Op::sums == Sums::all) {
    if (shape == Shape::few_classes) return FewClasses<V, Op>(p).solve(begin, end);
  }
  if (shape == Shape::blocks) return AlongBlocks<V, Op>(p).solve(begin, end);
  const Op op(p);
  if (shape == Shape::lanes) return solve_in_lanes<V>(op, begin, end);
  for (size_t r = begin; r < end; r++) op.solve(r);
}

template <class Op>
Measure measure_span(const Problem& p, size_t r, size_t span, const double* max) {
  const Source row = source_of(p, r);
  const size_t from = span * span_length, to = row.length - from < span_length ? row.length : from + span_length;
  return Op(p).template measurer<Op::sums>().stretch(row, from, to, max, nullptr, nullptr);
}

}  // namespace
