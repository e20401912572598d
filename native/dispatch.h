// Which kernels this machine can run.
#pragma once
#include <vector>

#include "kernels/kernels.h"

// Best first; the portable kernels, which run anywhere, last.
const std::vector<const Kernels*>& supported_kernels();
