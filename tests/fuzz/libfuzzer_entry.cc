// Connects libFuzzer to the single target that is linked with this file.
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "tests/fuzz/target.h"

namespace holdfast::fuzz {

void Broken(const std::string& what, const char* file, int line) {
  std::cerr << file << ":" << line << ": does not hold: " << what.substr(0, 500) << std::endl;
  std::abort();
}

}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)holdfast::fuzz::Targets().front().run({data, size});
  return 0;
}
