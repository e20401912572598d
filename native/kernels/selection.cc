// The unit of topK and sample.
#include SIMD_HEADER
#include "ops/filter.h"
#include "ops/top_few_logs.h"
#include "ops/top_more.h"
#include "ops/top_of_few.h"
#include "ops/top_one.h"
#include "shapes/blocks.h"
#include "shapes/columns.h"
#include "shapes/lanes_for_all.h"
#include "units.h"

using namespace UNITS;

namespace {

template <class V>
void solve_draws(const Problem& p, size_t begin, size_t end) {
  const bool has_shape = p.inner == 1 || FilteredDraw<V>::has_columns;
  const bool fits = draws_alike(p) && (!filters(p) || (has_shape && p.length <= panel_classes));
  if (!fits || shape_of<V>(p, end - begin) != Shape::lanes) return SampleSolver<V>(p).solve(begin, end);
  if (filters(p)) return solve_in_lanes<V>(FilteredDraw<V>(p), begin, end);
  solve_in_lanes<V>(Draw<V>(p), begin, end);
}

// Rows of few classes in lanes, longer ones along their blocks.
template <class V, class Op>
void solve_few(const Problem& p, size_t begin, size_t end) {
  const Shape shape = shape_of<V>(p, end - begin);
  if (shape == Shape::lanes) return solve_in_lanes<V>(Op(p), begin, end);
  if constexpr (all_along_blocks) {
    const bool group = end - begin > V::lanes / 8;
    if (group && shape == Shape::blocks && p.length > panel_classes)
      return AlongBlocks<V, Op>(p).solve(begin, end);
  }
  TopKSolver<V>(p).solve(begin, end);
}

// The same, where there is memory.
template <class V>
[[maybe_unused]] bool solve_more(const Problem& p, size_t begin, size_t end) {
  const Shape shape = shape_of<V>(p, end - begin);
  if (shape == Shape::lanes) {
    const TopMore<V> top(p);
    return top.has_memory() && (solve_in_lanes<V>(top, begin, end), true);
  }
  if constexpr (all_along_blocks) {
    const bool group = end - begin > V::lanes / 8;
    if (group && shape == Shape::blocks && p.length > panel_classes) {
      const AlongBlocks<V, TopMore<V>> along(p);
      return along.op.has_memory() && (along.solve(begin, end), true);
    }
  }
  return false;
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  if constexpr (has_lanes<V>) {
    if (p.op == Op::sample) return solve_draws<V>(p, begin, end);
    if constexpr (lanes_for_all && !is_compact) {
      const bool logs = TopFewLogs<V>::fits(p) && shape_of<V>(p, end - begin) == Shape::lanes;
      if (logs) return solve_in_lanes<V>(TopFewLogs<V>(p), begin, end);
    }
    const bool few = p.k > 0 && p.k <= most_few && p.k <= p.length && !p.log;
    if constexpr (lanes_for_all && V::registers <= 2 && sizeof(typename V::Scalar) == 4) {
      if (few && TopOfFew<V>::fits(p) && shape_of<V>(p, end - begin) == Shape::lanes)
        return TopOfFew<V>(p).solve(begin, end);
    }
    if (few && p.k == 1) return solve_few<V, TopOne<V>>(p, begin, end);
    if (few) return solve_few<V, TopFew<V>>(p, begin, end);
    constexpr bool is_portable = lanes_for_all && is_compact;  // seldom run, and the binary is large
    if constexpr (!is_portable && sizeof(typename V::Scalar) == 4) {
      if (TopMore<V>::fits(p) && solve_more<V>(p, begin, end)) return;
    }
  }
  p.op == Op::sample ? SampleSolver<V>(p).solve(begin, end) : TopKSolver<V>(p).solve(begin, end);
}

}  // namespace

void UNITS::solve_selection(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
