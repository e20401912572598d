// Prints one hash of results per op, element type and group of problems, for the kernels of one ISA:
//
//   hashes               which ISAs this machine can run, a name to a line
//   hashes ISA           op, type, group, hash
//   hashes ISA SHARE SHARES    of these lines one in SHARES, from line SHARE on
//   hashes ISA OP TYPE GROUP   the hash of each problem of one group: what to compare where two ISAs differ
//
// Equal lines mean equal bits (promise 2). bits.mjs runs this for every ISA and compares with hashes*.txt.
// Every number here comes from integers, so that the problems are the same on every machine.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "../dispatch.h"
#include "logits.h"

namespace {

class Hash {
 public:
  void add(const void* data, size_t bytes) {
    const char* p = static_cast<const char*>(data);
    for (; bytes >= 8; p += 8, bytes -= 8) {
      uint64_t word;
      memcpy(&word, p, 8);
      mix(word);
    }
    uint64_t rest = bytes;
    memcpy(&rest, p, bytes);
    mix(rest ^ bytes << 56);
  }
  uint64_t value() const { return h; }

 private:
  void mix(uint64_t word) {
    h = (h ^ word) * 0x9e3779b97f4a7c15;
    h ^= h >> 29;
  }
  uint64_t h = 0;
};

// Memory for one array, begun at any element's alignment, with a border that must stay as it is.
class Array {
 public:
  Array(Random& random, size_t count, size_t element)
      : bytes(count * element), skip(border + random.below(8) * element) {
    memory.assign((skip + bytes + border) / 8 + 1, untouched);
  }
  char* data() { return reinterpret_cast<char*>(memory.data()) + skip; }
  size_t size() const { return bytes; }
  bool border_kept() {
    const char* all = reinterpret_cast<const char*>(memory.data());
    const auto kept = [&](size_t from, size_t to) {
      for (size_t i = from; i < to; i++) {
        if (all[i] != char(untouched)) return false;
      }
      return true;
    };
    return kept(0, skip) && kept(skip + bytes, memory.size() * 8);
  }

 private:
  static constexpr size_t border = 64;
  static constexpr uint64_t untouched = 0xa5a5a5a5a5a5a5a5;
  size_t bytes, skip;
  std::vector<uint64_t> memory;
};

// A problem with the memory it works on. `outputs` is what an op writes.
struct Posed {
  Problem p{};
  std::vector<Array> inputs, outputs;
  std::vector<uint8_t> mask;
  std::vector<uint32_t> lengths, offsets;
  std::vector<double> normalizers, weights;
  std::vector<int32_t> targets;
};

// Each op gives itself outputs, and takes its own options from the problem's random numbers.
using Prepare = void(Posed&, Random&);

void of_same_shape(Posed& posed, Random& random) {
  Problem& p = posed.p;
  posed.outputs.emplace_back(random, p.elements, format_of(p.outType).bytes);
  p.out = posed.outputs.back().data();
}

void of_rows(Posed& posed, Random& random) {
  Problem& p = posed.p;
  p.outType = p.type == Type::float64 ? Type::float64 : Type::float32;
  posed.outputs.emplace_back(random, p.rows(), format_of(p.outType).bytes);
  p.out = posed.outputs.back().data();
}

// The draws alone: they are the same numbers on every ISA, those without fused operations too.
void of_draws(Posed& posed, Random& random) {
  Problem& p = posed.p;
  p.count = random.between(1, 3);
  p.keepTop = random.one_in(2) ? 0 : random.one_in(3) ? random.between(1, p.length) : random.between(1, 60);
  p.topP = random.one_in(2) ? 1 : random.any_of({0.1, 0.5, 0.9, 0.999});
  p.minPDepth = random.one_in(2) ? __builtin_inf() : random.any_of({0.0, 0.5, 3.0, 20.0});
  p.seed[0] = uint32_t(random.next()), p.seed[1] = uint32_t(random.next());
  posed.outputs.emplace_back(random, p.rows() * p.count, sizeof(uint32_t));
  p.out = posed.outputs.back().data();
}

void of_the_best(Posed& posed, Random& random) {
  Problem& p = posed.p;
  p.k = random.one_in(3) ? 1 : random.one_in(4) ? p.length : random.between(1, std::min<size_t>(p.length, 20));
  posed.outputs.emplace_back(random, p.rows() * p.k, format_of(p.outType).bytes);
  p.out = posed.outputs.back().data();
  posed.outputs.emplace_back(random, p.rows() * p.k, sizeof(uint32_t));
  p.indices = reinterpret_cast<uint32_t*>(posed.outputs.back().data());
}

// Losses of classes, with all that may go with them, and their gradients.
void of_losses(Posed& posed, Random& random) {
  Problem& p = posed.p;
  p.ignoreIndex = -100;
  for (size_t r = 0; r < p.rows(); r++)
    posed.targets.push_back(random.one_in(10) ? p.ignoreIndex : int32_t(random.below(p.length)));
  p.targets = posed.targets.data();
  p.labelSmoothing = random.one_in(4) ? 0.1 : 0;
  if (random.one_in(4)) {
    for (size_t c = 0; c < p.length; c++) posed.weights.push_back(double(random.below(9)) / 4);
    p.weights = posed.weights.data();
  }
  p.gradientScale = 1 / double(p.rows());
  posed.outputs.emplace_back(random, p.rows(), sizeof(double));
  p.losses = reinterpret_cast<double*>(posed.outputs.back().data());
  if (random.one_in(2)) return;
  posed.outputs.emplace_back(random, p.elements, format_of(p.type).bytes);
  p.gradient = posed.outputs.back().data();
}

constexpr struct {
  const char* name;
  Op op;
  Prepare* prepare;
} ops[] = {
    {"softmax", Op::softmax, of_same_shape}, {"logSoftmax", Op::logSoftmax, of_same_shape},
    {"logSumExp", Op::logSumExp, of_rows},   {"sample", Op::sample, of_draws},
    {"topK", Op::topK, of_the_best},         {"crossEntropy", Op::crossEntropy, of_losses},
};

struct Shape {
  size_t outer, length, inner = 1;
};

struct Options {
  double temperature = 1;
  bool where = false, lengths = false, offsets = false, logNormalizer = false, outType = false;
};

// Runs the problems of one group and hashes their results.
class Suite {
 public:
  Random random;
  Hash hash;
  size_t failures = 0;

  Suite(const Kernels& kernels, size_t op, const Format& format, uint64_t seed, bool verbose)
      : random(seed), kernels(kernels), op(op), format(format), verbose(verbose) {}

  // Logits of each row are of one of the kinds.
  template <size_t n>
  void run(Shape shape, const Logits (&kinds)[n], Options options = {}) {
    Random own(random.next());  // so that ops that draw more do not change the problems that follow
    Posed posed = pose(own, shape, options);
    for (size_t r = 0; r < posed.p.rows(); r++) fill(own, posed, r, own.any_of(kinds));
    ops[op].prepare(posed, own);
    kernels.solve(posed.p, 0, posed.p.rows());
    Hash one;
    for (Array& a : posed.outputs) one.add(a.data(), a.size());
    const uint64_t value = one.value();
    hash.add(&value, sizeof value);
    if (verbose) {
      printf("%zu x %zu x %zu, temperature %a, mask %d, lengths %d, offsets %d: %016llx\n", shape.outer,
             shape.length, shape.inner, options.temperature,
             options.where + (options.where && posed.p.whereShared), options.lengths, options.offsets,
             static_cast<unsigned long long>(value));
    }
    check(own, posed);
  }
  void run(Shape shape, Options options = {}) { run(shape, plain_logits, options); }

 private:
  Posed pose(Random& own, Shape shape, const Options& options) {
    Posed posed;
    Problem& p = posed.p;
    p.op = ops[op].op;
    p.type = p.outType = format.type;
    if (options.outType) p.outType = own.any_of({Type::float32, Type::float16, Type::bfloat16});
    p.outer = shape.outer, p.length = shape.length, p.inner = shape.inner;
    p.elements = shape.outer * shape.length * shape.inner;
    p.temperature = options.temperature;
    if (options.offsets) {
      posed.offsets.push_back(0);
      for (size_t r = 0; r < shape.outer; r++)
        posed.offsets.push_back(posed.offsets[r] + own.below(shape.length + 1));
      p.offsets = posed.offsets.data();
      p.elements = posed.offsets.back();
    }
    if (options.lengths) {
      for (size_t r = 0; r < p.rows(); r++) posed.lengths.push_back(own.below(shape.length + 1));
      p.lengths = posed.lengths.data();
    }
    if (options.where) {
      p.whereShared = !options.offsets && own.one_in(3);
      const size_t keeps = own.any_of({2, 8, 100, 100000});  // one in so many is masked, or the other way round
      const bool sparse = own.one_in(3);
      for (size_t i = 0; i < (p.whereShared ? p.length : p.elements); i++)
        posed.mask.push_back(own.one_in(keeps) == sparse);
      posed.mask.push_back(0);  // data() of an empty mask would be null
      p.where = posed.mask.data();
    }
    if (options.logNormalizer) {
      p.logNormalizerShared = own.one_in(3);
      const size_t count = p.logNormalizerShared ? 1 : p.rows();
      for (size_t i = 0; i < count; i++)
        posed.normalizers.push_back(24 + double(own.below(1 << 20)) * 0x1p-14);  // above log-sum-exp
      p.logNormalizer = posed.normalizers.data();
    }
    posed.inputs.emplace_back(own, p.elements, format.bytes);
    p.x = posed.inputs.back().data();
    return posed;
  }

  void fill(Random& own, Posed& posed, size_t r, Logits kind) {
    const Problem& p = posed.p;
    const bool ragged = p.offsets;
    const size_t at = ragged ? p.offsets[r] : r / p.inner * p.length * p.inner + r % p.inner;
    const size_t length = ragged ? p.offsets[r + 1] - p.offsets[r] : p.length;
    LogitSource source(own, format, kind);
    for (size_t i = 0; i < length; i++) {
      const uint64_t bits = source.next();
      memcpy(posed.inputs[0].data() + (at + i * p.inner) * format.bytes, &bits, format.bytes);
    }
  }

  // What else a kernel promises: nothing is written beside the outputs, and a row's bits are the same
  // whatever else is solved with it, by spans too, and in place.
  void check(Random& own, Posed& posed) {
    for (Array& a : posed.outputs) expect(a.border_kept(), "memory beside an output was written", posed.p);
    std::vector<Array> first = posed.outputs;
    const auto same = [&] {
      for (size_t i = 0; i < first.size(); i++) {
        if (memcmp(first[i].data(), posed.outputs[i].data(), first[i].size()) != 0) return false;
      }
      return true;
    };
    const auto forget = [&] {
      for (Array& a : posed.outputs) memset(a.data(), 0x5a, a.size());
    };
    Problem& p = posed.p;
    const size_t rows = p.rows(), middle = own.below(rows + 1);
    forget();
    kernels.solve(p, 0, middle);
    kernels.solve(p, middle, rows);
    expect(same(), "the bits depend on the rows solved together", p);

    const bool spans = p.op == Op::softmax || p.op == Op::logSoftmax || p.op == Op::logSumExp;
    if (spans && !p.offsets && !p.lengths && !p.logNormalizer && p.length > span_length) {
      forget();
      for (size_t r = 0; r < rows; r++) solve_by_spans(p, r);
      expect(same(), "the bits depend on a row being cut into spans", p);
    }
    if (p.type == p.outType && (p.op == Op::softmax || p.op == Op::logSoftmax)) {
      p.out = posed.inputs[0].data();
      kernels.solve(p, 0, rows);
      expect(memcmp(p.out, first[0].data(), first[0].size()) == 0, "the bits in place are others", p);
    }
  }

  // As batch.cc does, without threads.
  void solve_by_spans(const Problem& p, size_t row) {
    const size_t spans = (p.length + span_length - 1) / span_length;
    const auto measure = [&](const double* max) {
      std::vector<Measure> parts;
      for (size_t s = 0; s < spans; s++) parts.push_back(kernels.measure(p, row, s, max));
      return kernels.combine(parts.data(), spans);
    };
    Measure whole = measure(nullptr);
    if (whole.reshape && whole.max - whole.max == 0) {
      const double max = whole.max;
      whole = measure(&max);
    }
    for (size_t s = 0; s < (p.op == Op::logSumExp ? 1 : spans); s++) kernels.emit(p, row, s, whole);
  }

  void expect(bool good, const char* failure, const Problem& p) {
    if (good) return;
    failures++;
    fprintf(stderr, "%s, %s %s: %s (%zu x %zu x %zu, temperature %a)\n", kernels.name, ops[op].name, format.name,
            failure, p.outer, p.length, p.inner, p.temperature);
  }

  const Kernels& kernels;
  size_t op;
  const Format& format;
  bool verbose;
};

// A problem for each of the ways that rows are solved: short rows, rows of any length, along other axes.
Shape any_shape(Random& r) {
  switch (r.below(4)) {
    case 0: return {r.between(1, 40), r.between(1, 70)};
    case 1: return {r.between(1, 4), r.between(65, 700)};
    case 2: return {r.between(1, 3), r.between(1, 80), r.between(2, 40)};
    default: return r.one_in(6) ? Shape{1, r.between(4000, 9000)} : Shape{r.between(1, 20), r.between(1, 20)};
  }
}

void classes(Suite& s) {
  for (size_t n = 1; n <= 300; n++) s.run({s.random.between(1, 40), n});
}

void long_rows(Suite& s) {
  for (size_t i = 0; i < 24; i++) s.run({s.random.between(1, 5), s.random.between(301, 4000)});
  for (size_t n : {4079, 4080, 4095, 4096, 4097, 4111, 4112, 8191, 8192, 8193, 12289, 65537}) {
    s.run({s.random.between(1, 2), n}, finite_logits);
  }
  for (size_t n : {262143, 262144, 262145, 300000}) s.run({1, n});
  for (size_t n : {262161, 524289}) s.run({1, n}, finite_logits);
}

void other_axes(Suite& s) {
  for (size_t inner : {2, 3, 5, 8, 16, 17, 64}) {
    for (size_t n = 1; n <= 20; n++) s.run({s.random.between(1, 3), n, inner});
    for (size_t n : {31, 33, 63, 64, 65, 100, 255, 1000, 1023, 1024, 1025, 1100}) s.run({1, n, inner});
  }
}

// Few inner elements of so many outer ones that a group has a row of each.
void panels(Suite& s) {
  for (size_t inner : {2, 3, 5, 8, 15}) {
    for (size_t n : {1, 7, 16, 17, 31, 32, 33, 64, 127, 128, 129, 200, 513}) {
      s.run({s.random.between(17, 40), n, inner}, finite_logits);
      if (n < 100) s.run({s.random.between(17, 40), n, inner});
    }
  }
}

// Several strips of columns, which come and go beside each other's terms where all rows are finite.
void columns(Suite& s) {
  for (size_t inner : {96, 100, 131, 160, 288}) {
    for (size_t n : {1, 2, 9, 15, 16, 17, 21, 31, 32, 33, 64, 65, 127, 129, 300, 513, 4096}) {
      s.run({s.random.between(1, 3), n, inner}, finite_logits);
      if (n < 100) s.run({s.random.between(1, 3), n, inner});
    }
  }
}

void temperature(Suite& s) {
  for (double t : {0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.7, 2.0, 2.5, 2.9, 3.0}) {
    for (size_t i = 0; i < 8; i++) s.run(any_shape(s.random), {t});
  }
}

void extreme_temperature(Suite& s) {
  for (double t : {0x1p-1074, 1e-310, 1e-300, 1e-40, 1e-20, 1e-18, 1e-10, 1e-3, 1e3, 1e10, 1e18, 1e20, 1e40, 1e160,
                   1e300, 0x1.fffffffffffffp1023}) {
    for (size_t i = 0; i < 6; i++) s.run(any_shape(s.random), finite_logits, {t});
  }
}

void magnitudes(Suite& s) {
  for (Logits kind : finite_logits) {
    for (size_t i = 0; i < 16; i++) s.run(any_shape(s.random), {kind});
  }
  for (size_t i = 0; i < 60; i++) s.run(any_shape(s.random), finite_logits);
}

void special_values(Suite& s) {
  for (Logits kind : special_logits) {
    for (size_t i = 0; i < 16; i++) s.run(any_shape(s.random), {kind});
  }
  for (size_t i = 0; i < 60; i++) s.run(any_shape(s.random), special_logits);
}

void with(Suite& s, Options options) {
  for (size_t i = 0; i < 60; i++) {
    options.temperature = s.random.one_in(2) ? 1 : 0.7;
    Shape shape = any_shape(s.random);
    if (options.offsets) shape.inner = 1;
    i % 3 == 0 ? s.run(shape, special_logits, options) : s.run(shape, finite_logits, options);
  }
}

void masks(Suite& s) {
  Options where, both;
  where.where = both.where = both.lengths = true;
  with(s, where), with(s, both);
}

void prefixes(Suite& s) {
  Options options;
  options.lengths = true;
  with(s, options);
}

void ragged(Suite& s) {
  Options options, masked;
  options.offsets = masked.offsets = masked.where = true;
  with(s, options), with(s, masked);
}

void normalizers(Suite& s) {
  Options options;
  options.logNormalizer = true;
  for (size_t i = 0; i < 40; i++) {
    options.temperature = s.random.one_in(2) ? 1 : 0.7;
    s.run(any_shape(s.random), options);
    s.run(any_shape(s.random), special_logits, options);
  }
}

void out_types(Suite& s) {
  Options options;
  options.outType = true;
  with(s, options);
}

constexpr bool any_op(Op, Type) { return true; }
constexpr bool is_elementary(Op op, Type) {
  return op == Op::softmax || op == Op::logSoftmax || op == Op::logSumExp;
}
constexpr bool takes_normalizer(Op op, Type) { return op == Op::softmax || op == Op::topK; }
constexpr bool converts(Op op, Type type) {
  return (type == Type::float16 || type == Type::bfloat16) &&
         (op == Op::softmax || op == Op::logSoftmax || op == Op::topK);
}

constexpr struct {
  const char* name;
  void (*run)(Suite&);
  bool (*suits)(Op, Type);
} groups[] = {
    {"classes", classes, any_op},
    {"longRows", long_rows, any_op},
    {"otherAxes", other_axes, any_op},
    {"temperature", temperature, any_op},
    {"extremeTemperature", extreme_temperature, any_op},
    {"magnitudes", magnitudes, any_op},
    {"specialValues", special_values, any_op},
    {"where", masks, any_op},
    {"lengths", prefixes, any_op},
    {"offsets", ragged, any_op},
    {"logNormalizer", normalizers, takes_normalizer},
    {"outType", out_types, converts},
    {"columns", columns, is_elementary},
    {"panels", panels, is_elementary},
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 && count != 4 && count != 5) {
    for (const Kernels* k : supported_kernels()) printf("%s\n", k->name);
    return 0;
  }
  const auto& supported = supported_kernels();
  const auto found = std::find_if(supported.begin(), supported.end(),
                                  [&](const Kernels* k) { return strcmp(k->name, arguments[1]) == 0; });
  if (found == supported.end()) {
    fprintf(stderr, "%s does not run here\n", arguments[1]);
    return 1;
  }
  const auto asked = [&](int i, const char* name) { return count != 5 || strcmp(arguments[i], name) == 0; };
  const size_t share = count == 4 ? strtoul(arguments[2], nullptr, 10) : 0;
  const size_t shares = count == 4 ? std::max(strtoul(arguments[3], nullptr, 10), 1ul) : 1;
  size_t failures = 0;
  size_t line = 0;
  for (size_t op = 0; op < std::size(ops); op++) {
    for (const Format& format : formats) {
      for (size_t g = 0; g < std::size(groups); g++) {
        if (!groups[g].suits(ops[op].op, format.type)) continue;
        if (!asked(2, ops[op].name) || !asked(3, format.name) || !asked(4, groups[g].name)) continue;
        if (line++ % shares != share) continue;
        Suite suite(**found, op, format, g * 1000 + size_t(format.type), count == 5);
        groups[g].run(suite);
        printf("%s %s %s %016llx\n", ops[op].name, format.name, groups[g].name,
               static_cast<unsigned long long>(suite.hash.value()));
        failures += suite.failures;
      }
    }
  }
  return failures > 0;
}
