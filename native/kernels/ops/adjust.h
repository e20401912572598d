// The few logits of a row that bias and penalties change: a list of classes and their new logits, which the row's source
// applies to what it fetches. The twin of lib/backends/js/adjustments.ts, operation for operation.
//
//   bias, history, prompt  ->  a bit for each class  ->  the classes, ascending  ->  what is added to each, by its number
//
// Time goes by the entries of the row, not by its classes; memory by both, a twentieth of a row and a few numbers an entry.
// The caller's logits are never written.
#pragma once
#include "class_set.h"
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
    repetition = settings.repetition, frequency = settings.frequency, presence = settings.presence;
    const bool repeats = repetition != 1, counts = frequency != 0 || presence != 0;
    const Stretch bias = part_of(p.biasValues ? p.biasClasses : nullptr, p.biasStarts, p.biasCount, r);
    const Stretch history = part_of(repeats || counts ? p.history : nullptr, p.historyStarts, p.historyCount, r);
    const Stretch prompt = part_of(repeats ? p.prompt : nullptr, p.promptStarts, p.promptCount, r);
    patched = passed = 0, pending = true;
    if (!reserve(bias.count() + history.count() + prompt.count())) return false;
    size_t n = 0;
    for (size_t i = bias.from; i < bias.to; i++) {
      value[n] = p.biasValues[i];
      n += take(p.biasClasses + i, row.length, n);
    }
    const size_t biased = n;
    for (size_t i = history.from; i < history.to; i++) n += take(p.history + i, row.length, n);
    const size_t drawn = n;
    for (size_t i = prompt.from; i < prompt.to; i++) n += take(p.prompt + i, row.length, n);
    patched = set.list(classes);
    for (size_t i = 0; i < patched; i++) added[i] = times[i] = seen[i] = 0;
    for (size_t i = 0; i < biased; i++) added[set.number_of(entry[i])] += value[i];
    for (size_t i = biased; i < drawn; i++) times[set.number_of(entry[i])] += 1;
    for (size_t i = drawn; i < n; i++) seen[set.number_of(entry[i])] = 1;
    set.clear(classes, patched);
    patches = {classes, added, patched};
    return true;
  }

  // Takes the logits of classes in [from, to) of the row that was opened, while these are near. What most of an entry's time is, its
  // logit's way from memory, costs nothing then.
  template <class T>
  void pass(const T* x, size_t from, size_t to) {
    for (; passed < patched && classes[passed] < to; passed++) {
      added[passed] = double(x[classes[passed] - from]) + added[passed];
    }
  }

  // The new logits of the row that was opened, from what there is in memory; once.
  template <class T>
  void finish(const Source& patched_row) {
    if (!pending || patched == 0) return;
    Source row = patched_row;
    pending = false, row.patches = {};
    for (; passed < patched; passed++) {
      if (passed + ahead < patched) row.prefetch(classes[passed + ahead]);
      added[passed] = double(logit_at<T>(row, classes[passed])) + added[passed];
    }
    // In lanes, without a branch on a sign. There is room up to a whole block.
    const F64 zero = splat<F64>(0), one = splat<F64>(1);
    for (size_t i = 0; i < patched; i += F64::lanes) {
      const F64 x = load<F64>(added + i), n = load<F64>(times + i);
      const F64 factor = select_greater(UNITS::add(n, load<F64>(seen + i)), zero, splat<F64>(repetition), one);
      const F64 drop =
          UNITS::add(mul(splat<F64>(frequency), n), select_greater(n, zero, splat<F64>(presence), zero));
      T rounded[F64::lanes];
      store_eight(rounded, sub(select_greater(x, zero, div(x, factor), mul(x, factor)), drop));
      store(added + i, load_eight(rounded));
    }
  }

 private:
  static constexpr size_t ahead = 16;
  const Problem& p;
  ClassSet set;
  void* memory = nullptr;
  size_t room = 0, patched = 0, passed = 0;
  bool pending = false;  // the logits are not there yet
  double repetition = 1, frequency = 0, presence = 0;
  // Of each class that changes: what is added to its logit, and then that; how often it was drawn; whether the prompt has it.
  double *added = nullptr, *times = nullptr, *seen = nullptr;
  uint32_t* classes = nullptr;
  // Of each entry of the lists: its class, and of those of bias their values.
  uint32_t* entry = nullptr;
  double* value = nullptr;

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

  // Takes an entry as number n, unless it is of a list for longer rows.
  INLINE bool take(const uint32_t* place, size_t length, size_t n) {
    const uint32_t index = read_once(place);
    if (index >= length) return false;
    entry[n] = index;
    set.add(index);
    return true;
  }

  bool reserve(size_t count) {
    if (!set.reserve(p.length)) return false;
    if (count + 3 <= room && memory) return true;
    __builtin_free(memory);
    room = 64;
    while (room < count + 3) room *= 2;
    memory = __builtin_malloc(room * (4 * sizeof(double) + 2 * sizeof(uint32_t)));
    added = static_cast<double*>(memory), times = added + room, seen = times + room, value = seen + room;
    classes = reinterpret_cast<uint32_t*>(value + room), entry = classes + room;
    return memory != nullptr;
  }
};

}  // namespace UNITS
