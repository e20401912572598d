// What one ISA's build of the kernels offers. dispatch.cc picks a table once; batch.cc calls it.
#pragma once
#include "../problem.h"

// The measure of a stretch of one row: its maximum, and the sum of its terms 2^(x * log2(e) / T - top), in
// units of a constant of the kernel. For the logarithms the sum leaves out the logits equal to max, which are
// counted instead: log(1 + 4e-18) would be lost otherwise.
struct Measure {
  double max = -__builtin_inf();  // of the logits that take part
  double top = -__builtin_inf();
  double sum = 0, sum_lo = 0;  // an unevaluated sum; NaN if a logit is
  double count = 0;
  double top_term = 1, top_term_lo = 0;  // the term of a logit equal to max
  // Of rows of few floats measured for logarithms, the two floats that their logarithm is the sum of: see few_log.h. Of others
  // below 0.
  float few_log[2] = {-1, 0};
  bool reshape = false;  // no shift of its own would do: to be measured again under the row's maximum

  // Never a function of its own: the linker would keep that of one ISA for all.
  __attribute__((always_inline)) Measure() {}
  __attribute__((always_inline)) bool has_few_log() const { return few_log[0] >= 0; }
};

// In place of a length where offsets descend.
constexpr uint64_t descends = ~uint64_t(0);

struct Kernels {
  const char* name;
  // Softmax of one row of floats, posed without a problem: writing one down takes a tenth of the time of four classes.
  // False, with nothing written, where one is needed after all: for longer rows, and logits that want more care.
  bool (*solve_lone)(const float* x, size_t classes, double temperature, float* y);
  // Rows [begin, end), whole.
  void (*solve)(const Problem&, size_t begin, size_t end);
  // One row of softmax, logSoftmax or logSumExp longer than a span, cut into spans of `span` classes: measure
  // each (under the shift for *max if given), combine in order, then emit each.
  Measure (*measure)(const Problem&, size_t row, size_t span, const double* max);
  Measure (*combine)(const Measure*, size_t count);
  void (*emit)(const Problem&, size_t row, size_t span, const Measure& whole);
  // How many classes of a list are not `ignored`; -1 where one of those is no class from 0 to `last`. They are copied to `to`
  // unless it is null.
  double (*count)(const int32_t* list, size_t length, int32_t last, int32_t ignored, int32_t* to);
  // The largest number, or of the rows `between` as many offsets the longest. (No function in WebAssembly.)
  uint64_t (*longest)(const uint32_t* list, size_t count, bool between);
  // Whether all of an array are numbers from 0 to 1; false also for -0. (Nor here.)
  bool (*are_shares)(const void* numbers, size_t bytes, Type type);
  // Adds up to 1024 numbers, which are lost, to an exact sum: total_length digits.
  void (*sum)(double* numbers, size_t count, double* total);
};

constexpr size_t span_length = 1 << 18;

extern const Kernels kernels_avx512, kernels_avx2, kernels_neon, kernels_portable, kernels_wasm;
