// Named points at which a test can kill the program, like a power cut.
//
// In builds with HOLDFAST_CRASH_POINTS, the environment variable HOLDFAST_CRASH_POINT selects one,
// e.g. "repository.snapshot.before_put", or "NAME:3" for the third time it is reached. The program
// then kills itself with SIGKILL. Other builds compile the points out. All names are listed in
// `kCrashPoints`, so that tests can iterate over them.
#pragma once

#include <array>
#include <string_view>

namespace holdfast {

inline constexpr std::array kCrashPoints = {
    std::string_view("repository.pack.before_put"),
    std::string_view("repository.pack.after_put"),
    std::string_view("repository.pack.after_remove"),
    std::string_view("repository.index.before_put"),
    std::string_view("repository.index.after_put"),
    std::string_view("repository.index.after_remove"),
    std::string_view("repository.snapshot.before_put"),
    std::string_view("repository.snapshot.after_put"),
    std::string_view("repository.lock.after_put"),
    std::string_view("repository.key.after_put"),
    std::string_view("storage.posix.before_rename"),
    std::string_view("storage.posix.after_rename"),
    std::string_view("jobs.part.after_save"),
    std::string_view("jobs.compose.before_record"),
    std::string_view("jobs.compose.after_record"),
    std::string_view("jobs.forget.after_remove"),
    std::string_view("jobs.passwd.after_swap"),
    std::string_view("restore.file.before_rename"),
    std::string_view("restore.file.after_rename"),
    std::string_view("restore.directory.before_attributes"),
    std::string_view("kafka.log_dirs.swap"),
    std::string_view("zookeeper.stage.swap"),
    std::string_view("zookeeper.znode.after_create"),
    std::string_view("prometheus.data_dir.swap"),
    std::string_view("alertmanager.silence.after_make"),
    std::string_view("haproxy.live.handover"),
    std::string_view("database.before_commit"),
    std::string_view("database.after_commit"),
    std::string_view("swap.after_stage"),
    std::string_view("swap.before_first"),
    std::string_view("swap.between"),
    std::string_view("swap.after_last"),
    std::string_view("swap.before_commit"),
    std::string_view("swap.after_commit"),
    std::string_view("swap.rollback"),
};

#ifdef HOLDFAST_CRASH_POINTS
// Kills the process if the environment selects `name`. Aborts if `name` is not in kCrashPoints.
void CrashPoint(std::string_view name);
#else
inline void CrashPoint(std::string_view) {}
#endif

}  // namespace holdfast
