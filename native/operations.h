// The operations, a line each: the one place where the C++ side says what an operation takes. The addon exports these
// lines, and lib/backends/native/header.ts compares them with the declarations in lib/ops when it loads.
#pragma once
#include <stdint.h>

// Its name; the unit of native/kernels that solves it (units.h); what the elements of `out` are, and how many there are;
// the numbers and arrays that it takes besides its rows, by their names in layout.h.
// clang-format off
#define OPERATIONS(OPERATION)                                                                                        \
  OPERATION(softmax, softmax, outType, elements, "outType", "logNormalizer", "logNormalizerShared")                  \
  OPERATION(logSoftmax, logarithm, outType, elements, "outType")                                                     \
  OPERATION(logSumExp, logarithm, outType, rows, "outType")                                                          \
  OPERATION(topK, selection, outType, k, "outType", "k", "log", "indices", "logNormalizer",                        \
            "logNormalizerShared")                                                                                   \
  OPERATION(sample, selection, uint32, count, "count", "keepTop", "topP", "minPDepth", "seedLow", "seedHigh",        \
            "firstDraw", "order", "settings", "logProbabilities", "logProbabilitiesType", "rawLogProbabilities",     \
            "rawType", "biasClasses", "biasValues", "biasStarts", "biasCount", "history",            \
            "historyStarts", "historyCount", "prompt", "promptStarts", "promptCount", "repetitionPenalty",           \
            "frequencyPenalty", "presencePenalty")                                                                   \
  OPERATION(crossEntropy, loss, losses, losses, "summed", "ignoreIndex", "labelSmoothing", "gradientScale",          \
            "targets", "targetProbabilities", "weights", "gradient")                                                 \
  OPERATION(entropy, entropy, outType, rows, "outType")                                                              \
  OPERATION(klDivergence, divergence, outType, rows, "outType", "other")                                             \
  OPERATION(logProb, logProb, outType, k, "outType", "k", "classesShared", "ignoreIndex", "renormalize", "classes",  \
            "ranks")                                                                                                 \
  OPERATION(judge, judge, float64, rows, "ignoreIndex", "bins", "targets", "confidences", "brierScores",             \
            "entropies", "likeliest", "targetRanks")                                                                 \
  OPERATION(slope, slope, float64, count, "count", "ignoreIndex", "targets")                                         \
  OPERATION(sigmoid, logistic, outType, elements, "outType")                                                         \
  OPERATION(logSigmoid, logistic, outType, elements, "outType")                                                      \
  OPERATION(binaryCrossEntropy, binaryLoss, losses, losses, "outType", "summed", "each", "posWeight",                \
            "classCount", "classStep", "gradientScale", "targetProbabilities", "weights", "elementWeights",          \
            "posWeights", "gradient")
// clang-format on

enum class Op : int32_t {
#define OPERATION(name, ...) name,
  OPERATIONS(OPERATION)
#undef OPERATION
};

enum class Element { type, outType, losses, logProbabilitiesType, rawType, byte, uint32, int32, float64 };

enum class Extent {
  elements,     // one for each element of x
  rows,         // one per row
  starts,       // one per row, and one more
  classes,      // one for each class of a row
  mask,         // elements, or classes where all rows share the mask
  words,        // of a bitmask: those of a row per row, or of one row where all share it
  normalizers,  // rows, or one where all rows share it
  losses,       // elements where each is wanted, total_length where their sum is, else rows
  results,      // as many as `out` has
  given,        // results, or k where all rows share them
  k,            // k per row
  count,        // count per row
  settings,     // settings_per_row per row
  bounds,       // one per row, and one more: starts counts the outer ones
  biasCount,    // as many as that number says
  historyCount,
  promptCount,
};

struct Operation {
  Op op;
  const char* name;
  Element element;
  Extent extent;
  const char* takes[40];
};

static constexpr Operation operations[] = {
#define OPERATION(name, unit, element, extent, ...) \
  {Op::name, #name, Element::element, Extent::extent, {__VA_ARGS__}},
    OPERATIONS(OPERATION)
#undef OPERATION
};
