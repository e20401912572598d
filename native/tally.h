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

// What is added up, and where to.
struct TallyRoom {
  uint32_t k;
  size_t bins;
  // Of each bin the wrong rows, then the right ones, and one place for rows without: see tally.ts.
  double *coarse, *fine;
  // Rows that are ignored, rows with their target among the first k; losses, Brier scores and entropies, each a sum and what it
  // lost.
  double* totals;
  // Classes x classes; null where it is not asked for.
  uint32_t* confusion;
  size_t classes;
};

constexpr size_t tally_totals = 8;

// Rows [from, end), at most 4096 of them. The room but for `confusion` is written anew.
void tally(const Verdicts& said, size_t from, size_t end, const TallyRoom& room);
