// Catch2's main program, compiled once for all tests. Version 2 makes it where this is defined;
// version 3 is a library.
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.h"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#endif

#ifdef HOLDFAST_THREAD_SANITIZER
// Libraries that are not built with the sanitizer, and whose threads hand memory to one another by
// atomics that it does not see; by their names, for Debian's have no symbols to name functions by.
// Telling of each such race and suppressing the report would do too, but takes minutes for a few
// megabytes. The last line is for another sanitizer: where a virtual call is checked, that for
// undefined behaviour opens and closes a pipe of its own to see whether memory can be read, and the
// one for threads takes that for ours.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libzmq.so\n"
         "called_from_lib:librdkafka.so\n"
         "race:__sanitizer::IsAccessibleMemoryRange\n";
}
#endif
