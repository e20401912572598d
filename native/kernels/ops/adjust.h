// The few logits of a row that bias and penalties change: a list of classes and their new logits, which the row's source
// applies to what it fetches. The twin of lib/backends/js/adjustments.ts, operation for operation.
//
//   bias, history, prompt  ->  one list of keys, class << 32 | what it is  ->  sorted by class  ->  a new logit per class
//
// Time and memory go by the entries of the row, not by its classes. The caller's logits are never written.
#pragma once
#include "radix.h"
#include "sample_settings.h"

namespace UNITS {

class Adjustments {
 public:
  explicit Adjustments(const Problem& p) : p(p) {}
  ~Adjustments() { __builtin_free(memory); }
  Adjustments(const Adjustments&) = delete;

  bool any() const { return p.biasClasses || p.history || p.prompt; }

  // The classes of a row that change; the list lives until the next call. Its logits come with finish(). False where there is no
  // memory for it.
  bool open(const Source& row, size_t r, const Settings& settings, Patches& patches) {
    const bool repeats = settings.repetition != 1, counts = settings.frequency != 0 || settings.presence != 0;
    const Stretch bias = part_of(p.biasValues ? p.biasClasses : nullptr, p.biasStarts, p.biasCount, r);
    const Stretch history = part_of(repeats || counts ? p.history : nullptr, p.historyStarts, p.historyCount, r);
    const Stretch prompt = part_of(repeats ? p.prompt : nullptr, p.promptStarts, p.promptCount, r);
    const size_t count = bias.count() + history.count() + prompt.count();
    patched = 0, pending = true;
    if (!reserve(count)) return false;
    size_t n = 0;
    for (size_t i = bias.from; i < bias.to; i++)
      key[n++] = key_of_entry(p.biasClasses + i, first_bias + (i - bias.from));
    for (size_t i = history.from; i < history.to; i++) key[n++] = key_of_entry(p.history + i, in_history);
    for (size_t i = prompt.from; i < prompt.to; i++) key[n++] = key_of_entry(p.prompt + i, in_prompt);
    sort(n);
    // Without a branch on what an entry is, by tables that gcc cannot make branches of: lists are mixed by now.
    const uint64_t none = 0, *const values_of[2] = {&none,
                                                    reinterpret_cast<const uint64_t*>(p.biasValues) + bias.from};
    const double factor_of[2] = {1, settings.repetition}, drop_of[2] = {0, settings.presence};
    for (size_t i = 0; i < n; patched++) {
      const size_t index = size_t(key[i] >> 32);
      if (index >= row.length) break;  // of a list for rows of other lengths
      double added = 0;
      uint32_t times = 0;
      bool seen = false;
      do {
        const uint32_t what = uint32_t(key[i]);
        const bool is_bias = what >= first_bias;
        const size_t place = size_t(what - first_bias) & (0 - size_t(is_bias));
        added += __builtin_bit_cast(double, read_once(values_of[is_bias] + place));
        times += what == in_history, seen |= !is_bias;
      } while (++i < n && size_t(key[i] >> 32) == index);
      classes[patched] = uint32_t(index);
      logits[patched] = added;
      factor[patched] = factor_of[seen];
      drop[patched] = settings.frequency * double(times) + drop_of[times > 0];
    }
    patches = {classes, logits, patched};
    return true;
  }

  // The new logits of the row that was opened, from what there is in memory; once. What most of an entry's time is, its logit's
  // way from memory, costs nothing after a pass over the row.
  template <class T>
  void finish(const Source& patched_row) {
    if (!pending || patched == 0) return;
    Source row = patched_row;
    pending = false, row.patches = {};
    for (size_t i = 0; i < patched; i++) {
      if (i + ahead < patched) row.prefetch(classes[i + ahead]);
      logits[i] = double(logit_at<T>(row, classes[i])) + logits[i];
    }
    // In a loop of its own, without a branch that would wait for each logit.
    for (size_t i = 0; i < patched; i++) {
      const double x = logits[i], divided = x / factor[i], multiplied = x * factor[i];
      logits[i] = double(T((x > 0 ? divided : multiplied) - drop[i]));
    }
  }

 private:
  static constexpr size_t ahead = 16;
  static constexpr uint32_t in_prompt = 0, in_history = 1, first_bias = 2;
  const Problem& p;
  void* memory = nullptr;
  size_t room = 0, patched = 0;
  bool pending = false;  // the logits are not there yet
  uint64_t *key = nullptr, *spare = nullptr;
  double *logits = nullptr, *factor = nullptr, *drop = nullptr;
  uint32_t* classes = nullptr;

  // A row's part of a list: all of it where there are no starts, none where there is no list.
  struct Stretch {
    size_t from, to;
    size_t count() const { return to - from; }
  };
  static Stretch part_of(const uint32_t* list, const uint32_t* starts, size_t count, size_t r) {
    if (!list) return {0, 0};
    if (!starts) return {0, count};
    const size_t from = lesser(read_once(starts + r), count), to = lesser(read_once(starts + r + 1), count);
    return {from, to > from ? to : from};
  }

  static uint64_t key_of_entry(const uint32_t* index, size_t what) {
    return uint64_t(read_once(index)) << 32 | uint32_t(what);
  }

  bool reserve(size_t count) {
    if (count <= room && memory) return true;
    __builtin_free(memory);
    room = 64;
    while (room < count) room *= 2;
    memory = __builtin_malloc(room * (2 * sizeof(uint64_t) + 3 * sizeof(double) + sizeof(uint32_t)));
    key = static_cast<uint64_t*>(memory), spare = key + room;
    logits = reinterpret_cast<double*>(spare + room), factor = logits + room, drop = factor + room;
    classes = reinterpret_cast<uint32_t*>(drop + room);
    return memory != nullptr;
  }

  // By class alone: entries of one class stay in their order. Few by insertion, others by 9 bits of the class at a time.
  void sort(size_t n) {
    constexpr size_t few = 24;
    constexpr int digit = 9;
    if (n <= few) {
      for (size_t i = 1; i < n; i++) {
        const uint64_t own = key[i];
        size_t at = i;
        for (; at > 0 && key[at - 1] >> 32 > own >> 32; at--) key[at] = key[at - 1];
        key[at] = own;
      }
      return;
    }
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all |= key[i] >> 32;
    for (int shift = 0; shift == 0 || (shift < 32 && all >> shift != 0); shift += digit) {
      uint32_t next[1 << digit] = {};
      const auto digit_of = [shift](uint64_t k) { return size_t(k >> 32 >> shift) & ((1 << digit) - 1); };
      for (size_t i = 0; i < n; i++) next[digit_of(key[i])]++;
      uint32_t at = 0;
      for (uint32_t& count : next) {
        const uint32_t own = count;
        count = at, at += own;
      }
      for (size_t i = 0; i < n; i++) spare[next[digit_of(key[i])]++] = key[i];
      uint64_t* sorted = spare;
      spare = key, key = sorted;
    }
  }
};

}  // namespace UNITS
