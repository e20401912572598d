// What `judge` said of rows, added up for lib/calls/tally.ts, whose results it has. Knows nothing of Node-API.
#pragma once
#include <stddef.h>
#include <stdint.h>

// An entry per row in each: see lib/backends/js/judge.ts.
struct Verdicts {
  const int32_t* targets;
  const uint32_t *targetRanks, *likeliest;
  const double *confidences, *losses, *briers, *entropies;
};

constexpr size_t tally_totals = 2, tally_means = 3;

// What is added up, and where to.
struct TallyRoom {
  uint32_t k;
  size_t bins;
  double* counts;       // of each bin the wrong rows, then the right ones
  double* confidences;  // the sum of each bin, then what each has lost
  double* means;        // sums of losses, Brier scores and entropies, then what each has lost
  double* totals;       // rows that are ignored, rows with their target among the first k
  uint32_t* confusion;  // classes x classes; null where it is not asked for
  size_t classes;
};

// Adds rows to what is there.
void tally(const Verdicts& said, size_t rows, const TallyRoom& room);
