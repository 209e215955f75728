// Texts for runs and tasks, and what they mean for the exit code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

// "saving"
std::string_view TaskStateText(v1::TaskState state);
bool IsTaskEnded(v1::TaskState state);
bool IsRunEnded(const v1::RunView& run);
// "etcd/main@db-1"; for orders over a repository "main@db-1".
std::string TaskLabel(const v1::TaskView& task);
// "backup", "restore in place".
std::string RunKindText(const v1::RunView& run);

// RFC 3339 in UTC, to the second; empty for 0.
std::string TimeText(std::int64_t unix_ms);
// The start of an id in hexadecimal, enough for people.
std::string ShortHex(std::string_view bytes);
// Bytes as lower-case hexadecimal.
std::string Hex(std::string_view bytes);

// 0: done, 3: partly done, 1: failed or cancelled. 4: it failed because all of its tasks were
// refused or found their sources busy. 5: it failed because no service could be reached before
// anything began. A check that found damage: 1.
int ExitCodeOfRun(const v1::RunView& run);

// Which attempt a task is. A task that failed, or whose agent was lost, is retried as another task,
// possibly on another node.
struct Attempt {
  std::uint32_t of = 0;      // the number of the first attempt
  std::uint32_t number = 1;  // 1: the first
};
// By the number of the task.
std::map<std::uint32_t, Attempt> AttemptsOf(const v1::RunView& run);

}  // namespace holdfast::cli
