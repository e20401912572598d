// From a problem to a shape, and the thresholds that decide it. A shape is how rows lie in registers; see shapes/. What one
// op or one shape alone goes by stands there. Each threshold says what it trades. The measurements are in native/TUNING.md.
#pragma once
#include "math/few_log.h"
#include "shapes/element.h"
#include "shapes/lanes_for_all.h"

namespace UNITS {

enum class Shape {
  row,          // row after row, of any length, layout and type
  few_classes,  // softmax: a row per lane, the number of classes known to the compiler
  lanes,        // a row per lane, in panels or columns; of few classes known to the compiler too
  blocks,       // a group of rows, each along its blocks
};

// Memory ------------------------------------------------------------------------------------------------------------

// Beyond the second cache: kernels fetch what they read or write next while they compute. The hardware does so too, but
// not across pages, and hardly while others use the memory. Within the second cache fetching costs time.
INLINE bool is_large(const Problem& p) { return p.elements * size_of(p.type) >= size_t(1) << 20; }

// Beyond a core's share of the last cache, with the results.
INLINE bool is_huge(const Problem& p) { return p.elements * size_of(p.type) >= size_t(12) << 20; }

// Terms of rows up to here wait in the output for their sum. The last cache would lose those of longer rows, so they are
// worked out twice.
constexpr size_t stored_length = 1 << 21;

// The same for rows of 16 bits, whose terms do not fit the output: up to here they have memory of their own.
constexpr size_t waiting_length = 1 << 18;

// Results of rows from here on go past the caches: they are not in any cache when they are read.
constexpr size_t streamed_bytes = size_t(1) << 25;

// Rows --------------------------------------------------------------------------------------------------------------

constexpr size_t few_blocks = 16;         // longest row, in blocks, that is solved with nothing set up
constexpr size_t panel_classes = 128;     // longest contiguous row worth transposing, for softmax
constexpr size_t panel_log_classes = 64;  // the same for logarithms, whose sums take more memory
constexpr size_t column_classes = 4096;   // longest row along another axis that is solved in lanes: one segment
constexpr size_t grouped_classes =
    2048;  // longest row solved in groups along its blocks: a group of float32 rows and
           // their terms stay within the second cache

// Longest row that is copied to lie as the shapes want it: a group of them takes 32 kB of the stack, of doubles 64.
constexpr size_t copied_classes = 1024;

// Longest row that is copied into lanes where some of it takes no part: longer ones fare better along their blocks.
constexpr size_t short_row = 16;

// Most classes asked for of each row, whose copies are worth solving together.
constexpr size_t most_chosen = 64;

// Longest row in a group along its blocks whose logits are all reduced before the first term is worked out. Longer rows leave
// that to each_term.
template <class V>
constexpr size_t most_reduced = 8 * V::lanes;

// Sets of groups, from memory, that go through each step together in panels of so many columns: or what is fetched for the
// next ones leaves the first cache before they come.
constexpr size_t sets_from_memory(size_t width) { return width <= 28 ? 2 : 1; }

// Most classes of a row that topK filters while it measures the row. For more, a threshold from a sample of the row costs
// less than a filter that learns as it goes.
INLINE size_t most_filtered(size_t length) { return length > 4096 ? 24 : 100; }

// Most classes that the compiler knows: more take longer than in panels.
template <class V>
constexpr size_t few_classes = is_compact && sizeof(typename V::Scalar) == 8 ? 2
                               : V::registers > 2                            ? 4
                               : sizeof(typename V::Scalar) == 4             ? 16
                                                                             : 8;

// Rows of x as the kernels want them: all classes of all rows take part.
INLINE bool is_whole(const Problem& p) {
  return !p.where && !p.bitmask && !p.lengths && !p.offsets && !p.logNormalizer && p.length > 0;
}
// And lie one behind the other.
INLINE bool is_plain(const Problem& p) { return is_whole(p) && !p.starts; }

template <class V>
INLINE bool fits_blocks(const Problem& p) {
  constexpr Type type = type_of<typename V::Scalar>;
  return is_plain(p) && p.inner == 1 && p.type == type && (p.outType == type || p.op == Op::crossEntropy) &&
         p.length <= grouped_classes;
}

INLINE bool fits_lanes(const Problem& p) {
  if (!is_whole(p)) return false;
  const bool logarithm = p.op == Op::logSoftmax || p.op == Op::logSumExp;
  if (p.inner > 1) return p.length <= column_classes && (lanes_for_all || logarithm || p.op == Op::softmax);
  const bool log =
      logarithm || p.op == Op::logProb || (p.op == Op::crossEntropy && (all_along_blocks || !p.gradient));
  return p.length <= (log ? panel_log_classes : panel_classes);
}

template <class V>
INLINE bool fits_few_classes(const Problem& p) {
  constexpr Type type = type_of<typename V::Scalar>;
  if (p.op != Op::softmax || p.length > few_classes<V> || !is_whole(p)) return false;
  return p.inner == 1 && p.type == type && p.outType == type;
}

// Whether rows fill their blocks so well that blocks along the rows beat lanes across them, which need two transposes.
// From memory, rows of three blocks and more come sooner along their blocks.
template <class V>
INLINE bool fills_blocks(const Problem& p) {
  constexpr size_t L = V::lanes;
  const size_t n = p.length, blocks = (n + L - 1) / L, padding = blocks * L - n;
  if (blocks < 2) return false;
  if (is_huge(p) && blocks > 2) return padding <= (sizeof(typename V::Scalar) == 4 ? 15 : 6);
  return padding <= (blocks == 2 ? 2 : n / 4);
}

// So few rows of a few blocks that setting anything up would take longer than they do, even looking for their shape: this
// is asked first.
template <class V>
INLINE bool is_alone(const Problem& p, size_t rows) {
  if (rows > V::lanes * 3 / 8 || p.op != Op::softmax || p.length > few_blocks * V::lanes) return false;
  return fits_blocks<V>(p) && (rows <= V::lanes / 8 || !fills_blocks<V>(p));
}

// Whether results replace logits, by which a row could not be solved once more.
INLINE bool is_in_place(const Problem& p) { return p.x == p.out || (p.copied && p.copied->x == p.copied->out); }

// Rows that are copied to lie as the other shapes want them. Terms of a padded row start at the bias of its own length: where
// that is not the bias of all, rows are solved one by one.
template <class V, Sums sums>
INLINE bool is_copied(const Problem& p, size_t rows) {
  constexpr Type type = type_of<typename V::Scalar>;
  if (p.inner > 1 || p.offsets || p.starts || p.logNormalizer) return false;
  if (p.length < 2 || p.length > copied_classes) return false;
  if (rows <= V::lanes / 8) return false;
  if (p.lengths && sums == Sums::all && bias_for<V>(1) != bias_for<V>(p.length)) return false;
  // Logarithms of few floats among padded rows are solved after their set, from x.
  const bool has_both = sizeof(typename V::Scalar) == 4 && p.length > few_for_logs;
  if (p.lengths && sums == Sums::below && has_both && is_in_place(p)) return false;
  if (p.where || p.bitmask || p.lengths) return true;
  // Panels of more classes convert on the way; what fills blocks goes along them.
  const bool along = p.op == Op::softmax && fills_blocks<V>(p);
  return (p.length <= few_classes<V> || along) && (p.type != type || (p.op != Op::logSumExp && p.outType != type));
}

// Rows that differ in what takes part, in length or in place, and go along their blocks as they are: see shapes/varied.h. Short
// rows that are equally long fare better in lanes.
template <class V>
INLINE bool is_varied(const Problem& p, size_t rows) {
  constexpr Type type = type_of<typename V::Scalar>;
  if (!lanes_for_all || p.op != Op::softmax || p.logNormalizer || rows < 2) return false;
  if (p.inner > 1 || p.type != type || p.outType != type) return false;
  if (p.offsets) return true;
  return (p.where || p.bitmask || p.lengths) && p.length > short_row && p.length <= grouped_classes;
}

// Rows of few classes and of several lengths, or of floats under a mask, which are masked in lanes.
template <class V>
INLINE bool is_hidden_in_lanes(const Problem& p, size_t rows) {
  constexpr Type type = type_of<typename V::Scalar>;
  if (p.op != Op::softmax || p.logNormalizer || rows <= V::lanes / 8) return false;
  const bool is_masked = p.where || p.bitmask;
  if (p.where && (p.bitmask || !lanes_for_all)) return false;
  if (is_masked ? p.lengths || type != Type::float32 : !p.lengths) return false;
  return p.inner == 1 && p.type == type && p.outType == type && p.length >= 2 && p.length <= few_classes<V>;
}

// Rows of few floats have their logarithms in lanes, or as if they were.
template <class V>
INLINE bool has_few_logs(const Problem& p) {
  return p.op != Op::softmax && has_few_for_logs<V>(p.length);
}

template <class V>
INLINE Shape shape_of(const Problem& p, size_t rows) {
  const bool group = rows > V::lanes / 8 || p.inner > 1;  // fewer are done before a group is set up
  const bool fits_along = along_blocks<V> && fits_blocks<V>(p);
  if (group && along_blocks<V> && fits_few_classes<V>(p)) return Shape::few_classes;
  const bool along = p.op == Op::softmax && fits_along && fills_blocks<V>(p);
  if (group && !along && fits_lanes(p)) return Shape::lanes;
  return fits_along && !has_few_logs<V>(p) ? Shape::blocks : Shape::row;
}

// Whether the compiler knows their number of classes for softmax too.
template <class V>
constexpr bool knows_apart = lanes_apart && sizeof(typename V::Scalar) == 4;

// Rows that lie apart, which are read where they are, and their results by class written there: those of ops that go in lanes. What
// has another shape goes faster once it is copied.
template <class V>
INLINE bool reads_apart(const Problem& p, size_t rows) {
  constexpr Type type = type_of<typename V::Scalar>;
  if (!lanes_apart || p.type != type || rows <= V::lanes / 8 || !fits_lanes(p)) return false;
  switch (p.op) {
    case Op::softmax: return knows_apart<V> && p.outType == type && !fills_blocks<V>(p);
    case Op::logSoftmax:
    case Op::logSumExp: return p.outType == type;
    case Op::crossEntropy: return p.targets && p.labelSmoothing == 0;
    case Op::logProb: return !p.ranks && !p.renormalize;
    case Op::topK: return !p.log && p.length > 4;  // fewer: see TopOfFew
    case Op::sample: return true;
    default: return false;
  }
}

}  // namespace UNITS
