#include "batch.h"

#include <algorithm>

namespace {

// A block is 10 to 20 microseconds of work. That is short beside the whole: the last thread leaves no long tail, and other
// jobs have their turn soon. And it is long beside taking a block.
constexpr size_t block_elements = 1 << 15;

// Waking a thread takes 5 to 50 microseconds, so a call is shared from about 100 microseconds of work on.
constexpr size_t worth_sharing = 1 << 18;

constexpr size_t line = 64;  // bytes

size_t ceiling(size_t n, size_t d) { return (n + d - 1) / d; }

size_t elements_of(const Problem& p) { return p.offsets ? p.elements : p.rows() * p.length; }

Problem with_flag(Problem problem, const bool* cancelled) {
  problem.cancelled = cancelled;
  return problem;
}

// Sums begin with nothing. Without rows nobody has asked whether there is room for one.
void clear_total(const Problem& p) {
  if (p.summed && p.rows() > 0) std::fill_n(p.losses, total_length, 0.0);
}

}  // namespace

Batch::Batch(const Kernels& kernels, const Problem& posed, size_t limit)
    : kernels(kernels), problem(with_flag(posed, &cancelled)) {
  const Problem& p = problem;
  const size_t rows = p.rows(), elements = elements_of(p);
  // With a few rows for every thread no thread waits long for the last one; with fewer rows they are cut into spans.
  by_spans = !p.offsets && !p.lengths && !p.logNormalizer && rows < 4 * limit && p.length > span_length &&
             (p.op == Op::softmax || p.op == Op::logSoftmax || p.op == Op::logSumExp);
  by_spans ? (void)(blocks = ceiling(p.length, span_length)) : cut_rows(elements, limit);
  if (elements >= worth_sharing)
    useful = std::max<size_t>(std::min({limit, blocks, elements / (worth_sharing / 2)}), 1);
}

void Batch::cut_rows(size_t elements, size_t limit) {
  const Problem& p = problem;
  if (p.offsets) {  // by elements: a row is in the block of its first element
    blocks = elements / block_elements + 1;
    return;
  }
  constexpr size_t group = 16;  // rows that kernels solve side by side
  size_t rows = block_elements / std::max<size_t>(p.length, 1);
  // Columns side by side share lines and pages: more of them to a block, for up to 80 microseconds.
  if (p.inner > 1) rows = std::max(rows, std::min({4 * rows, size_t(128), p.rows() / (4 * limit)}));
  rows_per_slab = p.inner > 1 ? p.inner : p.outer;
  rows_per_block = p.inner > 1 || rows > group ? std::max(rows / group * group, group) : std::max<size_t>(rows, 1);
  if (p.inner > 1 && rows_per_block > p.inner) {  // whole slabs
    rows_per_block = rows_per_block / p.inner * p.inner;
    rows_per_slab = p.rows();
  } else if (p.inner > 1 && p.inner * size_of(p.type) % line == 0) {
    rows_past_line = reinterpret_cast<uintptr_t>(p.x) % line / size_of(p.type) % group;
  }
  blocks_per_slab = ceiling(rows_per_slab, rows_per_block);
  blocks = blocks_per_slab * (p.rows() / std::max<size_t>(rows_per_slab, 1));
}

size_t Batch::next_stage() {
  const auto open = [this](Stage next, size_t count) {
    stage = next;
    return count;
  };
  switch (stage) {
    case Stage::rows: return 0;
    case Stage::begin:
      clear_total(problem);
      if (!by_spans) return open(Stage::rows, blocks);
      break;
    case Stage::measure:
    case Stage::measure_again:
      whole = kernels.combine(measures.data(), measures.size());
      if (stage == Stage::measure && whole.reshape && whole.max - whole.max == 0) {
        return open(Stage::measure_again, blocks);
      }
      return open(Stage::emit, problem.op == Op::logSumExp ? 1 : blocks);
    case Stage::emit: row++;
  }
  if (row == problem.rows()) return 0;
  measures.assign(blocks, Measure());
  return open(Stage::measure, blocks);
}

void Batch::run(size_t block) {
  switch (stage) {
    case Stage::measure: measures[block] = kernels.measure(problem, row, block, nullptr); break;
    case Stage::measure_again: measures[block] = kernels.measure(problem, row, block, &whole.max); break;
    case Stage::emit: kernels.emit(problem, row, block, whole); break;
    default: {
      const size_t begin = first_row(block), end = first_row(block + 1);
      if (begin < end) kernels.solve(problem, begin, end);
    }
  }
}

size_t Batch::first_row(size_t block) const {
  if (block >= blocks) return problem.rows();
  if (rows_per_slab > 0) {
    const size_t in_slab = block % blocks_per_slab * rows_per_block;
    return block / blocks_per_slab * rows_per_slab + in_slab - (in_slab > 0 ? rows_past_line : 0);
  }
  if (block == 0) return 0;
  const uint32_t* ends = problem.offsets + 1;
  return size_t(std::lower_bound(ends, ends + problem.rows(), block * block_elements) - ends);
}

void solve_batch(const Kernels& kernels, const Problem& problem, size_t threads) {
  if (problem.rows() == 0) return;
  if (threads > 1 && elements_of(problem) >= worth_sharing) {
    Batch batch(kernels, problem, threads);
    if (batch.useful_threads() > 1) return Pool::instance().run(batch, batch.useful_threads());
  }
  clear_total(problem);
  kernels.solve(problem, 0, problem.rows());
}
