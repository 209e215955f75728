// An agent::Trust with cheap signatures. Does those checks of docs/protocol.md#order-of-checks that
// affect the core's decisions, on CheapEnvelopes.
#pragma once

#include <cstdlib>
#include <set>
#include <string>

#include "agent/core/trust.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"
#include "tests/support/cheap_trust.h"

namespace holdfast::testing {

class CheapAgentTrust final : public agent::Trust {
 public:
  CheapAgentTrust(std::string cluster_id, std::string node, std::set<std::string> sources)
      : cluster_id_(std::move(cluster_id)), node_(std::move(node)), sources_(std::move(sources)) {}

  agent::CheckResult Check(ByteView envelope, const agent::CheckContext& context) const override {
    agent::CheckResult checked;
    const std::string_view refused = FirstRefusal(envelope, context, checked);
    if (!refused.empty()) {
      checked.refusal = trust::Refusal{std::string(refused), "refused", "", refused == "freshness"};
    }
    return checked;
  }
  Result<Bytes> OpenFresh(ByteView envelope, ByteView nonce, const agent::Time&) const override {
    std::optional<CheapOpened> opened = OpenCheap(envelope);
    v1::Fresh fresh;
    if (!opened || opened->type != kFreshType ||
        !opened->signers.contains(CheapKey("controller")) ||
        !fresh.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size())) ||
        fresh.node() != node_ || fresh.root_version() != root_version_ || nonce.empty() ||
        fresh.nonce() != AsText(nonce)) {
      return Fail(ErrorCode::kDenied, "no answer to this");
    }
    return std::move(opened->payload);
  }
  Bytes BusKey() const override { return bus_key_; }
  Result<Root> TakeRoot(ByteView envelope, const agent::Time&) override {
    const std::optional<CheapOpened> opened = OpenCheap(envelope);
    v1::RootDocument root;
    if (!opened || opened->type != kRootType || !opened->signers.contains(CheapKey("root")) ||
        !root.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size())) ||
        root.version() != root_version_ + 1) {
      return Fail(ErrorCode::kDenied, "not the next root document");
    }
    root_version_ = root.version();
    if (!root.bus_key().empty()) bus_key_ = ToBytes(root.bus_key());
    return Root{root.version(), root.epoch()};
  }
  // Sets the root document version of a new process, from its journal.
  void Restart(std::uint64_t root_version) { root_version_ = root_version; }
  Bytes SignReport(ByteView payload) const override {
    return CheapEnvelope(kReportType, payload, {CheapKey(node_)});
  }

 private:
  std::string_view FirstRefusal(ByteView envelope, const agent::CheckContext& context,
                                agent::CheckResult& checked) const {
    const std::optional<CheapOpened> opened = OpenCheap(envelope);
    if (!opened) return "envelope";
    checked.payload = opened->payload;
    checked.hash = crypto::Sha256Of(opened->payload);
    if (opened->type != kPlanType) return "type";
    if (!opened->signers.contains(CheapKey("controller"))) return "controller";
    checked.key_id = crypto::Sha256Of(AsBytes("controller"));
    v1::Plan plan;
    if (!plan.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size())) ||
        plan.plan_id().size() != 16 || plan.order_case() == v1::Plan::ORDER_NOT_SET) {
      return "decode";
    }
    checked.plan_id = ToBytes(plan.plan_id());
    checked.sequence = plan.sequence();
    checked.epoch = plan.controller_epoch();
    checked.run = plan.run();
    checked.issued_ms = plan.issued_at_ms();
    checked.expires_ms = plan.expires_at_ms();
    checked.kind = KindOf(plan);
    if (plan.cluster_id() != cluster_id_) return "cluster";
    if (plan.node() != node_) return "node";
    checked.is_authentic = true;
    if (plan.incarnation() != context.incarnation) return "incarnation";
    if (plan.controller_epoch() < context.epoch) return "epoch";
    if (context.now.wall_ms < plan.not_before_ms() - 120'000 ||
        context.now.wall_ms > plan.expires_at_ms() + 120'000 ||
        plan.expires_at_ms() - plan.issued_at_ms() > 24 * 3'600'000LL) {
      return "time";
    }
    const bool is_restore = checked.kind == agent::OrderKind::kRestore ||
                            checked.kind == agent::OrderKind::kRestoreInPlace;
    const bool has_operator =
        opened->signers.contains(CheapKey("anna")) || opened->signers.contains(CheapKey("ben"));
    if (is_restore && !has_operator) return "operators";
    if (is_restore &&
        (!context.freshness || context.now.boot_ms - context.freshness->asked_boot_ms > 300'000 ||
         context.now.wall_ms - context.freshness->asked_wall_ms > 300'000)) {
      return "freshness";
    }
    const trust::ReplayVerdict verdict =
        context.replay->Judge(checked.key_id, checked.plan_id, checked.sequence, *checked.hash);
    if (verdict == trust::ReplayVerdict::kOtherBytes ||
        verdict == trust::ReplayVerdict::kBelowFloor) {
      return "replay";
    }
    for (const v1::BackupTask& task : plan.backup().tasks()) {
      if (!sources_.contains(task.source())) return "source";
    }
    return "";
  }

  static agent::OrderKind KindOf(const v1::Plan& plan) {
    switch (plan.order_case()) {
      case v1::Plan::kBackup:
        return agent::OrderKind::kBackup;
      case v1::Plan::kCut:
        return agent::OrderKind::kCut;
      case v1::Plan::kCompose:
        return agent::OrderKind::kCompose;
      case v1::Plan::kEnd:
        return agent::OrderKind::kEnd;
      case v1::Plan::kProbe:
        return agent::OrderKind::kProbe;
      case v1::Plan::kVerify:
        return agent::OrderKind::kVerify;
      case v1::Plan::kInventory:
        return agent::OrderKind::kInventory;
      default:
        return plan.restore().has_staging() ? agent::OrderKind::kRestore
                                            : agent::OrderKind::kRestoreInPlace;
    }
  }

  std::string cluster_id_;
  std::string node_;
  std::set<std::string> sources_;
  std::uint64_t root_version_ = 1;
  Bytes bus_key_ = Bytes(32, 1);
};

}  // namespace holdfast::testing
