#pragma once

namespace UNITS {

// Whether operations other than softmax and its logarithms have lanes of their own, panels have steps for each small number
// of classes, rows of several lengths or masks go in groups, and doubles along their blocks. A WebAssembly module would be
// twice as large; it has the same bits without.
#ifdef __wasm__
constexpr bool lanes_for_all = false;
#else
constexpr bool lanes_for_all = true;
#endif
// Rows of softmax and of logarithms go along their blocks; of other ops where code may be large.
template <class V>
constexpr bool along_blocks = lanes_for_all || sizeof(typename V::Scalar) == 4;
constexpr bool all_along_blocks = lanes_for_all && !is_compact;

}  // namespace UNITS
