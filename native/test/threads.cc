// The thread pool and the batches by themselves, over kernels that only keep count: `npm run test:tsan` runs this
// under ThreadSanitizer, `npm run test:asan` under AddressSanitizer. Prints what failed; more threads than cores.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "../batch.h"
#include "../pool.h"

namespace {

std::atomic<int> failures{0};

void expect(bool good, const char* promise) {
  if (good) return;
  if (failures++ < 20) fprintf(stderr, "broken: %s\n", promise);
}

void work_a_while(size_t spins) {
  for (volatile size_t i = 0; i < spins; i = i + 1) {}
}

// Counts how often each block runs, in stages of the given lengths.
class Counting : public Job {
 public:
  explicit Counting(std::vector<size_t> stages, size_t spins = 0) : stages(std::move(stages)), spins(spins) {}
  std::atomic<size_t> runs{0}, ends{0};
  bool whole() const { return ends == 1 && runs == total && std::all_of(counts.begin(), counts.end(), is_one); }

 protected:
  size_t next_stage() override {
    expect(std::all_of(counts.begin(), counts.end(), is_one), "a stage opens when every block ran once");
    if (stage == stages.size()) return 0;
    counts.assign(stages[stage], 0);  // not atomic: no two threads have one block
    total += stages[stage];
    return stages[stage++];
  }
  void run(size_t block) override {
    counts[block]++;
    runs++;
    work_a_while(spins);
  }
  void finished() override { ends++; }

 private:
  static bool is_one(int count) { return count == 1; }
  const std::vector<size_t> stages;
  const size_t spins;
  size_t stage = 0, total = 0;
  std::vector<int> counts;
};

void every_block_runs_once(Pool& pool) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; i++) {
    std::vector<size_t> stages(random() % 4);
    for (size_t& blocks : stages) blocks = 1 + random() % 60;
    Counting job(stages, random() % 300);
    pool.run(job, 1 + random() % 6);
    expect(job.whole(), "a job that is run does every block once");
    const auto shared = std::make_shared<Counting>(stages, random() % 300);
    pool.submit(shared, 1 + random() % 6);
    pool.wait(*shared);
    expect(shared->whole(), "a job that is submitted does every block once");
  }
}

void callers_share_the_pool(Pool& pool) {
  std::vector<std::thread> callers;
  for (unsigned seed = 0; seed < 5; seed++) {
    callers.emplace_back([&pool, seed] {
      std::mt19937 random(seed);
      pool.enter();
      for (int i = 0; i < 60; i++) {
        std::vector<std::shared_ptr<Counting>> flying;
        for (unsigned n = random() % 4; n > 0; n--) {
          flying.push_back(
              std::make_shared<Counting>(std::vector<size_t>{random() % 30 + 1, random() % 9 + 1}, 100));
          pool.submit(flying.back(), 1 + random() % 4);
        }
        Counting own({random() % 20 + 1, random() % 20 + 1}, 100);
        pool.run(own, 1 + random() % 4);
        expect(own.whole(), "callers do not mix up their jobs");
        for (const auto& job : flying) {
          if (random() % 3 == 0) job->cancel();
          pool.wait(*job);
          expect(job->ends == 1, "a job ends once");
          expect(job->is_cancelled() || job->whole(), "jobs in flight do every block once");
        }
      }
      pool.leave();
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// Threads start, stop and start again while others come and go.
void environments_come_and_go() {
  Pool pool(3);
  std::vector<std::thread> environments;
  for (unsigned seed = 0; seed < 4; seed++) {
    environments.emplace_back([&pool, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 60; i++) {
        pool.enter();
        const auto job = std::make_shared<Counting>(std::vector<size_t>{4, 4});
        if (random() % 3 > 0) {
          pool.submit(job, 3);
          pool.wait(*job);
          expect(job->whole(), "a pool that stopped starts again");
        }
        pool.leave();
      }
    });
  }
  for (std::thread& environment : environments) environment.join();
}

// A job so long, minutes of work, that only a cancel ends it soon: how slow a machine is decides nothing.
class Endless : public Job {
 public:
  static constexpr size_t blocks = 300'000'000;
  std::atomic<size_t> runs{0};

 protected:
  size_t next_stage() override { return runs == 0 ? blocks : 0; }
  void run(size_t) override {
    runs++;
    work_a_while(1000);
  }
};

void small_jobs_do_not_wait_for_big_ones(Pool& pool) {
  const auto big = std::make_shared<Endless>();
  pool.submit(big, 8);
  for (int i = 0; i < 20; i++) {
    const auto small = std::make_shared<Counting>(std::vector<size_t>{2}, 100);
    pool.submit(small, 2);
    pool.wait(*small);
    expect(small->whole(), "small jobs are whole");
  }
  expect(big->runs < Endless::blocks, "twenty small jobs are done while a big one is under way");
  big->cancel();
  pool.wait(*big);
  expect(big->runs < Endless::blocks, "a cancelled job stops at the next block");
}

// Kernels that count how often each row, and each span, is solved.
std::vector<std::atomic<int>> solved;
std::vector<std::atomic<int>> measured, emitted;
std::atomic<bool> ask_again{false};

void count_rows(const Problem&, size_t begin, size_t end) {
  for (size_t r = begin; r < end; r++) solved[r]++;
}
size_t spans_of(const Problem& p) { return (p.length + span_length - 1) / span_length; }
Measure count_measured(const Problem& p, size_t row, size_t span, const double*) {
  measured[row * spans_of(p) + span]++;
  Measure m;
  m.max = 1, m.count = 1, m.reshape = ask_again;
  return m;
}
Measure count_combined(const Measure* parts, size_t count) {
  Measure whole = parts[0];
  whole.count = 0;
  for (size_t i = 0; i < count; i++) whole.count += parts[i].count;
  return whole;
}
void count_emitted(const Problem& p, size_t row, size_t span, const Measure& whole) {
  expect(whole.count == double(spans_of(p)), "every span is measured before any is written");
  emitted[row * spans_of(p) + span]++;
}
const Kernels counting = {"counting",     nullptr,        count_rows,  // a batch is never lone
                          count_measured, count_combined, count_emitted};

bool all(const std::vector<std::atomic<int>>& counts, int wanted) {
  return std::all_of(counts.begin(), counts.end(), [wanted](const auto& count) { return count == wanted; });
}

void batches_solve_every_row_once(Pool& pool) {
  std::mt19937 random(2);
  for (int i = 0; i < 200; i++) {
    Problem p{};
    p.op = std::vector<Op>{Op::softmax, Op::logSumExp, Op::topK}[random() % 3];
    const bool wide = random() % 4 == 0;
    p.outer = random() % 5 == 0 ? 0 : random() % (wide ? 12 : 3000) + 1;
    p.inner = random() % 2 ? 1 : random() % 300;
    p.length = wide ? span_length * (random() % 4) + random() % 1000 : random() % 3000;
    p.temperature = 1;
    std::vector<uint32_t> offsets{0};
    if (random() % 4 == 0 && !wide) {
      p.inner = 1;
      for (size_t r = 0; r < p.outer; r++) offsets.push_back(offsets.back() + (random() % 3 ? random() % 600 : 0));
      p.offsets = offsets.data();
      p.elements = offsets.back();
    } else {
      p.elements = p.outer * p.length * p.inner;
    }
    ask_again = random() % 2 == 0;
    const size_t threads = 1 + random() % 8;
    Batch batch(counting, p, threads);
    solved = std::vector<std::atomic<int>>(p.rows());
    measured = std::vector<std::atomic<int>>(p.rows() * spans_of(p));
    emitted = std::vector<std::atomic<int>>(p.rows() * spans_of(p));
    pool.run(batch, threads);
    const int times = ask_again ? 2 : 1;
    const bool by_spans = p.rows() > 0 && !solved.empty() && solved[0] == 0;
    if (!by_spans) {
      expect(all(solved, 1), "every row is solved once");
      expect(all(measured, 0) && all(emitted, 0), "and then no span is");
    } else if (p.op != Op::logSumExp) {
      expect(all(solved, 0) && all(measured, times) && all(emitted, 1), "every span is solved once");
    }
  }
}

}  // namespace

int main() {
  {
    Pool pool(6);
    pool.enter();
    every_block_runs_once(pool);
    callers_share_the_pool(pool);
    small_jobs_do_not_wait_for_big_ones(pool);
    batches_solve_every_row_once(pool);
    pool.leave();
  }
  environments_come_and_go();
  if (failures == 0) printf("pool and batches: every promise kept\n");
  return failures > 0;
}
