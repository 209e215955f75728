// Catch2's main program, compiled once for all tests. It gives them the same environment on every
// host. Version 2 of Catch2 is compiled here because of this macro; version 3 is a library.
#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#endif

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Variables that tests or sanitizers read. All others, such as proxies, credentials and settings of
// services, are removed, because they would change what the tested code and its child processes do.
bool IsKept(std::string_view name) {
  return name == "PATH" || name == "TMPDIR" || name == "LD_LIBRARY_PATH" ||
         name.starts_with("HOLDFAST_") || name.ends_with("SAN_OPTIONS") ||
         name.ends_with("SAN_SYMBOLIZER_PATH");
}

void SetKnownEnvironment() {
  std::vector<std::string> removed;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (!IsKept(name)) removed.emplace_back(name);
  }
  for (const std::string& name : removed) ::unsetenv(name.c_str());
  ::setenv("LC_ALL", "C.UTF-8", 1);
  ::setenv("TZ", "UTC", 1);
  ::umask(022);
}

}  // namespace

int main(int argc, char** argv) {
  SetKnownEnvironment();
  return Catch::Session().run(argc, argv);
}

#ifdef HOLDFAST_THREAD_SANITIZER
// Libraries that are not built with the sanitizer. Their threads exchange memory by atomics that it
// cannot see. Named by library, because Debian's have no symbols to name functions. Suppressing
// each race report would work too, but takes minutes for a few megabytes. xsputn: libzmq's I/O
// thread formats addresses with libstdc++, so libstdc++ is the caller. The last line is for the
// undefined behaviour sanitizer: to check virtual calls, it opens a pipe to test whether memory is
// readable, and the thread sanitizer reports that as a race.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libzmq.so\n"
         "called_from_lib:librdkafka.so\n"
         "race:std::basic_streambuf<char, std::char_traits<char> >::xsputn\n"
         "race:__sanitizer::IsAccessibleMemoryRange\n";
}
#endif
