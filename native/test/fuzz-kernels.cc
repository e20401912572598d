// `npm run fuzz:kernels`: problems made of a fuzzer's bytes, any that the binding lets pass, solved by the kernels of
// every ISA of this CPU and by batches. Each array has memory of exactly its length, where AddressSanitizer watches.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../batch.h"
#include "../dispatch.h"
#include "logits.h"

namespace {

// Ends where its memory ends. It begins after a few elements more: typed arrays are aligned to their elements only.
class Array {
 public:
  Array(size_t count, size_t element, size_t skipped)
      : bytes(count * element), skip(skipped * element), memory(new char[skip + bytes]) {
    memset(memory.get(), untouched, skip + bytes);
  }
  char* data() { return memory.get() + skip; }
  size_t size() const { return bytes; }
  void forget() { memset(memory.get() + skip, untouched, bytes); }
  bool border_kept() const {
    return std::all_of(memory.get(), memory.get() + skip, [](char c) { return c == untouched; });
  }

 private:
  static constexpr char untouched = 0x5a;
  size_t bytes, skip;
  std::unique_ptr<char[]> memory;
};

using Results = std::vector<std::vector<char>>;

class Posed {
 public:
  explicit Posed(FuzzedDataProvider& bytes) : bytes(bytes), random(bytes.ConsumeIntegral<uint32_t>()) {
    p.op = bytes.PickValueInArray(ops);
    p.type = bytes.PickValueInArray(formats).type;
    shape();
    rows();
    options();
    logits();
  }

  Problem p{};

  size_t elements_of_row(size_t r) const { return p.offsets ? p.offsets[r + 1] - p.offsets[r] : p.length; }

  // What `how` makes of the problem; outputs that are written but in part keep what they held.
  template <class Solve>
  Results solved(const Solve& how) {
    for (Array& output : outputs) output.forget();
    how(p);
    Results results;
    for (Array& output : outputs) {
      expect(output.border_kept(), "nothing before an output is written");
      results.emplace_back(output.data(), output.data() + output.size());
    }
    return results;
  }

  // The same, with x for the output that may be x.
  template <class Solve>
  std::vector<char> solved_in_place(const Solve& how) {
    const std::vector<char> before(x(), x() + inputs[0].size());
    Problem own = p;
    (p.op == Op::crossEntropy ? own.gradient : own.out) = x();
    how(own);
    const std::vector<char> after(x(), x() + inputs[0].size());
    std::copy(before.begin(), before.end(), x());
    return after;
  }

  // Which of the outputs may be x itself; none: -1.
  int in_place() const {
    if (p.op == Op::crossEntropy) return p.gradient ? 1 : -1;
    return (p.op == Op::softmax || p.op == Op::logSoftmax) && p.type == p.outType ? 0 : -1;
  }

  void expect(bool good, const char* promise) const {
    if (good) return;
    fprintf(stderr, "broken: %s\nop %d, %s to %s, %zu x %zu x %zu, temperature %a%s%s%s%s\n", promise, int(p.op),
            format_of(p.type).name, format_of(p.outType).name, p.outer, p.length, p.inner, p.temperature,
            p.where ? p.whereShared ? ", where for all rows" : ", where" : "", p.lengths ? ", lengths" : "",
            p.offsets ? ", offsets" : "", p.logNormalizer ? ", logNormalizer" : "");
    abort();
  }

 private:
  static constexpr Op ops[] = {Op::softmax, Op::logSoftmax,   Op::logSumExp, Op::topK,
                               Op::sample,  Op::crossEntropy, Op::judge,     Op::slope};

  char* x() { return inputs[0].data(); }
  size_t upto(size_t most) { return bytes.ConsumeIntegralInRange<size_t>(0, most); }
  bool maybe() { return bytes.ConsumeBool(); }

  char* input(size_t count, size_t element) { return inputs.emplace_back(count, element, upto(15)).data(); }
  char* output(size_t count, size_t element) { return outputs.emplace_back(count, element, upto(15)).data(); }
  template <class T, class Make>
  const T* list(size_t count, const Make& make) {
    T* list = reinterpret_cast<T*>(input(count, sizeof(T)));
    for (size_t i = 0; i < count; i++) list[i] = make(i);
    return list;
  }

  // Of every way that rows are solved: few classes, short and long rows, other axes, rows cut into spans.
  void shape() {
    p.outer = 1, p.inner = 1;
    const bool few = maybe();
    switch (upto(127)) {  // 0 where the bytes have run out
      case 1: p.length = span_length + upto(2 * 4096); break;
      case 2:
      case 3: p.length = upto(9000), p.outer = upto(2); break;
      case 4:
      case 5: p.length = upto(1200), p.inner = upto(20); break;
      case 6:
      case 7: p.length = upto(4), p.outer = upto(1000); break;
      case 8:
      case 9: p.length = upto(20), p.outer = upto(4), p.inner = upto(100); break;
      default: p.length = upto(few ? 20 : 600), p.outer = upto(few ? 40 : 5), p.inner = maybe() ? 1 : upto(9);
    }
    p.elements = p.outer * p.length * p.inner;
    p.temperature = p.op == Op::sample && upto(7) == 0 ? 0
                    : maybe()                          ? 1
                    : maybe()                          ? double(1 + upto(3000)) / 1000
                                                       : temperature_of_bits();
  }

  double temperature_of_bits() {
    const uint64_t bits = 1 + bytes.ConsumeIntegralInRange<uint64_t>(0, 0x7feffffffffffffe);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }

  // What says which elements take part.
  void rows() {
    inputs.reserve(16), outputs.reserve(6);
    if (p.inner == 1 && upto(3) == 0) {
      size_t end = 0, longest = 0;
      p.offsets = list<uint32_t>(p.outer + 1, [&](size_t i) {
        const size_t length = i == 0 ? 0 : upto(p.length);
        longest = std::max(longest, length);
        return uint32_t(end += length);
      });
      p.elements = end, p.length = longest;
    } else if (upto(3) == 0) {
      p.lengths = list<uint32_t>(p.rows(), [&](size_t) { return uint32_t(upto(p.length)); });
    }
    if (upto(3) == 0) {
      p.whereShared = !p.offsets && maybe();
      const size_t rate = bytes.PickValueInArray({2, 9, 100, 100000});
      const bool sparse = maybe();
      const size_t count = p.whereShared ? p.length : p.elements;
      p.where = list<uint8_t>(count, [&](size_t) { return uint8_t(random.one_in(rate) == sparse); });
    }
  }

  void options() {
    const bool half = p.type == Type::float16 || p.type == Type::bfloat16;
    const Type reduced = p.type == Type::float64 ? Type::float64 : Type::float32;
    p.outType = p.op == Op::logSumExp ? reduced : half && maybe() ? Type::float32 : p.type;
    const size_t element = format_of(p.outType).bytes, rows = p.rows();
    if ((p.op == Op::softmax || p.op == Op::topK) && upto(3) == 0) {
      p.logNormalizerShared = maybe();
      p.logNormalizer = list<double>(p.logNormalizerShared ? 1 : rows, [&](size_t) {
        return maybe() ? double(upto(100)) - 10 : bytes.ConsumeFloatingPoint<double>();
      });
    }
    switch (p.op) {
      case Op::topK:
        p.k = maybe() ? upto(8) : upto(p.length + 2);
        p.out = output(rows * p.k, element);
        p.indices = reinterpret_cast<uint32_t*>(output(rows * p.k, sizeof(uint32_t)));
        break;
      case Op::sample:
        p.count = 1 + upto(4), p.keepTop = maybe() ? 0 : upto(p.length);
        p.topP = maybe() ? 1 : double(1 + upto(999)) / 1000;
        p.minPDepth = maybe() ? __builtin_inf() : 0.0 - __builtin_log(double(1 + upto(999)) / 1000);
        p.seed[0] = uint32_t(random.next()), p.seed[1] = uint32_t(random.next());
        p.out = output(rows * p.count, sizeof(uint32_t));
        if (maybe()) {
          p.logProbabilitiesType = maybe() ? Type::float64 : Type::float32;
          p.logProbabilities = output(rows * p.count, format_of(p.logProbabilitiesType).bytes);
        }
        p.order = Order(upto(3)), p.repetitionPenalty = 1;
        if (maybe()) adjustments();
        break;
      case Op::crossEntropy: cross_entropy(); break;
      case Op::judge:
      case Op::slope: verdicts(); break;
      default: p.out = output(p.op == Op::logSumExp ? rows : p.elements, element);
    }
  }

  // Bias and penalties: of some classes that no row has, and with starts that need not ascend.
  void adjustments() {
    const auto classes = [&](size_t count) {
      return list<uint32_t>(count, [&](size_t) { return uint32_t(upto(p.length)); });
    };
    const auto starts = [&](size_t count) {
      return maybe() ? list<uint32_t>(p.rows() + 1, [&](size_t) { return uint32_t(upto(count + 1)); }) : nullptr;
    };
    p.repetitionPenalty = maybe() ? 1 : 1.25;
    p.frequencyPenalty = maybe() ? 0 : 0.5, p.presencePenalty = maybe() ? 0 : -0.25;
    p.historyCount = upto(60), p.history = classes(p.historyCount), p.historyStarts = starts(p.historyCount);
    p.promptCount = upto(9), p.prompt = classes(p.promptCount), p.promptStarts = starts(p.promptCount);
    p.biasCount = upto(9), p.biasClasses = classes(p.biasCount), p.biasStarts = starts(p.biasCount);
    p.biasValues = list<double>(p.biasCount, [&](size_t) { return bytes.ConsumeFloatingPoint<double>(); });
    p.rawType = maybe() ? Type::float64 : Type::float32;
    if (maybe()) p.rawLogProbabilities = output(p.rows() * p.count, format_of(p.rawType).bytes);
  }

  void cross_entropy() {
    p.out = output(p.rows(), sizeof(double));
    p.losses = static_cast<double*>(p.out);
    p.ignoreIndex = maybe() ? -100 : int32_t(upto(20));
    p.labelSmoothing = maybe() ? 0 : double(upto(1000)) / 1000;
    p.gradientScale = maybe() ? 1 : bytes.ConsumeFloatingPoint<double>();
    if (maybe()) {
      p.targets = list<int32_t>(p.rows(), [&](size_t r) {
        const size_t length = elements_of_row(r);
        return length == 0 || random.one_in(9) ? p.ignoreIndex : int32_t(random.below(length));
      });
    } else {
      p.targetProbabilities = input(p.elements, format_of(p.type).bytes);
      fill(inputs.back());
    }
    if (maybe()) {
      p.weights = list<double>(
          p.length, [&](size_t) { return maybe() ? double(upto(9)) : bytes.ConsumeFloatingPoint<double>(); });
    }
    if (maybe()) p.gradient = output(p.elements, format_of(p.type).bytes);
  }

  // Rows with a class each: what is right about it, or the slope of its loss.
  void verdicts() {
    const size_t rows = p.rows();
    const auto numbers = [&] { return reinterpret_cast<double*>(output(rows, sizeof(double))); };
    const auto classes = [&] { return reinterpret_cast<uint32_t*>(output(rows, sizeof(uint32_t))); };
    p.outType = Type::float64, p.count = slope_count;
    p.ignoreIndex = maybe() ? -100 : int32_t(upto(20));
    p.targets = list<int32_t>(rows, [&](size_t r) {
      const size_t length = elements_of_row(r);
      return length == 0 || random.one_in(9) ? p.ignoreIndex : int32_t(random.below(length));
    });
    p.out = output(p.op == Op::slope ? rows * slope_count : rows, sizeof(double));
    p.losses = static_cast<double*>(p.out);
    if (p.op == Op::slope) return;
    p.bins = 1 + upto(40);
    p.confidences = numbers(), p.brierScores = numbers(), p.entropies = numbers();
    p.likeliest = classes(), p.targetRanks = classes();
  }

  // x is the first of the inputs, and takes the bytes that are left.
  void logits() {
    Array x(p.elements, format_of(p.type).bytes, upto(15));
    fill(x);
    p.x = x.data();
    inputs.insert(inputs.begin(), std::move(x));
  }

  // Of one kind, or of the fuzzer's own bytes.
  void fill(Array& array) {
    const Format& format = format_of(p.type);
    const auto kind = Logits(upto(size_t(Logits::nothing) + 1));
    const std::vector<char> given =
        kind > Logits::nothing ? bytes.ConsumeRemainingBytes<char>() : std::vector<char>();
    LogitSource source(random, format, kind);
    for (size_t i = 0; i < array.size(); i += format.bytes) {
      const uint64_t logit = source.next();
      memcpy(array.data() + i, &logit, format.bytes);
    }
    for (size_t i = 0; i < array.size() && !given.empty(); i++) array.data()[i] = given[i % given.size()];
  }

  FuzzedDataProvider& bytes;
  Random random;
  std::vector<Array> inputs, outputs;
};

// Results as integers, which order as the numbers do where they are not negative.
class Numbers {
 public:
  Numbers(const std::vector<char>& memory, Type type) : memory(memory), format(format_of(type)) {}
  size_t size() const { return memory.size() / format.bytes; }
  uint64_t operator[](size_t i) const {
    uint64_t bits = 0;
    memcpy(&bits, memory.data() + i * format.bytes, format.bytes);
    return bits;
  }
  uint64_t one() const { return uint64_t(format.bias) << format.mantissa_bits; }
  uint64_t minus() const { return uint64_t(1) << (8 * format.bytes - 1); }
  bool is_nan(uint64_t bits) const {
    return (bits & ~minus()) > (2 * uint64_t(format.bias) + 1) << format.mantissa_bits;
  }

 private:
  const std::vector<char>& memory;
  const Format& format;
};

bool takes_part(const Posed& posed, size_t element) {
  const Problem& p = posed.p;
  const size_t at = element / p.inner % std::max<size_t>(p.length, 1);
  const size_t row = element / p.inner / std::max<size_t>(p.length, 1) * p.inner + element % p.inner;
  if (p.lengths && at >= p.lengths[row]) return false;
  return !p.where || p.where[p.whereShared ? at : element];
}

// What is true of any result.
void check(const Posed& posed, const Results& results) {
  const Problem& p = posed.p;
  const Numbers values(results[0], p.op == Op::crossEntropy ? Type::float64 : p.outType);
  const auto positive = [&](uint64_t v) { return v < values.minus() || values.is_nan(v); };
  switch (p.op) {
    case Op::softmax:
      for (size_t i = 0; i < values.size(); i++) {
        const uint64_t v = values[i];
        posed.expect(positive(v), "no probability is negative");
        posed.expect(p.logNormalizer || v <= values.one() || values.is_nan(v), "no probability exceeds 1");
        posed.expect(v == 0 || takes_part(posed, i) || (p.logNormalizer && values.is_nan(v)),
                     "what is masked out has probability 0");
      }
      break;
    case Op::logSoftmax:
      for (size_t i = 0; i < values.size(); i++) {
        const uint64_t v = values[i];
        posed.expect(v == 0 || v >= values.minus() || values.is_nan(v), "no probability exceeds 1, nor its log 0");
      }
      break;
    case Op::topK: {
      const Numbers classes(results[1], Type::float32);
      for (size_t i = 0; i < values.size(); i++) {
        const uint64_t v = values[i];
        posed.expect(positive(v), "no probability is negative");
        posed.expect(classes[i] < p.length || classes[i] == UINT32_MAX, "a class is one of the row's");
        if (p.inner > 1 || i % p.k == 0) continue;
        posed.expect(v <= values[i - 1] || values.is_nan(v), "probabilities descend");
      }
      break;
    }
    case Op::sample: {
      const Numbers classes(results[0], Type::float32);
      for (size_t i = 0; i < classes.size(); i++) {
        const size_t length = posed.elements_of_row(i / p.count);
        posed.expect(classes[i] < length || classes[i] == UINT32_MAX, "a draw is a class of the row");
      }
      break;
    }
    case Op::crossEntropy:
      if (!p.targets || p.weights) break;
      for (size_t i = 0; i < values.size(); i++) posed.expect(positive(values[i]), "no loss is negative");
      break;
    case Op::judge: {
      const Numbers confidences(results[1], Type::float64), briers(results[2], Type::float64);
      const Numbers entropies(results[3], Type::float64), ranks(results[5], Type::float32);
      for (size_t r = 0; r < values.size(); r++) {
        posed.expect(positive(values[r]), "no loss is negative");
        posed.expect(positive(entropies[r]), "no entropy is negative");
        posed.expect(positive(briers[r]), "no Brier score is negative");
        const uint64_t p = confidences[r];
        posed.expect(p <= confidences.one() || !positive(p) || confidences.is_nan(p), "no confidence exceeds 1");
        const bool ignored = posed.p.targets[r] == posed.p.ignoreIndex;
        posed.expect((ranks[r] == 0) == ignored, "ignored rows alone have no rank");
      }
      break;
    }
    case Op::slope:
      for (size_t i = 0; i < values.size(); i += slope_count) {
        posed.expect(positive(values[i]), "no loss is negative");
        posed.expect(positive(values[i + 2]), "no curvature is negative");
      }
      break;
    default: break;
  }
}

// Two results within the error of both.
void compare_values(const Posed& posed, const Results& a, const Results& b) {
  const Problem& p = posed.p;
  const Numbers one(a[0], p.outType), other(b[0], p.outType);
  const uint64_t most = p.outType == Type::float64 ? 8 : p.outType == Type::float32 ? 4 : 1;
  for (size_t i = 0; i < one.size(); i++) {
    const uint64_t v = one[i], w = other[i];
    if (one.is_nan(v) || one.is_nan(w)) {
      posed.expect(one.is_nan(v) && one.is_nan(w), "NaN comes out of the same rows on every ISA");
    } else {
      posed.expect(std::max(v, w) - std::min(v, w) <= most, "portable probabilities are those of the others");
    }
  }
}

Pool& pool() {
  static Pool* pool = [] {
    Pool* made = new Pool(2);
    made->enter();
    return made;
  }();
  return *pool;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider bytes(data, size);
  const size_t threads = bytes.ConsumeIntegralInRange<size_t>(1, 4);
  const size_t share = bytes.ConsumeIntegral<uint8_t>();
  Posed posed(bytes);
  const size_t rows = posed.p.rows(), middle = rows * share / 255;

  Results first;
  for (const Kernels* kernels : supported_kernels()) {
    const auto solve = [&](const Problem& p, size_t begin, size_t end) {
      if (begin < end) kernels->solve(p, begin, end);  // never asked for no rows: see batch.cc
    };
    const auto in_two = [&](const Problem& p) {
      solve(p, 0, middle);
      solve(p, middle, rows);
    };
    const auto as_batch = [&](const Problem& p) {
      Batch batch(*kernels, p, threads);
      pool().run(batch, threads);
    };
    const Results results = posed.solved([&](const Problem& p) { solve(p, 0, rows); });
    check(posed, results);
    posed.expect(posed.solved(in_two) == results, "the bits do not depend on the rows solved together");
    posed.expect(posed.solved(as_batch) == results, "the bits do not depend on threads");
    if (const int which = posed.in_place(); which >= 0) {
      posed.expect(posed.solved_in_place(as_batch) == results[size_t(which)], "the bits in place are the same");
    }

    if (first.empty()) {
      first = results;
    } else if (strcmp(kernels->name, "portable") != 0) {
      posed.expect(results == first, "ISAs with fused operations agree bit for bit");
    } else if (posed.p.op == Op::softmax && !posed.p.logNormalizer) {
      compare_values(posed, first, results);
    } else if (posed.p.op == Op::topK) {
      posed.expect(results[1] == first[1], "the best classes are the same on every ISA");
    } else if (posed.p.op == Op::sample) {
      posed.expect(results[0] == first[0], "a seed draws the same classes on every ISA");
    }
  }
  return 0;
}
