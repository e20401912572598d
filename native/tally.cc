#include "tally.h"

#include <algorithm>

namespace {

// As in lib/calls/tally.ts, where they are derived.
constexpr double coarse_unit = 0x1p26, one_row = 0x1p14, near_edge = 0x1p-20;

// Neighbours mostly fall into the same bin, and would wait for each other's sum: every other row has bins of its own, where
// there are as few as usual.
constexpr size_t few_places = 2 * 64 + 1;

// Bins are open below and closed above; 0 belongs to the first.
size_t bin_of(double p, size_t bins) {
  const size_t bin = std::min(size_t(p * double(bins)), bins - 1);
  // The product is rounded: by one edge at most.
  if (bin + 1 < bins && p > double(bin + 1) / double(bins)) return bin + 1;
  if (bin > 0 && p <= double(bin) / double(bins)) return bin - 1;
  return bin;
}

// Eight at a time are added as they are, which loses three roundings of their sum at most.
void add_all(const double* x, size_t count, double* total) {
  double high = 0, lost = 0;
  const auto add = [&](double x) {
    const double next = high + x, part = next - high;
    lost += high - (next - part) + (x - part);
    high = next;
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    add(x[i] + x[i + 1] + (x[i + 2] + x[i + 3]) + (x[i + 4] + x[i + 5] + (x[i + 6] + x[i + 7])));
  for (; i < count; i++) add(x[i]);
  total[0] = high, total[1] = lost;
}

template <bool with_pairs>
void add_rows(const Verdicts& said, size_t from, size_t end, const TallyRoom& room, double* coarse[2],
              double* fine[2]) {
  const double bins = double(room.bins);
  const size_t nowhere = 2 * room.bins;
  size_t ignored = 0, in_top = 0;
  for (size_t r = from; r < end; r++) {
    const uint32_t rank = said.targetRanks[r];
    const double p = said.confidences[r], scaled = p * bins;
    size_t place = nowhere;
    // Ignored rows, and those without probabilities, have a confidence of 0 or NaN. None is over 1.
    if (scaled > near_edge && scaled < bins) {
      const int32_t bin = int32_t(scaled);
      const double past = scaled - double(bin);
      place = 2 * (past > near_edge && past < 1 - near_edge ? size_t(bin) : bin_of(p, room.bins)) + (rank == 1);
    } else if (p >= 0 && p <= 1 && rank != 0) {
      place = 2 * bin_of(p, room.bins) + (rank == 1 && p > 0);
    }
    ignored += rank == 0;
    in_top += rank - 1 < room.k;
    const double sum = p + coarse_unit;
    coarse[r & 1][place] += sum - (coarse_unit - one_row);
    fine[r & 1][place] += p - (sum - coarse_unit);
    if (with_pairs) {
      // Another thread may write to the caller's memory: what is compared is what is used.
      const size_t truth = size_t(*static_cast<const volatile int32_t*>(said.targets + r));
      const size_t top = said.likeliest[r];
      if (rank != 0 && truth < room.classes && top < room.classes) room.confusion[truth * room.classes + top]++;
    }
  }
  room.totals[0] = double(ignored), room.totals[1] = double(in_top);
}

}  // namespace

void tally(const Verdicts& said, size_t from, size_t end, const TallyRoom& room) {
  const size_t places = 2 * room.bins + 1;
  double other[2][few_places] = {};
  const bool few = places <= few_places;
  double *coarse[] = {room.coarse, few ? other[0] : room.coarse},
         *fine[] = {room.fine, few ? other[1] : room.fine};
  std::fill_n(room.coarse, places, 0.0);
  std::fill_n(room.fine, places, 0.0);
  (room.confusion ? add_rows<true> : add_rows<false>)(said, from, end, room, coarse, fine);
  for (size_t i = 0; few && i < places; i++) room.coarse[i] += other[0][i], room.fine[i] += other[1][i];
  const double* parts[] = {said.losses, said.briers, said.entropies};
  for (size_t i = 0; i < 3; i++) add_all(parts[i] + from, end - from, room.totals + 2 + 2 * i);
}
