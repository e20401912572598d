#include "batch.h"

#include <algorithm>

namespace {

// A block is about 10 to 20 microseconds of work at 0.3 to 0.6 ns per element: short beside the whole, so that the
// last thread leaves no long tail, and long beside the 0.1 microseconds of taking it.
constexpr size_t block_elements = 1 << 15;

// Waking a thread takes 5 to 50 microseconds (futex wake and scheduling, measured on virtual machines), so a call
// is shared only from about 100 microseconds of work on; below, one thread finishes sooner.
constexpr size_t worth_sharing = 1 << 18;

size_t total_elements(const Problem& p) { return p.offsets ? p.elements : p.outer * p.length * p.inner; }

}  // namespace

Batch::Batch(const Kernels& kernels, const Problem& problem) : kernels(kernels), problem(problem) {
  elements = total_elements(problem);
  const size_t rows = problem.rows(), length = std::max<size_t>(problem.length, 1);
  const bool spans_pay = !problem.offsets && !problem.lengths && rows < 16 && length > span_length;
  by_spans = spans_pay && !problem.logNormalizer &&
             (problem.op == Op::softmax || problem.op == Op::logSoftmax || problem.op == Op::logSumExp);
  if (problem.offsets) {  // by elements: row r is in the block of its first element
    rows_per_block = 0;
    blocks_of_rows = elements / block_elements + 1;
  } else {  // whole groups of lanes
    rows_per_block = (std::max<size_t>(block_elements / length, 1) + 15) / 16 * 16;
    if (length * 16 > block_elements) rows_per_block = std::max<size_t>(block_elements / length, problem.inner > 1 ? 16 : 1);
    blocks_of_rows = (rows + rows_per_block - 1) / rows_per_block;
  }
}

size_t Batch::useful_threads(size_t limit) const {
  if (elements < worth_sharing) return 1;
  const size_t blocks = by_spans ? (problem.length + span_length - 1) / span_length : blocks_of_rows;
  return std::min({limit, blocks, elements / (worth_sharing / 2)});
}

size_t Batch::next_stage() {
  if (!by_spans) {
    if (begun) return 0;
    begun = true;
    stage = Stage::rows;
    return problem.rows() > 0 ? blocks_of_rows : 0;
  }
  const size_t spans = (problem.length + span_length - 1) / span_length;
  if (stage == Stage::measure || stage == Stage::measure_again) {
    const bool again = stage == Stage::measure_again;
    whole = kernels.combine(measures.data(), measures.size());
    const bool finite = whole.max - whole.max == 0;
    if (whole.reshape && finite && !again) {
      stage = Stage::measure_again;
      return spans;
    }
    stage = Stage::emit;
    return problem.op == Op::logSumExp ? 1 : spans;
  }
  if (stage == Stage::emit) row++;
  if (row == problem.rows()) return 0;
  stage = Stage::measure;
  measures.assign(spans, Measure());
  return spans;
}

void Batch::run(size_t block) {
  switch (stage) {
    case Stage::measure: measures[block] = kernels.measure(problem, row, block, nullptr); break;
    case Stage::measure_again: measures[block] = kernels.measure(problem, row, block, &whole.max); break;
    case Stage::emit: kernels.emit(problem, row, block, whole); break;
    default: run_rows(block);
  }
}

void Batch::run_rows(size_t block) {
  const size_t begin = first_row(block), end = first_row(block + 1);
  if (begin < end) kernels.solve(problem, begin, end);
}

size_t Batch::first_row(size_t block) const {
  if (rows_per_block > 0) return std::min(block * rows_per_block, problem.rows());
  if (block == 0) return 0;
  if (block >= blocks_of_rows) return problem.rows();
  const uint32_t* ends = problem.offsets + 1;
  return size_t(std::lower_bound(ends, ends + problem.rows(), block * block_elements) - ends);
}

void solve_batch(const Kernels& kernels, const Problem& problem, size_t threads) {
  if (problem.rows() == 0) return;
  Batch batch(kernels, problem);
  const size_t useful = batch.useful_threads(threads);
  if (useful <= 1) return kernels.solve(problem, 0, problem.rows());
  Pool::instance().run(batch, useful);
}
