// topK of more than a few classes: keys of all classes of a row are sorted as far as they are wanted, with a row per lane.
#pragma once
#include "best_along.h"
#include "top_in_lanes.h"

namespace UNITS {

template <class V>
class TopMore : public TopInLanes<V> {
 public:
  using typename Rows<V>::T;
  using Rows<V>::p;

  static constexpr bool has_columns = false;  // of rows along another axis so many are seldom wanted
  struct Ends {
    T* logit;           // blocks of the best; then of their probabilities
    uint32_t* place;    // their classes
    uint32_t redo = 0;  // rows along their blocks, as bits, of which they were not found
  };

  explicit TopMore(const Problem& p)
      : TopInLanes<V>(p),
        goes_along(p.length > panel_classes),
        room(goes_along ? p.k : panel_classes),
        along(goes_along ? p.length : 0, goes_along ? p.k : 0) {
    memory = __builtin_malloc(2 * room * block_bytes + block_bytes);
    if (!memory || !along.has_memory()) return;
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
    logits = reinterpret_cast<T*>((at + block_bytes - 1) / block_bytes * block_bytes);
    places = reinterpret_cast<uint32_t*>(logits + room * L);
  }
  ~TopMore() { __builtin_free(memory); }
  TopMore(const TopMore&) = delete;

  static bool fits(const Problem& p) { return p.k > 0 && p.k <= p.length && !p.log && p.inner == 1; }
  bool has_memory() const { return logits != nullptr; }

  template <class Group>
  INLINE void begin(Group& g) const {
    if (used + p.k > room) used = 0;
    g.ends.logit = logits + used * L, g.ends.place = places + used * L;
    used += p.k;
    if constexpr (Group::along) {
      g.ends.redo = along.select(g, g.ends.logit, g.ends.place);
    } else {
      select(g.x, g.step, g.ends);
    }
  }
  template <class Group>
  INLINE void end(Group& g) const {
    this->to_shares(g, g.ends.logit);
  }
  template <class Group>
  INLINE void write(Group& g) const {
    Ends& e = g.ends;
    if (p.outType == type_of<T>) {
      put_rows(e.logit, static_cast<T*>(p.out) + g.row * p.k, g.count);
      uint32_t* const to = p.indices + g.row * p.k;
      return put_rows(reinterpret_cast<const T*>(e.place), reinterpret_cast<T*>(to), g.count);
    }
    const Sink out = {static_cast<char*>(p.out), p.outType, 1};
    for (size_t i = 0; i < g.count; i++) {
      const size_t first = (g.row + i) * p.k;
      for (size_t j = 0; j < p.k; j++) {
        out.put(first + j, double(e.logit[j * L + i]));
        p.indices[first + j] = e.place[j * L + i];
      }
    }
  }

 private:
  using TopInLanes<V>::L;
  using Key = PackedKey;
  static constexpr size_t P = panel_columns<V>;
  static constexpr size_t most_keys = 2 * panel_classes + 16;

  const bool goes_along;
  // What was found of the groups that go through each step together, used in turn. Of contiguous rows of few classes these have
  // panel_classes in all.
  const size_t room;
  mutable size_t used = 0;
  void* memory = nullptr;
  T* logits = nullptr;
  uint32_t* places = nullptr;
  const BestAlong<V> along;

  __attribute__((noinline)) void select(const T* x, size_t apart, Ends& ends) const {
    alignas(64) Key::Scalar keys[most_keys * Key::step];
    SortedLanes<Key>::best(p.length, p.k, keys, [x, apart](size_t c, Key::Scalar* to) INLINE_LAMBDA {
      put_keys(load<V>(x + c * apart), c, to);
    });
    BestAlong<V>::take(keys, p.k, ends.logit, ends.place);
  }

  // Columns, a block each, to rows.
  INLINE void put_rows(const T* columns, T* to, size_t count) const {
    for (size_t j = 0; j < p.k; j += P) {
      const size_t at = j + P <= p.k ? j : p.k - P;
      V v[P];
#pragma GCC unroll 4
      for (size_t i = 0; i < P; i++) v[i] = load<V>(columns + (at + i) * L);
      store_panel(to + at, p.k, count, v);
    }
  }
};

}  // namespace UNITS
