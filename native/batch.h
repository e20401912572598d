// Cuts a problem into blocks for the pool: rows, or spans of rows too long for one thread. Knows nothing of exp.
#pragma once
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "pool.h"

class Batch : public Job {
 public:
  // On at most `limit` threads.
  Batch(const Kernels& kernels, const Problem& posed, size_t limit);

  // Threads worth waking for it.
  size_t useful_threads() const { return useful; }

 protected:
  size_t next_stage() override;
  void run(size_t block) override;

  const Kernels& kernels;
  const Problem problem;  // with the flag of this job

 private:
  void cut_rows(size_t elements, size_t limit);
  size_t first_row(size_t block) const;

  size_t useful = 1, blocks = 0;  // blocks of a stage

  // By rows: a slab is all the rows there are, or the neighbouring rows along another axis than the last, where
  // blocks begin anew with each, to stay on whole groups of lanes. No slabs where rows are ragged.
  size_t rows_per_slab = 0, blocks_per_slab = 0, rows_per_block = 0;
  size_t rows_past_line = 0;  // blocks within a slab begin so many rows earlier: where lines of the cache do

  // By spans: one long row at a time.
  enum class Stage { begin, rows, measure, measure_again, emit };
  Stage stage = Stage::begin;
  bool by_spans = false;
  size_t row = 0;
  std::vector<Measure> measures;
  Measure whole;
};

// Solves on the calling thread and up to `threads` - 1 others.
void solve_batch(const Kernels& kernels, const Problem& problem, size_t threads);
