// Compiled once per ISA: SIMD_HEADER names the register vocabulary and KERNELS the table.
#include SIMD_HEADER

#include "ops/cross_entropy.h"
#include "shapes/few_classes.h"
#include "ops/sample.h"
#include "shapes/short_rows.h"
#include "ops/top_k.h"

namespace {

// (Not in line, nor is solve_rows: what these set up takes a lone row of few classes 3 ns.)
template <class V>
__attribute__((noinline)) void solve_one(const Problem& p, size_t r) {
  RowSolver<V>(p).solve(r);
}

template <class V>
void solve_alone(const Problem& p, size_t begin, size_t end, const Scale<V>& scale) {
  using T = typename V::Scalar;
  const T* x = static_cast<const T*>(p.x);
  T* y = static_cast<T*>(p.out);
  for (size_t r = begin; r < end; r++) {
    if (!softmax_of_few<V>(scale, x + r * p.length, p.length, y + r * p.length)) solve_one<V>(p, r);
  }
}

template <class V>
__attribute__((noinline)) void solve_as(Shape shape, const Problem& p, size_t begin, size_t end) {
  if (p.op == Op::crossEntropy) return CrossEntropySolver<V>(p).solve(begin, end);
  if (p.op == Op::topK) return TopKSolver<V>(p).solve(begin, end);
  if (p.op == Op::sample) return SampleSolver<V>(p).solve(begin, end);
  switch (shape) {
    case Shape::few_classes: return FewClassSolver<V>(p).solve(begin, end);
    case Shape::lanes: return LaneSolver<V>(p).solve(begin, end);
    case Shape::blocks: return ShortRowSolver<V>(p).solve(begin, end);
    default: {
      const RowSolver<V> rows(p);
      for (size_t r = begin; r < end; r++) rows.solve(r);
    }
  }
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  const Shape shape = shape_of<V>(p, end - begin);
  if (shape != Shape::few_blocks) return solve_as<V>(shape, p, begin, end);
  solve_alone<V>(p, begin, end, small_scale_of<V>(p.temperature));
}
void solve(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}

bool solve_lone(const float* x, size_t classes, double temperature, float* y) {
  return softmax_of_few<F32>(small_scale_of<F32>(temperature), x, classes, y);
}

template <class V>
Measure measure_span(const Problem& p, size_t r, size_t span, const double* max) {
  const RowSolver<V> rows(p);
  const Source row = source_of(p, r);
  const size_t from = span * span_length, rest = row.length - from;
  return rows.measurer.stretch(row, from, from + (rest < span_length ? rest : span_length), max, nullptr, nullptr);
}

Measure measure(const Problem& p, size_t row, size_t span, const double* max) {
  return p.type == Type::float64 ? measure_span<F64>(p, row, span, max) : measure_span<F32>(p, row, span, max);
}

Measure combine(const Measure* parts, size_t count) {
  Measure whole;
  for (size_t i = 0; i < count; i++) whole = combine(whole, parts[i]);
  return whole;
}

template <class V>
void emit_span(const Problem& p, size_t r, size_t span, const Measure& whole) {
  RowSolver<V>(p).emit(r, span * span_length, whole);
}

void emit(const Problem& p, size_t row, size_t span, const Measure& whole) {
  p.type == Type::float64 ? emit_span<F64>(p, row, span, whole) : emit_span<F32>(p, row, span, whole);
}

}  // namespace

const Kernels KERNELS = {KERNELS_NAME, solve_lone, solve, measure, combine, emit};
