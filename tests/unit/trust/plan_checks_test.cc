#include "common/trust/plan_checks.h"

#include <set>
#include <sstream>

#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/unit/trust/forged_plans.h"

namespace holdfast::trust {
namespace {
using testing::ForgedPlan;
using testing::ForgedPlans;
using testing::kDayMs;
using testing::kTrustNowMs;
using testing::PlanScene;
using testing::Unwrap;

std::vector<PlanCheck> ChecksWithout(std::string_view name) {
  std::vector<PlanCheck> checks;
  for (const PlanCheck& check : PlanChecks()) {
    if (check.name != name) checks.push_back(check);
  }
  REQUIRE(checks.size() + 1 == PlanChecks().size());
  return checks;
}

std::string TextOf(const CheckedPlan& checked) {
  if (!checked.refusal) return "accepted";
  return checked.refusal->check + ": " + checked.refusal->message;
}

TEST_CASE("plan checks: each forged plan is refused by the intended check") {
  for (const ForgedPlan& forged : ForgedPlans()) {
    PlanScene scene;
    CheckedPlan checked = scene.Check(forged.make(scene));

    INFO(forged.what << " -> " << TextOf(checked));
    REQUIRE(checked.refusal);
    REQUIRE(checked.refusal->check == forged.check);
    REQUIRE_FALSE(checked.refusal->message.empty());
    REQUIRE_FALSE(checked.is_known);
  }
}

TEST_CASE("plan checks: a refusal by the policy names its file and the key to set") {
  for (const auto& [check, key] :
       {std::pair{"policy", "\"restore: "}, {"restore_root", "\"restore_roots\""}}) {
    for (const ForgedPlan& forged : ForgedPlans()) {
      if (forged.check != check) continue;
      PlanScene scene;
      const CheckedPlan checked = scene.Check(forged.make(scene));
      REQUIRE(checked.refusal);
      INFO(forged.what << " -> " << TextOf(checked));
      REQUIRE_THAT(checked.refusal->hint,
                   Catch::Contains(" in /etc/holdfast/policy.yaml") && Catch::Contains(key));
    }
  }
}

TEST_CASE("plan checks: without its check each forged plan is accepted, so every check is needed") {
  std::set<std::string> bitten;
  for (const ForgedPlan& forged : ForgedPlans()) {
    PlanScene scene;
    Bytes envelope = forged.make(scene);
    CheckedPlan checked = scene.CheckWith(ChecksWithout(forged.check), envelope);

    INFO(forged.what << " -> " << TextOf(checked));
    REQUIRE_FALSE(checked.refusal);
    bitten.insert(forged.check);
  }
  REQUIRE(bitten.size() == PlanChecks().size());
}

TEST_CASE("plan checks: the checks and their order match the protocol's documentation") {
  Bytes page = Unwrap(ReadWholeFile(HOLDFAST_DOCS "/protocol.md"));
  std::string text(AsText(page));
  std::vector<std::string> listed;
  std::istringstream lines(text.substr(text.find("### Order of checks")));
  for (std::string line; std::getline(lines, line) && !line.starts_with("### Freshness");) {
    // | 4 | `controller` | ... |
    if (!line.starts_with("| ") || line[2] < '1' || line[2] > '9') continue;
    std::size_t begin = line.find('`') + 1;
    listed.push_back(line.substr(begin, line.find('`', begin) - begin));
  }
  std::vector<std::string> checks;
  for (const PlanCheck& check : PlanChecks()) checks.emplace_back(check.name);

  REQUIRE(listed == checks);
}

TEST_CASE("plan checks: a valid plan of each kind is accepted") {
  PlanScene scene;
  auto head_with = [&](auto change) {
    v1::Plan plan = scene.Head();
    change(plan);
    return plan;
  };
  const std::vector<std::pair<v1::OrderKind, v1::Plan>> by_controller = {
      {v1::ORDER_KIND_BACKUP, scene.Backup()},
      {v1::ORDER_KIND_COMPOSE, scene.Compose()},
      {v1::ORDER_KIND_END, head_with([](v1::Plan& p) { p.mutable_end(); })},
      {v1::ORDER_KIND_CUT,
       head_with([](v1::Plan& p) { p.mutable_cut()->set_backup_plan_id(std::string(16, 'b')); })},
      {v1::ORDER_KIND_PROBE, head_with([](v1::Plan& p) { p.mutable_probe(); })},
      {v1::ORDER_KIND_VERIFY,
       head_with([](v1::Plan& p) { p.mutable_verify()->set_repository("main"); })},
      {v1::ORDER_KIND_INVENTORY, head_with([](v1::Plan& p) {
         p.mutable_inventory()->set_repository("main");
         p.mutable_inventory()->set_after(std::string(64, 'a'));
       })},
  };
  for (const auto& [kind, plan] : by_controller) {
    CheckedPlan checked = scene.Check(scene.ByController(plan));
    INFO(TextOf(checked));
    REQUIRE_FALSE(checked.refusal);
    REQUIRE(checked.kind == kind);
    REQUIRE(checked.is_authentic);
    REQUIRE(checked.controller_key == scene.fixture.controller.id());
    REQUIRE(checked.hash == crypto::Sha256Of(PlanScene::Encode(plan)));
  }
  CheckedPlan staging = scene.Check(scene.WithAnna(scene.Restore()));
  REQUIRE_FALSE(staging.refusal);
  REQUIRE(staging.operators == std::vector<std::string>{"anna"});
  CheckedPlan in_place = scene.Check(scene.WithAnnaAndBen(scene.RestoreInPlace()));
  REQUIRE_FALSE(in_place.refusal);
  REQUIRE(in_place.operators == std::vector<std::string>{"anna", "ben"});
  CheckedPlan to_target = scene.Check(scene.WithAnnaAndBen(scene.RestoreToTarget()));
  REQUIRE_FALSE(to_target.refusal);
  REQUIRE(to_target.kind == v1::ORDER_KIND_RESTORE_IN_PLACE);
}

TEST_CASE("plan checks: an unknown order is refused with its name and the plan's id") {
  PlanScene scene;
  v1::Plan plan = scene.Head();
  plan.set_order_name("forget");
  Bytes payload = protocol::EncodeMessage(plan);
  payload.insert(payload.end(), {0xc2, 0x02, 0x00});  // field 40

  const CheckedPlan checked =
      scene.Check(PlanScene::SignPayload(payload, {&scene.fixture.controller}));

  REQUIRE(checked.refusal);
  REQUIRE(checked.refusal->check == "order");
  REQUIRE_THAT(checked.refusal->message, Catch::Contains("\"forget\""));
  REQUIRE_THAT(checked.refusal->hint, Catch::Contains("upgrade"));
  REQUIRE(checked.plan.plan_id() == plan.plan_id());
}

TEST_CASE("plan checks: signatures by keys of an unknown role must be correct but do not count") {
  PlanScene scene;
  const auto auditor = crypto::SigningKey::Generate(scene.fixture.random);
  testing::TrustFixture::AddKey(scene.document, static_cast<v1::Role>(7), auditor, "cleo");
  const v1::Plan backup = scene.Backup();

  REQUIRE_FALSE(
      scene.Check(PlanScene::SignPlan(backup, {&scene.fixture.controller, &auditor})).refusal);
  for (const auto& [what, envelope] :
       {std::pair{"controller", PlanScene::SignPlan(backup, {&auditor})},
        {"operators",
         PlanScene::SignPlan(scene.Restore(), {&scene.fixture.controller, &auditor})}}) {
    const CheckedPlan checked = scene.Check(envelope);
    REQUIRE(checked.refusal);
    REQUIRE(checked.refusal->check == what);
  }
  Envelope changed = Unwrap(DecodeEnvelope(
      PayloadType::kPlan, PlanScene::SignPlan(backup, {&scene.fixture.controller, &auditor})));
  changed.signatures[1].bytes[5] ^= 1;
  const CheckedPlan checked =
      scene.Check(Unwrap(Assemble(PayloadType::kPlan, changed.payload, changed.signatures)));
  REQUIRE(checked.refusal);
  REQUIRE(checked.refusal->check == "controller");
}

TEST_CASE("plan checks: a staging restore may restore a source that this node does not have") {
  PlanScene scene;
  v1::Plan plan = scene.Restore();
  plan.mutable_restore()->set_source("files/elsewhere");
  plan.mutable_restore()->mutable_staging()->set_path("data/etc");

  REQUIRE_FALSE(scene.Check(scene.WithAnna(plan)).refusal);
}

TEST_CASE("plan checks: a target accepts any source of its kind, from any configured repository") {
  PlanScene scene;
  v1::Plan plan = scene.RestoreToTarget();
  plan.mutable_restore()->set_source("etcd/elsewhere");
  plan.mutable_restore()->set_repository("other");

  REQUIRE_FALSE(scene.Check(scene.WithAnnaAndBen(plan)).refusal);
}

TEST_CASE("plan checks: clocks may differ by at most the allowance") {
  PlanScene scene;
  Bytes envelope = scene.ByController(scene.Backup());

  scene.now_ms = kTrustNowMs - 120'000;
  REQUIRE_FALSE(scene.Check(envelope).refusal);
  scene.now_ms = kTrustNowMs + 3'600'000 + 120'000;
  REQUIRE_FALSE(scene.Check(envelope).refusal);
  scene.now_ms += 1;
  REQUIRE(scene.Check(envelope).refusal->check == "time");
}

TEST_CASE("plan checks: a suspect clock or a silent controller does not affect backups") {
  PlanScene scene;
  scene.freshness = {.age = std::nullopt, .is_clock_suspect = true};

  REQUIRE_FALSE(scene.Check(scene.ByController(scene.Backup())).refusal);
}

TEST_CASE("plan checks: a refusal says whether a fresh answer would help") {
  PlanScene scene;
  Bytes restore = scene.WithAnna(scene.Restore());

  scene.freshness = {.age = std::nullopt};
  REQUIRE(scene.Check(restore).refusal->fresh_answer_helps);
  scene.freshness = {.age = std::chrono::seconds(1), .is_clock_suspect = true};
  REQUIRE_FALSE(scene.Check(restore).refusal->fresh_answer_helps);
  REQUIRE_FALSE(scene.Check(scene.ByController(scene.Restore())).refusal->fresh_answer_helps);
}

TEST_CASE("plan checks: an accepted plan stays known, also when it would now be refused") {
  PlanScene scene;
  Bytes envelope = scene.ByController(scene.Backup());
  CheckedPlan first = scene.Check(envelope);
  REQUIRE_FALSE(first.is_known);
  scene.Remember(first);

  REQUIRE(scene.Check(envelope).is_known);
  scene.now_ms += kDayMs;
  scene.epoch_highest = 9;
  CheckedPlan later = scene.Check(envelope);
  REQUIRE(later.is_known);
  REQUIRE_FALSE(later.refusal);
  REQUIRE(later.plan.plan_id() == first.plan.plan_id());

  // Another signature does not change the payload, so the plan is the same.
  REQUIRE(scene.Check(scene.WithAnna(scene.Backup())).is_known);
}

TEST_CASE("plan checks: a second verifier has a separate record of plans") {
  PlanScene scene;
  Bytes envelope = scene.WithAnna(scene.Restore());
  scene.Remember(scene.Check(envelope));
  KnownPlans helper;

  CheckedPlan checked = scene.CheckWith(PlanChecks(), envelope, &helper);

  REQUIRE_FALSE(checked.refusal);
  REQUIRE_FALSE(checked.is_known);
}

TEST_CASE("plan checks: a plan without a trusted signature is not decoded, only hashed") {
  PlanScene scene;
  Bytes envelope = PlanScene::SignPlan(scene.Backup(), {&scene.fixture.stranger});
  CheckedPlan checked = scene.Check(envelope);

  REQUIRE_FALSE(checked.is_authentic);
  REQUIRE(checked.plan.plan_id().empty());
  REQUIRE(checked.hash == crypto::Sha256Of(PlanScene::Encode(scene.Backup())));
  REQUIRE_FALSE(scene.Check(AsBytes("garbage")).hash);
}

TEST_CASE("plan checks: a plan with a changed bit or a missing end is refused") {
  PlanScene scene;
  const Bytes good = scene.WithAnna(scene.Restore());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes changed = good;
    changed[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
    REQUIRE(scene.Check(changed).refusal);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    REQUIRE(scene.Check(ByteView(good).first(size)).refusal);
  }
}

TEST_CASE("known plans: plans that expired long ago are forgotten, and raise the floor") {
  PlanScene scene;
  KnownPlans known;
  const crypto::KeyId key = scene.fixture.controller.id();
  const crypto::Digest hash{};
  auto at = [](std::int64_t unix_ms) { return WallTime(std::chrono::milliseconds(unix_ms)); };
  known.Add({key, std::string(16, 'a'), 7, hash, kTrustNowMs});
  known.Add({key, std::string(16, 'b'), 5, hash, kTrustNowMs + kDayMs});

  REQUIRE(known.Forget(at(kTrustNowMs + kDayMs + 120'000)) == 0);
  REQUIRE(known.Forget(at(kTrustNowMs + kDayMs + 120'001)) == 1);

  auto judge = [&](char id, std::uint64_t sequence) {
    return known.Judge(key, AsBytes(std::string(16, id)), sequence, hash);
  };
  REQUIRE(judge('a', 7) == ReplayVerdict::kBelowFloor);
  REQUIRE(judge('b', 5) == ReplayVerdict::kKnown);  // below the floor, but not forgotten
  REQUIRE(judge('c', 6) == ReplayVerdict::kBelowFloor);
  REQUIRE(judge('c', 5) == ReplayVerdict::kOtherBytes);
  REQUIRE(judge('c', 8) == ReplayVerdict::kNew);
  // Another controller key has its own floor.
  REQUIRE(known.Judge(scene.fixture.stranger.id(), AsBytes(std::string(16, 'c')), 1, hash) ==
          ReplayVerdict::kNew);
}

}  // namespace
}  // namespace holdfast::trust
