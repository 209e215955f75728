#include "common/base/crash_point.h"

#ifdef HOLDFAST_CRASH_POINTS

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include "common/base/result.h"

namespace holdfast {
namespace {

struct Chosen {
  std::string name;
  long passes = 1;
};

const Chosen& ChosenPoint() {
  static const Chosen chosen = [] {
    Chosen from_environment;
    const char* value = std::getenv("HOLDFAST_CRASH_POINT");
    if (value == nullptr) return from_environment;
    from_environment.name = value;
    std::size_t colon = from_environment.name.find(':');
    if (colon != std::string::npos) {
      from_environment.passes = std::strtol(from_environment.name.c_str() + colon + 1, nullptr, 10);
      from_environment.name.resize(colon);
    }
    return from_environment;
  }();
  return chosen;
}

}  // namespace

void CrashPoint(std::string_view name) {
  HF_CHECK(std::ranges::find(kCrashPoints, name) != kCrashPoints.end());
  const Chosen& chosen = ChosenPoint();
  if (chosen.name != name) return;
  static std::atomic<long> passes{0};
  if (++passes == chosen.passes) (void)std::raise(SIGKILL);
}

}  // namespace holdfast

#endif
