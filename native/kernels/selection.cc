// The unit of topK and sample.
#include SIMD_HEADER
#include "ops/sample.h"
#include "ops/top_k.h"
#include "units.h"

namespace {

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  p.op == Op::topK ? TopKSolver<V>(p).solve(begin, end) : SampleSolver<V>(p).solve(begin, end);
}

}  // namespace

void UNITS::solve_selection(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
