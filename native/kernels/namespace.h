// Where everything of one ISA lives: a namespace named after its table, KERNELS. Of what several units compile, the linker
// keeps one copy, and never another ISA's.
#pragma once

#define UNITS_OF(table) table##_units
#define UNITS_OF_TABLE(table) UNITS_OF(table)
#define UNITS UNITS_OF_TABLE(KERNELS)
