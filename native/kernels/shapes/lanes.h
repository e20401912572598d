// V::lanes rows at once, a row per lane: every class is one block operation, with nothing to reduce across lanes. Rows get
// there in panels (panels.h) or columns (columns.h). This is what happens to them in between: their sums.
#pragma once
#include "lane_sums.h"
#include "sink.h"

namespace UNITS {

// What comes near while the terms of a group are worked out: its share of what is loaded next, and of what is written
// then, a line for each class; or null. Fetched where it is loaded, all would be waited for.
struct Ahead {
  const char *next = nullptr, *own = nullptr;
  size_t next_step = 0, own_step = 0;

  INLINE void operator()(size_t c) const {
    if (next) __builtin_prefetch(next + c * next_step);
    if (own) __builtin_prefetch(own + c * own_step, 1);
  }
};

// The sums of rows in lanes, as an op asks for them.
template <class V, Sums>
struct LaneSums;
template <class V>
struct LaneSums<V, Sums::all> {
  V taken, rest;  // see TermSum
  V hi, lo;       // the factor that divides by the sum
};
template <class V>
struct LaneSums<V, Sums::below> {
  Wide<F64> sum[wides<V>];
  Wide<V> few;  // their place where classes are few: see few_log.h
  V count_of_max;
};

// Up to V::lanes rows, a row per lane: `row`, `row` + `apart`, ... Class c of all is the block at x + c * step. Under
// Sums::all its term takes the place of the logit where an op wants it; under Sums::below that may be so (has_terms), but for
// the maximum's, which is 0.
template <class V, Sums sums>
struct Lanes : LaneSums<V, sums> {
  using T = typename V::Scalar;
  size_t row, apart, count;
  T* x;
  size_t step;
  V max;
  LaneShift<V> shift;
  bool solvable;  // false for rows with NaN, infinities or huge logits: they are solved one by one
  bool has_terms;
  bool together;  // columns: all are neighbours in memory
  size_t start;   // columns: class 0 of the first row, by elements
  Ahead ahead;
  static constexpr bool along = false;  // rows lie along their blocks: see AlongGroup

  // The logit of a row's class 0; those of the others are `step` apart.
  INLINE T* row_of(size_t i) const { return x + i; }

  // In place: to copy a group takes as long as some classes.
  INLINE void place(T* to, size_t blocks_apart, size_t first, size_t rows_apart, size_t rows, bool extreme) {
    row = first, apart = rows_apart, count = rows, x = to, step = blocks_apart, has_terms = false;
    solvable = count > V::lanes / 8 && !extreme;  // stragglers are solved one by one
  }

  INLINE void find_max(size_t n) {
    V m = load<V>(x);
    for (size_t c = 1; c < n; c++) m = max_number(load<V>(x + c * step), m);
    max = m;
  }

  // False where a row's maximum is too large to reduce.
  INLINE bool find_shift(const Scale<V>& scale) {
    using E = ExpTraits<V>;
    shift = LaneShift<V>(max, scale, sums == Sums::all ? E::vanish : E::log_vanish);
    return shift.reducible;
  }

  INLINE FewTerms<V> few_terms(const Scale<V>& scale) const {
    return FewTerms<V>(scale, shift.magic, shift.lower, max);
  }

  // Rows, as bits, whose sum is the term of their maximum and nothing else.
  INLINE uint32_t alone(const Scale<V>& scale, T bias) const {
    return alone_in_sum(this->taken, this->rest, shift, scale, bias) & ((1u << count) - 1);
  }

  // The probability of the largest class of each row: 1 where no other is in the sum.
  INLINE Reduced<V> reduced_max(const Scale<V>& scale) const {
    return Exp<V, false>(scale, shift.magic, shift.lower).reduce(max);
  }
  INLINE V largest_share(const Reduced<V>& reduced, T bias) const {
    static_assert(sums == Sums::all, "the sum that probabilities are of");
    const Term<V> largest = Exp<V, false>::term(reduced);
    const V beside = beside_largest(this->taken, this->rest, largest, bias), zero = splat<V>(0), one = splat<V>(1);
    const V share = zero_if_equal(beside, zero, scaled(largest.value(), this->hi, this->lo));
    return add(share, sub(one, zero_if_equal(beside, zero, one)));
  }

  // What a block becomes on its way out.
  INLINE V result(V waiting) const {
    if constexpr (sums == Sums::all) return scaled(waiting, this->hi, this->lo);
    return waiting;
  }
  INLINE void scale_terms(size_t n) const {
    if constexpr (sums == Sums::all) {
      const V hi = this->hi, lo = this->lo;
      for (size_t c = 0; c < n; c++) store(x + c * step, scaled(load<V>(x + c * step), hi, lo));
    }
  }

  // A value for each row.
  INLINE void put(const Sink& out, const T* value) const {
    if (apart == 1 && count == V::lanes && out.template direct<T>()) {
      return (void)__builtin_memcpy(out.template place<T>(row, nullptr), value, V::lanes * sizeof(T));
    }
    if (apart == 1) return out.copy(row, count, value);
    for (size_t i = 0; i < count; i++) out.put(row + i * apart, double(value[i]));
  }
  // A whole number for each row.
  INLINE void put(uint32_t* out, V value) const {
    alignas(64) uint32_t whole[V::lanes];
    store_whole(whole, value);
    if (apart == 1 && count == V::lanes) return (void)__builtin_memcpy(out + row, whole, sizeof whole);
    for (size_t i = 0; i < count; i++) out[row + i * apart] = whole[i];
  }
};

// The terms of `count` classes, each to be had once; it takes the place of its logit. Where a block is one
// register they are worked out as they are asked for; otherwise what is kept in registers for the sum and for
// `beside` leaves too few, and logits are all reduced first.
template <class V, class Beside>
INLINE auto terms_of(const Exp<V, false>& exp, typename V::Scalar* x, size_t step, size_t count,
                     typename V::Scalar* t, Beside& beside) {
  constexpr size_t L = V::lanes;
  constexpr bool at_once = V::registers == 1;
  for (size_t c = 0; !at_once && c < count; c++) {
    beside(c);
    reduce_block(exp, x + c * step, t + c * L, x + c * step);
  }
  return [&exp, x, step, t, &beside](size_t c) INLINE_LAMBDA {
    if constexpr (!at_once) return finish_block<V>(t + c * L, x + c * step);
    const Reduced<V> reduced = exp.reduce(load<V>(x + c * step));
    beside(c);
    const Term<V> e = exp.term(reduced);
    store(x + c * step, e.value());
    return e;
  };
}

template <class V>
INLINE void put_sum(LaneSums<V, Sums::all>& g, const PartialSum<V>& total) {
  constexpr size_t W = wides<V>;
  Wide<F64> sum[W];
  F64 left[W];
  widen(total.rest, left);
#pragma GCC unroll 4
  for (size_t w = 0; w < W; w++) sum[w] = {total.taken[w], left[w]};
  factor_of(sum, g.taken, g.rest, g.hi, g.lo);
}

template <class V>
INLINE void put_rest(LaneSums<V, Sums::below>& g, const PartialRest& total) {
  if (V::lanes == F64::lanes) {
    g.sum[0] = {total.part[0], total.part[1]};
  } else {
    g.sum[0] = {total.part[0], splat<F64>(0)}, g.sum[wides<V> - 1] = {total.part[1], splat<F64>(0)};
  }
}
INLINE void put_rest(LaneSums<F32, Sums::below>& g, const Wide<F32>& total) { g.few = total; }

// One or two classes to a partial sum; what the sums take adds up exactly, in any order.
template <class V, class Beside>
INLINE void add_few_terms(Lanes<V, Sums::all>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  T* const x = g.x;
  const size_t step = g.step, live = n < L ? n : L, pairs = n - live;
  const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
  const T bias = bias_for<V>(n);
  alignas(64) T t[2 * L * L];
  const auto term = terms_of(exp, x, step, n, t, beside);
  V taken = splat<V>(0);
  const auto rest_of = [&](size_t c) INLINE_LAMBDA {
    TermSum<V> partial(bias);
    partial.add_first(term(c));
    if (c < pairs) partial.add_term(term(c + L));
    taken = add(taken, partial.taken(bias));
    return partial.rest;
  };
  g.rest = tree_of_lanes<V>(rest_of, live);
  g.taken = taken;
  invert<V>(g.taken, g.rest, g.hi, g.lo);
}

// A partial sum after the other, of all its classes.
template <class V, class Beside>
INLINE void add_more_terms(Lanes<V, Sums::all>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
  const T bias = bias_for<V>(n);
  alignas(64) T t[panel_classes * L];
  const auto term = terms_of(exp, g.x, g.step, n, t, beside);
  const auto sum_of = [&](size_t i) INLINE_LAMBDA {
    TermSum<V> partial(bias);
    partial.add_first(term(i));
    for (size_t c = i + L; c < n; c += L) partial.add_term(term(c));
    return partial_sum(partial, bias);
  };
  put_sum(g, tree_of_lanes<V>(sum_of));
}

// The same by as many classes at a time as the first cache holds.
template <class V, class Beside>
INLINE void add_many_terms(Lanes<V, Sums::all>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  T* x = g.x;
  const size_t step = g.step;
  const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
  const T bias = bias_for<V>(n);
  V sum[L], rest[L];
  for (size_t i = 0; i < L; i++) sum[i] = splat<V>(bias), rest[i] = splat<V>(0);
  alignas(64) T t[panel_classes * L];
  for (size_t at = 0; at < n; at += panel_classes, x += panel_classes * step) {
    const size_t count = n - at < panel_classes ? n - at : panel_classes;
    const auto besides = [&](size_t c) INLINE_LAMBDA { beside(at + c); };
    const auto term = terms_of(exp, x, step, count, t, besides);
    for (size_t i = 0; i < L && i < count; i++) {
      TermSum<V> partial(sum[i], rest[i]);
      for (size_t c = i; c < count; c += L) partial.add_term(term(c));
      sum[i] = partial.sum, rest[i] = partial.rest;
    }
  }
  PartialSum<V> partial[L];
  for (size_t i = 0; i < L; i++) partial[i] = partial_sum(TermSum<V>(sum[i], rest[i]), bias);
  put_sum(g, tree<L>(partial, L));
}

// Each class is a partial sum of its own.
template <class V, class Beside>
INLINE void add_few_below(Lanes<V, Sums::below>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  using T = typename V::Scalar;
  const T* const x = g.x;
  const size_t step = g.step;
  const FewTerms<V> exp = g.few_terms(scale);
  const V max = g.max;
  V count = splat<V>(0);
  const auto rest_of = [&](size_t c) INLINE_LAMBDA {
    beside(c);
    const V v = load<V>(x + c * step);
    Term<V> e = exp.term(v);
    e.t = zero_if_equal(v, max, e.t);
    count = count_if_equal(v, max, count);
    return alone_in_lane(e);
  };
  put_rest(g, tree_of_lanes<V, false>(rest_of, n));
  g.count_of_max = count;
}

// A condition of which the compiler does not see that it stays as it is: it would make a loop for each case.
INLINE bool variable(bool condition) {
  asm("" : "+r"(condition));
  return condition;
}

// Classes i, i + L, ... run by run for every partial sum i in turn: it then stays in registers.
template <class V, bool at_once, class Beside>
INLINE void add_terms_below(Lanes<V, Sums::below>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  using T = typename V::Scalar;
  constexpr size_t L = V::lanes;
  constexpr size_t run = RestSum<V>::run * L;
  T* const x = g.x;
  const size_t step = g.step;
  const Exp<V, false> exp(scale, g.shift.magic, g.shift.lower);
  V count = splat<V>(0);
  const auto rest_of = [&](size_t i) INLINE_LAMBDA {
    RestSum<V> sum;
    const auto add = [&](size_t c) INLINE_LAMBDA {
      __builtin_prefetch(x + (c + 4 * L) * step);
      beside(c);
      const V v = load<V>(x + c * step);
      Term<V> e = exp.term(v);
      e.t = zero_if_equal(v, g.max, e.t);
      count = count_if_equal(v, g.max, count);
      if (variable(g.has_terms)) store(x + c * step, e.value());
      sum.add_term(e);
    };
    size_t c = i;
    for (; c / run < n / run; sum.end_run()) {
      for (const size_t end = c + run; c < end; c += L) add(c);
    }
    for (; c < n; c += L) add(c);
    return partial_rest(sum);
  };
  put_rest(g, tree_of_lanes<V, at_once>(rest_of));
  g.count_of_max = count;
}

// The sums of a group; `beside` is done for each class. `in_memory`: partial sums wait there, as those of more than
// panel_classes have to.
template <class V, bool in_memory, class Beside>
INLINE void add_terms(Lanes<V, Sums::below>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  if (n <= V::lanes) return add_few_below(g, scale, n, beside);
  add_terms_below<V, !in_memory>(g, scale, n, beside);
}
template <class V, bool in_memory, class Beside>
INLINE void add_terms(Lanes<V, Sums::all>& g, const Scale<V>& scale, size_t n, Beside&& beside) {
  if constexpr (in_memory) {
    add_many_terms(g, scale, n, beside);
  } else {
    n > 2 * V::lanes ? add_more_terms(g, scale, n, beside) : add_few_terms(g, scale, n, beside);
  }
  g.solvable = all_less(g.taken, splat<V>(typename V::Scalar(infinity)));  // not if NaN
}

// What an op keeps of the rows beside their sums.
template <class V, class Op>
struct Group : Lanes<V, Op::sums> {
  typename Op::Ends ends;
};

// What an op does with groups before their terms are worked out: to one after the other, or to all at once.
template <class Op, class Group>
INLINE void begin_groups(const Op& op, Group* group, size_t count) {
  if constexpr (Op::begins_together) return op.begin(group, count);
  for (size_t i = 0; i < count; i++) {
    if (group[i].solvable) op.begin(group[i]);
  }
}

// From sums to what the op makes of them.
template <class Op, class Group>
INLINE void end_groups(const Op& op, Group* group, size_t count) {
  if constexpr (Op::ends_together) {
    Op::end_all(op, group, count);
  } else {
    for (size_t i = 0; i < count; i++) {
      if (group[i].solvable) op.end(group[i]);
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (group[i].solvable) op.write(group[i]);
  }
}

// Once the results of a group are where they belong.
template <class Op, class Group>
INLINE void finish_groups(const Op& op, const Group* group, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (group[i].solvable) {
      op.after(group[i]);
    } else {
      for (size_t r = 0; r < group[i].count; r++) op.solve(group[i].row + r * group[i].apart);
    }
  }
}

}  // namespace UNITS
