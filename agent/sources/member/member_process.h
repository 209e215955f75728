// How a service on this node was started. Its backup saves this as "process.json".
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"

namespace holdfast {

struct MemberProcess {
  std::vector<std::string> command;
  // Variables for the service and its scripts; nullopt: not saved.
  std::optional<std::map<std::string, std::string>> environment = std::nullopt;
  std::string directory;  // working directory; empty: not readable
  std::string user;
  std::string unit;     // systemd unit, e.g. "kafka.service"; empty: none
  std::string config;   // its main configuration file, absolute; empty: not known
  std::string version;  // e.g. "3.9.1", from its class path; empty: not known
  // Absolute paths of files that the command line and the unit name, sorted.
  std::vector<std::string> files;
  std::vector<std::string> warnings;

  // Copies command, directory, user and unit.
  void CopyStart(const host::LocalProcess& process);
  // Copies the variables whose names begin with one of `names`. If the environment is not readable,
  // adds a warning that names the process `what`.
  void CopyEnvironment(const host::LocalProcess& process, std::span<const std::string_view> names,
                       std::string_view what);
  // Adds the files of its unit, and those of `defaults`, e.g. "/etc/default/kafka", that exist.
  void AddStartFiles(const std::vector<std::string>& defaults, const host::Places& places);
  // The content of "process.json". It changes only if the service is started differently.
  std::string Encode() const;
};

// "/a/file" of "-Dname=/a/file" and "-javaagent:/a/program.jar=7071:/a/file", perhaps with "file:"
// before it. Empty for other arguments and for jars, which packages install.
std::string_view FileInJavaArgument(std::string_view argument);
// `path` without "file:" or "file://" before it.
std::string_view WithoutFileScheme(std::string_view path);

}  // namespace holdfast
