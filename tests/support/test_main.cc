// Catch2's main program, compiled once for all tests. Version 2 generates it with this macro;
// version 3 is a library.
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.h"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#endif

#ifdef HOLDFAST_THREAD_SANITIZER
// Libraries that are not built with the sanitizer. Their threads exchange memory by atomics that it
// cannot see. Named by library, because Debian's have no symbols to name functions. Suppressing
// each race report would work too, but takes minutes for a few megabytes. The last line is for the
// undefined behaviour sanitizer: to check virtual calls, it opens a pipe to test whether memory is
// readable, and the thread sanitizer reports that as a race.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libzmq.so\n"
         "called_from_lib:librdkafka.so\n"
         "race:__sanitizer::IsAccessibleMemoryRange\n";
}
#endif
