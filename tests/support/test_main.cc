// Catch2's main program, compiled once for all tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
