// Rows that do not lie as the other shapes want them: under a mask, padded, or of 16 bits. A set of them at a time is copied
// so that they do, with -Infinity for what takes no part, and is then a problem like any other:
//
//   x        a0 a1 a2 b0 b1 b2 ...      copies   a0 -∞ a2 b0 b1 -∞ ...      results where they belong, or narrowed
//   mask      1  0  1  1  1  0
//
// Rows that need more care (NaN, infinities, nothing left) are solved by themselves, from where they came: see
// Problem::copied.
#pragma once
#include "../math/few_log.h"
#include "source.h"

namespace UNITS {

// Bits one after the other, in words.
struct BitString {
  uint32_t* word;
  uint64_t pending = 0;
  size_t filled = 0;

  INLINE void append(uint32_t bits, size_t count) {
    pending |= uint64_t(bits) << filled;
    filled += count;
    if (filled < 32) return;
    *word++ = uint32_t(pending);
    pending >>= 32, filled -= 32;
  }
  INLINE void end() { *word = uint32_t(pending); }
};

template <class V, class Op>
struct Copies {
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes;
  static constexpr size_t most = (size_t(1) << 15) / sizeof(T);  // elements of a set: they stay in the first cache
  static constexpr size_t fewest = 8;                            // rows of a set: what a group along blocks takes
  static constexpr size_t widest = copied_classes * fewest, room = most > widest ? most : widest;
  static constexpr size_t narrow_row = 16;  // longest row whose mask is gathered for a whole set, across rows
  const Problem& p;
  const size_t n, step;
  const bool narrows;
  Problem from, own;  // what is copied, and the copies

  explicit Copies(const Problem& p)
      : p(p),
        n(p.length),
        step(rows_of_set(p.length)),
        narrows(Op::writes_classes && p.outType != type_of<T>),
        from(p),
        own(p) {
    if (narrows) from.outType = own.outType = type_of<T>;
    own.where = nullptr, own.bitmask = nullptr, own.lengths = nullptr;
    own.type = type_of<T>;
    own.copied = &from;
  }

  // `solve` solves rows of a problem that lie as the other shapes want them.
  template <class Solve>
  void solve(size_t begin, size_t end, Solve solve) {
    alignas(64) T copies[room + L];
    for (size_t row = begin, count; row < end && !(row > begin && is_set(p.cancelled)); row += count) {
      count = lesser(step, end - row);
      own.emptyRows = copy(row, count, copies);
      own.elements = count * n;
      // The first row of the set is still row `row`.
      T* const before = reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(copies) - row * n * sizeof(T));
      own.x = before;
      if (narrows) own.out = from.out = before;
      solve(own, row, row + count);
      for (size_t i = 0; i < single; i++) Op(from).solve(row + alone[i]);
      if (narrows) Sink{static_cast<char*>(p.out), p.outType, 1}.flush(row * n, count * n, copies);
    }
  }

 private:
  size_t single = 0;
  uint16_t alone[most / narrow_row];  // rows of wide sets that are not among the copies

  static size_t rows_of_set(size_t n) {
    const size_t rows = most / n;
    return rows < fewest ? fewest : rows > L ? rows / L * L : rows;
  }

  // Whether a copied row of -Infinity has nothing left, that is, whether none of what takes part is -Infinity or NaN.
  bool copy(size_t row, size_t count, T* copies) {
    single = 0;
    if (!p.where && !p.bitmask && !p.lengths) {
      Source{data(row), p.type, 1, nullptr, 0, count * n}.fetch_to(copies, count * n);
      return false;
    }
    if (n > narrow_row) return copy_wide(row, count, copies), false;
    alignas(64) uint32_t kept[most / 32 + 2];
    const bool by_bits = gather_bits(row, count, kept);
    const Bits bits = {by_bits ? kept : nullptr,
                       !p.where        ? nullptr
                       : p.whereShared ? tile()
                                       : p.where + row * n,
                       p.whereShared ? L * n : 0};
    bool lowest = false;
    by_type<T>(p.type, [&](auto type) { lowest = copy_narrow<type>(row, count * n, bits, copies); });
    return !lowest;
  }

  const char* data(size_t row) const { return static_cast<const char*>(p.x) + row * n * size_of(p.type); }

  // Row by row.
  void copy_wide(size_t row, size_t count, T* copies) {
    for (size_t k = 0; k < count; k++, copies += n) {
      const Source source = source_of(p, row + k);
      source.fetch_to(copies, source.length);
      for (size_t i = source.length; i < n; i++) copies[i] = T(-infinity);
      // Of few floats logarithms are not what they are among more.
      const bool differs = Op::sums == Sums::below && has_few_for_logs<V>(source.length);
      if (!differs && !source.nothing_left()) continue;
      alone[single++] = uint16_t(k);
      for (size_t i = 0; i < n; i++) copies[i] = 0;
    }
  }

  // Which elements of a set take part: by bits, by bytes, or by both; bytes may begin anew after so many.
  struct Bits {
    const uint32_t* bits;
    const uint8_t* bytes;
    size_t period;
    INLINE uint32_t operator()(size_t at, size_t count) const {
      uint32_t kept = bits ? bits[at / 32] >> at % 32 : ~0u;
      if (!bytes) return kept;
      const uint8_t* some = bytes + (period ? at % period : at);
      uint8_t few[L] = {};
      if (count < L) __builtin_memcpy(few, some, count), some = few;
      return kept & (L == 16 ? set_among_sixteen(some) : set_among_eight(some));
    }
  };

  // The bits of lengths and bitmasks, row after row; false where there are none.
  bool gather_bits(size_t row, size_t count, uint32_t* kept) const {
    if (!p.lengths && !p.bitmask) return false;
    const uint32_t all = (1u << n) - 1;
    BitString string{kept};
    for (size_t r = row; r < row + count; r++) {
      uint32_t bits = all;
      if (p.bitmask) bits &= read_once(p.bitmask + (p.bitmaskShared ? 0 : r));
      if (p.lengths) bits &= (1u << lesser(read_once(p.lengths + r), n)) - 1;
      string.append(bits, n);
    }
    string.end();
    return true;
  }

  // The bytes that all rows share, as often as fills blocks.
  uint8_t tiled[narrow_row * L];
  const uint8_t* tile() {
    for (size_t i = 0; i < L * n; i += n) __builtin_memcpy(tiled + i, p.where, n);
    return tiled;
  }

  // Whether what takes part has -Infinity or NaN.
  template <Type type>
  bool copy_narrow(size_t row, size_t total, const Bits& bits, T* copies) const {
    const Element<type>* x = reinterpret_cast<const Element<type>*>(data(row));
    const V none = splat<V>(T(-infinity));
    uint32_t lowest = 0;
    alignas(64) T buffer[L];
    const auto put = [&](size_t i, V v, uint32_t kept) INLINE_LAMBDA {
      lowest |= kept & ~mask_greater(v, none);
      store(copies + i, keep(kept, v, none));
    };
    size_t i = 0;
    for (; i + L <= total; i += L) {
      __builtin_prefetch(x + i + most, 0, 2);
      put(i, load<V>(widened<type>(x + i, L, buffer)), bits(i, L));
    }
    if (i < total) {  // there is room behind the copies
      const size_t rest = total - i;
      put(i, load_first<V>(widened<type>(x + i, rest, buffer), rest, T(0)), bits(i, rest) & ((1u << rest) - 1));
    }
    return (lowest & ((1u << L) - 1)) != 0;
  }
};

}  // namespace UNITS
