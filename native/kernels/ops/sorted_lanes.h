// Sorting with a row per lane: networks of exchanges (Knuth, vol. 3, 5.3.4), which depend on no key. Keys that fill the registers
// make a run, and are sorted there. Two sorted stretches of runs are merged by Batcher's bitonic network: one of them turned
// round is compared with the other, then halves with halves, and at last within each run:
//
//   9 7 4 1   8 6 5 2      the second turned round: 9 7 4 1 with 2 5 6 8
//   9 7 6 8   1 4 5 2      the larger of each: all of the first half are above all of the second
//   9 8 7 6   5 4 2 1
//
// An exchange puts the larger first. So what lies behind the last key could be anything less: exchanges with it are left out.
#pragma once
#include "../isa/keys.h"

namespace UNITS {

struct Exchanges {
  uint8_t first[64], second[64];
  size_t count;
};

// Batcher's odd-even mergesort of N keys.
template <size_t N>
constexpr Exchanges sorting_exchanges() {
  Exchanges all = {};
  for (size_t p = 1; p < N; p *= 2) {
    for (size_t k = p; k > 0; k /= 2) {
      for (size_t j = k % p; j + k < N; j += 2 * k) {
        for (size_t i = j; i < j + k && i + k < N; i++) {
          if (i / (2 * p) != (i + k) / (2 * p)) continue;
          all.first[all.count] = uint8_t(i), all.second[all.count++] = uint8_t(i + k);
        }
      }
    }
  }
  return all;
}

// Sorts N keys that rise and then fall, or fall and then rise.
template <size_t N>
constexpr Exchanges merging_exchanges() {
  Exchanges all = {};
  for (size_t d = N / 2; d > 0; d /= 2) {
    for (size_t i = 0; i < N; i++) {
      if ((i & d) != 0) continue;
      all.first[all.count] = uint8_t(i), all.second[all.count++] = uint8_t(i + d);
    }
  }
  return all;
}

template <size_t N, bool sorts>
struct Network {
  static constexpr Exchanges all = sorts ? sorting_exchanges<N>() : merging_exchanges<N>();
};

template <class N, size_t i = 0, class K>
INLINE void exchange_all(K* key) {
  if constexpr (i < N::all.count) {
    order(key[N::all.first[i]], key[N::all.second[i]]);
    exchange_all<N, i + 1>(key);
  }
}

// Numbers, as many to a register as it holds.
template <class V>
struct PlainKey {
  using Scalar = typename V::Scalar;
  static constexpr size_t step = V::lanes, rows = step, part = V::per_register;
  static constexpr size_t run = F64::registers == 1 ? 16 : 8;
  typename V::Register r;
  static INLINE PlainKey load(const Scalar* p) { return {load_register(p)}; }
  INLINE void store(Scalar* p) const { store_register(p, r); }
  static INLINE PlainKey least() { return {splat_register(Scalar(-infinity))}; }
};
template <class V>
INLINE void order(PlainKey<V>& a, PlainKey<V>& b) {
  const auto less = min_number(a.r, b.r);
  a.r = max_number(a.r, b.r), b.r = less;
}
template <class V>
INLINE PlainKey<V> larger(const PlainKey<V>& a, const PlainKey<V>& b) {
  return {max_number(a.r, b.r)};
}

// The logit and the class of rows of floats as one number, larger for what comes first; -0 as 0.
struct PackedKey {
  using Scalar = KeyScalar;
  static constexpr size_t step = F32::lanes, rows = step, part = sizeof(keyr) / sizeof(KeyScalar);
  static constexpr size_t run = F64::registers == 1 ? 16 : 8;
  keyr r;
  static INLINE PackedKey load(const KeyScalar* p) { return {load_keys(p)}; }
  INLINE void store(KeyScalar* p) const { store_keys(p, r); }
  static INLINE PackedKey least() { return {least_keys()}; }
};
INLINE void order(PackedKey& a, PackedKey& b) {
  const keyr less = min_keys(a.r, b.r);
  a.r = max_keys(a.r, b.r), b.r = less;
}
INLINE PackedKey larger(const PackedKey& a, const PackedKey& b) { return {max_keys(a.r, b.r)}; }

// The keys of a block's worth of rows: to where they are sorted, and back.
INLINE void put_keys(F32 x, size_t place, KeyScalar* to) {
  each_register<F32>([&](size_t i) INLINE_LAMBDA {
    keyr key[2];
    pack_keys(x.r[i], uint32_t(place), key);
    store_keys(to + 2 * i * PackedKey::part, key[0]), store_keys(to + (2 * i + 1) * PackedKey::part, key[1]);
  });
}
INLINE void take_keys(const KeyScalar* from, float* logit, uint32_t* place) {
  each_register<F32>([&](size_t i) INLINE_LAMBDA {
    const KeyScalar* const own = from + 2 * i * PackedKey::part;
    const keyr key[2] = {load_keys(own), load_keys(own + PackedKey::part)};
    unpack_keys(key, logit + i * F32::per_register, place + i * F32::per_register);
  });
}
// Sorts columns of keys, the largest first.
template <class K>
class SortedLanes {
 public:
  using S = typename K::Scalar;
  static constexpr size_t step = K::step, run = K::run;

  // Keys that there has to be room for.
  static size_t room(size_t n, size_t k) {
    const size_t runs = (n + run - 1) / run, span = span_of(k);
    return (span < runs ? 2 * span : runs) * run;
  }

  // The k best of n keys, or some more of them, to `to`: put(i, p) puts those of class i.
  template <class Put>
  static INLINE void best(size_t n, size_t k, S* to, Put put) {
    if (n <= run) {
      for (size_t i = 0; i < n; i++) put(i, to + i * step);
      return sort_few<run>(n, to);
    }
    const size_t runs = (n + run - 1) / run, most = span_of(k), span = most < runs ? most : runs;
    take(n, 0, span, to, put);
    sort(to, span);
    S* const other = to + span * run * step;
    for (size_t at = span; at < runs; at += span) {
      const size_t live = runs - at < span ? runs - at : span;
      take(n, at, live, other, put);
      sort(other, live);
      fold(to, other, span, live);
    }
  }

 private:
  // Runs, a power of two, that hold k keys.
  static size_t span_of(size_t k) {
    size_t span = 1;
    while (span * run < k) span *= 2;
    return span;
  }

  template <class Put>
  static INLINE void take(size_t n, size_t at, size_t runs, S* to, Put put) {
    const size_t first = at * run, end = first + runs * run, last = end < n ? end : n;
    for (size_t i = first; i < last; i++) put(i, to + (i - first) * step);
    for (size_t i = last; i < end; i++) {
      for (size_t part = 0; part < K::rows; part += K::part) K::least().store(to + (i - first) * step + part);
    }
    for (size_t r = 0; r < runs; r++) sort_known<run>(to + r * run * step);
  }

  // The compiler knows how many.
  template <size_t N>
  static INLINE void sort_few(size_t n, S* p) {
    if constexpr (N > 1) {
      if (n < N) return sort_few<N - 1>(n, p);
    }
    sort_known<N>(p);
  }
  template <size_t N>
  static __attribute__((noinline)) void sort_known(S* p) {
    each_part([p](size_t part) INLINE_LAMBDA { exchange<N, true>(p + part); });
  }
  template <size_t N, bool sorts>
  static INLINE void exchange(S* p) {
    K k[N];
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) k[i] = K::load(p + i * step);
    exchange_all<Network<N, sorts>>(k);
#pragma GCC unroll 16
    for (size_t i = 0; i < N; i++) k[i].store(p + i * step);
  }
  template <class Visit>
  static INLINE void each_part(Visit visit) {
#pragma GCC unroll 1
    for (size_t part = 0; part < K::rows; part += K::part) visit(part);
  }

  // Of sorted runs one.
  static __attribute__((noinline)) void sort(S* p, size_t runs) {
    for (size_t size = 1; size < runs; size *= 2) {
      for (size_t at = 0; at + size < runs; at += 2 * size) {
        for (size_t i = 0; i < size; i++) {
          const size_t other = at + 2 * size - 1 - i;
          if (other < runs) order_turned(p + (at + i) * run * step, p + other * run * step);
        }
        merge(p + at * run * step, size, size);
        merge(p + (at + size) * run * step, size, runs - at - size < size ? runs - at - size : size);
      }
    }
  }

  // The best of two sorted stretches of `span` runs, of which one has `live`, to the first.
  static __attribute__((noinline)) void fold(S* p, const S* other, size_t span, size_t live) {
    for (size_t i = span - live; i < span; i++) {
      S* const own = p + i * run * step;
      const S* const last = other + ((span - i) * run - 1) * step;
      each_part([=](size_t part) INLINE_LAMBDA {
#pragma GCC unroll 16
        for (size_t j = 0; j < run; j++) {
          larger(K::load(own + part + j * step), K::load(last + part - j * step)).store(own + part + j * step);
        }
      });
    }
    merge(p, span, span);
  }

  // Sorts `span` runs, the first `live` of which are there, that rise and fall.
  static __attribute__((noinline)) void merge(S* p, size_t span, size_t live) {
    for (size_t apart = span / 2; apart > 0; apart /= 2) {
      for (size_t i = 0; i + apart < live; i++) {
        if ((i & apart) == 0) order_runs(p + i * run * step, p + (i + apart) * run * step);
      }
    }
    for (size_t i = 0; i < live; i++) {
      each_part([=](size_t part) INLINE_LAMBDA { exchange<run, false>(p + i * run * step + part); });
    }
  }
  static INLINE void order_runs(S* a, S* b) {
    each_part([=](size_t part) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (size_t j = 0; j < run; j++) order_at(a + part + j * step, b + part + j * step);
    });
  }
  static INLINE void order_turned(S* a, S* b) {
    each_part([=](size_t part) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (size_t j = 0; j < run; j++) order_at(a + part + j * step, b + part + (run - 1 - j) * step);
    });
  }
  static INLINE void order_at(S* a, S* b) {
    K x = K::load(a), y = K::load(b);
    order(x, y);
    x.store(a), y.store(b);
  }
};

}  // namespace UNITS
