#include "common/base/protocol_words.h"

namespace holdfast {

std::string_view TaskStateName(TaskState state) {
  switch (state) {
    case TaskState::kPlanned:
      return "planned";
    case TaskState::kAccepted:
      return "accepted";
    case TaskState::kPrepared:
      return "prepared";
    case TaskState::kCut:
      return "cut";
    case TaskState::kSaving:
      return "saving";
    case TaskState::kSaved:
      return "saved";
    case TaskState::kComposed:
      return "composed";
    case TaskState::kFailed:
      return "failed";
    case TaskState::kRefused:
      return "refused";
    case TaskState::kCancelled:
      return "cancelled";
    case TaskState::kLost:
      return "lost";
    case TaskState::kDone:
      return "done";
  }
  return "unknown";
}

std::string_view OrderKindName(OrderKind kind) {
  switch (kind) {
    case OrderKind::kBackup:
      return "backup";
    case OrderKind::kCut:
      return "cut";
    case OrderKind::kCompose:
      return "compose";
    case OrderKind::kEnd:
      return "end";
    case OrderKind::kProbe:
      return "probe";
    case OrderKind::kVerify:
      return "verify";
    case OrderKind::kInventory:
      return "inventory";
    case OrderKind::kRestore:
      return "restore";
    case OrderKind::kRestoreInPlace:
      return "restore in place";
  }
  return "unknown";
}

std::string_view TopologyName(Topology topology) {
  switch (topology) {
    case Topology::kLocal:
      return "local";
    case Topology::kReplicated:
      return "replicated";
    case Topology::kSharded:
      return "sharded";
  }
  return "unknown";
}

std::optional<Topology> TopologyOf(std::string_view name) {
  for (Topology topology : {Topology::kLocal, Topology::kReplicated, Topology::kSharded}) {
    if (TopologyName(topology) == name) return topology;
  }
  return std::nullopt;
}

}  // namespace holdfast
