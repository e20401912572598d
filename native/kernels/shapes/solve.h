// An op over the shapes.
#pragma once
#include "blocks.h"
#include "columns.h"
#include "copies.h"
#include "few_classes_softmax.h"
#include "mask_words.h"
#include "rows.h"
#include "varied.h"

namespace UNITS {

// Once in the binary: it is large.
template <class V, class Op>
__attribute__((noinline)) void solve_few_classes(const Problem& p, size_t begin, size_t end) {
  FewClassesSoftmax<FewLanes<V>, Op, V>(p).solve(begin, end);
}

template <class V, class Op>
void solve_plain(const Problem& p, size_t begin, size_t end) {
  const Shape shape = shape_of<V>(p, end - begin);
  if constexpr (along_blocks<V>) {
    if constexpr (Op::sums == Sums::all) {
      if (shape == Shape::few_classes) return solve_few_classes<V, Op>(p, begin, end);
    }
    if (shape == Shape::blocks) return AlongBlocks<V, Op>(p).solve(begin, end);
  }
  const Op op(p);
  if (shape == Shape::lanes) return solve_in_lanes<V>(op, begin, end);
  for (size_t r = begin; r < end; r++) op.solve(r);
}

template <class V, class Op>
void solve_in_shapes(const Problem& p, size_t begin, size_t end);

// The first row behind `row`, which has n elements from `at` on, that has not as many; those before lie within x.
INLINE size_t behind_equal_rows(const Problem& p, size_t row, size_t end, size_t at, size_t n) {
  constexpr size_t few = 8;
  if (n > 0) end = lesser(end, row + (p.elements - at) / n);
  size_t next = row + 1, after = at + 2 * n;  // where row `next` has to end
  for (uint64_t differ = 0; next + few <= end; next += few, after += few * n) {
#pragma GCC unroll 8
    for (size_t k = 0; k < few; k++) differ |= read_once(p.offsets + next + 1 + k) ^ (after + k * n);
    if (differ != 0) break;
  }
  for (; next < end && read_once(p.offsets + next + 1) == after; next++) after += n;
  return next;
}

// A row of ragged rows, and its neighbours that have as many elements.
struct Run {
  size_t begin, end, at, n;  // rows, and elements
};
INLINE Run run_at(const Problem& p, size_t row, size_t end) {
  const Source first = source_of(p, row);
  const size_t at = size_t(first.data - static_cast<const char*>(p.x)) / size_of(p.type);
  return {row, behind_equal_rows(p, row, end, at, first.length), at, first.length};
}

// Whether so many rows may be equally long: what their ends are far apart says.
INLINE bool begins_run(const Problem& p, size_t row, size_t rows) {
  const uint32_t first = read_once(p.offsets + row);
  return read_once(p.offsets + row + rows) - first == rows * (read_once(p.offsets + row + 1) - first);
}

// They are a problem with that many classes.
template <class V, class Op>
void solve_run(const Problem& p, Run run) {
  // Where row 0 would be if all were so long.
  const auto shifted = [&run](const void* array, size_t element) {
    return reinterpret_cast<uintptr_t>(array) + (run.at - run.begin * run.n) * element;
  };
  Problem part = p;
  part.offsets = nullptr, part.length = run.n, part.elements = (run.end - run.begin) * run.n;
  part.x = reinterpret_cast<const void*>(shifted(p.x, size_of(p.type)));
  if (Op::writes_classes) part.out = reinterpret_cast<void*>(shifted(p.out, size_of(p.outType)));
  if (p.where) part.where = reinterpret_cast<const uint8_t*>(shifted(p.where, 1));
  solve_in_shapes<V, Op>(part, run.begin, run.end);
}

// Ragged rows: runs of equal ones, and between them a few by themselves, or all that are side by side where the op has a shape for
// them. (What begins a run is then looked for group by group.)
template <class V, class Op>
void solve_ragged(const Problem& p, size_t begin, size_t end) {
  const bool varied = Op::sums == Sums::all && is_varied<V>(p, end - begin);
  const size_t fewest = varied ? V::lanes : 3;  // rows of a run worth telling apart
  const Op op(p);
  for (size_t row = begin; row < end && !(row > begin && is_set(p.cancelled));) {
    const Run run = run_at(p, row, end);
    if (run.n > 0 && run.end - run.begin >= fewest) {
      solve_run<V, Op>(p, run);
      row = run.end;
      continue;
    }
    size_t to = lesser(end, varied ? row + V::lanes : run.end);
    if constexpr (lanes_for_all && Op::sums == Sums::all) {
      while (varied && to + V::lanes <= end && !begins_run(p, to, V::lanes)) to += V::lanes;
      if (varied) Varied<V, Op>(p).solve(row, to);
    }
    for (size_t r = row; r < to && !varied; r++) op.solve(r);
    row = to;
  }
}

// Masks of bytes become bitmasks, a set of rows at a time.
template <class V, class Op>
void solve_hidden(const Problem& p, size_t begin, size_t end) {
  if (!lanes_for_all || !p.where) return solve_few_classes<V, Op>(p, begin, end);
  MaskWords words;
  Problem own = p;
  own.where = nullptr, own.bitmask = words.word, own.bitmaskShared = p.whereShared;
  if (p.whereShared) {
    words.set(p.where, 1, p.length);
    return solve_few_classes<V, Op>(own, begin, end);
  }
  for (size_t row = begin, next; row < end && !(row > begin && is_set(p.cancelled)); row = next) {
    next = lesser(end, row + words.most);
    words.set(p.where + row * p.length, next - row, p.length);
    own.bitmask = array_around(words.word, row);
    solve_few_classes<V, Op>(own, row, next);
  }
}

template <class V, class Op>
void solve_in_shapes(const Problem& p, size_t begin, size_t end) {
  if constexpr (Op::may_be_copied) {
    if (p.offsets && !p.logNormalizer) return solve_ragged<V, Op>(p, begin, end);
  }
  if constexpr (Op::may_be_copied && Op::sums == Sums::all) {
    if constexpr (lanes_for_all) {
      if (is_varied<V>(p, end - begin)) return Varied<V, Op>(p).solve(begin, end);
    }
    if constexpr (along_blocks<V>) {
      if (is_hidden_in_lanes<V>(p, end - begin)) return solve_hidden<V, Op>(p, begin, end);
    }
  }
  if constexpr (Op::may_be_copied) {
    if (is_copied<V, Op::sums>(p, end - begin)) {
      return Copies<V, Op>(p).solve(begin, end, [](const Problem& copies, size_t first, size_t last) {
        solve_plain<V, Op>(copies, first, last);
      });
    }
  }
  solve_plain<V, Op>(p, begin, end);
}

template <class Op>
Measure measure_span(const Problem& p, size_t r, size_t span, const double* max) {
  const Source row = source_of(p, r);
  const size_t from = span * span_length, to = row.length - from < span_length ? row.length : from + span_length;
  return Op(p).template measurer<Op::sums>().stretch(row, from, to, max, nullptr, nullptr);
}

}  // namespace UNITS
