#include "call.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "classes.h"
#include "dispatch.h"
#include "pool.h"

namespace {

constexpr size_t operation_count = sizeof operations / sizeof *operations;

// 0 for what is no whole number of so many bits: no conversion may go out of range.
template <class T>
T whole(double value) {
  constexpr double most = double(std::numeric_limits<T>::max() / 2 + 1) * 2;
  return value >= double(std::numeric_limits<T>::min()) && value < most ? T(value) : T(0);
}

void assign(double& member, double value) { member = value; }
void assign(bool& member, double value) { member = value != 0; }
void assign(Type& member, double value) {
  member = Type(std::min(whole<uint32_t>(value), uint32_t(Type::bfloat16)));
}
void assign(Order& member, double value) {
  member = Order(std::min(whole<uint32_t>(value), uint32_t(Order::joint)));
}
template <class T>
void assign(T& member, double value) {
  member = whole<T>(value);
}

void read_number(Problem& p, size_t place, const double* header) {
  switch (place) {
#define SKIP(name)
#define FILL(name, member) \
  case number::name: return assign(p.member, header[place]);
    NUMBERS(SKIP, FILL)
#undef SKIP
#undef FILL
  }
}

constexpr const char* number_names[] = {
#define NAME(name, ...) #name,
    NUMBERS(NAME, NAME)
#undef NAME
};

template <class T>
void point(T*& member, void* data) {
  member = static_cast<T*>(data);
}

// The arrays that operations take besides their rows.
struct Array {
  const char* name;
  void (*set)(Problem&, void*);
  Element element;
  Extent extent;
  bool required;
  const char* refusal;
};
constexpr Array arrays_of_ops[] = {
#define ARRAY(name, element, extent, required)          \
  {#name,                                               \
   [](Problem& p, void* data) { point(p.name, data); }, \
   Element::element,                                    \
   Extent::extent,                                      \
   required,                                            \
   #name " is shorter than the problem"},
    ARRAYS(ARRAY)
#undef ARRAY
};

// The lines of operations.h with their names looked up.
struct Reading {
  std::vector<size_t> numbers;
  std::vector<const Array*> arrays;
};
std::vector<Reading> look_up() {
  std::vector<Reading> list;
  for (const Operation& operation : operations) {
    Reading reading;
    for (const char* name : operation.takes) {
      if (!name) break;
      const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
      for (size_t place = 0; place < number::all; place++) {
        if (is(number_names[place])) reading.numbers.push_back(place);
      }
      for (const Array& array : arrays_of_ops) {
        if (is(array.name)) reading.arrays.push_back(&array);
      }
    }
    list.push_back(reading);
  }
  return list;
}
const std::vector<Reading>& readings() {
  static const std::vector<Reading> list = look_up();
  return list;
}

size_t size_of(Element element, const Problem& p) {
  switch (element) {
    case Element::type: return size_of(p.type);
    case Element::outType: return size_of(p.outType);
    case Element::losses: return p.each ? size_of(p.outType) : 8;
    case Element::logProbabilitiesType: return size_of(p.logProbabilitiesType);
    case Element::rawType: return size_of(p.rawType);
    case Element::byte: return 1;
    case Element::uint32:
    case Element::int32: return 4;
    case Element::float64: break;
  }
  return 8;
}

size_t count_of(Extent extent, const Problem& p, size_t results) {
  switch (extent) {
    case Extent::elements: return p.elements;
    case Extent::rows: return p.rows();
    case Extent::starts: return p.outer + 1;
    case Extent::classes: return p.classCount ? p.classCount : p.length;
    case Extent::mask: return p.whereShared ? p.length : p.elements;
    case Extent::words: return (p.bitmaskShared ? 1 : p.rows()) * p.words();
    case Extent::normalizers: return p.logNormalizerShared ? 1 : p.rows();
    case Extent::losses: return p.each ? p.elements : p.summed ? total_length : p.rows();
    case Extent::results: return results;
    case Extent::given: return p.classesShared ? p.k : results;
    case Extent::k: return p.rows() * p.k;
    case Extent::count: return p.rows() * p.count;
    case Extent::settings: return p.rows() * settings_per_row;
    case Extent::bounds: return p.rows() + 1;
    case Extent::biasCount: return p.biasCount;
    case Extent::historyCount: return p.historyCount;
    case Extent::promptCount: break;
  }
  return p.promptCount;
}

bool fits(const Bytes& bytes, Element element, size_t count, const Problem& p) {
  return bytes.length / size_of(element, p) >= count;
}

// What is said of each row: `where`, `lengths`, `offsets`, `temperatures`, `bitmask`. Lists are checked so that a mistake is told; other threads may write
// them from then on, and the kernels take no entry's word for it (source.h).
const char* read_rows(const Bytes& where, const Bytes& lengths, const Bytes& offsets, const Bytes& temperatures,
                      const Bytes& bitmask, Problem& p) {
  const size_t rows = p.rows();
  if (where.data) {
    point(p.where, where.data);
    if (!fits(where, Element::byte, count_of(Extent::mask, p, 0), p)) return "where is shorter than its shape";
  }
  if (lengths.data) {
    point(p.lengths, lengths.data);
    if (!fits(lengths, Element::uint32, rows, p)) return "lengths is shorter than the rows";
    if (largest_of(p.lengths, rows) > p.length) return "a length exceeds the row";
  }
  if (offsets.data) {
    point(p.offsets, offsets.data);
    if (p.inner != 1 || !fits(offsets, Element::uint32, p.outer + 1, p)) return "offsets is shorter than the rows";
    const uint64_t longest = longest_between(p.offsets, p.outer + 1);
    if (longest == descends) return "offsets descend";
    if (longest > p.length) return "a row is longer than the longest";
    if (p.offsets[p.outer] > p.elements) return "offsets exceed x";
  }
  if (temperatures.data) {
    point(p.temperatures, temperatures.data);
    if (!fits(temperatures, Element::float64, rows, p)) return "temperatures is shorter than the rows";
  }
  if (bitmask.data) {
    point(p.bitmask, bitmask.data);
    size_t words;
    if (__builtin_mul_overflow(p.bitmaskShared ? 1 : rows, p.words(), &words) || p.offsets ||
        !fits(bitmask, Element::uint32, words, p))
      return "bitmask is shorter than its shape";
  }
  return nullptr;
}

const char* check_targets(const Problem& p) {
  if (!p.targets) return p.targetProbabilities || p.elements == 0 ? nullptr : "targets is shorter than its shape";
  // crossEntropy's have been counted, and its kernels ask each whether it is a class all the same.
  if (p.op == Op::crossEntropy) return nullptr;
  const Integers targets = {p.targets, p.rows(), Integers::Type::int32};
  const int64_t last = int64_t(std::min<size_t>(p.length, INT32_MAX)) - 1;
  const Kernels& kernels = kernels_at(0);
  return count_classes(targets, last, p.offsets, p.ignoreIndex, nullptr, kernels) < 0 ? "a target is no class"
                                                                                      : nullptr;
}

}  // namespace

const Kernels& kernels_at(size_t place) {
  static const std::vector<const Kernels*>& kernels = supported_kernels();
  return *kernels[std::min(place, kernels.size() - 1)];
}

const char* read_call(const double* header, const Bytes* arrays, Call& call) {
  Problem& p = call.problem;
  const auto size = [header](number::Place place) { return whole<size_t>(header[place]); };
  const size_t op = size(number::op);
  if (op >= operation_count) return "there is no such operation";
  const Operation& operation = operations[op];
  const Reading& reading = readings()[op];
  p.op = operation.op;
  assign(p.type, header[number::type]);
  p.outer = size(number::outer), p.length = size(number::length), p.inner = size(number::inner);
  p.elements = size(number::elements);
  p.temperature = header[number::temperature];
  p.whereShared = header[number::whereShared] != 0 && !arrays[4].data;  // ragged rows have a byte per element
  p.bitmaskShared = header[number::bitmaskShared] != 0;
  for (size_t place : reading.numbers) read_number(p, place, header);
  call.kernels = &kernels_at(size(number::kernels));
  const size_t threads = size(number::threads);
  call.threads = threads == 0 ? Pool::instance().threads() : threads;

  size_t rows, most;
  if (__builtin_mul_overflow(p.outer, p.inner, &rows) ||
      __builtin_mul_overflow(rows, std::max<size_t>({p.k, p.count, settings_per_row}), &most))
    return "there are more rows than memory holds";

  const Bytes &x = arrays[0], &out = arrays[1], &where = arrays[2], &lengths = arrays[3], &offsets = arrays[4];
  const Bytes &temperatures = arrays[5], &bitmask = arrays[6];
  p.x = x.data, p.out = out.data, p.losses = static_cast<double*>(out.data);
  if (!fits(x, Element::type, p.elements, p)) return "x is shorter than its shape";
  if (p.inner == 0 || p.outer == 0) return nullptr;  // no rows: nothing is read or written
  if (!offsets.length && p.elements / p.inner / p.outer < p.length) return "x is shorter than its shape";
  const size_t results = count_of(operation.extent, p, 0);
  if (!fits(out, operation.element, results, p)) return "out is shorter than its shape";
  if (const char* what = read_rows(where, lengths, offsets, temperatures, bitmask, p)) return what;
  const Bytes* own = arrays + row_arrays;
  for (const Array* array : reading.arrays) {
    const Bytes& bytes = *own++;
    array->set(p, bytes.data);
    if ((bytes.data || array->required) && !fits(bytes, array->element, count_of(array->extent, p, results), p)) {
      return array->refusal;
    }
  }
  if (p.op == Op::binaryCrossEntropy && !p.targetProbabilities && p.elements > 0) {
    return "targets is shorter than its shape";
  }
  if (p.op == Op::slope && p.count != slope_count) return "a row has another count of results";
  const bool has_targets = p.op == Op::crossEntropy || p.op == Op::judge || p.op == Op::slope;
  return has_targets ? check_targets(p) : nullptr;
}

uint64_t largest_of(const uint32_t* list, size_t count) {
  return supported_kernels()[0]->longest(list, count, false);
}
uint64_t longest_between(const uint32_t* offsets, size_t count) {
  return supported_kernels()[0]->longest(offsets, count, true);
}

CallNames call_names() {
  CallNames all;
  all.numbers.assign(std::begin(number_names), std::end(number_names));
  all.types = {"float32", "float64", "float16", "bfloat16"};
  for (size_t op = 0; op < operation_count; op++) {
    const Reading& reading = readings()[op];
    OperationNames names{operations[op].name, {}, {}};
    for (size_t place : reading.numbers) names.numbers.push_back(number_names[place]);
    for (const Array* array : reading.arrays) names.arrays.push_back(array->name);
    all.operations.push_back(names);
  }
  return all;
}
