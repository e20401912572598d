// The unit of topK and sample.
#include SIMD_HEADER
#include "ops/sample.h"
#include "ops/top_one.h"
#include "shapes/columns.h"
#include "units.h"

namespace {

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  if (p.op == Op::sample) return SampleSolver<V>(p).solve(begin, end);
  if (p.k != 1 || p.log || shape_of<V>(p, end - begin) != Shape::lanes) return TopKSolver<V>(p).solve(begin, end);
  solve_in_lanes<V>(TopOne<V>(p), begin, end);
}

}  // namespace

void UNITS::solve_selection(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
