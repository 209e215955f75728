// A fuzz target: a function that decodes untrusted bytes and checks invariants of the result.
// libFuzzer drives one target at a time (scripts/fuzz). Every build replays the committed corpus
// and a few mutated copies of it (replay_test.cc).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::fuzz {

// Returns whether the bytes were accepted. A corpus without any accepted input tests only a
// decoder's first check, so that is a failure, too.
using TargetFunction = bool (*)(ByteView input);

struct Target {
  std::string name;
  TargetFunction run = nullptr;
  unsigned cost = 1;  // relative cost of one input
};

// All targets linked into this program, by name.
std::vector<Target>& Targets();

// Registers a target before main() begins.
struct Registration {
  Registration(std::string_view name, TargetFunction run, unsigned cost) {
    Targets().push_back({std::string(name), run, cost});
  }
};

// Ends the run: an invariant does not hold.
[[noreturn]] void Broken(const std::string& what, const char* file, int line);

// The errors that decoders of untrusted bytes may return: their text must be safe to show to users.
inline bool IsRefusal(const Error& error) {
  constexpr std::size_t kShownMax = 1000;
  const auto can_be_shown = [](char c) { return static_cast<unsigned char>(c) >= ' '; };
  return (error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported) &&
         error.message().size() < kShownMax && std::ranges::all_of(error.message(), can_be_shown);
}

}  // namespace holdfast::fuzz

#define FUZZ_REQUIRE(condition) \
  ((condition) ? static_cast<void>(0) : ::holdfast::fuzz::Broken(#condition, __FILE__, __LINE__))

// Requires that `result` is valid, or refused as above.
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
