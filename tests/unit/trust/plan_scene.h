// One agent with its configuration, and valid plans for it that tests modify.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/trust/plan_checks.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::testing {

class FakePolicy final : public trust::LocalPolicy {
 public:
  std::optional<std::string> RepositoryOf(std::string_view source) const override {
    auto found = sources.find(source);
    if (found == sources.end()) return std::nullopt;
    return found->second;
  }
  bool HasRepository(std::string_view repository) const override {
    return repositories.contains(repository);
  }
  std::string file() const override { return "/etc/holdfast/policy.yaml"; }
  trust::RestoreRight restore() const override { return right; }
  bool HasRestoreRoot(std::string_view root) const override { return roots.contains(root); }
  Result<void> CheckRestoreTarget(std::string_view target, std::string_view kind,
                                  const std::vector<std::string>& options) const override {
    const bool is_there = target == "dr" && kind == "etcd";
    if (is_there && std::ranges::all_of(options, [](const auto& one) { return one == "only"; })) {
      return {};
    }
    return Fail(ErrorCode::kDenied, "not to this target");
  }

  std::map<std::string, std::string, std::less<>> sources = {{"etcd/main", "main"},
                                                             {"files/app", "other"}};
  std::set<std::string, std::less<>> repositories = {"main", "other"};
  std::set<std::string, std::less<>> roots = {"staging"};
  trust::RestoreRight right = trust::RestoreRight::kInPlace;
};

struct PlanScene {
  TrustFixture fixture;
  v1::RootDocument document = fixture.Document();
  trust::AgentIdentity agent = {"db-1", 2};
  std::uint64_t epoch_highest = 4;
  std::int64_t now_ms = kTrustNowMs;
  trust::Freshness freshness = {.age = std::chrono::seconds(1)};
  trust::KnownPlans guard;
  FakePolicy policy;

  trust::CheckedPlan Check(ByteView envelope) { return CheckWith(trust::PlanChecks(), envelope); }
  // With other checks, or with another verifier's replay guard.
  trust::CheckedPlan CheckWith(std::span<const trust::PlanCheck> checks, ByteView envelope,
                               const trust::ReplayGuard* other_guard = nullptr) {
    const trust::RootDocument root = fixture.Root(document);
    return trust::RunPlanChecks(checks, envelope,
                                {.root = root,
                                 .agent = agent,
                                 .epoch_highest = epoch_highest,
                                 .now = WallTime(std::chrono::milliseconds(now_ms)),
                                 .freshness = freshness,
                                 .guard = other_guard != nullptr ? *other_guard : guard,
                                 .policy = policy});
  }
  // Records the plan as accepted.
  void Remember(const trust::CheckedPlan& checked) {
    guard.Add({.controller_key = checked.controller_key,
               .plan_id = checked.plan.plan_id(),
               .sequence = checked.plan.sequence(),
               .hash = checked.hash.value(),
               .expires_at_ms = checked.plan.expires_at_ms()});
  }

  // A plan without its order.
  v1::Plan Head() {
    v1::Plan plan;
    plan.set_plan_id(std::string(16, 'p'));
    plan.set_cluster_id(document.cluster_id());
    plan.set_node("db-1");
    plan.set_incarnation(2);
    plan.set_sequence(kTrustNowMs);
    plan.set_issued_at_ms(kTrustNowMs);
    plan.set_not_before_ms(kTrustNowMs);
    plan.set_expires_at_ms(kTrustNowMs + 3'600'000);
    plan.set_controller_epoch(4);
    plan.set_run("01HF7777777777777777777777");
    return plan;
  }
  v1::Plan Backup() {
    v1::Plan plan = Head();
    v1::BackupTask& task = *plan.mutable_backup()->add_tasks();
    task.set_source("etcd/main");
    task.set_repository("main");
    return plan;
  }
  v1::Plan Compose() {
    v1::Plan plan = Head();
    plan.mutable_compose()->set_source("etcd/main");
    plan.mutable_compose()->set_repository("main");
    v1::PartReference& part = *plan.mutable_compose()->add_parts();
    part.set_node("db-2");
    part.set_tree_id(std::string(32, 't'));
    return plan;
  }
  v1::Plan Restore() {
    v1::Plan plan = Head();
    v1::RestoreOrder& order = *plan.mutable_restore();
    order.set_repository("main");
    order.set_snapshot(std::string(32, 's'));
    order.set_source("etcd/main");
    order.set_host("prod");
    order.set_run("01BX5ZZKBKACTAV9WEVGEMMVRZ");
    order.set_time_ms(kTrustNowMs - 3'600'000);
    order.mutable_staging()->set_root("staging");
    order.mutable_staging()->set_directory("x/y");
    return plan;
  }
  v1::Plan RestoreInPlace() {
    v1::Plan plan = Restore();
    plan.mutable_restore()->mutable_in_place()->set_safety_snapshot(true);
    return plan;
  }
  v1::Plan RestoreToTarget() {
    v1::Plan plan = Restore();
    v1::NamedTarget& target = *plan.mutable_restore()->mutable_named();
    target.set_name("dr");
    v1::TargetOption& option = *target.add_options();
    option.set_name("only");
    option.add_values("a");
    return plan;
  }

  using Keys = std::vector<const crypto::SigningKey*>;
  static Bytes SignPayload(const Bytes& payload, const Keys& keys) {
    std::vector<trust::Signature> signatures;
    for (const crypto::SigningKey* key : keys) {
      signatures.push_back(trust::MakeSignature(trust::PayloadType::kPlan, payload, *key));
    }
    return Unwrap(trust::Assemble(trust::PayloadType::kPlan, payload, signatures));
  }
  // Encodes a plan. Sets an empty order_name to the order's name, or to "end" without an order.
  static Bytes Encode(v1::Plan plan) {
    const v1::OrderKind kind = trust::KindOf(plan);
    if (plan.order_name().empty()) {
      plan.set_order_name(std::string(
          trust::OrderKindText(kind == v1::ORDER_KIND_UNSPECIFIED ? v1::ORDER_KIND_END : kind)));
    }
    return protocol::EncodeMessage(plan);
  }
  static Bytes SignPlan(const v1::Plan& plan, const Keys& keys) {
    return SignPayload(Encode(plan), keys);
  }
  Bytes ByController(const v1::Plan& plan) { return SignPlan(plan, {&fixture.controller}); }
  Bytes WithAnna(const v1::Plan& plan) {
    return SignPlan(plan, {&fixture.controller, &fixture.anna});
  }
  Bytes WithAnnaAndBen(const v1::Plan& plan) {
    return SignPlan(plan, {&fixture.controller, &fixture.anna, &fixture.ben});
  }
};

}  // namespace holdfast::testing
