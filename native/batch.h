// Cuts a problem into blocks for the pool: rows, or spans of rows too long for one thread. Knows nothing of exp.
#pragma once
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "pool.h"

class Batch : public Job {
 public:
  Batch(const Kernels& kernels, const Problem& problem);

  // Threads worth waking for it, at most `limit`.
  size_t useful_threads(size_t limit) const;

 protected:
  size_t next_stage() override;
  void run(size_t block) override;

  const Kernels& kernels;
  const Problem problem;

 private:
  void run_rows(size_t block);
  size_t first_row(size_t block) const;

  enum class Stage { rows, measure, measure_again, emit, end };
  size_t elements, blocks_of_rows, rows_per_block;
  bool by_spans;

  // By spans: one long row at a time.
  Stage stage = Stage::end;
  bool begun = false;
  size_t row = 0;
  std::vector<Measure> measures;
  Measure whole;
};

// Solves on the calling thread and up to `threads` - 1 others.
void solve_batch(const Kernels& kernels, const Problem& problem, size_t threads);
