// The unit of logSoftmax, logSumExp and crossEntropy.
#include SIMD_HEADER
#include "ops/class_gradient.h"
#include "ops/share_gradient.h"
#include "shapes/solve.h"
#include "shapes/lanes_for_all.h"
#include "units.h"

using namespace UNITS;

namespace {

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  p.op == Op::logSumExp ? solve_in_shapes<V, LogSumExp<V>>(p, begin, end)
                        : solve_in_shapes<V, LogSoftmax<V>>(p, begin, end);
}

template <class V>
void emit(const Problem& p, size_t row, size_t from, const Measure& whole) {
  p.op == Op::logSumExp ? LogSumExp<V>(p).emit(row, from, whole) : LogSoftmax<V>(p).emit(row, from, whole);
}

template <class V>
void solve_losses(const Problem& p, size_t begin, size_t end) {
  [[maybe_unused]] const bool by_class = p.targets && p.labelSmoothing == 0;
  if constexpr (has_lanes<V>) {
    if (by_class && !p.gradient) {
      if constexpr (lanes_for_all) return solve_in_shapes<V, ClassLoss<V>>(p, begin, end);
      if (shape_of<V>(p, end - begin) == Shape::lanes) return solve_in_lanes<V>(ClassLoss<V>(p), begin, end);
    }
  }
  if constexpr (lanes_for_all && !is_compact && sizeof(typename V::Scalar) == 4) {
    if (!by_class && !p.gradient && p.inner == 1) return solve_in_shapes<V, ShareLoss<V>>(p, begin, end);
    if (!by_class && p.gradient && p.inner == 1 && ShareGradient::fits(p, end - begin)) {
      Problem losses = p, written = p;
      losses.gradient = nullptr, written.out = p.gradient, written.outType = p.type;
      solve_in_shapes<V, ShareLoss<V>>(losses, begin, end);
      return solve_in_lanes<F64>(ShareGradient(written), begin, end);
    }
  }
  if constexpr (has_lanes<V>) {
    // A double probability may be subnormal. Lanes multiply it by 1 / T before it is rounded, row by row it is divided after.
    const bool rounds_once = p.type != Type::float64 || p.temperature == 1;
    if (by_class && rounds_once && scales_fit<V>(p)) {
      const Shape shape = shape_of<V>(p, end - begin);
      Problem written = p;
      written.out = p.gradient, written.outType = p.type;
      if (shape == Shape::lanes) return solve_in_lanes<V>(ClassGradient<V>(written), begin, end);
      if constexpr (all_along_blocks) {
        // Terms wait in the gradient: in place, a row could not be solved once more.
        const bool apart = p.gradient != p.x;
        if (apart && shape == Shape::blocks) return AlongBlocks<V, ClassGradient<V>>(written).solve(begin, end);
      }
    }
  }
  CrossEntropySolver<V>(p).solve(begin, end);
}

}  // namespace

namespace UNITS {

void solve_logarithm(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}

void solve_loss(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve_losses<F64>(p, begin, end) : solve_losses<F32>(p, begin, end);
}

Measure measure_row_below(const Problem& p, size_t r) {
  const Source row = source_of(p, r);
  return p.type == Type::float64 ? LogSoftmax<F64>(p).measurer<Sums::below>().row(row, nullptr, nullptr)
                                 : LogSoftmax<F32>(p).measurer<Sums::below>().row(row, nullptr, nullptr);
}

Measure measure_logarithm(const Problem& p, size_t row, size_t span, const double* max) {
  return p.type == Type::float64 ? measure_span<LogSoftmax<F64>>(p, row, span, max)
                                 : measure_span<LogSoftmax<F32>>(p, row, span, max);
}

void emit_logarithm(const Problem& p, size_t row, size_t span, const Measure& whole) {
  const size_t from = span * span_length;
  p.type == Type::float64 ? emit<F64>(p, row, from, whole) : emit<F32>(p, row, from, whole);
}

}  // namespace UNITS
