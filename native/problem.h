// The problem that one call poses, with everything optional resolved: the twin of lib/backends/problem.ts.
//
// x is row-major [outer, length, inner] and every op works along the middle. Row r is (r / inner, r % inner).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "operations.h"

enum class Type : int32_t { float32, float64, float16, bfloat16 };

// In bytes. (Static, as all that the kernels share with the rest: see block.h.)
static constexpr size_t size_of(Type type) { return type == Type::float64 ? 8 : type == Type::float32 ? 4 : 2; }

// What slope says of a row, in numbers.
static constexpr size_t slope_count = 3;

// What `sample` takes of each row where rows differ: how many classes to keep, top-p, min-p's depth, the seed (low, high),
// the number of the first draw, the number of the row in draws, and the penalties for repetition, frequency and presence.
// See kernels/ops/sample_settings.h.
static constexpr size_t settings_per_row = 10;

// The sum of losses, as digits: see kernels/math/exact_sum.h.
static constexpr size_t total_length = 87;

// The order in which `sample` filters: that of transformers, vLLM and llama.cpp; joint has top-k and top-p over all classes.
enum class Order : int32_t { transformers, vllm, llama_cpp, joint };

struct Problem {
  Op op;
  Type type, outType;
  size_t outer, length, inner;
  size_t elements;     // of x
  double temperature;  // of all rows, unless there are `temperatures`
  size_t firstRow;     // the number of row 0, for draws: where a problem is part of another one

  const void* x;
  void* out;
  const uint8_t* where;  // 1 = takes part: a byte per element of x, or `length` bytes for every row
  bool whereShared;
  const uint32_t*
      bitmask;  // the same as bits: bit c % 32 of word c / 32, for every row or for all; both must allow
  bool bitmaskShared;
  const uint32_t* lengths;     // valid prefix of each row
  const uint32_t* offsets;     // ragged rows: outer + 1 offsets into x
  const double* temperatures;  // of each row, or null
  const double* logNormalizer;
  bool logNormalizerShared;

  // topK
  size_t k;
  bool log;  // logarithms of the probabilities
  uint32_t* indices;

  // sample, slope
  size_t count;  // results per row: draws; all numbers of one

  // sample
  Order order;
  size_t keepTop;  // 0 = no top-k filter
  double topP;
  double minPDepth;  // how far below the largest logit, at temperature 1, a class may be; Infinity = no min-p
  uint32_t seed[2];
  double firstDraw;        // its number: how many there were before
  const double* settings;  // of each row, settings_per_row of them; or null
  void* logProbabilities;
  Type logProbabilitiesType;
  void* rawLogProbabilities;  // of the draws, before all that is below and the temperature
  Type rawType;
  // What changes logits first: see kernels/ops/adjust.h. Lists are one for every row, or have the starts of each row's part
  // and the end.
  const uint32_t *biasClasses, *biasStarts, *history, *historyStarts, *prompt, *promptStarts;
  const double* biasValues;
  size_t biasCount, historyCount, promptCount;
  double repetitionPenalty, frequencyPenalty, presencePenalty;

  // crossEntropy, judge, slope
  const int32_t* targets;
  int32_t ignoreIndex;

  // crossEntropy
  const void* targetProbabilities;
  double labelSmoothing;
  const double* weights;
  double* losses;
  void* gradient;
  double gradientScale;
  bool summed;  // `out` is the exact sum of the losses of rows, in total_length digits

  // klDivergence
  const void* other;  // the logits of q, laid out as x

  // logProb
  const int32_t* classes;  // k of each row, or k for all rows; `ignoreIndex` counts for nothing
  bool classesShared;
  bool renormalize;  // the given classes alone are the row
  uint32_t* ranks;

  // binaryCrossEntropy, beside those of crossEntropy
  bool each;  // the loss of each element, not their sums by row
  const double* elementWeights;
  const double* posWeights;  // of each class; without them
  double posWeight;
  size_t classCount,
      classStep;  // of rows that were cut into pieces: element e is of class e / classStep % classCount; else 0

  // judge: one of each per row, and the losses
  size_t bins;  // that confidences are sorted into
  double *confidences, *brierScores, *entropies;
  uint32_t *likeliest, *targetRanks;

  // Where rows are copies (shapes/copies.h): the problem that they are copied from, by which a row is solved that needs more
  // care; and whether a copy of -Infinity alone is of a row with nothing left.
  const Problem* copied;
  bool emptyRows;

  // Where rows are put together (shapes/ragged.h): the element at which each begins, of which 16 bytes may be read, unless they lie
  // one behind the other.
  const uint32_t* starts;
  // And by how much the number of each, for draws, is above firstRow. There are as many more as a block has lanes.
  const uint32_t* rowNumbers;

  // Set, or null, where the results are no longer wanted: long rows are then left as they are.
  const bool* cancelled;

  // (In line always: a copy in the objects of an ISA could be the one that all others are linked to.)
  __attribute__((always_inline)) size_t rows() const { return outer * inner; }
  __attribute__((always_inline)) size_t words() const {
    return length / 32 + (length % 32 > 0);
  }  // of a bitmask's row
};
