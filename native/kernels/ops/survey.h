// What is known of a row before anything is weighed: the largest logit, whether there is a NaN, and the k best where they are
// selected on the way.
#pragma once
#include "adjust.h"
#include "select.h"

namespace UNITS {

// Calls visit(logits, count, class of the first) for the chunks of a row.
template <class T, class Visit>
INLINE void for_each_chunk(const Source& row, Visit visit) {
  alignas(64) T buffer[chunk_length];
  for (size_t at = 0; row.goes_on(at); at += chunk_length) {
    const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
    visit(row.fetch(at, n, buffer), n, at);
  }
}

template <class V>
struct Survey {
  using T = typename V::Scalar;
  T max = T(-infinity);
  size_t at = 0;  // the first class of the stretch with the first of the largest logits
  bool nan = false;

  void add(V maxima, bool has_nan, size_t from) {
    const T own = reduce_max(maxima);
    if (own > max) max = own, at = from;
    nan |= has_nan;
  }

  static Survey of(const Source& row) {
    Survey found;
    for_each_chunk<T>(
        row, [&](const T* x, size_t n, size_t at) { found.add(lane_maxima<V>(x, n), has_nan<V>(x, n), at); });
    return found;
  }

  // The same, with the k best in the selection. `adjustments`, if any, take what they want of a part while it is near.
  static Survey select(const Source& row, Selection<V>& selection, Adjustments* adjustments = nullptr) {
    alignas(64) T buffer[segment_length];
    Survey found;
    selection.clear();
    for (size_t at = 0; row.goes_on(at); at += segment_length) {
      const size_t n = row.length - at < segment_length ? row.length - at : segment_length;
      const T* x = row.fetch(at, n, buffer);
      const V maxima = lane_maxima<V>(x, n);
      found.add(maxima, has_nan<V>(x, n), at);
      if (reduce_max(maxima) > selection.least) selection.filter(x, n, at, selection.bound(maxima), maxima);
      if (adjustments) adjustments->pass(x, at, at + n);
    }
    return found;
  }

  // The same of a row with patches, by a pass over what is in memory: some more than k are selected, patched classes drop
  // out of them, and come in with their new logits, which the adjustments work out on the way. False where the k best of those may
  // not be the k best of all.
  static bool select_patched(const Source& row, size_t k, Selection<V>& selection, Survey& found,
                             Adjustments& adjustments) {
    if (row.patches.count == 0) return false;
    // Each time the selection takes longer, a twentieth with the first of these and half as long again with the other.
    return select_patched(row, k, 8, selection, found, adjustments) ||
           select_patched(row, k, 128, selection, found, adjustments);
  }

  static bool select_patched(const Source& row, size_t k, size_t more, Selection<V>& selection, Survey& found,
                             Adjustments& adjustments) {
    const Patches& patches = row.patches;
    const size_t wide = k + more;
    if (wide > most_selected || wide >= row.length) return false;
    Source raw = row;
    raw.patches = {};
    selection.clear(wide);
    found = select(raw, selection, &adjustments);
    adjustments.finish<T>(row);
    // What was not selected is not above this.
    const Key<T> others = selection.count < wide ? 0 : selection.key[wide - 1];
    const size_t left = selection.narrow(k, [&](uint32_t index) {
      const size_t i = patches.first_from(index);
      return i < patches.count && patches.classes[i] == index;
    });
    const T least =
        left < k ? others == 0 ? T(-infinity) : logit_of<T>(others) : logit_of<T>(selection.key[k - 1]);
    // Most are far below, and seen to be eight at a time; not so what has a NaN.
    const F64 limit = splat<F64>(double(least));
    for (size_t at = 0, end; at < patches.count; at = end) {
      end = at + F64::lanes < patches.count ? at + F64::lanes : patches.count;
      if (end - at == F64::lanes && all_less(load<F64>(patches.logits + at), limit)) continue;
      for (size_t i = at; i < end; i++) {
        const T x = T(patches.logits[i]);
        found.nan |= x != x;
        if (x >= least) selection.insert(x, patches.classes[i]);
      }
    }
    selection.shrink();
    if (others > 0 && (selection.count < k || selection.key[k - 1] < others)) return selection.clear(k), false;
    found.max = selection.count > 0 ? logit_of<T>(selection.key[0]) : T(-infinity);
    return true;
  }

  // The first of the largest logits.
  size_t first(const Source& row) const {
    alignas(64) T buffer[chunk_length];
    const size_t rest = row.length - at, n = rest < chunk_length ? rest : chunk_length;
    const T* x = row.fetch(at, n, buffer);
    size_t i = 0;
    while (i + 1 < n && !(x[i] == max)) i++;
    return at + i;
  }
};

}  // namespace UNITS
