// How a row is read: a chunk at a time, in place where it is plain, else widened from 16 bits, masked or collected along a
// stride into a small buffer. So the kernels only ever see contiguous floats or doubles and need no variants.
#pragma once
#include "element.h"

namespace {

constexpr size_t chunk_length = 1024;

// Memory that another thread may write meanwhile: what is counted from it, or is an address, is read once and checked
// then. (A plain load may be repeated by the compiler.)
template <class T>
INLINE T read_once(const T* place) {
  return __atomic_load_n(place, __ATOMIC_RELAXED);
}

INLINE bool is_set(const bool* flag) { return flag && read_once(flag); }

INLINE size_t lesser(size_t a, size_t b) { return a < b ? a : b; }

// New logits of some classes of a row, ascending.
struct Patches {
  const uint32_t* classes = nullptr;
  const double* logits = nullptr;
  size_t count = 0;

  // The place of the first class that is not below this one.
  size_t first_from(size_t index) const {
    size_t low = 0, high = count;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      classes[middle] < index ? low = middle + 1 : high = middle;
    }
    return low;
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
  Patches patches = {};             // laid over what is in memory

  // For loops over a row in steps: false at its end, and at any step but the first once the call is cancelled.
  INLINE bool goes_on(size_t at) const { return at < length && !(at > 0 && is_set(cancelled)); }

  template <class T>
  bool direct() const {
    return type == type_of<T> && stride == 1 && !mask && patches.count == 0;
  }

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

  template <class T>
  Source fetched(T* buffer) const {
    return {reinterpret_cast<const char*>(fetch_all(buffer)), type_of<T>, 1, nullptr, 0, length};
  }

  template <class T>
  __attribute__((noinline)) const T* collect(size_t from, size_t count, T* buffer) const {
    if (patches.count == 0) return collect_unpatched(from, count, buffer);
    size_t i = patches.first_from(from);
    const bool is_touched = i < patches.count && patches.classes[i] < from + count;
    const bool in_place = type == type_of<T> && stride == 1 && !mask;
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
    switch (type) {
      case Type::float32: gather(reinterpret_cast<const float*>(data), from, count, buffer); break;
      case Type::float64: gather(reinterpret_cast<const double*>(data), from, count, buffer); break;
      case Type::float16: widen_half(reinterpret_cast<const uint16_t*>(data), from, count, buffer); break;
      case Type::bfloat16: {
        const uint16_t* p = reinterpret_cast<const uint16_t*>(data) + from * stride;
        for (size_t i = 0; i < count; i++) buffer[i] = T(bfloat_to_float(p[i * stride]));
      }
    }
    if (mask) {
      const uint8_t* m = mask + from * mask_stride;
      for (size_t i = 0; i < count; i++) buffer[i] = m[i * mask_stride] ? buffer[i] : T(-infinity);
    }
    return buffer;
  }

  INLINE void prefetch(size_t i) const { __builtin_prefetch(data + i * stride * size_of(type)); }

  bool masked_out(size_t i) const { return mask && !mask[i * mask_stride]; }

  // Whether a mask leaves nothing.
  bool nothing_left() const {
    if (!mask) return length == 0;
    for (size_t at = 0; goes_on(at); at += chunk_length) {
      const size_t end = lesser(length, at + chunk_length);
      for (size_t i = at; i < end; i++) {
        if (mask[i * mask_stride]) return false;
      }
    }
    return true;
  }

 private:
  template <class E, class T>
  void gather(const E* p, size_t from, size_t count, T* buffer) const {
    p += from * stride;
    for (size_t i = 0; i < count; i++) buffer[i] = T(p[i * stride]);
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
  return {x + at * element, p.type, p.inner, mask, p.whereShared ? 1 : p.inner, length, p.cancelled};
}

// With its padding.
INLINE size_t full_length(const Problem& p, const Source& row) { return p.offsets ? row.length : p.length; }

}  // namespace
