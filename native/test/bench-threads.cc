// Time per element of softmax over float32 on 1, 2, 4 and more threads, as many as this process may use, beside memcpy on
// the same threads: `npm run bench:threads`. They take turns; the best of 16 rounds is shown, in which nothing else ran.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "../batch.h"
#include "../dispatch.h"

namespace {

constexpr struct {
  size_t rows, classes;
} shapes[] = {{4096, 1000}, {1, 33554432}, {1000000, 4}, {100000, 10}, {32, 128256}};

// Blocks of the size that batches have.
class Copy : public Job {
 public:
  Copy(const std::vector<float>& from, std::vector<float>& to) : from(from), to(to) {}

 protected:
  size_t next_stage() override { return begun++ ? 0 : (from.size() + block_elements - 1) / block_elements; }
  void run(size_t block) override {
    const size_t at = block * block_elements, n = std::min(block_elements, from.size() - at);
    memcpy(&to[at], &from[at], n * sizeof(float));
  }

 private:
  static constexpr size_t block_elements = 1 << 15;
  const std::vector<float>& from;
  std::vector<float>& to;
  int begun = 0;
};

template <class Work>
double nanoseconds(size_t elements, const Work& work) {
  using Clock = std::chrono::steady_clock;
  const size_t calls = std::max<size_t>(1, 4000000 / elements);
  const auto start = Clock::now();
  for (size_t i = 0; i < calls; i++) work();
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / double(calls * elements);
}

}  // namespace

int main() {
  Pool& pool = Pool::instance();
  pool.enter();
  const Kernels& kernels = *supported_kernels().front();
  std::vector<size_t> counts;
  for (size_t n = 1; n < pool.threads(); n *= 2) counts.push_back(n);
  counts.push_back(pool.threads());
  printf("%s, ns per element\n%-16s %7s %8s %9s %8s %10s\n", kernels.name, "rows x classes", "threads", "softmax",
         "faster", "memcpy", "of memcpy");
  for (const auto& [rows, classes] : shapes) {
    const size_t elements = rows * classes;
    std::vector<float> x(elements), y(elements);
    for (size_t i = 0; i < elements; i++) x[i] = 10 * std::sin(float(i));
    Problem p{};
    p.op = Op::softmax;
    p.outer = rows, p.length = classes, p.inner = 1, p.elements = elements, p.temperature = 1;
    p.x = x.data(), p.out = y.data();
    double alone = 0;
    for (const size_t threads : counts) {
      double time = INFINITY, floor = INFINITY;
      for (int round = 0; round < 16; round++) {
        time = std::min(time, nanoseconds(elements, [&] { solve_batch(kernels, p, threads); }));
        floor = std::min(floor, nanoseconds(elements, [&] {
                           Copy copy(x, y);
                           pool.run(copy, threads);
                         }));
      }
      if (threads == 1) alone = time;
      char shape[32];
      snprintf(shape, sizeof shape, "%zu x %zu", rows, classes);
      printf("%-16s %7zu %8.3f %8.2fx %8.3f %9.2fx\n", shape, threads, time, alone / time, floor, time / floor);
    }
  }
  pool.leave();
}
