// Lists of class indices as callers give them: checked, counted and copied many at a time. Knows nothing of Node-API.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

// Integers of one type.
struct Integers {
  enum class Type { int32, uint32, int64 };
  const void* data = nullptr;
  size_t length = 0;
  Type type = Type::int32;
};

// How many entries of a list are classes, where all others are `ignored`; -1 where one is neither. A class is from 0 to `last`;
// of ragged rows, whose `offsets` are one more than the entries, below the length of the entry's row. All are copied `to`,
// unless that is null. The usual list is counted by the kernels' `count`.
double count_classes(const Integers& list, int64_t last, const uint32_t* offsets, int32_t ignored, int32_t* to,
                     const Kernels& kernels);

// Adds the weights of the classes of a list to an exact sum, by the kernels' `sum`.
void weigh_classes(const int32_t* list, size_t length, int32_t ignored, const double* weights, size_t classes,
                   const Kernels& kernels, double* total);
