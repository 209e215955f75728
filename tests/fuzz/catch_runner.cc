// Catch2 without its main program, for targets that share fixtures with tests.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
