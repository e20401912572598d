// The operations, a line each: the one place where the C++ side says what an operation takes. The addon exports these
// lines, and lib/backends/native/header.ts compares them with the declarations in lib/ops when it loads.
#pragma once
#include <stdint.h>

enum class Op : int32_t { softmax, logSoftmax, logSumExp, topK, sample, crossEntropy };

enum class Element { type, outType, logProbabilitiesType, byte, uint32, int32, float64 };

enum class Extent {
  elements,     // one for each element of x
  rows,         // one per row
  starts,       // one per row, and one more
  classes,      // one for each class of a row
  mask,         // elements, or classes where all rows share the mask
  normalizers,  // rows, or one where all rows share it
  results,      // as many as `out` has
  k,            // k per row
  count,        // count per row
};

struct Operation {
  Op op;
  const char* name;
  // What the elements of `out` are, and how many there are.
  Element element;
  Extent extent;
  // The numbers and arrays that it takes besides its rows, by their names in call.cc.
  const char* takes[9];
};

static constexpr Operation operations[] = {
    {Op::softmax,
     "softmax",
     Element::outType,
     Extent::elements,
     {"outType", "logNormalizer", "logNormalizerShared"}},
    {Op::logSoftmax, "logSoftmax", Element::outType, Extent::elements, {"outType"}},
    {Op::logSumExp, "logSumExp", Element::outType, Extent::rows, {"outType"}},
    {Op::topK,
     "topK",
     Element::outType,
     Extent::k,
     {"outType", "k", "indices", "logNormalizer", "logNormalizerShared"}},
    {Op::sample,
     "sample",
     Element::uint32,
     Extent::count,
     {"count", "keepTop", "topP", "minPReach", "seedLow", "seedHigh", "logProbabilities", "logProbabilitiesType"}},
    {Op::crossEntropy,
     "crossEntropy",
     Element::float64,
     Extent::rows,
     {"ignoreIndex", "labelSmoothing", "gradientScale", "targets", "targetProbabilities", "weights", "gradient"}},
};
