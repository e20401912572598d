// The unit of softmax.
#include SIMD_HEADER
#include "ops/softmax.h"
#include "shapes/solve.h"
#include "units.h"

namespace UNITS {

void solve_softmax(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve_in_shapes<F64, Softmax<F64>>(p, begin, end)
                          : solve_in_shapes<F32, Softmax<F32>>(p, begin, end);
}

Measure measure_softmax(const Problem& p, size_t row, size_t span, const double* max) {
  return p.type == Type::float64 ? measure_span<Softmax<F64>>(p, row, span, max)
                                 : measure_span<Softmax<F32>>(p, row, span, max);
}

void emit_softmax(const Problem& p, size_t row, size_t span, const Measure& whole) {
  const size_t from = span * span_length;
  p.type == Type::float64 ? Softmax<F64>(p).emit(row, from, whole) : Softmax<F32>(p).emit(row, from, whole);
}

}  // namespace UNITS
