// Catch2's main program, compiled once for all tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#ifdef HOLDFAST_THREAD_SANITIZER
// Where a virtual call is checked, the sanitizer for undefined behaviour opens and closes a pipe of
// its own to see whether memory can be read, and the one for threads takes that for ours. A test of
// what uses libzmq has the list in common/bus/socket.cc instead.
extern "C" __attribute__((weak)) const char* __tsan_default_suppressions() {
  return "race:__sanitizer::IsAccessibleMemoryRange\n";
}
#endif
