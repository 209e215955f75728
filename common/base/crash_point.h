// Named places where a test may kill the program, as a power cut would.
//
// In builds with HOLDFAST_CRASH_POINTS the environment variable HOLDFAST_CRASH_POINT names one,
// e.g. "repository.snapshot.before_put", or "NAME:3" for the third time the place is passed; the
// program then ends itself by SIGKILL. Shipped builds compile the places away. Every name stands in
// the list `kCrashPoints` below, so that tests can walk through all of them.
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
// Kills the process if `name` is the place the environment asks for. Aborts on a name not listed.
void CrashPoint(std::string_view name);
#else
inline void CrashPoint(std::string_view) {}
#endif

}  // namespace holdfast
