#pragma once

namespace UNITS {

// Whether there are lanes for every layout. A WebAssembly module would be half as large again; it has the same bits without:
// - Columns and rows of several lengths go in lanes for softmax and its logarithms alone; masked rows of floats for all ops, without
//   their gradient.
// - Panels have no steps for each small number of classes.
// - Doubles do not go along their blocks, and in lanes for softmax and its logarithms alone.
// - topK of 9 and more goes in lanes where rows are contiguous floats.
// - Nothing is fetched ahead: there is no instruction for that.
#ifdef __wasm__
constexpr bool lanes_for_all = false;
#else
constexpr bool lanes_for_all = true;
#endif
// Rows of softmax and of logarithms go along their blocks; of other ops where code may be large.
template <class V>
constexpr bool along_blocks = lanes_for_all || sizeof(typename V::Scalar) == 4;
// Whether operations other than softmax and its logarithms go in lanes.
template <class V>
constexpr bool has_lanes = lanes_for_all || sizeof(typename V::Scalar) == 4;
constexpr bool all_along_blocks = lanes_for_all && !is_compact;
// Whether rows that lie apart are read where they are.
constexpr bool lanes_apart = lanes_for_all && !is_compact;

}  // namespace UNITS
