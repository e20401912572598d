// The kernels as a WebAssembly module: the entry that lib/backends/wasm calls. JavaScript writes a problem into memory,
// member by member as members() tells, and solves it. There is no C library here: what the kernels ask of one
// stands at the end.
#include <stddef.h>
#include <stdint.h>

#include "kernels/isa/wasm.h"
#include "kernels/kernels.h"
#include "layout.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name))) auto name

using namespace UNITS;

namespace UNITS {

#define FOUR_TIMES(x) x, x, x, x
extern const float exp_f32_in_memory[4] = {exp_f32[0], exp_f32[1], exp_f32[2], exp_f32[3]};
// The lower halves of the entries, two in a word, then the upper ones. Index j is its bytes 2j and 2j + 1.
#define TWO_HALVES(i, shift) (pow2_table[i] >> shift & 0xffff) | (pow2_table[i + 1] >> shift & 0xffff) << 16
#define ALL_HALVES(shift) TWO_HALVES(0, shift), TWO_HALVES(2, shift), TWO_HALVES(4, shift), TWO_HALVES(6, shift)
extern const uint32_t pow2_in_memory[20] = {
    ALL_HALVES(0), ALL_HALVES(16), FOUR_TIMES(7), FOUR_TIMES(0x02020202), FOUR_TIMES(0x01000100),
};

}  // namespace UNITS

namespace {

Problem problem, lone;
Measure whole;

// What JavaScript has to know of a problem: where its members lie and what they are, by name.
struct Member {
  const char* name;
  uint32_t offset;
  const char* kind;    // 'number', 'integer', 'byte' or 'pointer'
  const char* extent;  // of an array: how many elements it has; see operations.h
};

constexpr const char* name_of(Extent extent) {
  switch (extent) {
    case Extent::elements: return "elements";
    case Extent::rows: return "rows";
    case Extent::starts: return "starts";
    case Extent::classes: return "classes";
    case Extent::mask: return "mask";
    case Extent::words: return "words";
    case Extent::normalizers: return "normalizers";
    case Extent::losses: return "losses";
    case Extent::results: return "results";
    case Extent::given: return "given";
    case Extent::k: return "k";
    case Extent::count: return "count";
    case Extent::settings: return "settings";
    case Extent::bounds: return "bounds";
    case Extent::biasCount: return "biasCount";
    case Extent::historyCount: return "historyCount";
    case Extent::promptCount: return "promptCount";
  }
  return nullptr;
}

template <class T>
constexpr const char* kind_of = sizeof(T) == 1 ? "byte" : "integer";
template <>
constexpr const char* kind_of<double> = "number";

#define NONE(name)
#define ROW(name) {#name, offsetof(Problem, name), kind_of<decltype(Problem::name)>, nullptr},
#define OPS(name, member) \
  {#name, offsetof(Problem, member), kind_of<std_decay<decltype(((Problem*)nullptr)->member)>>, nullptr},
#define ARRAY(name, element, extent, required) \
  {#name, offsetof(Problem, name), "pointer", name_of(Extent::extent)},
#define POINTER(name, extent) {#name, offsetof(Problem, name), "pointer", extent},
template <class T>
struct Bare {
  using Type = T;
};
template <class T>
struct Bare<T&> {
  using Type = T;
};
template <class T>
using std_decay = typename Bare<T>::Type;

constexpr Member all_members[] = {ROW(op) ROW(type) ROW(outer) ROW(length) ROW(inner) ROW(elements)
                                      ROW(temperature) ROW(whereShared) ROW(bitmaskShared) ROW(firstRow)
                                          POINTER(x, "elements") POINTER(where, "mask") POINTER(lengths, "rows")
                                              POINTER(offsets, "starts") POINTER(temperatures, "rows")
                                                  POINTER(bitmask, "words") NUMBERS(NONE, OPS) ARRAYS(ARRAY){}};
#undef NONE
#undef ROW
#undef OPS
#undef ARRAY
#undef POINTER

// And of the operations, in the order of their codes: what `out` is.
constexpr size_t operation_count = sizeof operations / sizeof *operations;
struct Outs {
  Member operation[operation_count + 1];
};
constexpr Outs outs() {
  Outs list{};
  for (size_t op = 0; op < operation_count; op++) {
    list.operation[op] = {operations[op].name, uint32_t(op), "operation", name_of(operations[op].extent)};
  }
  return list;
}
constexpr Outs all_outs = outs();

}  // namespace

extern "C" unsigned char __heap_base;

EXPORT(members)()->const Member* { return all_members; }
EXPORT(operationsOf)()->const Member* { return all_outs.operation; }
EXPORT(outAt)()->void* { return &problem.out; }
EXPORT(posed)()->Problem* { return &problem; }

// Rows [0, outer * inner) of what is written down.
EXPORT(solve)()->void {
  problem.losses = static_cast<double*>(problem.out);
  kernels_wasm.solve(problem, 0, problem.rows());
}

// Softmax, logSoftmax or logSumExp of contiguous rows, with no arrays but x and out, of one type.
EXPORT(solveSmall)
(int32_t op, int32_t type, const void* x, void* out, size_t rows, size_t classes, double temperature)->void {
  if (rows == 1 && op == int32_t(Op::softmax) && type == int32_t(Type::float32) &&
      kernels_wasm.solve_lone(static_cast<const float*>(x), classes, temperature, static_cast<float*>(out))) {
    return;
  }
  lone.op = Op(op), lone.type = lone.outType = Type(type);
  lone.outer = rows, lone.length = classes, lone.inner = 1, lone.elements = rows * classes;
  lone.temperature = temperature;
  lone.x = x, lone.out = out;
  kernels_wasm.solve(lone, 0, rows);
}

// One row too long to be here whole, span by span: measures are kept where the caller says.
EXPORT(spanLength)()->size_t { return span_length; }
EXPORT(measureSize)()->size_t { return sizeof(Measure); }
EXPORT(measure)(Measure* measures, size_t span, int32_t again)->void {
  measures[span] = kernels_wasm.measure(problem, 0, 0, again ? &whole.max : nullptr);
}
// Whether all spans are to be measured again, under the row's maximum.
EXPORT(combine)(const Measure* measures, size_t spans)->int32_t {
  whole = kernels_wasm.combine(measures, spans);
  return whole.reshape && whole.max - whole.max == 0;
}
EXPORT(emit)()->void { kernels_wasm.emit(problem, 0, 0, whole); }

// Whether multiply-adds are rounded once here, asked with 1 + 2^-12 and 1 + 2^-27: their squares less 1 lose 2^-24 and
// 2^-54 where the product is rounded first. For runtimes that compile no bytes, and so cannot be asked by a smaller
// module (lib/backends/wasm/probe.ts).
EXPORT(fuses)(float a, double b)->int32_t {
#ifdef __wasm_relaxed_simd__
  const f32r floats = fma(splat_register(a), splat_register(a), splat_register(-1.0f));
  const f64r doubles = fma(splat_register(b), splat_register(b), splat_register(-1.0));
  return floats[3] == 0x1p-11f + 0x1p-24f && doubles[1] == 0x1p-26 + 0x1p-54;
#else
  return a == 0 && b == 0;
#endif
}

// Memory is the static data and the stack, then room for the kernels, then the caller's from heapEnd() on.
namespace {
constexpr size_t heap_bytes = 1 << 22;
size_t heap_used = 0, heap_last = 0, heap_blocks = 0;
}  // namespace
EXPORT(heapEnd)()->unsigned char* { return &__heap_base + heap_bytes; }

// Each call of the kernels frees what it takes, so the heap starts anew when nothing is taken; and a block that makes place
// for a larger one, which is the last, is given back.
extern "C" void* malloc(size_t bytes) {
  const size_t at = (heap_used + 15) / 16 * 16;
  if (bytes > heap_bytes || at > heap_bytes - bytes) return nullptr;
  heap_used = at + bytes, heap_last = at, heap_blocks++;
  return &__heap_base + at;
}
extern "C" void free(void* block) {
  if (!block) return;
  if (block == &__heap_base + heap_last) heap_used = heap_last;
  if (--heap_blocks == 0) heap_used = 0;
}

// Whether there is room for what bias and penalties change in rows of so many classes, whose lists have so many entries: the
// set and the numbers of ops/adjust.h. It draws nothing where there is none.
EXPORT(changesFit)(size_t classes, size_t entries)->int32_t {
  constexpr size_t of_entry = 4 * sizeof(double) + 2 * sizeof(uint32_t), of_word = 2 * sizeof(uint64_t);
  if (entries > heap_bytes / of_entry) return false;
  size_t room = 64;
  while (room < entries + 3) room *= 2;
  return room * of_entry + (classes / 64 + 64) * of_word <= heap_bytes;
}

// The rest of a row's step is asked exactly where it is a double (exp.h), which is what unfused.h gives too.
extern "C" double fma_of_c(double a, double b, double c) __asm__("fma");
extern "C" double fma_of_c(double a, double b, double c) { return fma(a, b, c); }

// Shifts of the 128 bits of a key (select.h).
using Wide128 = unsigned __int128;
extern "C" Wide128 __ashlti3(Wide128 a, int by) {
  const uint64_t lo = uint64_t(a), hi = uint64_t(a >> 64);
  if (by == 0) return a;
  if (by >= 64) return Wide128(lo << (by - 64)) << 64;
  return Wide128(hi << by | lo >> (64 - by)) << 64 | (lo << by);
}
extern "C" Wide128 __lshrti3(Wide128 a, int by) {
  const uint64_t lo = uint64_t(a), hi = uint64_t(a >> 64);
  if (by == 0) return a;
  if (by >= 64) return hi >> (by - 64);
  return Wide128(hi >> by) << 64 | (lo >> by | hi << (64 - by));
}
