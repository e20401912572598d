// Searching and sorting the keys of a row digit by digit, where there are too many for a fixed room: time grows
// with the row alone, whatever it holds, and memory does not grow.
#pragma once
#include "select.h"

namespace UNITS {

// Logit i, wherever and in whatever type it is; one masked out is -Infinity.
template <class T>
INLINE T logit_at(const Source& row, size_t i) {
  T buffer[1];
  return *row.fetch(i, 1, buffer);
}

// Hands the classes of a row that take part to visit(logit, class), in order.
template <class T, class Visit>
INLINE void for_each_logit(const Source& row, Visit visit) {
  alignas(64) T buffer[chunk_length];
  for (size_t at = 0; row.goes_on(at); at += chunk_length) {
    const size_t n = row.length - at < chunk_length ? row.length - at : chunk_length;
    const T* x = row.fetch(at, n, buffer);
    for (size_t i = 0; i < n; i++) {
      if (!row.masked_out(at + i)) visit(x[i], at + i);
    }
  }
}

// Finds how far down the keys of a row, largest first, their weights add up to a target: rounds of 11 bits, each of
// which adds up bins of the keys that share the bits found so far and goes down the bins.
//
// keys(visit) calls visit(key, weight) for all, weight() being worked out only where it counts. Returns a key: those not below it are
// the fewest whose weights reach the target, `reached` among them from the start. A bin is not looked into when all of it is needed.
template <class T, class Weight, class Keys>
Key<T> search_keys(Keys keys, Weight target, Weight reached = 0) {
  constexpr int digit = 11;
  Weight sum[1 << digit];
  uint32_t count[1 << digit];
  Key<T> prefix = 0;
  for (int shift = key_bits<T>, bits; shift > 0;) {
    bits = shift < digit ? shift : digit;
    const int next = shift - bits;
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i <= mask; i++) sum[i] = 0, count[i] = 0;
    const bool first = shift == key_bits<T>;
    keys([&](Key<T> key, auto weight) INLINE_LAMBDA {
      if (!first && key >> shift != prefix) return;
      const uint32_t bin = uint32_t(key >> next) & mask;
      sum[bin] += weight();
      count[bin]++;
    });
    uint32_t boundary = 0;
    bool found = false;
    for (uint32_t bin = mask + 1; bin-- > 0;) {
      if (count[bin] == 0) continue;
      if (found) reached += sum[boundary];  // the bin before was not the last
      boundary = bin, found = true;
      if (reached + sum[bin] >= target) break;
    }
    prefix = prefix << bits | boundary;
    shift = next;
    if (count[boundary] <= 1 || reached + sum[boundary] == target) return prefix << shift;
  }
  return prefix;
}

// Class indices along a stride. They lie in an output, which another thread may write: what is read back is some class
// of the row.
struct Classes {
  uint32_t* data;
  size_t stride;
  uint32_t& operator[](size_t i) const { return data[i * stride]; }
  uint32_t read(size_t i, const Source& row) const {
    const uint32_t index = read_once(data + i * stride);
    return index < row.length ? index : 0;
  }
};

// Not inlined: its room is not to be in every frame of the recursion below.
template <class T>
__attribute__((noinline)) inline void sort_few_classes(const Source& row, Classes c, size_t count) {
  Key<T> key[most_selected], spare[most_selected];
  for (size_t i = 0; i < count; i++) {
    const uint32_t index = c.read(i, row);
    key[i] = key_of(logit_at<T>(row, index), index);
  }
  sort_keys(key, count, spare);
  for (size_t i = 0; i < count; i++) c[i] = class_of(key[i]);
}

// Sorts classes by their keys, largest first: by bytes, in place, down to what fits a fixed room. Logits may change
// between being counted and being moved: a class whose digit has no place left stays where it is.
template <class T>
void sort_classes(const Source& row, Classes c, size_t count, int shift) {
  if (count <= most_selected) return sort_few_classes<T>(row, c, count);
  size_t next[256] = {}, end[256];
  const auto digit_of = [&](uint32_t index) {
    return 255 - size_t(uint32_t(key_of(logit_at<T>(row, index), index) >> shift) & 255);
  };
  for (size_t i = 0; i < count; i++) {
    if (i % chunk_length == 0 && is_set(row.cancelled)) return;
    next[digit_of(c.read(i, row))]++;
  }
  for (size_t d = 0, at = 0; d < 256; d++) {
    end[d] = at + next[d];
    next[d] = at;
    at = end[d];
  }
  for (size_t d = 0; d < 256; d++) {  // each class goes to its place, from which the next is taken
    while (next[d] < end[d]) {
      if (next[d] % chunk_length == 0 && is_set(row.cancelled)) return;
      uint32_t moving = c.read(next[d], row);
      for (size_t to = digit_of(moving); to != d && next[to] < end[to]; to = digit_of(moving)) {
        const uint32_t displaced = c.read(next[to], row);
        c[next[to]++] = moving, moving = displaced;
      }
      c[next[d]++] = moving;
    }
  }
  if (shift == 0) return;
  for (size_t d = 0, at = 0; d < 256; at = end[d++]) {
    if (end[d] - at > 1) sort_classes<T>(row, {&c[at], c.stride}, end[d] - at, shift - 8);
  }
}

// A key: those of a row's classes that take part and are not below it are the k best, or all.
template <class T>
Key<T> key_of_best(const Source& row, size_t k) {
  size_t parts = 0;
  for_each_logit<T>(row, [&](T, size_t) { parts++; });
  Key<T> cut = 0;
  if (k < parts) {
    cut = search_keys<T, uint32_t>(
        [&](auto visit) {
          for_each_logit<T>(row, [&](T x, size_t i) INLINE_LAMBDA { visit(key_of(x, i), [] { return 1u; }); });
        },
        uint32_t(k));
  }
  return cut;
}

// Puts the k best classes of a row into `c`, best first; returns how many there are.
template <class T>
size_t select_many(const Source& row, size_t k, Classes c) {
  const Key<T> cut = key_of_best<T>(row, k);
  size_t count = 0;
  for_each_logit<T>(row, [&](T x, size_t i) INLINE_LAMBDA {
    if (key_of(x, i) >= cut && count < k) c[count++] = uint32_t(i);
  });
  sort_classes<T>(row, c, count, key_bits<T> - 8);
  return count;
}

}  // namespace UNITS
