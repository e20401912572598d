// The table of one ISA. SIMD_HEADER names its register vocabulary, KERNELS the table.
#include SIMD_HEADER
#include "math/count.h"
#include "math/exact_sum.h"
#include "math/longest.h"
#include "math/shares.h"
#include "ops/alone.h"
#include "shapes/masked.h"
#include "shapes/measure.h"
#include "shapes/ragged.h"
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

// With nothing set up but the scale: solve_row(x, r) is false where a row needs more.
template <class T, class SolveRow>
void solve_each(const Problem& p, size_t begin, size_t end, SolveRow solve_row) {
  const T* x = static_cast<const T*>(p.x);
  for (size_t r = begin; r < end; r++) {
    if (!solve_row(x + r * p.length, r)) solve_in_groups(p, r, r + 1);
  }
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  using T = typename V::Scalar;
  const size_t rows = end - begin, n = p.length;
  T* const out = static_cast<T*>(p.out);
  if (is_alone<V>(p, rows)) {
    const Scale<V>& scale = small_scale_of<V>(p.temperature);
    return solve_each<T>(p, begin, end, [&](const T* x, size_t r) INLINE_LAMBDA {
      return softmax_of_few<V>(scale, x, n, out + r * n);
    });
  }
  if (is_top_alone<V>(p, rows)) {
    const Scale<V>& scale = small_scale_of<V>(p.temperature);
    return solve_each<T>(p, begin, end, [&](const T* x, size_t r) INLINE_LAMBDA {
      return top_alone<V>(scale, x, n, p.k, out + r * p.k, p.indices + r * p.k);
    });
  }
  if (is_drawn_alone<V>(p, rows)) {
    const Scale<V>& scale = small_scale_of<V>(p.temperature);
    return solve_each<T>(p, begin, end, [&](const T* x, size_t r) INLINE_LAMBDA {
      // Worked out first: it takes as long as the row, and neither waits for the other.
      const double share = uniform(number_in_draws(p, r), whole(p.firstDraw), p.seed);
      return draw_alone<V>(scale, p.temperature, x, n, share, static_cast<uint32_t*>(p.out)[r]);
    });
  }
  solve_in_groups(p, begin, end);
}
void solve_of_type(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}

// False, with nothing solved, where rows go as they are.
template <class V>
bool solve_masked(const Problem& p, size_t begin, size_t end) {
  if constexpr (has_lanes<V>) {
    return Masked<V>::fits(p, end - begin) && (Masked<V>(p, solve_of_type).solve(begin, end), true);
  }
  return false;
}

void solve_at_one_temperature(const Problem& p, size_t begin, size_t end) {
  if (p.type == Type::float64 ? solve_masked<F64>(p, begin, end) : solve_masked<F32>(p, begin, end)) return;
  Ragged::fits(p, end - begin) ? Ragged(p, solve_of_type).solve(begin, end) : solve_of_type(p, begin, end);
}

// Rows that share a temperature are a problem of their own, at that temperature. So a row has the bits that it has where
// the temperature is a number, and no kernel knows of temperatures by row.
void set_temperature(Problem& p, double temperature) {
  p.temperature = temperature;
  p.temperatures = nullptr;
}
double temperature_of_row(const Problem& p, size_t row) {
  const double t = __builtin_bit_cast(double, read_once(reinterpret_cast<const uint64_t*>(p.temperatures) + row));
  return t >= 0 && t < __builtin_inf() ? t : 1;  // it was good when the call was made
}
void solve_by_temperature(const Problem& p, size_t begin, size_t end) {
  Problem part = p;
  for (size_t from = begin; from < end && !(from > begin && is_set(p.cancelled));) {
    const double temperature = temperature_of_row(p, from);
    size_t to = from + 1;
    while (to < end && temperature_of_row(p, to) == temperature) to++;
    set_temperature(part, temperature);
    solve_at_one_temperature(part, from, to);
    from = to;
  }
}

void solve_rows(const Problem& p, size_t begin, size_t end) {
  p.temperatures ? solve_by_temperature(p, begin, end) : solve_at_one_temperature(p, begin, end);
}

// Losses that are added up wait for it in the first cache: some rows at a time are a problem that gives them one by one. Of ragged
// rows more: those of one length wait for each other.
void solve_and_sum(const Problem& p, size_t begin, size_t end) {
  constexpr size_t at_once = ExactSum::most, most = 8 * at_once;
  alignas(64) double losses[most];
  ExactSum sum;
  Problem part = p;
  part.summed = false;
  const size_t step = p.offsets || p.lengths ? most : at_once;
  for (size_t from = begin; from < end && !(from > begin && is_set(p.cancelled)); from += step) {
    const size_t count = lesser(end - from, step);
    part.losses = array_around(losses, from);
    solve_rows(part, from, from + count);
    for (size_t i = 0; i < count; i += at_once) sum.add_all(losses + i, lesser(count - i, at_once));
  }
  sum.add_to(p.losses);
}

void solve(const Problem& p, size_t begin, size_t end) {
  p.summed ? solve_and_sum(p, begin, end) : solve_rows(p, begin, end);
}

void sum(double* numbers, size_t count, double* total) {
  ExactSum sum;
  sum.add_all(numbers, count);
  sum.add_to(total);
}

bool solve_lone(const float* x, size_t classes, double temperature, float* y) {
  return softmax_of_few<F32>(small_scale_of<F32>(temperature), x, classes, y);
}

// What a span of a row is measured and written by.
Problem at_temperature_of_row(const Problem& p, size_t row) {
  Problem own = p;
  if (p.temperatures) set_temperature(own, temperature_of_row(p, row));
  return own;
}

Measure measure(const Problem& posed, size_t row, size_t span, const double* max) {
  const Problem p = at_temperature_of_row(posed, row);
  return p.op == Op::softmax ? measure_softmax(p, row, span, max) : measure_logarithm(p, row, span, max);
}

Measure combine(const Measure* parts, size_t count) {
  Measure whole;
  for (size_t i = 0; i < count; i++) whole = UNITS::combine(whole, parts[i]);
  return whole;
}

void emit(const Problem& posed, size_t row, size_t span, const Measure& whole) {
  const Problem p = at_temperature_of_row(posed, row);
  p.op == Op::softmax ? emit_softmax(p, row, span, whole) : emit_logarithm(p, row, span, whole);
}

}  // namespace

const Kernels KERNELS = {KERNELS_NAME,
                         solve_lone,
                         solve,
                         measure,
                         combine,
                         emit,
                         count_classes,
                         lanes_for_all ? longest : nullptr,
                         lanes_for_all ? are_shares : nullptr,
                         sum};
