// The divergence of float rows along their blocks: those of up to a chunk in groups, longer ones chunk by chunk.
#pragma once
#include "divergence_in_lanes.h"

namespace UNITS {

struct DivergencesAlong {
  const Problem& p;
  const Scale<F32> scale;
  const ExactDivergence exact;
  const Sink out;

  static constexpr size_t L = F32::lanes, H = L / F64::lanes;

  explicit DivergencesAlong(const Problem& p)
      : p(p), scale(scale_of<F32>(p.temperature)), exact(p), out{static_cast<char*>(p.out), p.outType, 1} {}

  void solve(size_t begin, size_t end) const {
    const bool direct = is_plain(p) && p.inner == 1 && p.type == Type::float32;
    if (scale.extreme || p.type == Type::float64) {
      for (size_t r = begin; r < end; r++) put(r, exact.value(source_of(p, r)));
    } else if (direct && p.length <= chunk_length) {
      const size_t fitting = room / padded(p.length), most = lesser(fitting, most_rows);
      for (; begin < end; begin += most) solve_together(begin, lesser(end - begin, most));
    } else if (p.offsets || p.lengths) {
      for (size_t r = begin; r < end; r++) solve_by_length(r);
    } else {
      for (size_t r = begin; r < end; r++) solve_by_pieces(r);
    }
  }

 private:
  // Rows whose steps are taken together, and their terms.
  static constexpr size_t most_rows = 16, room = 4 * chunk_length;
  static size_t padded(size_t n) { return (n + L - 1) / L * L; }

  // Logits of a row, or of a piece of it.
  struct Piece {
    const float *x, *y;
    size_t n;
    double sum, other, top, other_top;
  };

  void solve_by_length(size_t r) const {
    if (source_of(p, r).length > most_gathered) return solve_by_pieces(r);
    const Problem few = narrowed(p, r, most_gathered);
    DivergencesInLanes(few).solve(r, r + 1);
  }

  void put(size_t r, double value) const { out.put(r, value > 0 || value != value ? value : 0); }

  // The terms of n logits, in whole blocks, and their sum.
  template <class Sum>
  void add_terms(const float* x, size_t n, const Exp<F32, false>& exp, size_t ahead, float* terms, bool holes,
                 Sum& sum) const {
    const size_t whole = n / L * L;
    holes ? Pairs::terms_of<true>(x, n / L, exp, terms, ahead, sum)
          : Pairs::terms_of<is_compact>(x, n / L, exp, terms, ahead, sum);
    if (whole == n) return;
    alignas(64) float last[L];
    store(last, load_first<F32>(x + whole, n - whole, -infinity));
    Pairs::terms_of<true>(last, 1, exp, terms + whole, 0, sum);
  }
  double sum_of(const float* x, size_t n, const Exp<F32, false>& exp, size_t ahead, float* terms,
                bool holes) const {
    const float bias = bias_for<F32>(n);
    TermSum<F32> total(bias);
    add_terms(x, n, exp, ahead, terms, holes, total);
    double sum, rest;
    total.total(splat<F32>(bias), sum, rest);
    return sum + rest;
  }
  double rough_sum_of(const float* y, size_t n, const Exp<F32, false>& exp, size_t ahead, float* terms,
                      bool holes) const {
    Pairs::RoughSum total;
    add_terms(y, n, exp, ahead, terms, holes, total);
    return reduce_add(total.sum);
  }

  // False where floats do not do.
  bool measure(Piece& piece, float* x_terms, float* y_terms, bool holes) const {
    const float max = max_of<F32>(piece.x, piece.n), other_max = max_of<F32>(piece.y, piece.n);
    if (!(__builtin_fabsf(max) < infinity && __builtin_fabsf(other_max) < infinity)) return false;
    const Shift<float> shift = shift_for<F32>(max, scale, ExpTraits<F32>::log_vanish);
    const Shift<float> other = shift_for<F32>(other_max, scale, ExpTraits<F32>::log_vanish);
    if (shift.moved || other.moved) return false;
    piece.top = shift.top, piece.other_top = other.top;
    piece.sum = sum_of(piece.x, piece.n, Exp<F32, false>(scale, shift), piece.n, x_terms, holes);
    piece.other = rough_sum_of(piece.y, piece.n, Exp<F32, false>(scale, other), piece.n, y_terms, holes);
    return true;
  }

  struct Totals {
    double near_far, away, mean;
    float most;
  };
  Totals evaluate(const Piece& piece, const float* x_terms, const float* y_terms, bool holes, double c) const {
    const double inverse = 1 / p.temperature;
    const size_t n = piece.n, whole = n / L * L;
    F64 shift[H];
    for (size_t h = 0; h < H; h++) shift[h] = splat<F64>(c);
    Pairs::Parts parts;
    holes ? Pairs::add<true>(piece.x, piece.y, x_terms, y_terms, n / L, shift, inverse, parts)
          : Pairs::add<is_compact>(piece.x, piece.y, x_terms, y_terms, n / L, shift, inverse, parts);
    if (whole < n) {
      alignas(64) float x[L], y[L];
      store(x, load_first<F32>(piece.x + whole, n - whole, 0));
      store(y, load_first<F32>(piece.y + whole, n - whole, 0));
      Pairs::add<true>(x, y, x_terms + whole, y_terms + whole, 1, shift, inverse, parts);
    }
    const double mean = reduce_add(UNITS::add(parts.mean[0], parts.mean[1]));
    const F64 near = UNITS::add(parts.near[0], parts.near[1]);
    if (!parts.any_far) return {reduce_add(near), 0, mean, 0};
    return {reduce_add(UNITS::add(near, UNITS::add(parts.far[0], parts.far[1]))),
            reduce_add(UNITS::add(parts.away[0], parts.away[1])), mean, reduce_max(parts.most)};
  }

  // What a row of each lane is measured by, of x or of y.
  struct Side {
    alignas(64) float max[L] = {}, magic[L], lower[L];
    alignas(64) double top[L], sum[L];
    alignas(64) float terms[room];
  };
  // The rows, as bits, for which floats do.
  template <bool is_rough>
  uint32_t measure(const float* x, size_t count, Side& side) const {
    const size_t n = p.length;
    for (size_t i = 0; i < count; i++) side.max[i] = max_of<F32>(x + i * n, n);
    const F32 max = load<F32>(side.max);
    const LaneShift<F32> shift(max, scale, ExpTraits<F32>::log_vanish);
    store(side.magic, shift.magic), store(side.lower, shift.lower);
    F64 top[H];
    widen(shift.top, top);
    for (size_t h = 0; h < H; h++) {
      store(side.top + h * F64::lanes, top[h]), store(side.sum + h * F64::lanes, splat<F64>(1));
    }
    for (size_t i = 0; i < count; i++) {
      const Exp<F32, false> exp(scale, splat<F32>(side.magic[i]), splat<F32>(side.lower[i]));
      float* const terms = side.terms + i * padded(n);
      side.sum[i] = is_rough ? rough_sum_of(x + i * n, n, exp, count * n, terms, false)
                             : sum_of(x + i * n, n, exp, count * n, terms, false);
    }
    return ~odd_rows(max, scale);
  }

  // Rows of at most a chunk, which lie one behind the other.
  __attribute__((noinline)) void solve_together(size_t begin, size_t count) const {
    constexpr size_t D = F64::lanes;
    const size_t n = p.length, step = padded(n);
    const float* const x = static_cast<const float*>(p.x) + begin * n;
    const float* const y = static_cast<const float*>(p.other) + begin * n;
    Side left, right;
    alignas(64) double c[L], ratio[L], whole[L] = {}, mean[L] = {}, value[L];
    uint32_t good = measure<false>(x, count, left) & measure<true>(y, count, right);
    for (size_t i = 0; i < count; i += D) {
      const BothSums<F64> sums = {load<F64>(left.sum + i), load<F64>(right.sum + i), load<F64>(left.top + i),
                                  load<F64>(right.top + i)};
      const F64 r = sums.ratio();
      store(ratio + i, r), store(c + i, sums.shift(r));
    }
    for (size_t i = 0; i < count; i++) {
      const Piece piece = {x + i * n, y + i * n, n, 0, 0, 0, 0};
      const Totals t = evaluate(piece, left.terms + i * step, right.terms + i * step, false, c[i]);
      whole[i] = t.near_far + t.away * ratio[i], mean[i] = t.mean;
      if (!(t.most < Pairs::farthest)) good &= ~(1u << i);
    }
    uint32_t kept = 0;
    for (size_t i = 0; i < count; i += D) {
      const Outcome outcome(load<F64>(left.sum + i), load<F64>(whole + i), load<F64>(mean + i));
      store(value + i, outcome.value);
      kept |= outcome.good(load<F64>(c + i)) << i;
    }
    kept &= good;
    for (size_t i = 0; i < count; i++) kept >> i & 1 ? put(begin + i, value[i]) : solve_by_pieces(begin + i);
  }

  // A row by chunks, in units of its largest terms so far. Each chunk has the c of all up to there.
  struct Whole {
    double sum = 0, other = 0, top = 0, other_top = 0, c = 0, ratio = 0, near_far = 0, mean = 0;
    float most = 0;

    // What is there to another c.
    void move_to(double next) {
      const double by = c - next;
      double less, rest;  // e^-by - 1 and that + by
      expm1(by, less, rest);
      near_far += (near_far - mean) * less + sum * rest, mean += sum * by;
    }
    void add_sums(const Piece& piece) {
      if (sum == 0 || piece.top > top) {
        const double unit = sum == 0 ? 0 : power_of_two(int(top - piece.top));
        sum *= unit, near_far *= unit, mean *= unit, top = piece.top;
      }
      if (other == 0 || piece.other_top > other_top) {
        other *= other == 0 ? 0 : power_of_two(int(other_top - piece.other_top));
        other_top = piece.other_top;
      }
      const double all = sum + piece.sum * power_of_two(int(piece.top - top));
      other += piece.other * power_of_two(int(piece.other_top - other_top));
      const BothSums<double> sums = {all, other, top, other_top};
      ratio = sums.ratio();
      const double next = sums.shift(ratio);
      if (sum > 0) move_to(next);
      c = next, sum = all;
    }
    void add(const Piece& piece, const Totals& t) {
      const double unit = power_of_two(int(piece.top - top)),
                   other_unit = power_of_two(int(piece.other_top - other_top));
      near_far += t.near_far * unit + t.away * ratio * other_unit, mean += t.mean * unit;
      most = t.most > most ? t.most : most;
    }

   private:
    static void expm1(double by, double& less, double& rest) {
      double part = by;
      int halved = 0;
      for (; __builtin_fabs(part) > 1 && halved < 10; halved++) part /= 2;
      const double near = part * part * first_lane(divergence_series<F64, 12>(splat<F64>(part)));
      less = near - part, rest = near;
      if (halved == 0) return;
      for (; halved > 0; halved--) less *= less + 2;
      rest = less + by;
    }
  };

  // False where floats do not do.
  bool add_pieces(const Source& x, const Source& y, bool holes, bool again, Whole& whole) const {
    alignas(64) float xs[chunk_length], ys[chunk_length], x_terms[chunk_length], y_terms[chunk_length];
    whole.near_far = whole.mean = whole.most = 0;
    if (!again) whole = Whole();
    for (size_t at = 0; x.goes_on(at); at += chunk_length) {
      const size_t n = lesser(x.length - at, chunk_length);
      Piece piece = {x.fetch(at, n, xs), y.fetch(at, n, ys), n, 0, 0, 0, 0};
      if (holes && is_empty(piece.x, n) && is_empty(piece.y, n)) continue;
      if (!measure(piece, x_terms, y_terms, holes)) return false;
      if (!again) whole.add_sums(piece);
      whole.add(piece, evaluate(piece, x_terms, y_terms, holes, whole.c));
    }
    return whole.sum > 0;
  }
  static bool is_empty(const float* x, size_t n) { return max_of<F32>(x, n) == -infinity && !has_nan<F32>(x, n); }

  __attribute__((noinline)) void solve_by_pieces(size_t r) const {
    const Source x = source_of(p, r), y = beside(p, x);
    Whole whole;
    bool holes = x.is_masked(), again = false;
    for (size_t round = 0; round < Pairs::most_rounds && add_pieces(x, y, holes, again, whole); round++) {
      const Outcome outcome(splat<F64>(whole.sum), splat<F64>(whole.near_far), splat<F64>(whole.mean));
      F64 c = splat<F64>(whole.c), ratio = splat<F64>(whole.ratio);
      if (whole.most < Pairs::farthest && outcome.good(c) & 1) return put(r, first_lane(outcome.value));
      again = first_lane(outcome.value) < __builtin_inf();
      if (again) {
        outcome.improve(c, ratio);
        whole.c = first_lane(c), whole.ratio = first_lane(ratio);
      } else if (holes) {
        break;
      }
      holes = true;
    }
    put(r, exact.value(x));
  }
};

}  // namespace UNITS
