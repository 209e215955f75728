// The processes of this host, as /proc shows them: how each was started, and the files that this
// names, as the process itself sees them.
//
// Whoever runs a process writes what it says of itself, and the agent may have more rights than he:
// nothing here believes a name or a size, no file is waited for, and nothing leads out of the root
// directory that the process has.
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

// Where to look; tests have their own.
struct Places {
  std::string proc = "/proc";
  std::string etc_root = "";  // before "/etc" and "/usr/lib"
};

using Environment = std::map<std::string, std::string, std::less<>>;

struct LocalProcess {
  pid_t pid = 0;
  pid_t parent = 0;
  std::vector<std::string> command;  // never empty
  uid_t uid = 0;                     // that it runs as
  std::string user;                  // by name where it has one
  std::string unit;                  // of systemd, e.g. "kafka.service"; empty: none
  std::string directory;             // that it runs in; empty: may not be seen
  std::string program;               // the file that it runs; empty: may not be seen
  // It has a file system of its own: what it calls /etc/x is another file than this host's.
  bool is_contained = false;
  std::string proc;  // its own directory there

  // Neither its directories nor its environment may be seen.
  bool is_closed() const { return directory.empty(); }
  // "etcd" of "/usr/bin/etcd --name a": the last component of the first word.
  std::string_view Name() const;
  // `path` as the process means it.
  std::string Absolute(std::string_view path) const;
  // A regular file under the process's own root directory, as ReadForeignFile(). `path` is one of
  // Absolute(); kDenied where that could not make it absolute.
  Result<std::optional<std::string>> ReadFile(const std::string& path, std::size_t bytes_max) const;
  // Whether `path` is the same file for the process as for this host, or nothing for neither of
  // them; what cannot be known counts as the same.
  bool SeesAsWeDo(const std::string& path) const;
  // It is whoever owns `path`, or root: what it says of itself is believed no further than it may
  // change what lies there anyway.
  bool MayWrite(const std::string& path) const;
  // What it was started with; kDenied for the process of another user.
  Result<Environment> ReadEnvironment() const;
};

// What the help is where a process may not be looked at.
inline constexpr std::string_view kLookHint =
    "let the agent run as root, or give it CAP_SYS_PTRACE";

// One that is there and says nothing.
struct UnseenProcess {
  pid_t pid = 0;
  std::string user;
  std::string reason;
};

struct Sweep {
  std::uint64_t processes = 0;        // that were looked at, without those of the kernel
  std::vector<UnseenProcess> unseen;  // the first kUnseenMax
  std::uint64_t unseen_count = 0;
  std::vector<std::string> warnings;
};
inline constexpr std::size_t kUnseenMax = 100;

// Shows every process to `visit`, by ascending number, until it returns false. One that ends
// meanwhile is left out.
Result<Sweep> VisitProcesses(const Places& places,
                             const std::function<bool(const LocalProcess&)>& visit);

// The files of a unit that are there, sorted.
struct UnitFiles {
  std::vector<std::string> units;        // its own and its drop-ins
  std::vector<std::string> environment;  // their EnvironmentFiles
  std::vector<std::string> All() const;  // both; sorted
};
UnitFiles FindUnitFiles(const std::string& unit, const Places& places = {});

// Lines "NAME=value" as systemd's EnvironmentFile= and shell scripts in /etc/default have them:
// comments, `export`, quotes. What is no assignment is left out.
Environment ParseEnvironment(std::string_view text);

// Of /proc/PID/cgroup: "kafka.service" of "0::/system.slice/kafka.service"; empty: none, or one of
// a user's own.
std::string UnitOfControlGroup(std::string_view text);

}  // namespace holdfast::host
