// Rows copied to lie as the shapes want them, that is, as float or double logits one row behind the other, with -Infinity for what
// takes no part:
//
//   x        a0 a1 a2 b0 b1 b2 ...      copies   a0 -∞ a2 b0 b1 -∞ ...
//   mask      1  0  1  1  1  0
#pragma once
#include "../choose.h"
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

// Of a problem's rows, a set at a time.
template <class V>
class RowCopies {
 public:
  using T = typename V::Scalar;
  static constexpr size_t L = V::lanes;
  static constexpr size_t most = (size_t(1) << 15) / sizeof(T);  // elements of a set: they stay in the first cache
  static constexpr size_t fewest = 8;                            // rows of a set: what a group along blocks takes
  static constexpr size_t widest = copied_classes * fewest, room = (most > widest ? most : widest) + L;
  static constexpr size_t narrow_row = 16;  // longest row whose mask is gathered for a whole set, across rows

  explicit RowCopies(const Problem& p) : p(p), n(p.length) {}

  size_t rows_of_set() const {
    const size_t rows = most / n;
    return rows < fewest ? fewest : rows > L ? rows / L * L : rows;
  }
  bool is_narrow() const { return n <= narrow_row; }
  const char* data(size_t row) const { return static_cast<const char*>(p.x) + row * n * size_of(p.type); }

  // Of what takes part in a set of narrow rows: the numbers, as a string of bits; whether there is -Infinity or NaN; and NaN or
  // +Infinity.
  alignas(64) uint32_t numbers[most / 32 + 4];
  bool has_lowest = false, has_others = false;

  __attribute__((noinline)) void copy_narrow(size_t row, size_t count, T* copies) {
    alignas(64) uint32_t kept[most / 32 + 2];
    const bool by_bits = gather_bits(row, count, kept);
    const Bits bits = {by_bits ? kept : nullptr,
                       !p.where        ? nullptr
                       : p.whereShared ? tile()
                                       : p.where + row * n,
                       p.whereShared ? L * n : 0};
    by_type<T>(p.type, [&](auto type) { copy_blocks<type>(row, count * n, bits, copies); });
  }

  // What takes part of a row or a set, as bits: -Infinity or NaN; NaN or +Infinity. And how many numbers of a row.
  struct Found {
    uint32_t lowest = 0, others = 0;
    size_t count = 0;
    // Which of a block are numbers, as bits.
    INLINE uint32_t numbers(V v, uint32_t kept) {
      const uint32_t above = mask_greater(v, splat<V>(T(-infinity))),
                     below = mask_greater(splat<V>(T(infinity)), v);
      lowest |= kept & ~above, others |= kept & ~below;
      return kept & above & below;
    }
  };

  // A row of any width.
  __attribute__((noinline)) Source copy_row(size_t row, T* copy, Found& found) const {
    const Source source = source_of(p, row);
    const bool in_place = source.type == type_of<T>;
    if (!in_place) source.fetch_to(copy, source.length);
    const T* const x = in_place ? reinterpret_cast<const T*>(source.data) : copy;
    for (size_t i = 0; i < source.length; i += L) {
      const size_t width = lesser(source.length - i, L);
      const uint32_t kept = in_place ? source.kept(i, width) : (1u << width) - 1;
      const V v = width == L ? load<V>(x + i) : load_first<V>(x + i, width, T(0));
      found.count += size_t(__builtin_popcount(found.numbers(v, kept)));
      store(copy + i, keep(kept, v, splat<V>(T(-infinity))));  // there is room behind the copies
    }
    for (size_t i = source.length; i < n; i++) copy[i] = T(-infinity);
    return source;
  }

 private:
  const Problem& p;
  const size_t n;

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

  template <Type type>
  INLINE void copy_blocks(size_t row, size_t total, const Bits& bits, T* copies) {
    const Element<type>* x = reinterpret_cast<const Element<type>*>(data(row));
    const V none = splat<V>(T(-infinity));
    alignas(64) T buffer[L];
    BitString string{numbers};
    Found found;
    const auto put = [&](size_t i, V v, uint32_t kept) INLINE_LAMBDA {
      string.append(found.numbers(v, kept), L);
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
    string.end(), string.word[1] = 0;
    constexpr uint32_t all = (1u << L) - 1;
    has_lowest = (found.lowest & all) != 0, has_others = (found.others & all) != 0;
  }
};

}  // namespace UNITS
