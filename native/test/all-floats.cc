// sigmoid and logSigmoid of every float32 there is, 2^32 of them, on every ISA of this machine: `npm run test:all-floats`.
// Prints the largest error of each in units in the last place, and where it is; exits with 1 where it is above `most`, where
// an ISA with FMA differs from another in a bit, or a NaN, an infinity or a zero is not what it should be.
//
// The reference is worked out in double precision, to a relative error below 2^-48 (see below): 2^-24 ULP of float32.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "../dispatch.h"

namespace {

constexpr double most = 1;  // ULP

// e^-y for 0 <= y <= 128. With k = y * 64 / ln 2 rounded and r = y - k * ln2/64, e^-y = 2^(-k/64) * e^-r and |r| < 0.00543.
class Exponential {
 public:
  Exponential() {
    // Square roots are rounded correctly: each root has half the error of the one before it and 2^-64 of its own, and a
    // power at most 64 times as much: below 2^-57, before it is rounded to double.
    long double root = 2;
    for (int i = 0; i < 6; i++) root = sqrtl(root);
    long double power = 1;
    for (int j = 0; j < 64; j++, power *= root) table[j] = double(power);
  }
  double operator()(double y) const {
    const double k = std::nearbyint(y * (64 / 0.693147180559945309417));
    // ln2/64 in two parts; the first has 32 trailing zeros, so its product with k < 2^14 is exact, and so is the difference.
    const double r = (k * first - y) + k * second;  // -r: to 2^-62
    // e^r to r^5/120: the rest is below 0.00543^6 / 719 = 2^-54.6.
    const double p = r + r * r * (0.5 + r * (1 / 6.0 + r * (1 / 24.0 + r * (1 / 120.0))));
    const int steps = -int(k), j = steps & 63;
    return std::ldexp(table[j] + table[j] * p, (steps - j) / 64);  // three roundings: 2^-51 in all
  }

 private:
  static constexpr double first = 6.93147180369123816490e-01 / 64, second = 1.90821492927058770002e-10 / 64;
  double table[64];
};
const Exponential exponential;

// ln(1 + e) for 0 <= e <= 1: 2 s (1 + z/3 + z^2/5 + ...) with s = e / (2 + e) and z = s^2 <= 1/9. The rest after z^16/33 is
// below 9^-17 / 30 = 2^-58; no term is negative, so 40 roundings, those of small terms small, come to less than 2^-49.
double log1p_of(double e) {
  const double s = e / (2 + e), z = s * s;
  double series = 0;
  for (int k = 16; k >= 0; k--) series = series * z + 1.0 / (2 * k + 1);
  return 2 * s * series;
}

struct Reference {
  double sigmoid, log_sigmoid;
};

Reference reference_of(float x) {
  const double y = std::fabs(double(x));
  // Next to 0 two terms of each series do: what follows is below 2^-80.
  if (y < 0x1p-26) return {0.5 + double(x) / 4, -0.693147180559945309417 + double(x) / 2 - y * y / 8};
  // e^-128 < 2^-184 is nothing beside half the least float.
  const double e = y > 128 ? 0 : exponential(y), below = x < 0 ? double(x) : 0;
  return {(x < 0 ? e : 1) / (1 + e), below - (e == 0 ? 0 : log1p_of(e))};
}

double ulp_of(double exact) {
  int exponent;
  std::frexp(exact, &exponent);
  return std::ldexp(1, (exact == 0 || exponent < -125 ? -125 : exponent) - 24);
}

struct Worst {
  double error = 0;
  float at = 0;
  size_t wrong = 0;
  void see(float result, double exact, float x) {
    const double error = std::fabs(double(result) - exact) / ulp_of(exact);
    if (!(error <= this->error)) this->error = error == error ? error : __builtin_inf(), at = x;
    // No zero has a sign, and only what is next to nothing is 0.
    if (result == 0 && std::signbit(result)) wrong++;
  }
  void see_special(float result, float expected, float x) {
    if (!(std::isnan(expected) ? std::isnan(result) : result == expected)) wrong++, at = x;
  }
  void add(const Worst& other) {
    if (other.error > error) error = other.error, at = other.at;
    wrong += other.wrong;
  }
};

constexpr Op ops[2] = {Op::sigmoid, Op::logSigmoid};
constexpr const char* names[2] = {"sigmoid", "logSigmoid"};

struct Result {
  Worst worst[2];
  size_t differing = 0;  // bits of an ISA with FMA from those of the first such
};

bool fuses(const Kernels& kernels) { return std::strcmp(kernels.name, "portable") != 0; }

// Floats whose bits are [first, first + count).
void look_at(uint32_t first, size_t count, const std::vector<const Kernels*>& isas, std::vector<Result>& results) {
  std::vector<float> x(count), y(count), fused[2];
  std::vector<Reference> exact(count);
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = first + uint32_t(i);
    std::memcpy(&x[i], &bits, sizeof bits);
    if (std::isfinite(x[i])) exact[i] = reference_of(x[i]);
  }
  Problem p{};
  p.type = p.outType = Type::float32;
  p.outer = p.elements = count, p.length = p.inner = 1, p.temperature = 1;
  p.x = x.data(), p.out = y.data();
  for (size_t isa = 0; isa < isas.size(); isa++) {
    Result& result = results[isa];
    for (int k = 0; k < 2; k++) {
      p.op = ops[k];
      isas[isa]->solve(p, 0, count);
      for (size_t i = 0; i < count; i++) {
        if (std::isfinite(x[i])) {
          result.worst[k].see(y[i], k == 0 ? exact[i].sigmoid : exact[i].log_sigmoid, x[i]);
        } else {
          const float limit = k == 0 ? float(x[i] > 0) : x[i] > 0 ? 0 : x[i];
          result.worst[k].see_special(y[i], std::isnan(x[i]) ? x[i] : limit, x[i]);
        }
      }
      if (!fuses(*isas[isa])) continue;
      if (fused[k].empty()) fused[k] = y;
      for (size_t i = 0; i < count; i++) {
        const bool both = std::isnan(y[i]) && std::isnan(fused[k][i]);
        result.differing += !both && std::memcmp(&y[i], &fused[k][i], sizeof y[i]) != 0;
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<const Kernels*> isas;
  for (const Kernels* kernels : supported_kernels()) {
    bool asked = count < 2;
    for (int i = 1; i < count; i++) asked |= std::strcmp(arguments[i], kernels->name) == 0;
    if (asked) isas.push_back(kernels);
  }
  std::vector<Result> results(isas.size());
  constexpr size_t block = 1 << 15, blocks = (size_t(1) << 32) / block;
  std::mutex mutex;
  std::vector<std::thread> threads;
  const size_t parts = std::max(1u, std::thread::hardware_concurrency());
  for (size_t part = 0; part < parts; part++) {
    threads.emplace_back([&, part] {
      std::vector<Result> own(isas.size());
      for (size_t b = part; b < blocks; b += parts) look_at(uint32_t(b * block), block, isas, own);
      const std::lock_guard<std::mutex> lock(mutex);
      for (size_t isa = 0; isa < isas.size(); isa++) {
        for (int k = 0; k < 2; k++) results[isa].worst[k].add(own[isa].worst[k]);
        results[isa].differing += own[isa].differing;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  bool good = !isas.empty();
  for (size_t isa = 0; isa < isas.size(); isa++) {
    for (int k = 0; k < 2; k++) {
      const Worst& worst = results[isa].worst[k];
      printf("%-8s %-10s %.4f ULP at %a (%.9g); wrong %zu\n", isas[isa]->name, names[k], worst.error,
             double(worst.at), double(worst.at), worst.wrong);
      good = good && worst.error <= most && worst.wrong == 0;
    }
    if (results[isa].differing > 0)
      printf("%-8s differs in %zu results\n", isas[isa]->name, results[isa].differing);
    good = good && results[isa].differing == 0;
  }
  return good ? 0 : 1;
}
