// The table of one ISA. SIMD_HEADER names its register vocabulary, KERNELS the table.
#include SIMD_HEADER
#include "shapes/few_blocks.h"
#include "shapes/measure.h"
#include "units.h"

using namespace UNITS;

namespace {

void solve_in_groups(const Problem& p, size_t begin, size_t end) {
  switch (p.op) {
#define OPERATION(name, unit, ...) \
  case Op::name: return solve_##unit(p, begin, end);
    OPERATIONS(OPERATION)
#undef OPERATION
  }
}

// With nothing set up but the scale.
template <class V>
void solve_alone(const Problem& p, size_t begin, size_t end, const Scale<V>& scale) {
  using T = typename V::Scalar;
  const T* x = static_cast<const T*>(p.x);
  T* y = static_cast<T*>(p.out);
  for (size_t r = begin; r < end; r++) {
    if (!softmax_of_few<V>(scale, x + r * p.length, p.length, y + r * p.length)) solve_softmax(p, r, r + 1);
  }
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  if (!is_alone<V>(p, end - begin)) return solve_in_groups(p, begin, end);
  solve_alone<V>(p, begin, end, small_scale_of<V>(p.temperature));
}
void solve(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}

bool solve_lone(const float* x, size_t classes, double temperature, float* y) {
  return softmax_of_few<F32>(small_scale_of<F32>(temperature), x, classes, y);
}

Measure measure(const Problem& p, size_t row, size_t span, const double* max) {
  return p.op == Op::softmax ? measure_softmax(p, row, span, max) : measure_logarithm(p, row, span, max);
}

Measure combine(const Measure* parts, size_t count) {
  Measure whole;
  for (size_t i = 0; i < count; i++) whole = combine(whole, parts[i]);
  return whole;
}

void emit(const Problem& p, size_t row, size_t span, const Measure& whole) {
  p.op == Op::softmax ? emit_softmax(p, row, span, whole) : emit_logarithm(p, row, span, whole);
}

}  // namespace

const Kernels KERNELS = {KERNELS_NAME, solve_lone, solve, measure, combine, emit};
