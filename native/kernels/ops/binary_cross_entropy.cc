// binaryCrossEntropy: of logit z = x/T and target y the loss (1 - y) softplus(z) + v y softplus(-z), where v is the weight of
// the positive class, and its gradient ((1 - y) sigmoid(z) - v y sigmoid(-z)) / T. With softplus(z) = max(z, 0) + L and
// L = log(1 + e^-|z|), no part of the loss is negative: |z| times (1 - y or v y) + L times (1 - y + v y).
#include SIMD_HEADER
#include "../math/shares.h"
#include "../shapes/each_element.h"
#include "../shapes/lanes_for_all.h"
#include "../units.h"

using namespace UNITS;

namespace {

// The loss where nothing is weighed: max(z, 0) - z y + L. The first difference is rounded once, so nothing is lost where y
// is next to 1. What it makes of infinite z is not to be used.
template <class V, bool divides>
struct BinaryLossOf : LogSigmoidOf<V, divides> {
  using Base = LogSigmoidOf<V, divides>;
  using Base::Base;
  using typename Base::Middle;

  INLINE V end(Middle m, V x, V y) const {
    const V none = splat<V>(0);
    x = Base::moved(x);
    V rest = Base::rest_of(m), z = x;
    if (divides) {
      z = mul(x, Base::inverse);
      const V lost = muladd(x, Base::inverse_lo, fms(x, Base::inverse, z));
      const V step = zero_if_equal(max_number(z, none), none, splat<V>(1));  // 1 for z above 0
      rest = muladd(lost, sub(y, step), rest);
    }
    return sub(none, Base::sum_of(fms(z, y, max_number(z, none)), m.n, rest));
  }
};

// L alone.
template <class V, bool divides>
struct SoftplusOf : LogSigmoidOf<V, divides> {
  using Base = LogSigmoidOf<V, divides>;
  using Base::Base;
  using typename Base::Middle;
  INLINE V end(Middle m, V) const { return sub(splat<V>(0), add(m.n, Base::rest_of(m))); }
};

// Eight elements as doubles, of which the first `count` are there.
template <class E>
INLINE F64 load_some(const E* p, size_t count) {
  if (count == F64::lanes) return load_eight(p);
  alignas(64) E some[F64::lanes] = {};
  for (size_t i = 0; i < count; i++) some[i] = p[i];
  return load_eight(some);
}
template <class E>
INLINE void store_some(E* p, F64 v, size_t count) {
  if (count == F64::lanes) return store_eight(p, v);
  alignas(64) E some[F64::lanes];
  store_eight(some, v);
  for (size_t i = 0; i < count; i++) p[i] = some[i];
}
template <class F>
INLINE void by_eight(size_t n, F f) {
  size_t i = 0;
  for (; i + F64::lanes <= n; i += F64::lanes) f(i, F64::lanes);
  if (i < n) f(i, n - i);
}

template <class V, bool divides>
struct BinaryCrossEntropy {
  using T = typename V::Scalar;
  const Problem& p;
  const Scale<V> scale;
  const BinaryLossOf<V, divides> loss_of;
  const SoftplusOf<V, divides> softplus_of;
  const SigmoidOf<V, divides> sigmoid_of;
  const SigmoidOf<F64, divides> sigmoid64_of;
  const bool weighs;
  // Whether nobody has looked yet if the targets are from 0 to 1: where only a sum is wanted, of all elements. WebAssembly's
  // caller always has.
  const bool looks;
  const double per_step, beyond;  // of the gradient: scale / T, and what that is more than a double holds
  const T lowest;                 // what stands for a logit that takes no part: its loss is 0

  explicit BinaryCrossEntropy(const Problem& p)
      : p(p),
        scale(scale_of<V>(p.temperature)),
        loss_of(scale, p.temperature),
        softplus_of(scale, p.temperature),
        sigmoid_of(scale),
        sigmoid64_of(scale_of<F64>(p.temperature)),
        weighs(p.weights || p.elementWeights || p.posWeights || p.posWeight != 1),
        looks(lanes_for_all && !p.each && !p.gradient && !p.where && !p.bitmask && !p.lengths),
        per_step(finite(p.gradientScale / p.temperature)),
        beyond(per_step < 0x1p1023 ? 1 : p.gradientScale / (p.temperature * 0x1p1023)),
        lowest(-lowest_of_size()) {}

  void solve(size_t r) const {
    const Source row = source_of(p, r);
    const size_t whole = full_length(p, row);
    Row at = {row, targets_of(row), {}, {}, size_t(row.data - static_cast<const char*>(p.x)) / size_of(p.type)};
    if (p.each) {
      at.losses = sink_of(p, p.out, p.outType, r, row);
      at.losses.fill(row.length, whole, 0);
    }
    if (p.gradient) {
      at.gradient = sink_of(p, p.gradient, p.type, r, row);
      at.gradient.fill(row.length, whole, 0);
    }
    Total total;
    bool possible = true;
    for (size_t from = 0; row.goes_on(from); from += chunk_length) {
      total.add(solve(at, from, lesser(row.length - from, chunk_length), possible));
    }
    if (!p.each) p.losses[r] = possible ? total.value() : -infinite;
  }

 private:
  static constexpr double infinite = __builtin_inf();

  struct Row {
    Source x, y;
    Sink losses, gradient;
    size_t element;  // the number of its first
  };

  // What the losses of a chunk are multiplied by, and the parts of them that their targets have.
  struct Weights {
    alignas(64) double all[chunk_length], positive[chunk_length];
  };

  // A sum of numbers that are not negative, and what its additions round off.
  struct Total {
    double high = 0, low = 0;
    void add(double part) {
      const double sum = high + part, back = sum - high;
      low += (high - (sum - back)) + (part - back);
      high = sum;
    }
    double value() const { return high - high == 0 ? high + low : high; }
  };

  static double finite(double x) { return x < 0x1p1023 ? x : 0x1p1023; }
  static constexpr double least_normal = sizeof(T) == 4 ? 0x1p-126 : 0x1p-1022;

  Source targets_of(Source row) const {
    const size_t at = size_t(row.data - static_cast<const char*>(p.x));
    row.data = static_cast<const char*>(p.targetProbabilities) + at;
    return row;
  }

  // A chunk. Where a mask left -Infinity the target is 0, and the logit so low that there is neither loss nor gradient.
  double solve(const Row& at, size_t from, size_t n, bool& possible) const {
    alignas(64) T x_room[chunk_length], y_room[chunk_length], losses[chunk_length];
    const T* x = at.x.fetch(from, n, x_room);
    const T* y = at.y.fetch(from, n, y_room);
    if ((p.where || p.bitmask) && x == x_room && y == y_room) {
      const V none = splat<V>(0), out = splat<V>(T(-1)), low = splat<V>(lowest);
      for (size_t i = 0; i < n; i += V::lanes) {
        const V share = load<V>(y_room + i);
        store(x_room + i, select_greater(share, out, load<V>(x_room + i), low));
        store(y_room + i, max_number(share, none));
      }
    }
    const double sum = weighs ? weighed(at, from, n, x, y, losses) : plain(at, from, n, x, y, losses);
    if (p.each) at.losses.copy(from, n, losses);
    if (looks) possible &= are_targets(y, n);  // last: they lie in the cache
    return sum;
  }

  static bool are_targets(const T* y, size_t n) {
    if (are_shares(y, n * sizeof(T), sizeof(T) == 4 ? Type::float32 : Type::float64)) return true;
    bool all = true;  // for -0
    for (size_t i = 0; i < n; i++) all &= y[i] >= 0 && y[i] <= 1;
    return all;
  }

  double plain(const Row& at, size_t from, size_t n, const T* x, const T* y, T* losses) const {
    // Of a logit that is infinite comes no finite loss here.
    double sum = p.each || divides ? infinite : sum_of_plain(x, y, n, losses);
    if (!(__builtin_fabs(sum) < infinite)) {
      each_element<V>(x, losses, n, loss_of, y);
      const double more = all_below(x, n, far_from()) ? 0 : far(x, y, losses, n);
      sum = p.each ? 0 : sum_of(losses, n) + more;
    }
    if (sizeof(T) == 4 && sum < 0x1p-100 && !p.each) sum = sum_of_small(x, y, n);
    if (p.gradient) gradient(at, from, n, x, y, nullptr);
    return sum;
  }

  // Where floats that are subnormal may have lost digits that their sum has. What is far has no loss then.
  __attribute__((noinline)) double sum_of_small(const T* x, const T* y, size_t n) const {
    alignas(64) double z[chunk_length], share[chunk_length];
    for (size_t i = 0; i < n; i++) z[i] = double(x[i]), share[i] = double(y[i]);
    each_element<F64>(z, z, n, BinaryLossOf<F64, divides>(scale_of<F64>(p.temperature), p.temperature), share);
    for (size_t i = 0; i < n; i++) z[i] = is_far(x[i]) ? 0 : z[i];
    return sum_of(z, n);
  }

  // As sum_of(losses) adds them up, but whole groups as they come.
  double sum_of_plain(const T* x, const T* y, size_t n, T* losses) const {
    const F64 none = splat<F64>(0);
    F64 part[4] = {none, none, none, none};
    const size_t whole = is_compact && sizeof(T) == 8 ? 0 : add_losses(x, y, n, loss_of, part);
    each_element<V>(x + whole, losses, n - whole, loss_of, y + whole);
    return sum_of(losses, n - whole, part);
  }
  // Returns how many there were in whole groups.
  __attribute__((noinline)) static size_t add_losses(const T* x, const T* y, size_t n,
                                                     const BinaryLossOf<V, divides>& function, F64* total) {
    constexpr size_t L = V::lanes, D = F64::lanes, group = side_by_side < V >> 1 ? side_by_side<V> : 4 * D / L;
    static_assert(group * L % (4 * D) == 0, "each part of the sum has the losses that it has in sum_of");
    const BinaryLossOf<V, divides> f = function;
    F64 part[4] = {total[0], total[1], total[2], total[3]};
    alignas(64) T losses[group * L];
    const auto put = [&losses](size_t at, V loss) INLINE_LAMBDA { store(losses + at % (group * L), loss); };
    const auto add_up = [&losses, &part](size_t) INLINE_LAMBDA {
#pragma GCC unroll 4
      for (size_t k = 0; k < group * L; k += 4 * D) {
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) part[j] = add(part[j], load_eight(losses + k + j * D));
      }
    };
    const size_t whole = each_of_groups<V, group>(x, n, f, put, add_up, y);
    for (size_t j = 0; j < 4; j++) total[j] = part[j];
    return whole;
  }

  double weighed(const Row& at, size_t from, size_t n, const T* x, const T* y, T* losses) const {
    Weights weights;
    fill(at, from, n, weights);
    alignas(64) double each[chunk_length];
    each_element<V>(x, losses, n, softplus_of);
    by_eight(n, [&](size_t i, size_t count) INLINE_LAMBDA { store(each + i, load_some(losses + i, count)); });
    if constexpr (sizeof(T) == 4) restore_small(x, losses, each, n);
    const F64 none = splat<F64>(0), one = splat<F64>(1), temperature = splat<F64>(p.temperature);
    by_eight(n, [&](size_t i, size_t count) INLINE_LAMBDA {
      const F64 z = div(load_some(x + i, count), temperature), share = load_some(y + i, count);
      const F64 u = sub(one, share), v = mul(load<F64>(weights.positive + i), share);
      // 0 times Infinity is 0.
      const F64 above = zero_if_equal(u, none, mul(max_number(none, z), u));
      const F64 below = zero_if_equal(v, none, mul(max_number(none, sub(none, z)), v));
      const F64 loss = add(add(above, below), mul(load<F64>(each + i), add(u, v)));
      const F64 weight = load<F64>(weights.all + i);
      store(each + i, zero_if_equal(weight, none, mul(loss, weight)));
    });
    if (p.gradient) gradient(at, from, n, x, y, &weights);
    for (size_t i = 0; i < n; i++) losses[i] = T(each[i]);
    return p.each ? 0 : sum_of(each, n);
  }

  // Weights may make floats that are subnormal large again: those are worked out in double precision.
  void restore_small(const T* x, const T* small, double* each, size_t n) const {
    uint16_t places[chunk_length];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
      places[count] = uint16_t(i), count += (small[i] < T(least_normal)) & (x[i] > lowest);
    if (count == 0) return;
    alignas(64) double z[chunk_length];
    for (size_t k = 0; k < count; k++) z[k] = double(x[places[k]]);
    each_element<F64>(z, z, count, SoftplusOf<F64, divides>(scale_of<F64>(p.temperature), p.temperature));
    for (size_t k = 0; k < count; k++) each[places[k]] = z[k];
  }

  void fill(const Row& at, size_t from, size_t n, Weights& weights) const {
    // Pieces of many rows begin at any class, and each class has `classStep` neighbours.
    // Where the problem is part of another one, what lies before it are whole pieces.
    const size_t first = at.element + from, step = p.classCount ? p.classStep : 1,
                 place = p.firstRow * p.length + first;
    size_t c = p.classCount ? place / step % p.classCount : from, within = p.classCount ? place % step : 0;
    for (size_t i = 0; i < n; i++) {
      weights.all[i] = p.weights ? p.weights[c] : 1;
      weights.positive[i] = p.posWeights ? p.posWeights[c] : p.posWeight;
      if (++within == step) within = 0, c = c + 1 == p.classCount ? 0 : c + 1;
    }
    if (p.elementWeights) {
      for (size_t i = 0; i < n; i++) weights.all[i] = p.elementWeights[first + i * at.x.stride];
    }
  }

  // Logits that are infinite, or whose quotient may be: L is 0 there.
  T far_from() const {
    if (!divides) return T(infinite);
    const double largest = sizeof(T) == 4 ? 0x1p126 : 0x1p1022;
    return T(p.temperature < 1 ? largest * p.temperature : largest);
  }
  T lowest_of_size() const {
    const T size = divides ? far_from() / 4 : T(sizeof(T) == 4 ? 0x1p100 : 0x1p1000);
    return size > 0 ? size : T(infinite);
  }
  static bool all_below(const T* x, size_t n, T bound) {
    constexpr size_t L = V::lanes;
    // What the others are taken to Infinity by; 0 times it, or NaN, is NaN.
    const V up = splat<V>(bound < T(infinite) ? T(sizeof(T) == 4 ? 0x1p127 : 0x1p1023) / bound * 2 : T(1));
    const V none = splat<V>(0);
    V sum[4] = {none, none, none, none};
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
#pragma GCC unroll 4
      for (size_t k = 0; k < 4; k++) sum[k] = muladd(mul(load<V>(x + i + k * L), up), none, sum[k]);
    }
    for (; i + L <= n; i += L) sum[0] = muladd(mul(load<V>(x + i), up), none, sum[0]);
    bool all = all_less(add(add(sum[0], sum[1]), add(sum[2], sum[3])), splat<V>(1));
    for (; i < n; i++) all &= (x[i] < 0 ? -x[i] : x[i]) < bound;
    return all;
  }
  bool is_far(T x) const { return !(__builtin_fabs(double(x)) < double(far_from())) && x != 0; }
  // Returns their sum: it may be finite where a loss is more than T holds, and where only the sum is wanted losses are 0 then.
  double far(const T* x, const T* y, T* losses, size_t n) const {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
      if (!is_far(x[i])) continue;
      const double size = __builtin_fabs(double(x[i])), share = x[i] >= 0 ? 1 - double(y[i]) : double(y[i]);
      const double loss = share == 0 && size == size ? 0 : size / p.temperature * share;
      losses[i] = p.each ? T(loss) : 0, sum += loss;
    }
    return sum;
  }

  template <class E>
  static double sum_of(const E* losses, size_t n) {
    const F64 none = splat<F64>(0);
    F64 part[4] = {none, none, none, none};
    return sum_of(losses, n, part);
  }
  // To what there is of whole groups before them.
  template <class E>
  static double sum_of(const E* losses, size_t n, F64* part) {
    constexpr size_t L = F64::lanes;
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
#pragma GCC unroll 4
      for (size_t k = 0; k < 4; k++) part[k] = add(part[k], load_eight(losses + i + k * L));
    }
    for (; i + L <= n; i += L) part[0] = add(part[0], load_eight(losses + i));
    double sum = reduce_add(add(add(part[0], part[1]), add(part[2], part[3])));
    for (; i < n; i++) sum += double(losses[i]);
    return sum;
  }

  // Of a target of 0 or 1 the gradient is one sigmoid. Others, and sigmoids that are subnormal, which weights may make large
  // again, are worked out in double precision: a difference may cancel there.
  void gradient(const Row& at, size_t from, size_t n, const T* x, const T* y, const Weights* weights) const {
    alignas(64) T z[chunk_length], g[chunk_length];
    for (size_t i = 0; i < n; i++) z[i] = x[i] * (1 - 2 * y[i]);
    each_element<V>(z, g, n, sigmoid_of);
    constexpr T least = T(least_normal);
    uint16_t others[chunk_length];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
      others[count] = uint16_t(i);
      count += !((y[i] * (1 - y[i]) == 0) & ((g[i] >= least) | (z[i] <= lowest)));
    }
    const F64 one = splat<F64>(1), scale = splat<F64>(per_step), more = splat<F64>(beyond);
    by_eight(n, [&](size_t i, size_t k) INLINE_LAMBDA {
      const F64 share = load_some(y + i, k);
      const F64 positive = weights ? mul(load<F64>(weights->positive + i), share) : share;
      F64 slope = mul(load_some(g + i, k), sub(sub(one, share), positive));
      if (weights) slope = mul(slope, load<F64>(weights->all + i));
      store_some(g + i, mul(mul(slope, scale), more), k);
    });
    if (count > 0) softly(x, y, weights, g, others, count);
    at.gradient.copy(from, n, g);
  }

  __attribute__((noinline)) void softly(const T* x, const T* y, const Weights* weights, T* g,
                                        const uint16_t* places, size_t count) const {
    alignas(64) double above[chunk_length], below[chunk_length];
    for (size_t k = 0; k < count; k++) above[k] = double(x[places[k]]), below[k] = -above[k];
    each_element<F64>(above, above, count, sigmoid64_of), each_element<F64>(below, below, count, sigmoid64_of);
    for (size_t k = 0; k < count; k++) {
      const size_t i = places[k];
      const double share = double(y[i]), positive = weights ? weights->positive[i] * share : share;
      const double slope = ((1 - share) * above[k] - positive * below[k]) * (weights ? weights->all[i] : 1);
      g[i] = T(slope * per_step * beyond);
    }
  }
};

template <class V, bool divides>
void solve(const Problem& p, size_t begin, size_t end) {
  const BinaryCrossEntropy<V, divides> losses(p);
  for (size_t r = begin; r < end && !(r > begin && is_set(p.cancelled)); r++) losses.solve(r);
}
template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  p.temperature == 1 ? solve<V, false>(p, begin, end) : solve<V, true>(p, begin, end);
}

}  // namespace

void UNITS::solve_binaryLoss(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
