// How a row is read and written. A row is fetched a chunk at a time: in place where it is plain, else widened
// from 16 bits, masked or collected along a stride into a small buffer, so that the kernels only ever see
// contiguous floats or doubles and need no variants.
#pragma once
#include "../isa/block.h"
#include "../../problem.h"

namespace {

constexpr size_t chunk_length = 1024;

template <class T>
constexpr Type type_of = sizeof(T) == 4 ? Type::float32 : Type::float64;

constexpr float infinity = __builtin_inff();

// Beyond the second cache. Kernels then fetch what they read or write next while they compute: the hardware does so
// too, for a stream, but not across pages and hardly while others use the memory. (With AVX2, 65536 x 128: 0.90 ns
// without and 0.78 so; beside such others, 1.44 and 1.08, and a million rows of 4 1.37 and 1.09. Within the second
// cache it costs up to 5 %.)
INLINE bool is_large(const Problem& p) { return p.elements * size_of(p.type) >= size_t(1) << 20; }

// Beyond the last cache's share of a core, with its results.
INLINE bool is_huge(const Problem& p) { return p.elements * size_of(p.type) >= size_t(12) << 20; }

// The lines of n elements, to read or to write them; or no nearer than into the second cache.
template <bool written, bool near = true, class T>
INLINE void fetch(const T* x, size_t n) {
  for (size_t i = 0; i < n; i += block_bytes / sizeof(T)) {
    near ? __builtin_prefetch(x + i, written) : __builtin_prefetch(x + i, 0, 2);
  }
}

INLINE float half_to_float(uint16_t h) {
  // Shift into place and rescale: 2^112 moves the exponent bias, subnormals included; Inf and NaN need their own.
  const uint32_t magnitude = (h & 0x7fffu) << 13;
  float f = __builtin_bit_cast(float, magnitude) * 0x1p112f;
  if ((h & 0x7c00u) == 0x7c00u) f = __builtin_bit_cast(float, magnitude | 0x7f800000u);
  return h & 0x8000u ? -f : f;
}

INLINE uint16_t float_to_half(float f) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, f), sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7e00;
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 lets the FPU round at 2^-24
    const float sum = __builtin_bit_cast(float, magnitude) + 0.5f;
    return uint16_t(sign | (__builtin_bit_cast(uint32_t, sum) - 0x3f000000u));
  }
  return uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1)) >> 13));
}

INLINE float bfloat_to_float(uint16_t b) { return __builtin_bit_cast(float, uint32_t(b) << 16); }

INLINE uint16_t float_to_bfloat(float f) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
  return uint16_t((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

// What elements of a type are in memory.
template <Type>
struct StoredAs {
  using Element = uint16_t;
};
template <>
struct StoredAs<Type::float32> {
  using Element = float;
};
template <>
struct StoredAs<Type::float64> {
  using Element = double;
};
template <Type type>
using Element = typename StoredAs<type>::Element;

// Hands f the type, by name, of elements that kernels over T read or write.
template <Type type>
struct Named {
  constexpr operator Type() const { return type; }
};
template <class T, class F>
INLINE void by_type(Type type, F f) {
  if constexpr (sizeof(T) == 4) {
    if (type == Type::float16) return f(Named<Type::float16>());
    if (type == Type::bfloat16) return f(Named<Type::bfloat16>());
  }
  f(Named<type_of<T>>());
}

// A few neighbours as T: where they are, or widened to `buffer`; and back.
template <Type type, class T>
INLINE const T* widened(const Element<type>* x, size_t count, T* buffer) {
  if constexpr (type == type_of<T>) {
    return x;
  } else {
    size_t i = type == Type::float16 ? widen_halves(x, count, buffer) : 0;
    for (; i < count; i++) buffer[i] = type == Type::float16 ? half_to_float(x[i]) : bfloat_to_float(x[i]);
    return buffer;
  }
}
template <Type type, class T>
INLINE void narrow_from(const T* buffer, size_t count, Element<type>* y) {
  if constexpr (type != type_of<T>) {
    size_t i = type == Type::float16 ? narrow_halves(buffer, count, y) : 0;
    for (; i < count; i++) y[i] = type == Type::float16 ? float_to_half(buffer[i]) : float_to_bfloat(buffer[i]);
  }
}

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

struct Sink {
  char* data;
  Type type;
  size_t stride;

  template <class T>
  bool direct() const {
    return type == type_of<T> && stride == 1;
  }

  // Where to put elements [from, ...): in place, or a buffer to be flushed.
  template <class T>
  T* place(size_t from, T* buffer) const {
    return direct<T>() ? reinterpret_cast<T*>(data) + from : buffer;
  }

  template <class T>
  INLINE void flush(size_t from, size_t count, const T* buffer) const {
    if (!direct<T>()) spread(from, count, buffer);
  }

  template <class T>
  __attribute__((noinline)) void spread(size_t from, size_t count, const T* buffer) const {
    switch (type) {
      case Type::float32: scatter(reinterpret_cast<float*>(data), from, count, buffer); break;
      case Type::float64: scatter(reinterpret_cast<double*>(data), from, count, buffer); break;
      case Type::float16: {
        uint16_t* p = reinterpret_cast<uint16_t*>(data) + from * stride;
        size_t i = 0;
        if (sizeof(T) == 4 && stride == 1) i = narrow_halves(reinterpret_cast<const float*>(buffer), count, p);
        for (; i < count; i++) p[i * stride] = float_to_half(float(buffer[i]));
        break;
      }
      case Type::bfloat16: {
        uint16_t* p = reinterpret_cast<uint16_t*>(data) + from * stride;
        for (size_t i = 0; i < count; i++) p[i * stride] = float_to_bfloat(float(buffer[i]));
      }
    }
  }

  // Puts elements [from, from + count), wherever the buffer is.
  template <class T>
  void copy(size_t from, size_t count, const T* buffer) const {
    direct<T>() ? void(__builtin_memcpy(place<T>(from, nullptr), buffer, count * sizeof(T)))
                : flush(from, count, buffer);
  }

  void fill(size_t from, size_t to, double value) const {
    for (size_t i = from; i < to; i++) put(i, value);
  }

  void put(size_t i, double value) const {
    switch (type) {
      case Type::float32: reinterpret_cast<float*>(data)[i * stride] = float(value); break;
      case Type::float64: reinterpret_cast<double*>(data)[i * stride] = value; break;
      case Type::float16: reinterpret_cast<uint16_t*>(data)[i * stride] = float_to_half(float(value)); break;
      case Type::bfloat16: reinterpret_cast<uint16_t*>(data)[i * stride] = float_to_bfloat(float(value));
    }
  }

 private:
  template <class E, class T>
  void scatter(E* p, size_t from, size_t count, const T* buffer) const {
    p += from * stride;
    for (size_t i = 0; i < count; i++) p[i * stride] = E(buffer[i]);
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

// The row of an output in x's layout; its padding beyond the source's length is the caller's to fill.
INLINE Sink sink_of(const Problem& p, void* out, Type type, size_t row) {
  if (p.offsets) return {static_cast<char*>(out) + p.offsets[row] * size_of(type), type, 1};
  const size_t at = start_of(p, row);
  return {static_cast<char*>(out) + at * size_of(type), type, p.inner};
}

INLINE size_t full_length(const Problem& p, size_t row) {
  return p.offsets ? p.offsets[row + 1] - p.offsets[row] : p.length;
}

}  // namespace
