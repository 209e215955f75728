// What an agent and a controller read from the wire, spoiled at random: nothing crashes, and
// nothing comes through that was not signed or is not allowed.
#include <catch2/catch.hpp>

#include "common/trust/report.h"
#include "tests/fuzz/mutator.h"
#include "tests/unit/trust/plan_scene.h"

namespace holdfast::trust {
namespace {
using testing::FuzzRounds;
using testing::kTrustNowMs;
using testing::Mutator;
using testing::PlanScene;
using testing::TrustFixture;
using testing::TrustNow;
using testing::Unwrap;

std::vector<v1::Plan> GoodPlans(PlanScene& scene) {
  std::vector<v1::Plan> plans = {scene.Backup(), scene.Compose(), scene.Restore(),
                                 scene.RestoreInPlace()};
  v1::Plan inventory = scene.Head();
  inventory.mutable_inventory()->set_repository("main");
  plans.push_back(inventory);
  v1::Plan probe = scene.Head();
  probe.mutable_probe()->add_sources("etcd/main");
  plans.push_back(probe);
  return plans;
}

TEST_CASE("fuzz: an envelope spoiled on its way is refused, or says what was signed") {
  PlanScene scene;
  const RootDocument root = scene.fixture.Root(scene.document);
  std::vector<Bytes> seeds;
  std::vector<Bytes> payloads;
  for (const v1::Plan& plan : GoodPlans(scene)) {
    seeds.push_back(scene.WithAnnaAndBen(plan));
    payloads.push_back(EncodeMessage(plan));
  }
  Mutator mutator(1, seeds);

  for (std::size_t round = 0; round < FuzzRounds(4000); ++round) {
    const Bytes bytes = mutator.Next();
    CheckedPlan checked = CheckPlan(bytes, {.root = root,
                                            .agent = scene.agent,
                                            .epoch_highest = scene.epoch_highest,
                                            .now = TrustNow(),
                                            .freshness = scene.freshness,
                                            .guard = scene.guard,
                                            .policy = scene.policy});
    INFO("round " << round << ": " << HexEncode(bytes));
    if (!checked.refusal) {
      REQUIRE(std::ranges::find(payloads, checked.payload) != payloads.end());
    }
  }
}

// Says again, in other words than the table, what a controller may order by itself.
bool MayControllerOrder(const v1::Plan& plan, const PlanScene& scene) {
  if (plan.node() != "db-1" || plan.incarnation() != 2 || plan.controller_epoch() < 4) return false;
  if (plan.cluster_id() != scene.document.cluster_id() || plan.plan_id().size() != 16) return false;
  if (plan.has_restore() || plan.order_case() == v1::Plan::ORDER_NOT_SET) return false;
  for (const v1::BackupTask& task : plan.backup().tasks()) {
    auto own = scene.policy.sources.find(task.source());
    if (own == scene.policy.sources.end() || own->second != task.repository()) return false;
  }
  for (const v1::Part& part : plan.compose().parts()) {
    if (part.node().empty() || part.node().find('/') != std::string::npos) return false;
  }
  return true;
}

TEST_CASE("fuzz: whatever a stolen controller signs, it orders what it may, or nothing") {
  PlanScene scene;
  const RootDocument root = scene.fixture.Root(scene.document);
  std::vector<Bytes> seeds;
  for (const v1::Plan& plan : GoodPlans(scene)) seeds.push_back(EncodeMessage(plan));
  Mutator mutator(2, seeds);
  std::size_t accepted = 0;

  for (std::size_t round = 0; round < FuzzRounds(4000); ++round) {
    const Bytes payload = mutator.Next();
    CheckedPlan checked = CheckPlan(Sign(PayloadType::kPlan, payload, scene.fixture.controller),
                                    {.root = root,
                                     .agent = scene.agent,
                                     .epoch_highest = scene.epoch_highest,
                                     .now = TrustNow(),
                                     .freshness = scene.freshness,
                                     .guard = scene.guard,
                                     .policy = scene.policy});
    if (checked.refusal) continue;
    ++accepted;
    INFO("round " << round << ": " << HexEncode(payload));
    REQUIRE(MayControllerOrder(checked.plan, scene));
    v1::Plan again;
    REQUIRE_OK(ParsePlan(EncodeMessage(checked.plan), again));
  }
  REQUIRE(accepted > 0);  // else the mutations are too wild to try what lies behind `decode`
}

TEST_CASE("fuzz: a root document without enough persons is never the next one") {
  TrustFixture fixture;
  const RootDocument root = fixture.Root();
  v1::RootDocument next = fixture.Document();
  next.set_version(2);
  next.set_issued_at_ms(kTrustNowMs);
  Mutator mutator(3, {EncodeMessage(next), EncodeMessage(fixture.Document())});

  for (std::size_t round = 0; round < FuzzRounds(2000); ++round) {
    const Bytes payload = mutator.Next();
    INFO("round " << round << ": " << HexEncode(payload));
    const Bytes by_one = Sign(PayloadType::kRoot, payload, fixture.root_anna);
    REQUIRE_FALSE(root.VerifyNext(by_one, TrustNow()));
    const Bytes by_two = Unwrap(AddSignature(PayloadType::kRoot, by_one, fixture.root_ben));
    auto taken = root.VerifyNext(by_two, TrustNow());
    if (taken) {
      REQUIRE(taken->version() == 2);
      REQUIRE_OK(CheckRootForm(taken->document()));
    }
  }
}

TEST_CASE("fuzz: a report that verifies has a form that the controller can count on") {
  TrustFixture fixture;
  v1::Report report;
  report.set_node("db-1");
  report.set_report_sequence(2);
  report.set_previous(std::string(32, 'p'));
  report.set_plan_id(std::string(16, 'i'));
  report.set_plan_hash(std::string(32, 'h'));
  v1::Report saved = report;
  saved.mutable_saved()->set_tree_id(std::string(32, 't'));
  (*saved.mutable_saved()->mutable_seconds())["save"] = 1.5;
  v1::Report refused = report;
  refused.mutable_refused()->set_check("path");
  Mutator mutator(4, {EncodeMessage(saved), EncodeMessage(refused)});

  for (std::size_t round = 0; round < FuzzRounds(2000); ++round) {
    const Bytes payload = mutator.Next();
    auto verified =
        VerifyReport(Sign(PayloadType::kReport, payload, fixture.anna), fixture.anna.public_key());
    if (!verified) continue;
    INFO("round " << round << ": " << HexEncode(payload));
    REQUIRE(verified->report.outcome_case() != v1::Report::OUTCOME_NOT_SET);
    REQUIRE(verified->report.report_sequence() > 0);
    REQUIRE((verified->report.has_refused() || verified->report.plan_id().size() == 16));
  }
}

}  // namespace
}  // namespace holdfast::trust
