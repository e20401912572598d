// Time per element of the kernels alone, one thread, every ISA of this CPU: `npm run bench:native`.
//
// Each figure is the median over rounds that take turns between the ISAs, so that a slow moment of the
// machine falls on all of them. Cycles are those of a chain of dependent additions (one each on every CPU)
// timed beside the rounds.
//
// The bound is what the execution ports allow for a row in the first cache: see `bounds`.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "../dispatch.h"

namespace {

// Of this thread: what else the machine does costs it no more than its caches.
double seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

double nanoseconds_per_cycle() {
  constexpr size_t n = 1 << 20;
  size_t sum = 0, one = 1;
  const double begin = seconds();
  for (size_t i = 0; i < n; i += 16) {
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; j++) {
#if defined(__x86_64__)
      __asm__ volatile("add %1, %0" : "+r"(sum) : "r"(one));  // of a constant it is done by renaming
#else
      __asm__ volatile("add %0, %0, %1" : "+r"(sum) : "r"(one));
#endif
    }
  }
  return (seconds() - begin) * 1e9 / n;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

struct Bench {
  Op op;
  Type type;
  size_t outer, length, inner;
  double temperature;
};

constexpr Bench benches[] = {
    {Op::softmax, Type::float32, 1, 1000, 1, 1},       {Op::softmax, Type::float32, 1024, 4, 1, 1},
    {Op::softmax, Type::float32, 1000000, 4, 1, 1},    {Op::softmax, Type::float32, 100000, 10, 1, 1},
    {Op::softmax, Type::float32, 32768, 32, 1, 1},     {Op::softmax, Type::float32, 1024, 128, 1, 1},
    {Op::softmax, Type::float32, 4096, 1000, 1, 1},    {Op::softmax, Type::float32, 1, 128256, 1, 1},
    {Op::softmax, Type::float32, 1, 33554432, 1, 1},   {Op::softmax, Type::float32, 4096, 1000, 1, 0.7},
    {Op::softmax, Type::float32, 64, 21, 64 * 64, 1},  {Op::softmax, Type::float32, 1, 1000, 1024, 1},
    {Op::logSoftmax, Type::float32, 100000, 10, 1, 1}, {Op::logSoftmax, Type::float32, 4096, 1000, 1, 1},
    {Op::logSoftmax, Type::float32, 1, 128256, 1, 1},  {Op::logSumExp, Type::float32, 100000, 10, 1, 1},
    {Op::logSumExp, Type::float32, 4096, 1000, 1, 1},  {Op::logSumExp, Type::float32, 1, 128256, 1, 1},
    {Op::softmax, Type::float64, 100000, 10, 1, 1},    {Op::softmax, Type::float64, 4096, 1000, 1, 1},
    {Op::softmax, Type::float64, 1, 128256, 1, 1},     {Op::logSoftmax, Type::float64, 4096, 1000, 1, 1},
    {Op::logSumExp, Type::float64, 4096, 1000, 1, 1},  {Op::softmax, Type::float16, 4096, 1000, 1, 1},
    {Op::softmax, Type::bfloat16, 4096, 1000, 1, 1},
};
constexpr const char* op_names[] = {"softmax", "logSoftmax", "logSumExp"};
constexpr const char* type_names[] = {"float32", "float64", "float16", "bfloat16"};

// Cycles per element by the ports that the loops of a row's three passes need (uops.info, Golden Cove, counted by hand:
// llvm-mca 14 lets 512-bit integer additions and conversions use port 1). Loads and stores fit beside them.
//
// AVX-512, ports 0 and 5, per block: maximum 1, scaling 3, float terms 18 (see measure.h), double terms 23. AVX2, per
// register: the same operations on ports 0, 1 and 5, of which 9 of the float terms and 16 of the double terms are
// multiplications, which have ports 0 and 1 alone.
struct Bound {
  const char* isa;
  Type type;
  double cycles;
};
constexpr Bound bounds[] = {
    {"avx512", Type::float32, (1 + 3 + 18) / 2.0 / 16},
    {"avx512", Type::float64, (1 + 3 + 23) / 2.0 / 8},
    {"avx2", Type::float32, (1 / 2.0 + 3 / 2.0 + 18 / 3.0) / 8},
    {"avx2", Type::float64, (1 / 2.0 + 3 / 2.0 + 16 / 2.0) / 4},
};

double bound_of(const char* isa, const Bench& b) {
  // Rows along another axis and those of few classes are solved in lanes.
  if (b.op != Op::softmax || b.inner > 1 || b.length <= 64) return 0;
  for (const Bound& bound : bounds) {
    if (strcmp(bound.isa, isa) == 0 && bound.type == b.type) return bound.cycles;
  }
  return 0;
}

// Logits in [-10, 10], as far as the type holds them.
void fill(std::vector<char>& x, Type type, size_t n) {
  uint64_t state = 1;
  for (size_t i = 0; i < n; i++) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const double value = (double(state >> 40) - 0x1p23) * 10 * 0x1p-23;
    const float single = float(value);
    uint32_t bits;
    memcpy(&bits, &single, 4);
    const uint16_t brain = uint16_t(bits >> 16);
    const uint16_t half = uint16_t((bits >> 16 & 0x8000) |
                                   (((bits >> 23 & 0xff) < 113 ? 0 : (bits & 0x7fffffff) - 0x38000000) >> 13));
    switch (type) {
      case Type::float32: memcpy(&x[i * 4], &single, 4); break;
      case Type::float64: memcpy(&x[i * 8], &value, 8); break;
      case Type::float16: memcpy(&x[i * 2], &half, 2); break;
      case Type::bfloat16: memcpy(&x[i * 2], &brain, 2); break;
    }
  }
}

// Seconds that one call takes, repeated to last a millisecond.
template <class Call>
double time(size_t calls, Call call) {
  const double begin = seconds();
  for (size_t i = 0; i < calls; i++) call();
  return (seconds() - begin) / double(calls);
}

}  // namespace

int main(int count, char** names) {
  std::vector<const Kernels*> isas;
  for (const Kernels* k : supported_kernels()) {
    if (count == 1 ||
        std::any_of(names + 1, names + count, [&](char* name) { return strcmp(name, k->name) == 0; }))
      isas.push_back(k);
  }
  printf("Median nanoseconds per element; (cycles per element); [port bound in cycles, Intel]\n\n");
  printf("%-11s %-9s %-18s %4s  %6s", "op", "type", "shape", "T", "memcpy");
  for (const Kernels* k : isas) printf("  %-22s", k->name);
  printf("\n");
  std::vector<double> clock;
  for (const Bench& b : benches) {
    const size_t n = b.outer * b.length * b.inner, bytes = n * size_of(b.type);
    std::vector<char> x(bytes), y(bytes);
    fill(x, b.type, n);
    Problem p{};
    p.op = b.op, p.type = p.outType = b.type;
    if (b.op == Op::logSumExp && size_of(b.type) < 4) p.outType = Type::float32;
    p.outer = b.outer, p.length = b.length, p.inner = b.inner, p.elements = n;
    p.temperature = b.temperature;
    p.x = x.data(), p.out = y.data();
    const size_t calls = std::max<size_t>(1, 2000000 / n), rounds = n > 10000000 ? 5 : 15;
    std::vector<std::vector<double>> times(isas.size() + 1);
    for (size_t round = 0; round < rounds + 1; round++) {
      clock.push_back(nanoseconds_per_cycle());
      for (size_t i = 0; i <= isas.size(); i++) {
        const double took =
            i < isas.size() ? time(calls, [&] { isas[i]->solve(p, 0, p.rows()); }) : time(calls, [&] {
              memcpy(y.data(), x.data(), bytes);
              __asm__ volatile("" ::: "memory");
            });
        if (round > 0) times[i].push_back(took * 1e9 / double(n));  // the first warms up
      }
    }
    char shape[32];
    b.inner > 1 ? snprintf(shape, sizeof shape, "%zu x %zu x %zu", b.outer, b.length, b.inner)
                : snprintf(shape, sizeof shape, "%zu x %zu", b.outer, b.length);
    printf("%-11s %-9s %-18s %4g  %6.3f", op_names[size_t(b.op)], type_names[size_t(b.type)], shape, b.temperature,
           median(times[isas.size()]));
    for (size_t i = 0; i < isas.size(); i++) {
      const double ns = median(times[i]), bound = bound_of(isas[i]->name, b);
      char bounded[16] = "";
      if (bound > 0) snprintf(bounded, sizeof bounded, "[%.2f]", bound);
      printf("  %6.3f (%5.2f) %-7s", ns, ns / median(clock), bounded);
    }
    printf("\n");
    fflush(stdout);
  }
  printf("\nClock: %.2f GHz\n", 1 / median(clock));
}
