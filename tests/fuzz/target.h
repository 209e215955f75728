// What fuzzing means here: a function that is given bytes of a stranger, decodes them, and says
// what must hold of the outcome. libFuzzer drives one such function at a time (scripts/fuzz); every
// build replays the committed corpus and a few spoiled copies of it (replay_test.cc).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::fuzz {

// True when the bytes were taken for what they claim to be. A corpus of which nothing is taken
// tries only the first check of a decoder, so that is a failure, too.
using TargetFunction = bool (*)(ByteView input);

struct Target {
  std::string name;
  TargetFunction run = nullptr;
  unsigned cost = 1;  // of one input, compared with that of most
};

// All that are linked into this program, by name.
std::vector<Target>& Targets();

// Registers a target before main() begins.
struct Registration {
  Registration(std::string_view name, TargetFunction run, unsigned cost) {
    Targets().push_back({std::string(name), run, cost});
  }
};

// Ends the run: what must hold did not.
[[noreturn]] void Broken(const std::string& what, const char* file, int line);

// What decoders of strangers' bytes may fail with, and that it can be shown to people as it is.
inline bool IsRefusal(const Error& error) {
  constexpr std::size_t kShownMax = 1000;
  const auto can_be_shown = [](char c) { return static_cast<unsigned char>(c) >= ' '; };
  return (error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported) &&
         error.message().size() < kShownMax && std::ranges::all_of(error.message(), can_be_shown);
}

}  // namespace holdfast::fuzz

#define FUZZ_REQUIRE(condition) \
  ((condition) ? static_cast<void>(0) : ::holdfast::fuzz::Broken(#condition, __FILE__, __LINE__))

// That `result` is good, or refused as decoders refuse.
#define FUZZ_REQUIRE_CLEAR(result)                         \
  ((result || ::holdfast::fuzz::IsRefusal(result.error())) \
       ? static_cast<void>(0)                              \
       : ::holdfast::fuzz::Broken("refused as " + result.error().Text(), __FILE__, __LINE__))

// FUZZ_TARGET(name) { ... return whether `input` was accepted; }
#define FUZZ_TARGET(name) FUZZ_TARGET_OF_COST(name, 1)
#define FUZZ_TARGET_OF_COST(name, cost)                                                     \
  static bool Fuzz_##name(::holdfast::ByteView input);                                      \
  static const ::holdfast::fuzz::Registration kRegistered_##name(#name, Fuzz_##name, cost); \
  static bool Fuzz_##name(::holdfast::ByteView input)
