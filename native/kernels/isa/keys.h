#pragma once

#ifdef __AVX512F__
#include "keys_of_words.h"
#else
#include "keys_of_doubles.h"
#endif
