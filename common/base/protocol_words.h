// Values that the protocol, the catalog and the journal share, and their names. Meaning:
// docs/protocol.md#runs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// State of a task. Numbers as in proto/holdfast/v1/agent.proto; they are stored, so they never
// change.
enum class TaskState : std::uint8_t {
  kPlanned = 1,
  kAccepted = 2,
  kPrepared = 3,
  kCut = 4,
  kSaving = 5,
  kSaved = 6,
  kComposed = 7,
  kFailed = 8,
  kRefused = 9,
  kCancelled = 10,
  kLost = 11,  // set only by the controller
  kDone = 12,
};
// "planned", "accepted", ...
std::string_view TaskStateName(TaskState state);

// Kind of an order. Numbers as in proto/holdfast/v1/trust.proto; they never change either.
enum class OrderKind : std::uint8_t {
  kBackup = 1,
  kCut = 2,
  kCompose = 3,
  kEnd = 4,
  kProbe = 5,
  kVerify = 6,
  kInventory = 7,
  kRestore = 8,
  kRestoreInPlace = 9,
};
inline constexpr std::array kOrderKinds = {
    OrderKind::kBackup,    OrderKind::kCut,     OrderKind::kCompose,
    OrderKind::kEnd,       OrderKind::kProbe,   OrderKind::kVerify,
    OrderKind::kInventory, OrderKind::kRestore, OrderKind::kRestoreInPlace};
// "backup", "cut", "compose", "end", "probe", "verify", "inventory", "restore", "restore in place";
// "unknown" for any other number.
std::string_view OrderKindName(OrderKind kind);

// The catalog stores these numbers, so they never change.
enum class Topology : std::uint8_t { kLocal = 1, kReplicated = 2, kSharded = 3 };
// "local", "replicated", "sharded".
std::string_view TopologyName(Topology topology);
std::optional<Topology> TopologyOf(std::string_view name);

// Why a task failed. Names as in Failure of proto/holdfast/v1/plan.proto.
struct TaskError {
  std::string code;
  std::string message;
  std::string hint;
  bool retryable = false;
  // Whether it had any effect. For a compose job: a write of the snapshot was started, so the
  // snapshot may exist despite the error.
  bool began = false;
  bool rolled_back = false;
  bool operator==(const TaskError&) const = default;
};

}  // namespace holdfast
