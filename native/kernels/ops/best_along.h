// The k best of each of a group of rows that lie along their blocks. Where they are few beside all, only those are sorted that may
// be among them:
//
//   maxima of cells --> the k'th of them, by a network with a row per lane: at least k logits reach it, and few more do
//   one pass a row  --> what reaches it, listed in the order of the classes
//   keys of lists   --> the k best, by a network
//
// Else the keys of all.
#pragma once
#include "../shapes/turned.h"
#include "select.h"
#include "sorted_lanes.h"

namespace UNITS {

template <class V>
class BestAlong {
 public:
  using T = typename V::Scalar;
  using Key = PackedKey;
  using Scalar = Key::Scalar;

  BestAlong(size_t n, size_t k)
      : n(n), k(k), cells(cells_for(n, k)), listed(cells > 0 ? (2 * k + 3 * L - 1) / L * L : 0) {
    const size_t keys_room = SortedLanes<Key>::room(cells > 0 ? listed : n, k) * Key::step * sizeof(Scalar);
    const size_t bests = SortedLanes<PlainKey<V>>::room(cells, k) * block_bytes;
    const size_t blocks = cells > listed ? cells : listed;
    memory = static_cast<char*>(__builtin_malloc(keys_room + bests + 3 * blocks * block_bytes + block_bytes));
    if (!memory) return;
    char* at = memory + block_bytes - reinterpret_cast<uintptr_t>(memory) % block_bytes;
    keys = reinterpret_cast<Scalar*>(at), at += keys_room;
    best_cells = reinterpret_cast<T*>(at), at += bests;
    columns = reinterpret_cast<T*>(at), at += blocks * block_bytes;
    lists = reinterpret_cast<T*>(at), at += blocks * L * sizeof(T);
    classes = reinterpret_cast<uint32_t*>(at);
  }
  ~BestAlong() { __builtin_free(memory); }
  BestAlong(const BestAlong&) = delete;

  bool has_memory() const { return memory != nullptr; }

  // To blocks of logits and of classes; returns the rows, as bits, of which this does not find them.
  template <class Group>
  __attribute__((noinline)) uint32_t select(const Group& g, T* logit, uint32_t* place) const {
    if (cells == 0) {
      select_of_all(g.row_of(0), g.count);
      return take(keys, k, logit, place), 0;
    }
    alignas(64) T bound[L];
    for (size_t i = 0; i < g.count; i++) find_cells(g.row_of(i), lists + i * cells);
    turn<V>(lists, cells, g.count, cells, columns);
    SortedLanes<PlainKey<V>>::best(cells, k, best_cells,
                                   [this](size_t c, T* to) INLINE_LAMBDA { store(to, load<V>(columns + c * L)); });
    store(bound, load<V>(best_cells + (k - 1) * L));
    uint32_t redo = 0;
    size_t longest = k;
    for (size_t i = 0; i < g.count; i++) {
      const size_t count = list(g.row_of(i), bound[i], lists + i * listed, classes + i * listed);
      redo |= uint32_t(count < k) << i;
      longest = count > longest ? count : longest;
    }
    turn<V>(lists, listed, g.count, longest, columns);
    SortedLanes<Key>::best(longest, k, keys,
                           [this](size_t c, Scalar* to) INLINE_LAMBDA { put(load<V>(columns + c * L), c, to); });
    take(keys, k, logit, place);
    for (size_t j = 0; j < k; j++) {
      for (size_t i = 0; i < g.count; i++) place[j * L + i] = classes[i * listed + place[j * L + i]];
    }
    return redo;
  }

  static INLINE void take(const Scalar* keys, size_t k, T* logit, uint32_t* place) {
    for (size_t j = 0; j < k; j++) take_keys(keys + j * Key::step, logit + j * L, place + j * L);
  }

 private:
  static constexpr size_t L = V::lanes, P = panel_columns<V>;
  const size_t n, k;
  const size_t cells;   // twice k or more, or none
  const size_t listed;  // at most, in whole blocks
  char* memory;
  Scalar* keys;
  T *best_cells, *columns, *lists;
  uint32_t* classes;

  // Logits may change while they are read; a NaN would have no order.
  static INLINE void put(V x, size_t place, Scalar* to) {
    put_keys(max_number(x, splat<V>(T(-infinity))), place, to);
  }

  // The k'th largest of twice as many cells has 1.4 k logits above it, but for chance.
  static size_t cells_for(size_t n, size_t k) {
    size_t cells = L;
    while (cells < 2 * k) cells *= 2;
    return n >= cells + cells / 2 ? cells : 0;
  }

  void find_cells(const T* x, T* cell) const {
    for (size_t c = 0; c < cells; c += L) {
      V max = splat<V>(T(-infinity));
      size_t i = c;
      for (; i + L <= n; i += cells) max = max_number(load<V>(x + i), max);
      if (i < n) max = max_number(load_first<V>(x + i, n - i, T(-infinity)), max);
      store(cell + c, max);
    }
  }

  void select_of_all(const T* x, size_t rows) const {
    V column[P];
    size_t from = n;  // of the panel
    SortedLanes<Key>::best(n, k, keys, [&](size_t c, Scalar* to) INLINE_LAMBDA {
      if (c - from >= P) {
        from = c + P <= n ? c : n - P;
        load_panel(x + from, n, rows, column);
      }
      put(column[c - from], c, to);
    });
  }

  // The logits of a row that reach a bound, and their classes; how many. Behind them -Infinity.
  size_t list(const T* x, T bound, T* logit, uint32_t* index) const {
    Passed passed;
    passed.list<V>(x, n, Selection<V>::below(bound));
    if (passed.count > listed) {
      leave_ties(x, bound, passed);
      if (passed.count > listed) return 0;
    }
    for (size_t i = 0; i < listed; i += L) store(logit + i, splat<V>(T(-infinity)));
    for (size_t w = 0, i = 0; w < passed.words; w++) {
      for (uint64_t bits = passed.word[w]; bits != 0; bits &= bits - 1, i++) {
        const uint32_t at = passed.base[w] + uint32_t(__builtin_ctzll(bits));
        logit[i] = x[at], index[i] = at;
      }
    }
    return passed.count;
  }
  // Many equal the bound: the first k of those are enough.
  __attribute__((noinline)) void leave_ties(const T* x, T bound, Passed& passed) const {
    size_t ties = k;
    passed.count = 0;
    for (size_t w = 0; w < passed.words; w++) {
      const uint32_t base = passed.base[w];
      const uint64_t above = Selection<V>::above(x + base, n - base, bound);
      uint64_t equal = passed.word[w] & ~above;
      size_t count = size_t(__builtin_popcountll(equal));
      for (; count > ties; count--) equal &= ~(uint64_t(1) << (63 - __builtin_clzll(equal)));
      ties -= count;
      passed.word[w] = above | equal;
      passed.count += size_t(__builtin_popcountll(passed.word[w]));
    }
  }
};

}  // namespace UNITS
