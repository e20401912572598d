// sigmoid and logSigmoid: every element by itself.
#include SIMD_HEADER
#include "../math/logistic.h"
#include "../shapes/sink.h"
#include "../units.h"

namespace {

// Blocks that are begun before the first is finished.
template <class V>
constexpr size_t side_by_side = V::registers == 1   ? 8
                                : V::registers == 2 ? 4
                                                    : 1;

// y = f(x), element by element; y may be x.
template <class V, class F>
__attribute__((noinline)) void each_element(const typename V::Scalar* x, typename V::Scalar* y, size_t n,
                                            const F& function) {
  constexpr size_t L = V::lanes, group = side_by_side<V>;
  const F f = function;  // by value: in registers
  size_t i = 0;
  for (; i + group * L <= n; i += group * L) {
    Reduced<V> start[group];
    typename F::Middle middle[group];
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) start[k] = f.start(load<V>(x + i + k * L));
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) middle[k] = f.middle(start[k]);
#pragma GCC unroll 8
    for (size_t k = 0; k < group; k++) store(y + i + k * L, f.end(middle[k], load<V>(x + i + k * L)));
  }
  const auto one = [&](V v) INLINE_LAMBDA { return f.end(f.middle(f.start(v)), v); };
  for (; i + L <= n; i += L) store(y + i, one(load<V>(x + i)));
  if (i < n) store_first(y + i, one(load_first<V>(x + i, n - i, 0)), n - i);
}

template <class V, class F>
struct Elementwise {
  using T = typename V::Scalar;
  const Problem& p;
  const F& f;
  const double nothing;  // of an element that is masked out

  void solve(size_t begin, size_t end) const {
    // Elements side by side of which no row has a say of its own: lib/ops/sigmoid.ts makes them rows of one.
    if (p.length == 1 && p.inner == 1 && !p.lengths && !p.offsets && !p.whereShared) {
      Source run = source_of(p, begin);
      run.length = end - begin;
      return each_chunk(run, sink_of(p, p.out, p.outType, begin));
    }
    for (size_t r = begin; r < end && !(r > begin && is_set(p.cancelled));) {
      r = p.inner == 1 && p.length <= chunk_length / 2 ? few(r, end) : one(r);
    }
  }

 private:
  size_t one(size_t r) const {
    const Source row = source_of(p, r);
    const Sink out = sink_of(p, p.out, p.outType, r, row);
    out.fill(row.length, full_length(p, row), nothing);
    each_chunk(row, out);
    return r + 1;
  }

  void each_chunk(const Source& row, const Sink& out) const {
    alignas(64) T buffer[chunk_length];
    const size_t step = row.direct<T>() && out.direct<T>() ? 16 * chunk_length : chunk_length;
    for (size_t at = 0; row.goes_on(at); at += step) {
      const size_t n = lesser(row.length - at, step);
      T* y = out.place(at, buffer);
      each_element<V>(row.fetch(at, n, buffer), y, n, f);
      out.flush(at, n, y);
    }
  }

  // As many short rows as fit a chunk, packed; returns the row after them.
  size_t few(size_t first, size_t end) const {
    constexpr size_t most = 128;
    alignas(64) T packed[chunk_length];
    Source rows[most];
    size_t used = 0, count = 0;
    for (; count < most && first + count < end && used + p.length <= chunk_length; count++) {
      const Source& row = rows[count] = source_of(p, first + count);
      if (row.length > 0) row.collect(0, row.length, packed + used);
      used += row.length;
    }
    each_element<V>(packed, packed, used, f);
    for (size_t k = 0, at = 0; k < count; at += rows[k++].length) {
      const Sink out = sink_of(p, p.out, p.outType, first + k, rows[k]);
      out.copy(0, rows[k].length, packed + at);
      out.fill(rows[k].length, full_length(p, rows[k]), nothing);
    }
    return first + count;
  }
};

template <class V, class F>
void solve(const Problem& p, size_t begin, size_t end, double nothing, const F& f) {
  Elementwise<V, F>{p, f, nothing}.solve(begin, end);
}

template <class V>
void solve(const Problem& p, size_t begin, size_t end) {
  const Scale<V> scale = scale_of<V>(p.temperature);
  if (p.op == Op::sigmoid) {
    scale.extreme ? solve<V>(p, begin, end, 0, SigmoidOf<V, true>(scale))
                  : solve<V>(p, begin, end, 0, SigmoidOf<V, false>(scale));
  } else {
    p.temperature == 1 ? solve<V>(p, begin, end, -__builtin_inf(), LogSigmoidOf<V, false>(scale, 1))
                       : solve<V>(p, begin, end, -__builtin_inf(), LogSigmoidOf<V, true>(scale, p.temperature));
  }
}

}  // namespace

void UNITS::solve_logistic(const Problem& p, size_t begin, size_t end) {
  p.type == Type::float64 ? solve<F64>(p, begin, end) : solve<F32>(p, begin, end);
}
