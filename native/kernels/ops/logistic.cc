// sigmoid and logSigmoid: every element by itself.
#include SIMD_HEADER
#include "../shapes/each_element.h"
#include "../units.h"

using namespace UNITS;

namespace {

template <class V, class F>
struct Elementwise {
  using T = typename V::Scalar;
  const Problem& p;
  const F& f;
  const double nothing;  // of an element that is masked out

  void solve(size_t begin, size_t end) const {
    // Elements side by side of which no row has a say of its own: lib/ops/sigmoid.ts makes them rows of one.
    if (p.length == 1 && p.inner == 1 && !p.lengths && !p.offsets && !p.whereShared && !p.bitmask) {
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
