// How a row is read: a chunk at a time, in place where it is plain, else widened from 16 bits, masked or collected along a
// stride into a small buffer. So the kernels only ever see contiguous floats or doubles and need no variants.
#pragma once
#include "element.h"

namespace {

constexpr size_t chunk_length = 1024;

struct Source {
  const char* data;
  Type type;
  size_t stride;        // in elements
  const uint8_t* mask;  // or null
  size_t mask_stride;
  size_t length;

  template <class T>
  bool direct() const {
    return type == type_of<T> && stride == 1 && !mask;
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

  bool masked_out(size_t i) const { return mask && !mask[i * mask_stride]; }

  // Whether a mask leaves nothing.
  bool nothing_left() const {
    if (!mask) return length == 0;
    for (size_t i = 0; i < length; i++) {
      if (mask[i * mask_stride]) return false;
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

// Row `row` of a problem, however it is laid out.
INLINE Source source_of(const Problem& p, size_t row) {
  const size_t element = size_of(p.type);
  const char* x = static_cast<const char*>(p.x);
  if (p.offsets) {
    const size_t at = p.offsets[row], length = p.offsets[row + 1] - at;
    return {x + at * element, p.type, 1, p.where ? p.where + at : nullptr, 1, length};
  }
  const size_t at = start_of(p, row);
  const size_t length = p.lengths ? p.lengths[row] : p.length;
  const uint8_t* mask = !p.where ? nullptr : p.whereShared ? p.where : p.where + at;
  return {x + at * element, p.type, p.inner, mask, p.whereShared ? 1 : p.inner, length};
}

INLINE size_t full_length(const Problem& p, size_t row) {
  return p.offsets ? p.offsets[row + 1] - p.offsets[row] : p.length;
}

}  // namespace
