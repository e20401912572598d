// What the units of an ISA give to its table and to each other. A unit is a family of ops over all shapes, compiled by
// itself, so that units compile side by side.
#pragma once
#include "kernels.h"
#include "namespace.h"

namespace UNITS {

// Rows [begin, end) of a problem, by each unit that operations.h names.
#define OPERATION(name, unit, ...) void solve_##unit(const Problem&, size_t begin, size_t end);
OPERATIONS(OPERATION)
#undef OPERATION

// A row of any op, measured for logarithms.
Measure measure_row_below(const Problem&, size_t row);

// A span of one row: see Kernels.
Measure measure_softmax(const Problem&, size_t row, size_t span, const double* max);
Measure measure_logarithm(const Problem&, size_t row, size_t span, const double* max);
void emit_softmax(const Problem&, size_t row, size_t span, const Measure& whole);
void emit_logarithm(const Problem&, size_t row, size_t span, const Measure& whole);

}  // namespace UNITS
