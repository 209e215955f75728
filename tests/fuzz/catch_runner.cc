// Catch2 without its main program, for targets that share fixtures with tests. Version 2 is
// compiled where this macro is defined; version 3 is a library.
#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"
