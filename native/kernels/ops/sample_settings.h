// What filters and draws of a row go by: the problem's numbers, or the row's own. The twin of lib/backends/js/sampleSettings.ts.
#pragma once
#include "../shapes/source.h"

namespace UNITS {

struct Settings {
  size_t keepTop;
  double topP, minPDepth;
  uint32_t seed[2];
  uint64_t firstDraw;
  uint64_t row;  // the number that it goes by in draws
  double repetition, frequency, presence;

  bool filter() const { return keepTop > 0 || topP < 1 || minPDepth < __builtin_inf(); }
};

// Rows whose settings and logits are those of the problem, at a temperature by which terms tell draws, and of which only
// classes are asked for.
INLINE bool draws_alike(const Problem& p) {
  const bool changes = p.biasClasses || p.history || p.prompt;
  return !p.settings && !changes && !p.logProbabilities && !p.rawLogProbabilities &&
         p.order == Order::transformers && p.temperature > 0x1p-16 && p.temperature < 0x1p16;
}
INLINE bool filters(const Problem& p) {
  return (p.keepTop > 0 && p.keepTop < p.length) || p.topP < 1 || p.minPDepth < __builtin_inf();
}

// 0 for what is no whole number of so many bits.
INLINE uint64_t whole(double x) { return x >= 0 && x < 0x1p63 ? uint64_t(x) : 0; }

// What row r goes by in draws, unless it has settings.
INLINE uint64_t number_in_draws(const Problem& p, size_t r) {
  return uint64_t(p.firstRow) + (p.rowNumbers ? p.rowNumbers[r] : r);
}

// Other threads may write settings: each is read once, and none of them is an address.
INLINE Settings settings_of(const Problem& p, size_t r) {
  if (!p.settings) {
    return {p.keepTop,           p.topP,
            p.minPDepth,         {p.seed[0], p.seed[1]},
            whole(p.firstDraw),  number_in_draws(p, r),
            p.repetitionPenalty, p.frequencyPenalty,
            p.presencePenalty};
  }
  double own[settings_per_row];
  for (size_t i = 0; i < settings_per_row; i++) {
    const uint64_t* bits = reinterpret_cast<const uint64_t*>(p.settings) + r * settings_per_row + i;
    own[i] = __builtin_bit_cast(double, read_once(bits));
  }
  return {size_t(whole(own[0])),
          own[1],
          own[2],
          {uint32_t(whole(own[3])), uint32_t(whole(own[4]))},
          whole(own[5]),
          whole(own[6]),
          own[7],
          own[8],
          own[9]};
}

}  // namespace UNITS
