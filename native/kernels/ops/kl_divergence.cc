// klDivergence: the divergence of the softmax of each row of x from that of y. Of floats, rows of few classes lie in lanes, longer
// ones along their blocks; what float terms do not do for is taken in doubles, as other types are.
#include SIMD_HEADER
#include "../units.h"
#include "divergence_along.h"

using namespace UNITS;

void UNITS::solve_divergence(const Problem& p, size_t begin, size_t end) {
  const bool lanes = fits_gathered(p) && !scale_of<F32>(p.temperature).extreme && p.length > 0;
  lanes ? DivergencesInLanes(p).solve(begin, end) : DivergencesAlong(p).solve(begin, end);
}
