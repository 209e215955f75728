#include "agent/journal/plan_log.h"

#include <csignal>
#include <string>

#include "common/io/atomic_file.h"
#include "common/trust/orders.h"
#include "tests/support/catch.h"
#include "tests/support/child_process.h"
#include "tests/support/results.h"

namespace holdfast::agent {
namespace {

using testing::Unwrap;
using trust::ReplayVerdict;

using Record = trust::KnownPlans::Record;

Record Plan(std::uint8_t number, std::uint64_t sequence, std::int64_t expires_ms = 1'000) {
  Record plan;
  plan.controller_key.fill(1);
  plan.plan_id = std::string(16, static_cast<char>(number));
  plan.sequence = sequence;
  plan.hash.fill(number);
  plan.expires_at_ms = expires_ms;
  return plan;
}

ReplayVerdict Judge(const PlanLog& log, const Record& plan) {
  return log.Judge(plan.controller_key, AsBytes(plan.plan_id), plan.sequence, plan.hash);
}

std::string PathIn(const TempDir& directory) { return directory.path() + "/plans.db"; }

TEST_CASE("plan log: an accepted plan and its result are known from then on") {
  TempDir directory = Unwrap(TempDir::Create("plans"));
  Record plan = Plan(1, ~std::uint64_t{0});
  Record other = Plan(1, 5);
  other.hash.fill(9);
  {
    PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
    REQUIRE(Judge(log, plan) == ReplayVerdict::kNew);
    REQUIRE_OK(log.Accept(plan));
    REQUIRE(Judge(log, plan) == ReplayVerdict::kKnown);
  }
  {
    PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
    REQUIRE(Judge(log, plan) == ReplayVerdict::kKnown);
    REQUIRE(Judge(log, other) == ReplayVerdict::kOtherBytes);
    REQUIRE(Judge(log, Plan(2, plan.sequence)) == ReplayVerdict::kOtherBytes);
    REQUIRE_FALSE(Unwrap(log.OutcomeOf(AsBytes(plan.plan_id))));
    REQUIRE_OK(log.Finish(AsBytes(plan.plan_id), ToBytes("done")));
    REQUIRE_FAILS(log.Finish(AsBytes(std::string(16, 'x')), {}), ErrorCode::kInternal,
                  "was not accepted here");
  }
  PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
  REQUIRE(Unwrap(log.OutcomeOf(AsBytes(plan.plan_id))) == ToBytes("done"));
  REQUIRE_FALSE(Unwrap(log.OutcomeOf(AsBytes(std::string(16, 'x')))));
}

TEST_CASE("plan log: forgotten plans leave a floor, also after a restart") {
  TempDir directory = Unwrap(TempDir::Create("plans"));
  std::int64_t kept_ms = (trust::kPlanLifeMax + trust::kClockAllowance).count();
  Record late = Plan(3, 5, 5'000);  // below the later floor, but kept
  {
    PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
    REQUIRE_OK(log.Accept(Plan(1, 7, 1'000)));
    REQUIRE_OK(log.Accept(Plan(2, 9, 2'000)));
    REQUIRE_OK(log.Accept(late));
    REQUIRE_OK(log.Forget(WallTime(std::chrono::milliseconds(kept_ms + 1'000))));
    REQUIRE(Judge(log, Plan(1, 7)) == ReplayVerdict::kKnown);
    REQUIRE_OK(log.Forget(WallTime(std::chrono::milliseconds(kept_ms + 2'001))));
  }
  PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
  REQUIRE(Judge(log, Plan(2, 9)) == ReplayVerdict::kBelowFloor);
  REQUIRE(Judge(log, Plan(1, 7)) == ReplayVerdict::kBelowFloor);
  REQUIRE(Judge(log, Plan(4, 8)) == ReplayVerdict::kBelowFloor);
  REQUIRE(Judge(log, late) == ReplayVerdict::kKnown);
  REQUIRE(Judge(log, Plan(4, 10)) == ReplayVerdict::kNew);
}

TEST_CASE("plan log: a helper killed after the acceptance does not start again") {
  TempDir directory = Unwrap(TempDir::Create("plans"));
  testing::ChildOutcome outcome = testing::RunInChild([&]() -> std::string {
    Result<PlanLog> log = PlanLog::Open(PathIn(directory));
    if (!log || !log->Accept(Plan(1, 7))) return "failed";
    (void)::raise(SIGKILL);
    return "survived";
  });
  REQUIRE(outcome.was_killed());

  PlanLog log = Unwrap(PlanLog::Open(PathIn(directory)));
  REQUIRE(Judge(log, Plan(1, 7)) == ReplayVerdict::kKnown);
  REQUIRE_FAILS(PlanLog::Open(PathIn(directory)), ErrorCode::kBusy, "restore-helper");
}

}  // namespace
}  // namespace holdfast::agent
