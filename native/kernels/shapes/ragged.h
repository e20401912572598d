// Ragged rows, and rows that are padded, as rows that are equally long. Neighbours that are so already are a problem by themselves,
// where they lie. Short rows of many lengths wait in bins, one for each length, until there are enough of them, and are solved
// together:
//
//   x        a0 a1 a2 b0 c0 c1 c2 d0      bin 1: b d      bin 3: a c
//
// Rows of a full bin are a problem like any other. Where they go in lanes they are read, and their results by class written, wherever
// they lie (Problem::starts); others are copied one behind the other, and their results go back to where they belong. A row has the
// bits that it has alone, as every row of a problem does.
#pragma once
#include "../choose.h"
#include "../ops/sample_settings.h"
#include "../units.h"
#include "sink.h"

namespace UNITS {

// Where the rows of each length wait. A bin costs 0.1 us when it is full, so those of few classes hold many rows.
struct RaggedBins {
  static constexpr size_t longest = 256;
  uint32_t place[longest + 2];
  constexpr RaggedBins() : place() {
    for (size_t n = 1; n <= longest; n++) place[n + 1] = place[n] + (n <= 32 ? 192 : 32);
  }
};

class Ragged {
 public:
  using Solve = void (*)(const Problem&, size_t begin, size_t end);

  static bool fits(const Problem& p, size_t rows) {
    if (rows < fewest_rows || p.where || p.logNormalizer) return false;
    return p.offsets ? takes(p) : p.lengths && !p.bitmask && p.inner == 1 && takes_padded(p, rows);
  }

  // `solve`: rows of any problem.
  Ragged(const Problem& posed, Solve solve) : p(posed), solve_rows(solve), part(posed) {
    part.offsets = part.lengths = nullptr;
    const size_t size = size_of(p.type), result = size_of(p.outType);
    add(x, p.x, size, true);
    if (p.op == Op::klDivergence) add(other, p.other, size, true);
    if (p.op == Op::crossEntropy) {
      if (p.targets) add(targets, p.targets, sizeof(int32_t), false);
      if (p.targetProbabilities) add(shares, p.targetProbabilities, size, true);
      if (p.gradient) add(gradient, p.gradient, size, true);
      add(losses, p.losses, sizeof(double), false);
    } else if (p.op == Op::sample) {
      add(out, p.out, p.count * sizeof(uint32_t), false);
    } else if (p.op == Op::topK || p.op == Op::logProb) {
      add(out, p.out, p.k * result, false);
      add(indices, p.indices, p.k * sizeof(uint32_t), false);
      if (!p.classesShared) add(classes, p.classes, p.k * sizeof(int32_t), false);
      add(ranks, p.ranks, p.k * sizeof(uint32_t), false);
    } else {
      add(out, p.out, result, p.op == Op::softmax || p.op == Op::logSoftmax);
    }
  }

  void solve(size_t begin, size_t end) {
    first_row = begin;
    if (p.lengths) return solve_padded(begin, end);
    const bool uses_bins = is_worth_binning(classes_between(begin, end), end - begin) && set_up();
    for (size_t row = begin, to; row < end && !(row > begin && is_set(p.cancelled)); row = to) {
      to = behind_equal_rows(row, end);
      if (to - row >= fewest_equal) {
        solve_equal(row, to);
        continue;
      }
      to = row;
      do to = lesser(end, to + fewest_equal);
      while (to - row < most_at_once && to + fewest_equal <= end && !begins_run(to));
      uses_bins ? put(row, to) : solve_rows(p, row, to);
    }
    if (uses_bins) end_bins();
  }

 private:
  static constexpr size_t fewest_rows = 32;     // that are looked at
  static constexpr size_t fewest_equal = 16;    // neighbours that are worth a problem of their own
  static constexpr size_t most_at_once = 1024;  // rows until it is asked whether the call was cancelled
  static constexpr size_t fewest_alike = 4;     // rows of a length, about, that are worth bins
  static constexpr size_t longest = RaggedBins::longest;

  static constexpr RaggedBins bins = {};
  static constexpr size_t all_places = bins.place[longest + 1];

  // An array of a call: by class as x, or by row.
  enum Place { x, other, targets, shares, classes, gradient, losses, out, indices, ranks, places };
  static constexpr size_t most_arrays = 4;              // of a call
  static constexpr size_t set_bytes = size_t(1) << 14;  // of copies of an array
  struct Array {
    char *data = nullptr, *copy = nullptr;
    size_t size = 0;
    bool by_class = false;
  };

  const Problem& p;
  const Solve solve_rows;
  Problem part;
  Array array[places];
  size_t widest = 0;                      // of an element
  size_t largest = 1;                     // of what there is for a row
  size_t first_row = 0, first_class = 0;  // the element that starts are counted from
  // Too much for the stack of every thread.
  struct Room {
    uint32_t filled[longest + 1];                                       // up to where each bin is
    uint32_t starts[all_places];                                        // of the rows there, by elements
    uint32_t numbers[all_places + block_bytes / sizeof(uint32_t)];      // less first_row
    alignas(16) char copies[most_arrays][set_bytes + 2 * block_bytes];  // as malloc aligns a room
  };
  Room* room = nullptr;

  static bool takes(const Problem& p) {
    switch (p.op) {
      case Op::softmax:
      case Op::logSoftmax:
      case Op::logSumExp:
      case Op::crossEntropy:
      case Op::entropy:
      case Op::klDivergence: return true;
      case Op::topK:
      case Op::logProb: return p.k > 0 && p.k <= most_chosen;
      case Op::sample: return draws_alike(p);
      default: return false;
    }
  }
  // Ops whose rows do not go in other shapes as they are. (Logarithms of few classes do: see copies.h.)
  static bool takes_padded(const Problem& p, size_t rows) {
    const bool logarithm = p.op == Op::logSoftmax || p.op == Op::logSumExp;
    if (p.op == Op::softmax || p.op == Op::sample || (logarithm && p.length <= few_for_logs)) return false;
    return takes(p) && rows * p.length <= UINT32_MAX;
  }
  void add(Place place, const void* data, size_t size, bool by_class) {
    array[place].data = static_cast<char*>(const_cast<void*>(data));
    array[place].size = size, array[place].by_class = by_class;
    size_t& most = by_class ? widest : largest;
    if (size > most) most = size;
  }
  static bool is_result(size_t place) { return place >= gradient; }
  // What is written of each class, where anything is.
  const Array& results() const { return array[p.op == Op::crossEntropy ? gradient : out]; }

  // The arrays of `part`.
  template <class At>
  void place(At at) {
    part.x = at(x), part.other = at(other), part.targetProbabilities = at(shares), part.gradient = at(gradient);
    part.targets = static_cast<const int32_t*>(at(targets)), part.losses = static_cast<double*>(at(losses));
    part.out = at(out), part.indices = static_cast<uint32_t*>(at(indices));
    part.ranks = static_cast<uint32_t*>(at(ranks));
    if (!p.classesShared) part.classes = static_cast<const int32_t*>(at(classes));
  }

  // Equal rows -------------------------------------------------------------------------------------------------------

  // Whether so many rows may be equally long: what their ends are far apart says.
  bool begins_run(size_t row) const {
    const uint32_t first = read_once(p.offsets + row), step = read_once(p.offsets + row + 1) - first;
    return read_once(p.offsets + row + fewest_equal) - first == fewest_equal * step;
  }
  // The first row behind `row` that is not as long; those before lie within x.
  size_t behind_equal_rows(size_t row, size_t end) const {
    const size_t at = read_once(p.offsets + row), n = read_once(p.offsets + row + 1) - at;
    if (at > p.elements || n > p.elements - at) return row + 1;
    if (n > 0) end = lesser(end, row + (p.elements - at) / n);
    size_t next = row + 1, after = at + 2 * n;  // where row `next` has to end
    if (next < end && read_once(p.offsets + next + 1) != after) return next;
    constexpr size_t lanes = block_bytes / sizeof(uint32_t), few = 4 * lanes;
    typedef uint32_t Ends __attribute__((vector_size(block_bytes)));
    Ends expected;
    for (size_t k = 0; k < lanes; k++) expected[k] = uint32_t(after + k * n);
    for (; next + few <= end; next += few, after += few * n) {
      Ends differ = {};
#pragma GCC unroll 4
      for (size_t k = 0; k < 4; k++, expected += uint32_t(lanes * n)) {
        Ends ends;
        __builtin_memcpy(&ends, p.offsets + next + 1 + k * lanes, sizeof ends);
        differ |= ends ^ expected;
      }
      uint64_t any = 0, parts[block_bytes / sizeof(uint64_t)];
      __builtin_memcpy(parts, &differ, sizeof parts);
      for (uint64_t part : parts) any |= part;
      if (any != 0) break;
    }
    for (; next < end && read_once(p.offsets + next + 1) == after; next++) after += n;
    return next;
  }

  void solve_equal(size_t begin, size_t end) {
    const size_t first = lesser(read_once(p.offsets + begin), p.elements);
    const size_t last = lesser(read_once(p.offsets + end), p.elements);
    part.outer = end - begin, part.length = last > first ? (last - first) / part.outer : 0;
    part.elements = part.length * part.outer, part.firstRow = p.firstRow + begin;
    part.starts = part.rowNumbers = nullptr;
    part.k = p.k;  // a bin may have had fewer
    if (lacks_classes(part.length)) return solve_rows(p, begin, end);
    place([&](size_t i) -> void* {
      const Array& a = array[i];
      return a.data ? a.data + (a.by_class ? first : begin) * a.size : nullptr;
    });
    solve_rows(part, 0, part.outer);
  }

  // Padded rows ------------------------------------------------------------------------------------------------------

  void solve_padded(size_t begin, size_t end) {
    size_t total = 0;
    for (size_t row = begin; row < end; row++) total += length_of(row);
    if (!is_worth_binning(total, end - begin) || !set_up()) return solve_rows(p, begin, end);
    first_class = begin * p.length;
    const size_t few = 16 / size_of(p.type), last = p.elements < few ? 0 : p.elements - few;
    for (size_t row = begin; row < end && !(row > begin && row % most_at_once == 0 && is_set(p.cancelled));
         row++) {
      const size_t n = length_of(row), from = row * p.length;
      const bool fits = n > 0 && n <= longest && from + n <= last && !has_padded_target(row, n);
      fits ? put_row(row, from - first_class, n) : solve_rows(p, row, row + 1);
    }
    end_bins();
  }
  // A target that is padding makes its row's loss infinite.
  bool has_padded_target(size_t row, size_t n) const {
    return p.op == Op::crossEntropy && p.targets && size_t(uint32_t(read_once(p.targets + row))) >= n;
  }
  size_t length_of(size_t row) const { return lesser(read_once(p.lengths + row), p.length); }

  bool set_up() {
    room = static_cast<Room*>(__builtin_malloc(sizeof(Room)));
    if (!room) return false;
    for (size_t n = 0; n <= longest; n++) room->filled[n] = bins.place[n];
    size_t used = 0;
    for (Array& a : array) {
      if (a.data) a.copy = room->copies[used++];
    }
    return true;
  }

  // Bins -------------------------------------------------------------------------------------------------------------

  bool is_worth_binning(size_t total, size_t rows) const {
    const size_t mean = total / rows;
    return mean <= longest / 2 && rows >= fewest_alike * lesser(lesser(2 * mean, longest), p.length);
  }
  size_t classes_between(size_t begin, size_t end) const {
    const size_t first = read_once(p.offsets + begin), last = read_once(p.offsets + end);
    return last > first ? last - first : 0;
  }

  INLINE void put_row(size_t row, size_t from, size_t n) {
    Room& own = *room;
    const uint32_t place = own.filled[n];
    own.starts[place] = uint32_t(from), own.numbers[place] = uint32_t(row - first_row);
    own.filled[n] = place + 1;
    if (__builtin_expect(place + 1 == bins.place[n + 1], 0)) solve_bin(n);
  }
  void end_bins() {
    for (size_t n = 1; n <= longest; n++) solve_bin(n);
    __builtin_free(room);
  }

  __attribute__((noinline)) void put(size_t begin, size_t end) {
    constexpr size_t fetched = 16;  // rows at a time
    // Whoever reads 16 bytes of a row finds them: the last rows are solved by themselves.
    const size_t few = 16 / size_of(p.type);
    const uint32_t last = uint32_t(p.elements < few ? 0 : lesser(p.elements - few, UINT32_MAX));
    const uint32_t* const offsets = p.offsets;
    uint32_t from = read_once(offsets + begin);
    for (size_t row = begin; row < end; row++) {
      if ((row - begin) % fetched == 0) fetch_rows(from, read_once(offsets + lesser(row + fetched, end)));
      const uint32_t to = read_once(offsets + row + 1), n = to - from;
      if (from < to && n <= longest && to <= last) {
        put_row(row, from, n);
      } else {  // too long for a bin, or without classes; or another thread has written other offsets
        solve_rows(p, row, row + 1);
      }
      from = to;
    }
  }
  // What comes some rows later, from memory, and where its results go.
  INLINE void fetch_rows(size_t from, size_t to) const {
    if (!is_large(p)) return;
    to = lesser(to, p.elements);
    constexpr size_t ahead = 4096;  // bytes
    const Array& written = results();
    for (size_t i = from * array[x].size + ahead; i < to * array[x].size + ahead; i += block_bytes) {
      __builtin_prefetch(array[x].data + i, 0, 2);
      if (written.by_class) __builtin_prefetch(written.data + i, 1, 2);
    }
  }

  __attribute__((noinline)) void solve_bin(size_t n) {
    const size_t first = bins.place[n], last = room->filled[n];
    room->filled[n] = uint32_t(first);
    if (last == first) return;
    part.length = n;
    const bool apart =
        p.type == Type::float64 ? reads_apart<F64>(part, last - first) : reads_apart<F32>(part, last - first);
    const auto is_copied = [&](size_t i) INLINE_LAMBDA { return array[i].data && !(apart && array[i].by_class); };
    const size_t most = apart ? set_bytes / largest : lesser(set_bytes / widest / n, set_bytes / largest);
    for (size_t from = first, count; from < last; from += count) {
      count = lesser(most, last - from);
      for (size_t i = 0; i < places; i++) {
        if (is_copied(i) && !is_result(i)) gather(array[i], from, count, n);
      }
      part.starts = apart ? room->starts + from : nullptr;
      part.outer = count, part.elements = n * count;
      part.firstRow = p.firstRow + first_row, part.rowNumbers = room->numbers + from;
      part.k = lacks_classes(n) ? n : p.k;
      place([&](size_t i) -> void* {
        const Array& a = array[i];
        return !a.data || is_copied(i) ? a.copy : a.data + first_class * a.size;
      });
      solve_rows(part, 0, count);
      for (size_t i = 0; i < places; i++) {
        if (is_copied(i) && is_result(i)) scatter(array[i], from, count, n);
      }
      for (size_t k = from; (lacks_classes(n) || p.lengths) && k < from + count; k++) fill_rest(k, n);
    }
  }

  // Rows to their copies: of classes in whole blocks, where that does not reach too far. What is too much is the next copy's.
  void gather(Array& a, size_t first, size_t count, size_t n) const {
    if (!a.by_class) return move_numbers<false>(a, first, count);
    const size_t bytes = n * a.size;
    switch ((bytes + block_bytes - 1) / block_bytes) {
      case 1: return gather_blocks<1>(a, first, count, bytes);
      case 2: return gather_blocks<2>(a, first, count, bytes);
      default: gather_blocks<0>(a, first, count, bytes);
    }
  }
  template <size_t blocks>
  __attribute__((noinline)) void gather_blocks(Array& a, size_t first, size_t count, size_t bytes) const {
    const size_t size = a.size, limit = p.elements * size;
    const size_t whole = blocks > 0 ? blocks * block_bytes : (bytes + block_bytes - 1) / block_bytes * block_bytes;
    const char* const data = a.data;
    char* to = a.copy;
    for (size_t k = 0; k < count; k++, to += bytes) {
      const size_t from = (first_class + room->starts[first + k]) * size;
      if (from + whole <= limit) {
        for (size_t i = 0; i < whole; i += block_bytes) __builtin_memcpy(to + i, data + from + i, block_bytes);
      } else {
        __builtin_memcpy(to, data + from, bytes);
      }
    }
  }

  // Results to where they belong, in pieces of a fixed size, the last of which may overlap.
  void scatter(Array& a, size_t first, size_t count, size_t n) const {
    if (!a.by_class) return move_numbers<true>(a, first, count);
    const size_t bytes = n * a.size;
    bytes > 64   ? scatter_pieces<64>(a, first, count, bytes)
    : bytes > 32 ? scatter_pieces<32>(a, first, count, bytes)
    : bytes > 16 ? scatter_pieces<16>(a, first, count, bytes)
    : bytes > 8  ? scatter_pieces<8>(a, first, count, bytes)
    : bytes > 4  ? scatter_pieces<4>(a, first, count, bytes)
                 : scatter_pieces<2>(a, first, count, bytes);
  }
  template <size_t piece>
  __attribute__((noinline)) void scatter_pieces(Array& a, size_t first, size_t count, size_t bytes) const {
    const size_t size = a.size;
    char* const data = a.data;
    const char* from = a.copy;
    for (size_t k = 0; k < count; k++, from += bytes) {
      char* const to = data + (first_class + room->starts[first + k]) * size;
      for (size_t i = 0; i + piece < bytes; i += piece) __builtin_memcpy(to + i, from + i, piece);
      __builtin_memcpy(to + bytes - piece, from + bytes - piece, piece);
    }
  }

  // Whether rows of n classes have fewer than are asked for.
  bool lacks_classes(size_t n) const { return p.op == Op::topK && n < p.k; }
  // What stands for classes that a row lacks: those that are padding, and where fewer than k are to be had.
  void fill_rest(size_t place, size_t n) const {
    const size_t row = first_row + room->numbers[place];
    const double least = p.op == Op::logSoftmax || p.log ? -__builtin_inf() : 0;
    if (lacks_classes(n)) {
      Sink{array[out].data + row * array[out].size, p.outType, 1}.fill(n, p.k, least);
      for (size_t i = n; i < p.k; i++) p.indices[row * p.k + i] = no_class;
    }
    if (!p.lengths) return;
    const Array& written = results();
    if (!written.by_class) return;
    const Type type = p.op == Op::logSoftmax ? p.outType : p.type;
    Sink{written.data + row * p.length * written.size, type, 1}.fill(n, p.length, least);
  }

  // What there is once for each row, or so many times; of topK no more than the row has.
  template <bool back>
  void move_numbers(Array& a, size_t first, size_t count) const {
    const auto all = [&](auto zero) INLINE_LAMBDA {
      using Number = decltype(zero);
      Number *const data = reinterpret_cast<Number*>(a.data) + first_row, *const copy =
                                                                              reinterpret_cast<Number*>(a.copy);
      for (size_t k = 0; k < count; k++) {
        Number& number = data[room->numbers[first + k]];
        back ? number = copy[k] : copy[k] = number;
      }
    };
    switch (p.op == Op::topK && p.k > 1 ? 0 : a.size) {
      case 2: return all(uint16_t(0));
      case 4: return all(uint32_t(0));
      case 8: return all(uint64_t(0));
    }
    const size_t bytes = p.op == Op::topK ? a.size / p.k * part.k : a.size;
    for (size_t k = 0; k < count; k++) {
      char* const own = a.data + (first_row + room->numbers[first + k]) * a.size;
      char* const copy = a.copy + k * bytes;
      back ? __builtin_memcpy(own, copy, bytes) : __builtin_memcpy(copy, own, bytes);
    }
  }
};

}  // namespace UNITS
