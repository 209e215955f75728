// What the kernel and systemd say of a process on this node: how it was started, and by what files.
// Only read. What a process says of itself is worth as much as whoever runs it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast {

// Where to look; tests have their own.
struct ProcessPlaces {
  std::string proc = "/proc";
  std::string etc_root = "";  // before "/etc" and "/usr/lib"
};

// Ids of the processes, as directories of `proc` by ascending id.
Result<std::vector<std::string>> ListProcesses(const std::string& proc);

// A command line or an environment as the kernel shows it; empty where it cannot be read.
std::vector<std::string> SplitAtNul(std::string_view text);

// Of a process's directory in /proc: the one it runs in, and who runs it; empty: not known.
std::string WorkingDirectory(const std::string& process);
std::string UserOf(const std::string& process);
// Its unit of systemd, e.g. "kafka.service"; empty: none.
std::string UnitOfProcess(const std::string& process);

// The files of a unit, with its drop-ins and what EnvironmentFile= names, that are there; sorted.
std::vector<std::string> UnitFiles(const std::string& unit, const std::string& etc_root);

bool IsRegularFile(const std::string& path);
std::string WithoutSlashes(std::string path);  // at the end
std::string AbsoluteIn(const std::string& directory, const std::string& path);

}  // namespace holdfast
