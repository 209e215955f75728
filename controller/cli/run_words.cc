#include "controller/cli/run_words.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/protocol_words.h"
#include "common/cli/exit_code.h"
#include "common/trust/orders.h"
#include "controller/cli/connection.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kShortBytes = 4;

// The exit code for a task that did not succeed.
int ExitCodeOfTask(const v1::TaskView& task) {
  if (task.progress().state() == v1::TASK_STATE_REFUSED) return kExitRefused;
  // A lost task may have begun: its agent sent messages before and is silent now.
  if (task.progress().state() == v1::TASK_STATE_LOST) return kExitFailed;
  if (!task.has_error()) return kExitFailed;
  const Error error(ErrorCodeNamed(task.error().code()), "");
  return ExitCodeOf(error, task.error().began());
}

bool FoundDamage(const v1::RunView& run) {
  return std::ranges::any_of(run.tasks(), [](const v1::TaskView& task) {
    return task.report().has_verify() && !task.report().verify().sound();
  });
}

int ExitCodeOfFailure(const v1::RunView& run) {
  int code = 0;
  for (const v1::TaskView& task : run.tasks()) {
    const v1::TaskState state = task.progress().state();
    // A task that succeeded, or was cancelled, does not explain the failure.
    if (state != v1::TASK_STATE_FAILED && state != v1::TASK_STATE_REFUSED &&
        state != v1::TASK_STATE_LOST) {
      continue;
    }
    const int own = ExitCodeOfTask(task);
    if (code != 0 && own != code) return kExitFailed;
    code = own;
  }
  return code == kExitRefused || code == kExitUnreachable ? code : kExitFailed;
}

}  // namespace

std::string_view TaskStateText(v1::TaskState state) {
  static_assert(v1::TASK_STATE_DONE == static_cast<int>(TaskState::kDone));
  return v1::TaskState_IsValid(state) ? TaskStateName(static_cast<TaskState>(state)) : "unknown";
}

bool IsTaskEnded(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_SAVED:
    case v1::TASK_STATE_COMPOSED:
    case v1::TASK_STATE_FAILED:
    case v1::TASK_STATE_REFUSED:
    case v1::TASK_STATE_CANCELLED:
    case v1::TASK_STATE_DONE:
      return true;
    default:
      return false;
  }
}

bool IsRunEnded(const v1::RunView& run) {
  return run.state() != "queued" && run.state() != "running";
}

std::string TaskLabel(const v1::TaskView& task) {
  std::string label = task.source().empty() ? task.repository() : task.source();
  if (!task.node().empty()) label += (label.empty() ? "" : "@") + task.node();
  return label;
}

std::string RunKindText(const v1::RunView& run) {
  return std::string(run.kind() == v1::ORDER_KIND_UNSPECIFIED ? "run"
                                                              : trust::OrderKindText(run.kind()));
}

std::string TimeText(std::int64_t unix_ms) {
  if (unix_ms <= 0) return "";
  return FormatTime(unix_ms / 1'000, 0);
}

std::string Hex(std::string_view bytes) { return HexEncode(AsBytes(bytes)); }

std::string ShortHex(std::string_view bytes) { return Hex(bytes.substr(0, kShortBytes)); }

int ExitCodeOfRun(const v1::RunView& run) {
  if (run.state() == "done") return FoundDamage(run) ? kExitFailed : kExitDone;
  if (run.state() == "partly done") {
    // A check cannot be partly done.
    return run.kind() == v1::ORDER_KIND_VERIFY ? kExitFailed : kExitPartlyDone;
  }
  return run.state() == "failed" ? ExitCodeOfFailure(run) : kExitFailed;
}

namespace {

// Whether `later` repeats what `earlier` had to do.
bool IsAttemptOf(const v1::TaskView& later, const v1::TaskView& earlier, bool on_same_node) {
  if (later.kind() != earlier.kind() || later.source() != earlier.source()) return false;
  if (later.kind() == v1::ORDER_KIND_COMPOSE) return true;
  if (later.kind() != v1::ORDER_KIND_BACKUP || earlier.round() >= later.round()) return false;
  if (later.rest() || earlier.rest()) return later.rest() && earlier.rest();
  if (later.data() != earlier.data()) return false;
  // Only the data of a source can be saved by another node instead.
  return on_same_node ? later.node() == earlier.node() : later.data();
}

}  // namespace

std::map<std::uint32_t, Attempt> AttemptsOf(const v1::RunView& run) {
  // Few tasks are retried, so only those look for what they repeat. A new task of a local source on
  // another node starts with round 0 and is not an attempt.
  std::map<std::string, std::vector<const v1::TaskView*>> by_source;
  std::map<std::uint32_t, Attempt> attempts;
  std::map<std::uint32_t, std::uint32_t> counts;  // by the number of the first attempt
  for (const v1::TaskView& task : run.tasks()) {
    std::vector<const v1::TaskView*>& before = by_source[task.source()];
    Attempt attempt{.of = task.number()};
    const bool may_repeat = task.round() > 0 || task.kind() == v1::ORDER_KIND_COMPOSE;
    for (const bool on_same_node : {true, false}) {
      if (!may_repeat || attempt.of != task.number()) break;
      const auto first = std::ranges::find_if(before, [&](const v1::TaskView* earlier) {
        return IsAttemptOf(task, *earlier, on_same_node);
      });
      if (first != before.end()) attempt.of = attempts.at((*first)->number()).of;
    }
    attempt.number = ++counts[attempt.of];
    attempts[task.number()] = attempt;
    before.push_back(&task);
  }
  return attempts;
}

}  // namespace holdfast::cli
