// How a Java server of this node was started: its command line, the environment for Java and the
// server's scripts, and what its backup saves of both as "process.json".
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/host/process.h"

namespace holdfast {

struct MemberProcess {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  // for the server, Java and their scripts
  std::string directory;                           // working directory
  std::string user;
  std::string version;  // e.g. "3.9.1", from its class path; empty: unknown
  std::string unit;     // systemd unit, e.g. "kafka.service"; empty: none
  std::string config;   // its main configuration file, absolute
  // Files that the command line and the unit name, sorted.
  std::vector<std::string> files;
  std::vector<std::string> warnings;

  // Copies command, directory, user and unit, and the variables whose names begin with one of
  // `variables`. If the environment is not readable, a warning calls the process `what`.
  void CopyStart(const host::LocalProcess& process, std::span<const std::string_view> variables,
                 std::string_view what);
  // The content of "process.json". It changes only if the server is started differently.
  std::string Encode() const;
};

// "/a/file" of "-Dname=/a/file" and "-javaagent:/a/program.jar=7071:/a/file", perhaps with "file:"
// before it. Empty for other arguments and for jars, which packages install.
std::string_view FileInJavaArgument(std::string_view argument);

}  // namespace holdfast
