#include "common/trust/orders.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/base/protocol_words.h"
#include "common/base/ulid.h"
#include "common/crypto/sha256.h"
#include "common/protocol/limits.h"

namespace holdfast::trust {
namespace {

std::unexpected<Error> MalformedPlan(std::string message) {
  return Fail(ErrorCode::kCorrupt, "plan with " + std::move(message));
}

bool IsSnapshotId(std::string_view text) {
  return text.size() == 2 * crypto::kDigestBytes && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<void> CheckHead(const v1::Plan& plan) {
  if (plan.plan_id().size() != kPlanIdBytes) {
    return MalformedPlan(
        fmt::format("an id of {} bytes; expected {}", plan.plan_id().size(), kPlanIdBytes));
  }
  if (plan.node().empty()) return MalformedPlan("no node");
  if (plan.sequence() == 0) return MalformedPlan("no sequence");
  if (!IsUlid(plan.run())) {
    return MalformedPlan(fmt::format("the run {}; expected a ULID", Quote(plan.run())));
  }
  return {};
}

Result<void> CheckCompose(const v1::ComposeOrder& order) {
  if (order.parts().empty()) return MalformedPlan("no part to compose");
  for (const v1::PartReference& part : order.parts()) {
    if (part.tree_id().size() != crypto::kDigestBytes)
      return MalformedPlan("a part without a tree's id");
  }
  return {};
}

Result<void> CheckBackup(const v1::BackupOrder& order) {
  if (order.tasks().empty()) return MalformedPlan("no task");
  for (const v1::BackupTask& task : order.tasks()) {
    for (const v1::PartReference& part : task.others()) {
      if (part.tree_id().size() != crypto::kDigestBytes)
        return MalformedPlan("a part without a tree's id");
    }
    if (!task.others().empty() && task.shards() != v1::SHARDS_REST) {
      return MalformedPlan("parts for a task that needs none");
    }
  }
  return {};
}

Result<void> CheckRestore(const v1::RestoreOrder& order) {
  if (order.snapshot().size() != crypto::kDigestBytes)
    return MalformedPlan("an invalid snapshot id");
  for (const std::string& name : {order.source(), order.host(), order.run()}) {
    if (name.size() <= protocol::kNameBytesMax) continue;
    return MalformedPlan(fmt::format("a source, host or run of {} bytes; expected at most {}",
                                     name.size(), protocol::kNameBytesMax));
  }
  if (order.time_ms() <= 0 || order.time_ms() > protocol::kTimeMsMax) {
    return MalformedPlan("a restore without the time of its snapshot");
  }
  if (order.target_case() == v1::RestoreOrder::TARGET_NOT_SET) {
    return MalformedPlan("a restore without a target");
  }
  return {};
}

Result<void> CheckOrder(const v1::Plan& plan) {
  switch (plan.order_case()) {
    case v1::Plan::kBackup:
      return CheckBackup(plan.backup());
    case v1::Plan::kCut:
      if (plan.cut().backup_plan_id().size() != kPlanIdBytes) {
        return MalformedPlan("no id of the plan to cut");
      }
      return {};
    case v1::Plan::kCompose:
      return CheckCompose(plan.compose());
    case v1::Plan::kInventory:
      if (!plan.inventory().after().empty() && !IsSnapshotId(plan.inventory().after())) {
        return MalformedPlan("an inventory that starts after an invalid snapshot id");
      }
      return {};
    case v1::Plan::kRestore:
      return CheckRestore(plan.restore());
    case v1::Plan::kEnd:
    case v1::Plan::kProbe:
    case v1::Plan::kVerify:
      return {};
    case v1::Plan::ORDER_NOT_SET:
      break;
  }
  return MalformedPlan("no order");
}

}  // namespace

std::int64_t UnixMilliseconds(WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

v1::OrderKind KindOf(const v1::Plan& plan) {
  switch (plan.order_case()) {
    case v1::Plan::kBackup:
      return v1::ORDER_KIND_BACKUP;
    case v1::Plan::kCut:
      return v1::ORDER_KIND_CUT;
    case v1::Plan::kCompose:
      return v1::ORDER_KIND_COMPOSE;
    case v1::Plan::kEnd:
      return v1::ORDER_KIND_END;
    case v1::Plan::kProbe:
      return v1::ORDER_KIND_PROBE;
    case v1::Plan::kVerify:
      return v1::ORDER_KIND_VERIFY;
    case v1::Plan::kInventory:
      return v1::ORDER_KIND_INVENTORY;
    case v1::Plan::kRestore:
      if (plan.restore().has_staging()) return v1::ORDER_KIND_RESTORE;
      if (plan.restore().has_in_place()) return v1::ORDER_KIND_RESTORE_IN_PLACE;
      // It may replace live data, so it needs the same rights.
      if (plan.restore().has_named()) return v1::ORDER_KIND_RESTORE_IN_PLACE;
      break;
    case v1::Plan::ORDER_NOT_SET:
      break;
  }
  return v1::ORDER_KIND_UNSPECIFIED;
}

std::string_view OrderKindText(v1::OrderKind kind) {
  static_assert(v1::OrderKind_MAX == static_cast<int>(kOrderKinds.back()));
  static_assert(static_cast<std::size_t>(v1::OrderKind_MAX) == kOrderKinds.size());
  return v1::OrderKind_IsValid(kind) ? OrderKindName(static_cast<OrderKind>(kind)) : "unknown";
}

std::vector<std::string_view> OrderNames() {
  std::vector<std::string_view> names;
  for (const OrderKind kind : kOrderKinds) names.push_back(OrderKindName(kind));
  return names;
}

bool IsRestore(v1::OrderKind kind) {
  return kind == v1::ORDER_KIND_RESTORE || kind == v1::ORDER_KIND_RESTORE_IN_PLACE;
}

std::vector<OrderedSource> SourcesOf(const v1::Plan& plan) {
  std::vector<OrderedSource> sources;
  if (plan.has_backup()) {
    for (const v1::BackupTask& task : plan.backup().tasks()) {
      sources.push_back({task.source(), task.repository()});
    }
  } else if (plan.has_compose()) {
    sources.push_back({plan.compose().source(), plan.compose().repository()});
  } else if (plan.has_probe()) {
    for (const std::string& source : plan.probe().sources()) sources.push_back({source, ""});
  } else if (plan.has_restore()) {
    sources.push_back({plan.restore().source(), plan.restore().repository()});
  }
  return sources;
}

std::string RepositoryAlone(const v1::Plan& plan) {
  if (plan.has_verify()) return plan.verify().repository();
  if (plan.has_inventory()) return plan.inventory().repository();
  return "";
}

Result<void> ParsePlan(ByteView payload, v1::Plan& out, protocol::Extensions extensions) {
  HF_TRY(protocol::DecodeMessage(payload, "plan", out, extensions));
  HF_TRY(CheckHead(out));
  return CheckOrder(out);
}

Result<void> CheckOrderName(const v1::Plan& plan) {
  const std::vector<std::string_view> known = OrderNames();
  const bool is_known = std::ranges::find(known, plan.order_name()) != known.end();
  if (!is_known && !plan.order_name().empty()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("this version of Holdfast does not know the order {}",
                            Quote(plan.order_name())),
                "upgrade Holdfast on this host");
  }
  const v1::OrderKind kind = KindOf(plan);
  const std::string_view name = OrderKindText(kind);
  if (kind == v1::ORDER_KIND_UNSPECIFIED || plan.order_name() == name) return {};
  return MalformedPlan(
      fmt::format("the order {} but the order name {}", Quote(name), Quote(plan.order_name())));
}

}  // namespace holdfast::trust
