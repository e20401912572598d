#pragma once

namespace UNITS {

// Whether operations other than softmax and its logarithms have lanes of their own. A WebAssembly module would be twice as
// large with them; row by row they have the same bits.
#ifdef __wasm__
constexpr bool lanes_for_all = false;
#else
constexpr bool lanes_for_all = true;
#endif

}  // namespace UNITS
