// The simulation: sim_run [--seeds N] [--seed S] [--planted NAME] [--verbose], or --list. Exits
// with 0 if all invariants held for every seed; with --planted, if the planted bug was found.
#include <charconv>
#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "tests/sim/world.h"

namespace holdfast::sim {
namespace {

const std::map<std::string_view, Planted>& Bugs() {
  using C = controller::PlantedBug;
  using A = agent::PlantedBug;
  static const std::map<std::string_view, Planted> bugs = {
      {"no-fence", {.controller = C::kNoFence}},
      {"take-twice", {.controller = C::kTakeTwice}},
      {"skip-reports", {.controller = C::kSkipReports}},
      {"no-audit", {.controller = C::kNoAudit}},
      {"forget-inventory", {.controller = C::kForgetInventory}},
      {"no-resend", {.controller = C::kNoResend}},
      {"newest-root", {.controller = C::kNewestRoot}},
      {"lose-part", {.controller = C::kLosePart}},
      {"forget-plans", {.agent = A::kForgetPlans}},
      {"obey-without-operators", {.agent = A::kObeyWithoutOperators}},
      {"release-early", {.agent = A::kReleaseEarly}},
      {"forget-parts", {.agent = A::kForgetParts}},
      {"compose-after-expiry", {.agent = A::kComposeAfterExpiry}},
      {"forget-sealed", {.agent = A::kForgetSealed}},
      {"drop-reports", {.agent = A::kDropReports}},
      {"speak-first", {.speak_first = true}},
  };
  return bugs;
}

struct Arguments {
  std::uint64_t seeds = 1;
  std::uint64_t first = 1;
  std::string planted;
  bool is_verbose = false;
};

int Usage() {
  std::cerr << "usage: sim_run [--seeds N] [--seed S] [--planted NAME] [--verbose]; bugs to plant:";
  for (const auto& [name, bug] : Bugs()) std::cerr << " " << name;
  std::cerr << "\n";
  return 2;
}

bool Parse(const std::vector<std::string>& words, Arguments& out) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--verbose") {
      out.is_verbose = true;
      continue;
    }
    if (i + 1 == words.size()) return false;
    const std::string& value = words[i + 1];
    if (words[i] == "--planted") {
      out.planted = value;
    } else if (words[i] == "--seeds" || words[i] == "--seed") {
      std::uint64_t& number = words[i] == "--seeds" ? out.seeds : out.first;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) return false;
    } else {
      return false;
    }
    ++i;
  }
  return out.planted.empty() || Bugs().contains(out.planted);
}

int Main(const std::vector<std::string>& words) {
  Arguments arguments;
  if (words == std::vector<std::string>{"--list"}) {
    for (const auto& [name, bug] : Bugs()) std::cout << name << "\n";
    return 0;
  }
  if (!Parse(words, arguments)) return Usage();
  const Planted planted = arguments.planted.empty() ? Planted{} : Bugs().at(arguments.planted);
  const SystemClock clock;
  const Instant begin = clock.Monotonic();
  Outcome sum;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    const Outcome outcome = World(seed, planted, arguments.is_verbose).Run();
    sum.steps += outcome.steps;
    sum.snapshots += outcome.snapshots;
    sum.runs_done += outcome.runs_done;
    sum.crashes += outcome.crashes;
    if (outcome.violation.empty()) continue;
    const std::string replay =
        fmt::format("scripts/sim --seed {}{}", seed,
                    arguments.planted.empty() ? "" : " --planted " + arguments.planted);
    std::cout << fmt::format("sim: seed {}: {}\nsim: replay with: {} --verbose\n", seed,
                             outcome.violation, replay);
    return arguments.planted.empty() ? 1 : 0;
  }
  std::cout << fmt::format(
      "sim: {} seeds in {}: {} steps, {} crashes, {} snapshots, {} runs done, every rule held\n",
      arguments.seeds, FormatDuration(clock.Monotonic() - begin), sum.steps, sum.crashes,
      sum.snapshots, sum.runs_done);
  if (!arguments.planted.empty()) {
    std::cout << fmt::format("sim: the planted bug \"{}\" was not found\n", arguments.planted);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::sim

int main(int count, char** words) {
  return holdfast::sim::Main(std::vector<std::string>(words + 1, words + count));
}
