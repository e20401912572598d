// One call as it arrives: a header of numbers and a list of arrays, to be read into a problem. Checks what protects
// memory; knows nothing of Node-API.
#pragma once
#include <stddef.h>

#include <vector>

#include "kernels/kernels.h"
#include "layout.h"

#define PLACE(name, ...) name,
namespace number {
enum Place { NUMBERS(PLACE, PLACE) all };
}
#undef PLACE

// The header's length: after the numbers, what solveScratch() needs as seven 32-bit integers: kernels, op, type, rows,
// classes, and two of the operation's own.
constexpr size_t header_length = number::all + 4;

struct Bytes {
  void* data = nullptr;
  size_t length = 0;
};

// A problem with everything needed to solve it.
struct Call {
  Problem problem{};
  const Kernels* kernels = nullptr;
  size_t threads = 1;
};

// The arrays of every call come first: x, out, where, lengths, offsets, temperatures, bitmask. Then come the operation's
// own.
constexpr size_t row_arrays = 7, most_arrays = 25;

// Fills a call; says what is out of bounds, or null.
const char* read_call(const double* header, const Bytes* arrays, Call& call);

// The largest of `count` numbers, or of the rows between as many offsets; none where these descend. By a few at once.
uint64_t largest_of(const uint32_t* list, size_t count);
uint64_t longest_between(const uint32_t* offsets, size_t count);

// The kernels by their place among `isas`.
const Kernels& kernels_at(size_t place);

// The names that both sides go by, each list in its order.
struct OperationNames {
  const char* name;
  std::vector<const char*> numbers, arrays;
};
struct CallNames {
  std::vector<const char*> numbers, types;
  std::vector<OperationNames> operations;
};
CallNames call_names();
