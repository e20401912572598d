// Selecting the k best logits of a row where k is too many for a Selection.
//
//   a strided sample --> a threshold that about k of the row exceed
//   one pass         --> what exceeds it, in the order of the classes
//   a radix sort     --> the k best, ties by the lower class because the sort is stable
//
// Where the sample misleads, more passes bisect the threshold. Logits may change while they are read: what a pass takes
// is bounded by the room, and nothing that was counted in one pass is an address in another.
#pragma once
#include "select.h"

namespace UNITS {

// Ascending `order` is best first.
template <class T>
struct Candidate {
  typename KeyTraits<T>::Bits order;
  uint32_t index;
};

template <class V>
class ManySelection {
 public:
  using T = typename V::Scalar;
  using Bits = typename KeyTraits<T>::Bits;

  // Room for this many takes 4 MB of floats, 8 MB of doubles, however long rows are.
  static constexpr size_t most = size_t(1) << 18;

  // Rows of up to `length` classes, k <= most of each.
  ManySelection(size_t k, size_t length) : k(k), room(room_for(k, length)) {
    memory = static_cast<Candidate<T>*>(__builtin_malloc(2 * room * sizeof(Candidate<T>)));
  }
  ~ManySelection() { __builtin_free(memory); }
  ManySelection(const ManySelection&) = delete;

  bool has_memory() const { return memory != nullptr; }

  // Finds the k best of a row without NaN; returns how many it found: fewer where fewer take part.
  size_t select(const Source& row) {
    find(row);
    sort();
    if (count > k) count = k;
    if (count < k) add_lowest(row);
    return count;
  }

  T logit(size_t i) const { return logit_of_order<T>(~best[i].order); }
  uint32_t index(size_t i) const { return best[i].index; }

  // A sample: of so many logits, in stretches from all over the row.
  static constexpr size_t stretch = 16, most_sampled = 4096;
  static size_t sampled_of(size_t length) {
    const size_t quarter = length / 4 / stretch * stretch;
    return quarter < most_sampled ? quarter : most_sampled;
  }

  static void take_sample(const Source& row, size_t sampled, T* sample) {
    if (sampled == 0) return;
    const size_t stretches = sampled / stretch, step = row.length / stretches;
    for (size_t i = 0; i < stretches; i++) {
      // Not always the same place of a step: rows may have a period.
      const size_t at = i * step + i * 7 % (step - stretch + 1);
      T buffer[stretch];
      const T* x = row.fetch(at, stretch, buffer);
      for (size_t j = 0; j < stretch; j++) sample[i * stretch + j] = x[j];
    }
  }

 private:
  static constexpr size_t group = Selection<V>::group;
  const size_t k, room;
  Candidate<T>*memory, *best = nullptr;
  size_t count = 0;

  // Half again as many as the sample's threshold lets pass, where it errs by three of its standard deviations.
  static size_t room_for(size_t k, size_t length) {
    const size_t sampled = sampled_of(length);
    const size_t some = k + k / 2 + (sampled ? length / sampled * 24 : 0) + 1024;
    const size_t bounded = some < most ? some : most;
    return length < bounded ? length : bounded > k ? bounded : k;
  }

  // Takes what may be among the k best.
  void find(const Source& row) {
    count = 0;
    if (row.length == 0) return;
    T sample[most_sampled];
    const size_t sampled = sampled_of(row.length);
    take_sample(row, sampled, sample);
    const double expected = double(k) * double(sampled) / double(row.length);
    size_t rank = size_t(expected + 3 * __builtin_sqrt(expected) + 4);
    // Thresholds go by their place in the order, and not by value: -0 and 0 are two places and one value.
    const Bits lowest = order_of(T(-infinity));
    Bits low = lowest, high = order_of(T(infinity)), at = threshold(sample, sampled, rank);
    size_t above = 0;
    bool first = true;
    for (;;) {
      const size_t passed = take_above(row, logit_of_order<T>(at));
      if (passed <= room && (passed >= k || at == lowest)) return;
      if (passed < k) {
        high = at, above = passed, rank *= 2;
        at = threshold(sample, sampled, rank);
      } else {
        low = at;
        if (first) at++;  // many equal logits at the threshold?
        first = false;
      }
      if (high - low <= 1) return take_ties(row, logit_of_order<T>(high), k - above);
      if (at <= low || at >= high) at = low + (high - low) / 2;
    }
  }

  // The place of a value that at least `rank` of a sample exceed, and few more; of -Infinity where that is most of it.
  static Bits threshold(const T* sample, size_t sampled, size_t rank) {
    if (rank >= sampled * 3 / 4) return order_of(T(-infinity));
    Bits low = order_of(T(-infinity)), high = order_of(T(infinity));
    while (high - low > 1) {
      const Bits middle = low + (high - low) / 2;
      const T over = logit_of_order<T>(middle);
      size_t above = 0;
      for (size_t i = 0; i < sampled; i += group) {
        above += size_t(__builtin_popcountll(Selection<V>::above(sample + i, sampled - i, over)));
      }
      if (above < rank) {
        high = middle;
      } else {
        low = middle;
        if (above <= rank + rank / 8) break;
      }
    }
    return low;
  }

  // Hands visit(x, class of x[0], logits) groups of the row.
  template <class Visit>
  static INLINE void for_each_group_of(const Source& row, Visit visit) {
    alignas(64) T buffer[chunk_length];
    for (size_t at = 0; row.goes_on(at); at += chunk_length) {
      const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
      const T* x = row.fetch(at, n, buffer);
      for (size_t g = 0; g < n; g += group) visit(x + g, at + g, n - g);
    }
  }

  INLINE void take(const T* x, size_t at, uint64_t bits) {
    for (; bits != 0; bits &= bits - 1) {
      const size_t i = size_t(__builtin_ctzll(bits));
      memory[count++] = {Bits(~order_of(x[i])), uint32_t(at + i)};
    }
  }

  // Takes the logits above a threshold if there is room for them; returns how many there are.
  size_t take_above(const Source& row, T over) {
    size_t passed = 0;
    count = 0;
    for_each_group_of(row, [&](const T* x, size_t at, size_t n) INLINE_LAMBDA {
      const uint64_t bits = Selection<V>::above(x, n, over);
      if (bits == 0) return;
      passed += size_t(__builtin_popcountll(bits));
      if (passed <= room) take(x, at, bits);
    });
    return passed;
  }

  // Takes the logits above v, and the first `ties` of those equal to it.
  void take_ties(const Source& row, T v, size_t ties) {
    const T below = Selection<V>::below(v);
    count = 0;
    for_each_group_of(row, [&](const T* x, size_t at, size_t n) INLINE_LAMBDA {
      uint64_t bits = Selection<V>::above(x, n, below);
      if (bits == 0) return;
      const uint64_t above = Selection<V>::above(x, n, v);
      uint64_t equal = ties > 0 ? bits & ~above : 0;
      while (size_t(__builtin_popcountll(equal)) > ties) equal &= ~(uint64_t(1) << (63 - __builtin_clzll(equal)));
      ties -= size_t(__builtin_popcountll(equal));
      bits = above | equal;
      if (count + size_t(__builtin_popcountll(bits)) <= room) take(x, at, bits);
    });
  }

  // By bytes from the lowest, each stable; bytes that all have in common are passed over.
  void sort() {
    constexpr size_t bytes = sizeof(Bits);
    uint32_t place[bytes][256] = {};
    for (size_t i = 0; i < count; i++) {
      for (size_t d = 0; d < bytes; d++) place[d][memory[i].order >> 8 * d & 255]++;
    }
    Candidate<T>*from = memory, *to = memory + room;
    for (size_t d = 0; d < bytes; d++) {
      uint32_t* const next = place[d];
      if (count == 0 || next[from[0].order >> 8 * d & 255] == count) continue;
      for (uint32_t digit = 0, at = 0; digit < 256; digit++) {
        const uint32_t own = next[digit];
        next[digit] = at, at += own;
      }
      for (size_t i = 0; i < count; i++) to[next[from[i].order >> 8 * d & 255]++] = from[i];
      Candidate<T>* const swap = from;
      from = to, to = swap;
    }
    best = from;
  }

  // Adds the first classes whose logit is -Infinity and that take part.
  void add_lowest(const Source& row) {
    for_each_group_of(row, [&](const T* x, size_t at, size_t n) INLINE_LAMBDA {
      for (size_t i = 0; i < group && i < n && count < k; i++) {
        if (x[i] == T(-infinity) && !row.masked_out(at + i)) {
          best[count++] = {Bits(~order_of(T(-infinity))), uint32_t(at + i)};
        }
      }
    });
  }
};

}  // namespace UNITS
