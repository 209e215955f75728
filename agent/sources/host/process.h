// The processes of this host from /proc: how each was started, and the files that its command line
// names, as the process itself sees them.
//
// A process controls its own command line and environment, and the agent may have more rights than
// its owner. Therefore this code trusts no name or size, never blocks on a file, and never follows
// a path out of the root directory of the process.
//
// This room reads the host on behalf of all kinds. This header reads processes; flags.h parses
// their command lines; untrusted_file.h reads small files of other users. Start here. The room must
// not know kinds, sources or snapshots.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::host {

// Paths of the system directories; tests use others.
struct Places {
  std::string proc = "/proc";
  std::string etc_root = "";  // prefix of "/etc", "/usr/lib" and "/var/lib"
};

using Environment = std::map<std::string, std::string, std::less<>>;

struct LocalProcess {
  pid_t pid = 0;
  pid_t parent = 0;
  std::vector<std::string> command;  // never empty
  uid_t uid = 0;                     // effective user
  std::string user;                  // name of `uid`; its number if it has none
  std::string unit;                  // systemd unit, e.g. "kafka.service"; empty: none
  std::string directory;             // working directory; empty: not readable
  std::string program;               // its executable; empty: not readable
  // The process has another mount namespace: its /etc/x may be a different file than the host's.
  bool is_contained = false;
  std::string proc;  // its /proc directory

  // Neither its working directory nor its environment is readable.
  bool is_closed() const { return directory.empty(); }
  // "etcd" of "/usr/bin/etcd --name a": the last component of the first word.
  std::string_view Name() const;
  // `path` relative to the working directory of the process.
  std::string Absolute(std::string_view path) const;
  // Reads a regular file below the root directory of the process; see ReadUntrustedFile(). `path`
  // is from Absolute(); kDenied if the result is not absolute.
  Result<std::optional<std::string>> ReadFile(const std::string& path, std::size_t bytes_max) const;
  // Whether `path` is the same file for the process and for this host, or does not exist for
  // either. True if that cannot be determined.
  bool SeesAsWeDo(const std::string& path) const;
  // Whether the process runs as root or as the owner of `path`. If so, it could change the file
  // anyway, so its claim to this path can be trusted.
  bool MayWrite(const std::string& path) const;
  // The initial environment; kDenied for a process of another user.
  Result<Environment> ReadEnvironment() const;
};

// The hint if a process cannot be inspected.
inline constexpr std::string_view kLookHint =
    "let the agent run as root, or give it CAP_SYS_PTRACE";

// A process that exists but cannot be inspected.
struct UnseenProcess {
  pid_t pid = 0;
  std::string user;
  std::string reason;
};

struct Sweep {
  std::uint64_t processes = 0;        // inspected, without kernel threads
  std::vector<UnseenProcess> unseen;  // the first kUnseenMax
  std::uint64_t unseen_count = 0;
  std::vector<std::string> warnings;
};
inline constexpr std::size_t kUnseenMax = 100;

// Calls `visit` for every process in ascending order of ids, until it returns false. Skips
// processes that end during the sweep.
Result<Sweep> VisitProcesses(const Places& places,
                             const std::function<bool(const LocalProcess&)>& visit);

// The existing files of a unit, sorted.
struct UnitFiles {
  std::vector<std::string> units;        // the unit file and its drop-ins
  std::vector<std::string> environment;  // their EnvironmentFiles
  std::vector<std::string> All() const;  // both; sorted
};
UnitFiles FindUnitFiles(const std::string& unit, const Places& places);

// Parses "NAME=value" lines of systemd's EnvironmentFile= and of shell scripts in /etc/default,
// with comments, `export` and quotes. Skips lines that are not assignments.
Environment ParseEnvironment(std::string_view text);

// The system unit in the text of /proc/PID/cgroup: "kafka.service" for
// "0::/system.slice/kafka.service". Empty without a system unit, also for units of a user session.
std::string UnitOfControlGroup(std::string_view text);

}  // namespace holdfast::host
