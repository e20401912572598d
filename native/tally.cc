#include "tally.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

// As in lib/calls/tally.ts, where they are derived.
constexpr size_t chunk = 4096;
constexpr double coarse_unit = 0x1p26, one_row = 0x1p14, near_edge = 0x1p-20;

// In registers that every CPU of a platform has.
typedef double Doubles __attribute__((vector_size(16)));
typedef int64_t Longs __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(16)));

template <class V, class T>
V load(const T* x) {
  V v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}

// Of the rows of a chunk at one place: their number and the multiples of a confidence's unit, and what is left.
typedef Doubles Place;

// A bin has a place for its wrong rows and one for the right; rows without one go behind the last. Neighbours mostly fall into the
// same bin, and would wait for each other's sum: where bins are as few as usual, so many of them have places of their own.
constexpr size_t few_bins = 64, few_bins_copies = 4;

// Knuth's two-sum: adds a number, or a sum and what it lost.
void add(double& high, double& low, double x, double lost) {
  const double next = high + x, part = next - high;
  low += high - (next - part) + (x - part) + lost;
  high = next;
}

// Bins are open below and closed above; 0 belongs to the first.
size_t bin_of(double p, size_t bins) {
  const size_t bin = std::min(size_t(p * double(bins)), bins - 1);
  // The product is rounded: by one edge at most.
  if (bin + 1 < bins && p > double(bin + 1) / double(bins)) return bin + 1;
  if (bin > 0 && p <= double(bin) / double(bins)) return bin - 1;
  return bin;
}

// Eight at a time are added as they are, which loses three roundings of their sum at most.
void add_all(const double* x, size_t count, double& total, double& total_lost) {
  double high = 0, lost = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    add(high, lost, x[i] + x[i + 1] + (x[i + 2] + x[i + 3]) + (x[i + 4] + x[i + 5] + (x[i + 6] + x[i + 7])), 0);
  for (; i < count; i++) add(high, lost, x[i], 0);
  add(total, total_lost, high, lost);
}

// Rows [from, end) of a chunk, at their places: `copies` of each place lie side by side.
struct Places {
  const Verdicts& said;
  const size_t bins, copies;
  std::vector<Place> sums;
  uint32_t last = 1;  // place that there is memory for

  Places(const Verdicts& said, size_t bins)
      : said(said), bins(bins), copies(bins <= few_bins ? few_bins_copies : 1) {
    while (last < 2 * bins) last = 2 * last + 1;
    sums.resize((last + 1) * copies);
  }

  void add_rows(size_t from, size_t end) {
    std::fill(sums.begin(), sums.end(), Place{});
    size_t r = from;
    for (; r + 4 <= end; r += 4) add_four(r);
    for (; r < end; r++) add_row(r);
  }

 private:
  // None has a confidence over 1. Rows that are ignored, or without probabilities, have no place.
  void add_row(size_t r) {
    const double p = said.confidences[r], multiple = p + coarse_unit - coarse_unit;
    const uint32_t rank = said.targetRanks[r];
    if (!(p >= 0 && p <= 1) || rank == 0) return;
    sums[(2 * bin_of(p, bins) + (rank == 1 && p > 0)) * copies] += Place{multiple + one_row, p - multiple};
  }

  // Nearly all lie well within a bin. Those that do not are put behind the last first, and then where they belong.
  void add_four(size_t first) {
    // What is added to this is rounded to a whole number, which stands in its last bits.
    constexpr double whole = 0x1.8p52;
    const int64_t nowhere = int64_t(2 * bins);
    Longs well[2];
    for (size_t i = 0; i < 2; i++) {
      const size_t r = first + 2 * i;
      const Doubles p = load<Doubles>(said.confidences + r), middle = p * double(bins) - 0.5, bin = middle + whole;
      const Doubles past = middle - (bin - whole), multiple = p + coarse_unit - coarse_unit;
      const Doubles counted = multiple + one_row, left = p - multiple;
      const Words ranks = {said.targetRanks[r], 0, said.targetRanks[r + 1], 0}, one = {1, 0, 1, 0};
      well[i] = (Longs)((Doubles)((Longs)past & INT64_MAX) < 0.5 - near_edge);
      const Longs place = (Longs)bin + (Longs)bin - (Longs)(ranks == one);
      const Longs there = (place & well[i]) | (nowhere & ~well[i]);
      sums[(uint32_t(there[0]) & last) * copies + (2 * i & (copies - 1))] += Place{counted[0], left[0]};
      sums[(uint32_t(there[1]) & last) * copies + ((2 * i + 1) & (copies - 1))] += Place{counted[1], left[1]};
    }
    const Longs all_well = well[0] & well[1];
    if ((all_well[0] & all_well[1]) != 0) return;
    for (size_t i = 0; i < 4; i++) {
      if (well[i / 2][i % 2] == 0) add_row(first + i);
    }
  }
};

// Rows that are ignored, and rows with their target among the first k.
void count_ranks(const uint32_t* ranks, size_t count, uint32_t k, double* totals) {
  Words ignored{}, in_top{};
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const Words rank = load<Words>(ranks + i);
    ignored -= (Words)(rank == 0);
    in_top -= (Words)(rank - 1 < k);
  }
  for (; i < count; i++) ignored[0] += ranks[i] == 0, in_top[0] += ranks[i] - 1 < k;
  for (size_t lane = 0; lane < 4; lane++) totals[0] += ignored[lane], totals[1] += in_top[lane];
}

void add_pairs(const Verdicts& said, size_t from, size_t end, const TallyRoom& room) {
  for (size_t r = from; r < end; r++) {
    // Another thread may write to the caller's memory: what is compared is what is used.
    const size_t truth = size_t(*static_cast<const volatile int32_t*>(said.targets + r)), top = said.likeliest[r];
    if (said.targetRanks[r] != 0 && truth < room.classes && top < room.classes)
      room.confusion[truth * room.classes + top]++;
  }
}

void add_bins(const Places& places, const TallyRoom& room) {
  for (size_t i = 0; i < 2 * room.bins; i++) {
    Place sum = places.sums[i * places.copies];
    for (size_t copy = 1; copy < places.copies; copy++) sum += places.sums[i * places.copies + copy];
    const double count = std::floor(sum[0] / one_row);
    room.counts[i] += count;
    add(room.confidences[i / 2], room.confidences[room.bins + i / 2], sum[0] - count * one_row, sum[1]);
  }
}

}  // namespace

void tally(const Verdicts& said, size_t rows, const TallyRoom& room) {
  Places places(said, room.bins);
  for (size_t from = 0; from < rows; from += chunk) {
    const size_t end = std::min(from + chunk, rows);
    places.add_rows(from, end);
    add_bins(places, room);
    count_ranks(said.targetRanks + from, end - from, room.k, room.totals);
    if (room.confusion) add_pairs(said, from, end, room);
    const double* parts[tally_means] = {said.losses, said.briers, said.entropies};
    for (size_t i = 0; i < tally_means; i++)
      add_all(parts[i] + from, end - from, room.means[i], room.means[tally_means + i]);
  }
}
