// How a row is written: in place, or from a buffer by stride and type.
#pragma once
#include "source.h"

namespace UNITS {

// What stands for a class that a row does not have.
constexpr uint32_t no_class = 0xffffffff;

struct Sink {
  char* data;
  Type type;
  size_t stride;
  const bool* cancelled = nullptr;  // see Problem

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
        if (stride == 1) {
          for (size_t i = 0; i < count; i++) p[i] = float_to_bfloat(float(buffer[i]));
        } else {
          for (size_t i = 0; i < count; i++) p[i * stride] = float_to_bfloat(float(buffer[i]));
        }
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
    for (size_t at = from; at < to && !(at > from && is_set(cancelled)); at += chunk_length) {
      const size_t end = lesser(to, at + chunk_length);
      fill_some(at, end, value);
    }
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
  void fill_some(size_t from, size_t to, double value) const {
    switch (type) {
      case Type::float32: return repeat(reinterpret_cast<float*>(data), from, to, float(value));
      case Type::float64: return repeat(reinterpret_cast<double*>(data), from, to, value);
      case Type::float16: return repeat(reinterpret_cast<uint16_t*>(data), from, to, float_to_half(float(value)));
      case Type::bfloat16:
        return repeat(reinterpret_cast<uint16_t*>(data), from, to, float_to_bfloat(float(value)));
    }
  }
  template <class E>
  void repeat(E* p, size_t from, size_t to, E value) const {
    if (stride == 1) {
      for (size_t i = from; i < to; i++) p[i] = value;
    } else {
      for (size_t i = from; i < to; i++) p[i * stride] = value;
    }
  }

  template <class E, class T>
  void scatter(E* p, size_t from, size_t count, const T* buffer) const {
    p += from * stride;
    for (size_t i = 0; i < count; i++) p[i * stride] = E(buffer[i]);
  }
};

// The row of an output in x's layout; its padding beyond the source's length is the caller's to fill.
INLINE Sink sink_of(const Problem& p, void* out, Type type, size_t row) {
  const size_t at = start_of(p, row);
  return {static_cast<char*>(out) + at * size_of(type), type, p.inner, p.cancelled};
}
// The same where rows may be ragged: it lies where its source does.
INLINE Sink sink_of(const Problem& p, void* out, Type type, size_t row, const Source& source) {
  if (!p.offsets) return sink_of(p, out, type, row);
  const size_t at = size_t(source.data - static_cast<const char*>(p.x)) / size_of(p.type);
  return {static_cast<char*>(out) + at * size_of(type), type, 1, p.cancelled};
}

}  // namespace UNITS
