// How a row is read: a chunk at a time, in place where it is plain, else widened from 16 bits, masked or collected along a
// stride into a small buffer. So the kernels only ever see contiguous floats or doubles and need no variants.
#pragma once
#include "element.h"

namespace UNITS {

constexpr size_t chunk_length = 1024;

// How many bytes ahead memory is fetched where rows are collected: a segment of measure.h.
constexpr size_t hidden_ahead = size_t(1) << 14;

// Memory that another thread may write meanwhile: what is counted from it, or is an address, is read once and checked
// then. (A plain load may be repeated by the compiler.)
template <class T>
INLINE T read_once(const T* place) {
  return __atomic_load_n(place, __ATOMIC_RELAXED);
}

INLINE bool is_set(const bool* flag) { return flag && read_once(flag); }

INLINE size_t lesser(size_t a, size_t b) { return a < b ? a : b; }

// An array of which `part` would be all from element `at` on. So rows keep their numbers where some of them lie apart.
template <class T>
INLINE T* array_around(T* part, size_t at) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(part) - at * sizeof(T));
}

// The block of elements of a type.
template <class T>
struct BlockOf {
  using V = F32;
};
template <>
struct BlockOf<double> {
  using V = F64;
};

// New logits of some classes of a row, ascending.
struct Patches {
  const uint32_t* classes = nullptr;
  const double* logits = nullptr;
  size_t count = 0;

  // The place of the first class that is not below this one.
  size_t first_from(size_t index) const {
    // Without a branch on what is found.
    const uint32_t* from = classes;
    size_t left = count;
    for (; left > 1; left -= left / 2) from += (left / 2) & (0 - size_t(from[left / 2 - 1] < index));
    return size_t(from - classes) + (left > 0 && *from < index);
  }
};

struct Source {
  const char* data;
  Type type;
  size_t stride;        // in elements
  const uint8_t* mask;  // or null
  size_t mask_stride;
  size_t length;
  const bool* cancelled = nullptr;  // see Problem
  const uint32_t* words = nullptr;  // the row of a bitmask, or null
  Patches patches = {};             // laid over what is in memory

  // For loops over a row in steps: false at its end, and at any step but the first once the call is cancelled.
  INLINE bool goes_on(size_t at) const { return at < length && !(at > 0 && is_set(cancelled)); }

  template <class T>
  bool direct() const {
    return type == type_of<T> && stride == 1 && !is_masked() && patches.count == 0;
  }

  // Whether it is a row of the kernel's type in place, but for its mask.
  template <class T>
  bool loads_kept() const {
    return type == type_of<T> && stride == 1 && is_masked() && mask_stride == 1 && patches.count == 0;
  }

  INLINE bool is_masked() const { return mask || words; }

  // Elements [from, from + count), count <= chunk_length unless direct.
  template <class T>
  INLINE const T* fetch(size_t from, size_t count, T* buffer) const {
    return direct<T>() ? reinterpret_cast<const T*>(data) + from : collect(from, count, buffer);
  }

  // The whole row, in place or collected in a buffer for it.
  template <class T>
  const T* fetch_all(T* buffer) const {
    if (direct<T>()) return reinterpret_cast<const T*>(data);
    for (size_t at = 0; at < length; at += chunk_length) {
      collect(at, length - at < chunk_length ? length - at : chunk_length, buffer + at);
    }
    return buffer;
  }

  // The first `count` elements, in `buffer`.
  template <class T>
  void fetch_to(T* buffer, size_t count) const {
    for (size_t at = 0; at < count; at += chunk_length) {
      collect(at, count - at < chunk_length ? count - at : chunk_length, buffer + at);
    }
  }

  template <class T>
  Source fetched(T* buffer) const {
    return {reinterpret_cast<const char*>(fetch_all(buffer)), type_of<T>, 1, nullptr, 0, length};
  }

  template <class T>
  __attribute__((noinline)) const T* collect(size_t from, size_t count, T* buffer) const {
    if (patches.count == 0) return collect_unpatched(from, count, buffer);
    size_t i = patches.first_from(from);
    const bool is_touched = i < patches.count && patches.classes[i] < from + count;
    const bool in_place = type == type_of<T> && stride == 1 && !is_masked();
    const T* x = in_place ? reinterpret_cast<const T*>(data) + from : collect_unpatched(from, count, buffer);
    if (!is_touched) return x;
    if (in_place) copy_ahead(x, count, buffer);
    for (; i < patches.count && patches.classes[i] < from + count; i++) {
      buffer[patches.classes[i] - from] = T(patches.logits[i]);
    }
    return buffer;
  }

  // A chunk, and meanwhile what comes a few chunks later to the cache: other loops fetch what they read, this is what reads.
  template <class T>
  static void copy_ahead(const T* x, size_t count, T* buffer) {
    constexpr size_t line = 64 / sizeof(T), distance = 4096 / sizeof(T);
    size_t i = 0;
    for (; i + line <= count; i += line) {
      __builtin_prefetch(x + i + distance);
      __builtin_memcpy(buffer + i, x + i, 64);
    }
    __builtin_memcpy(buffer + i, x + i, (count - i) * sizeof(T));
  }

  template <class T>
  const T* collect_unpatched(size_t from, size_t count, T* buffer) const {
    if (type == type_of<T> && stride == 1) {
      hide(reinterpret_cast<const T*>(data) + from, from, count, buffer);
      return buffer;
    }
    switch (type) {
      case Type::float32: gather(reinterpret_cast<const float*>(data), from, count, buffer); break;
      case Type::float64: gather(reinterpret_cast<const double*>(data), from, count, buffer); break;
      case Type::float16: widen_half(reinterpret_cast<const uint16_t*>(data), from, count, buffer); break;
      case Type::bfloat16: widen_bfloat(reinterpret_cast<const uint16_t*>(data) + from * stride, count, buffer);
    }
    if (is_masked()) hide(buffer, from, count, buffer);
    return buffer;
  }

  INLINE void prefetch(size_t i) const { __builtin_prefetch(data + i * stride * size_of(type)); }

  bool masked_out(size_t i) const { return is_masked() && !kept(i, 1); }

  // Which of up to 16 classes from `at` on take part: bit i stands for class at + i.
  INLINE uint32_t kept(size_t at, size_t count) const {
    uint32_t bits = ~0u;
    if (words) bits = kept_by_words(at, count);
    if (mask) bits &= kept_by_bytes(at, count);
    return bits & ((1u << count) - 1);
  }

  // Whether a mask leaves nothing.
  bool nothing_left() const {
    if (!is_masked()) return length == 0;
    for (size_t at = 0; goes_on(at); at += chunk_length) {
      const size_t end = lesser(length, at + chunk_length);
      for (size_t i = at; i < end; i += 16) {
        if (kept(i, lesser(end - i, 16))) return false;
      }
    }
    return true;
  }

 private:
  INLINE uint32_t kept_by_words(size_t at, size_t count) const {
    const size_t word = at / 32, bit = at % 32;
    uint32_t bits = read_once(words + word) >> bit;
    if (bit + count > 32) bits |= read_once(words + word + 1) << (32 - bit);
    return bits;
  }
  INLINE uint32_t kept_by_bytes(size_t at, size_t count) const {
    if (mask_stride == 1 && count == 16) return set_among_sixteen(mask + at);
    if (mask_stride == 1 && count == 8) return set_among_eight(mask + at);
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) bits |= uint32_t(mask[(at + i) * mask_stride] != 0) << i;
    return bits;
  }

  // What is collected after the next few thousand terms comes near meanwhile.
  static INLINE void come(const void* x) { __builtin_prefetch(static_cast<const char*>(x) + hidden_ahead, 0, 2); }

  // Elements [from, from + count), which are at x, to `buffer`, those that take no part as -Infinity.
  template <class T>
  INLINE void hide(const T* x, size_t from, size_t count, T* buffer) const {
    using V = typename BlockOf<T>::V;
    constexpr size_t L = V::lanes;
    const V none = splat<V>(T(-infinity));
    size_t i = 0;
    if (words && !mask && from % 32 == 0) {  // as a grammar masks a vocabulary
      for (; i + 32 <= count; i += 32) {
        const uint32_t bits = read_once(words + (from + i) / 32);
        come(x + i), come(x + i + L);
#pragma GCC unroll 4
        for (size_t j = 0; j < 32; j += L) store(buffer + i + j, keep(bits >> j, load<V>(x + i + j), none));
      }
    }
    for (; i + L <= count; i += L) {
      come(x + i);
      store(buffer + i, keep(kept(from + i, L), load<V>(x + i), none));
    }
    if (i < count) {
      const size_t rest = count - i;
      store_first(buffer + i, keep(kept(from + i, rest), load_first<V>(x + i, rest, 0), none), rest);
    }
  }

  template <class E, class T>
  void gather(const E* p, size_t from, size_t count, T* buffer) const {
    p += from * stride;
    for (size_t i = 0; i < count; i++) buffer[i] = T(p[i * stride]);
  }
  // (Of neighbours a loop of its own, which is compiled to vectors.)
  template <class T>
  void widen_bfloat(const uint16_t* p, size_t count, T* buffer) const {
    if (stride == 1) {
      for (size_t i = 0; i < count; i++) buffer[i] = T(bfloat_to_float(p[i]));
    } else {
      for (size_t i = 0; i < count; i++) buffer[i] = T(bfloat_to_float(p[i * stride]));
    }
  }
  template <class T>
  void widen_half(const uint16_t* p, size_t from, size_t count, T* buffer) const {
    p += from * stride;
    size_t i = 0;
    if (sizeof(T) == 4 && stride == 1) i = widen_halves(p, count, reinterpret_cast<float*>(buffer));
    for (; i < count; i++) buffer[i] = T(half_to_float(p[i * stride]));
  }
};

INLINE size_t start_of(const Problem& p, size_t row) {
  if (p.starts) return p.starts[row];
  if (p.inner == 1 || p.length == 0) return row * p.length;
  return row / p.inner * p.length * p.inner + row % p.inner;
}

// Row `row` of a problem, however it is laid out. Its place and length are read here and nowhere else, and lie within
// the arrays whatever is written to `offsets` and `lengths` meanwhile.
INLINE Source source_of(const Problem& p, size_t row) {
  const size_t element = size_of(p.type);
  const char* x = static_cast<const char*>(p.x);
  if (p.offsets) {
    const size_t at = lesser(read_once(p.offsets + row), p.elements);
    const size_t end = lesser(read_once(p.offsets + row + 1), p.elements);
    const size_t length = end > at ? lesser(end - at, p.length) : 0;
    return {x + at * element, p.type, 1, p.where ? p.where + at : nullptr, 1, length, p.cancelled};
  }
  const size_t at = start_of(p, row);
  const size_t length = p.lengths ? lesser(read_once(p.lengths + row), p.length) : p.length;
  const uint8_t* mask = !p.where ? nullptr : p.whereShared ? p.where : p.where + at;
  const uint32_t* words = !p.bitmask ? nullptr : p.bitmaskShared ? p.bitmask : p.bitmask + row * p.words();
  return {x + at * element, p.type, p.inner, mask, p.whereShared ? 1 : p.inner, length, p.cancelled, words};
}

// With its padding.
INLINE size_t full_length(const Problem& p, const Source& row) { return p.offsets ? row.length : p.length; }

}  // namespace UNITS
