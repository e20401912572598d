// What a call is made of: its numbers and its arrays, each named once. Macros, so that the addon (call.cc) and the
// WebAssembly module (wasm.cc), which has no C++ library, each make of them what they need.
#pragma once

// The numbers of the header, a double each: those of every call, then those that some operations take, each beside the
// member of Problem that it fills. The addon exports them in this order, and no other file knows it.
#define NUMBERS(ROWS, OPS)                        \
  ROWS(kernels)                                   \
  ROWS(op)                                        \
  ROWS(threads)                                   \
  ROWS(handle)                                    \
  ROWS(type)                                      \
  ROWS(outer)                                     \
  ROWS(length)                                    \
  ROWS(inner)                                     \
  ROWS(elements)                                  \
  ROWS(temperature)                               \
  ROWS(whereShared)                               \
  ROWS(bitmaskShared)                             \
  OPS(outType, outType)                           \
  OPS(logNormalizerShared, logNormalizerShared)   \
  OPS(k, k)                                       \
  OPS(log, log)                                   \
  OPS(count, count)                               \
  OPS(keepTop, keepTop)                           \
  OPS(topP, topP)                                 \
  OPS(minPDepth, minPDepth)                       \
  OPS(seedLow, seed[0])                           \
  OPS(seedHigh, seed[1])                          \
  OPS(firstDraw, firstDraw)                       \
  OPS(order, order)                               \
  OPS(biasCount, biasCount)                       \
  OPS(historyCount, historyCount)                 \
  OPS(promptCount, promptCount)                   \
  OPS(repetitionPenalty, repetitionPenalty)       \
  OPS(frequencyPenalty, frequencyPenalty)         \
  OPS(presencePenalty, presencePenalty)           \
  OPS(logProbabilitiesType, logProbabilitiesType) \
  OPS(rawType, rawType)                           \
  OPS(ignoreIndex, ignoreIndex)                   \
  OPS(classesShared, classesShared)               \
  OPS(renormalize, renormalize)                   \
  OPS(labelSmoothing, labelSmoothing)             \
  OPS(gradientScale, gradientScale)               \
  OPS(bins, bins)                                 \
  OPS(summed, summed)                             \
  OPS(each, each)                                 \
  OPS(posWeight, posWeight)                       \
  OPS(classCount, classCount)                     \
  OPS(classStep, classStep)

// The arrays that operations take besides their rows and `out`: the member of Problem, what its elements are, how many
// there are (see operations.h), and whether it has to be there.
#define ARRAYS(ARRAY)                                           \
  ARRAY(logNormalizer, float64, normalizers, false)             \
  ARRAY(indices, uint32, results, true)                         \
  ARRAY(settings, float64, settings, false)                     \
  ARRAY(logProbabilities, logProbabilitiesType, results, false) \
  ARRAY(rawLogProbabilities, rawType, results, false)           \
  ARRAY(biasClasses, uint32, biasCount, false)                  \
  ARRAY(biasValues, float64, biasCount, false)                  \
  ARRAY(biasStarts, uint32, bounds, false)                      \
  ARRAY(history, uint32, historyCount, false)                   \
  ARRAY(historyStarts, uint32, bounds, false)                   \
  ARRAY(prompt, uint32, promptCount, false)                     \
  ARRAY(promptStarts, uint32, bounds, false)                    \
  ARRAY(targets, int32, rows, false)                            \
  ARRAY(targetProbabilities, type, elements, false)             \
  ARRAY(weights, float64, classes, false)                       \
  ARRAY(elementWeights, float64, elements, false)               \
  ARRAY(posWeights, float64, classes, false)                    \
  ARRAY(gradient, type, elements, false)                        \
  ARRAY(other, type, elements, true)                            \
  ARRAY(classes, int32, given, true)                            \
  ARRAY(ranks, uint32, results, false)                          \
  ARRAY(confidences, float64, rows, true)                       \
  ARRAY(brierScores, float64, rows, true)                       \
  ARRAY(entropies, float64, rows, true)                         \
  ARRAY(likeliest, uint32, rows, true)                          \
  ARRAY(targetRanks, uint32, rows, true)
