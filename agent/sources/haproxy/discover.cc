#include "agent/sources/haproxy/discover.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "agent/sources/haproxy/tokenizer.h"
#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/base/text.h"

namespace holdfast::haproxy {
namespace {

constexpr std::size_t kNameBytesMax = 4096;
constexpr std::size_t kConfigBytesMax = std::size_t{4} << 20;

// Options that take the next word as their value. "-sf" and "-st" take all numbers that follow.
constexpr std::array<std::string_view, 9> kWithValue = {"-f", "-p", "-n", "-N", "-m",
                                                        "-L", "-C", "-x", "-S"};

// "hapee" is the enterprise edition: "hapee-lb".
bool IsHaproxy(std::string_view name) { return name == "haproxy" || name.starts_with("hapee-lb"); }

struct CommandLine {
  std::vector<std::string> configs;  // as given with -f
  std::string pid_file;
  std::string master_socket;
  std::string directory;  // -C
  bool is_master = false;
};

CommandLine ReadCommandLine(const std::vector<std::string>& words) {
  CommandLine line;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      line.configs.insert(line.configs.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                          words.end());
      break;
    }
    if (word.starts_with("-W")) line.is_master = true;
    if (std::ranges::find(kWithValue, word) == kWithValue.end() || i + 1 == words.size()) continue;
    const std::string& value = words[++i];
    if (word == "-f") line.configs.push_back(value);
    if (word == "-p") line.pid_file = value;
    if (word == "-C") line.directory = value;
    if (word == "-S") line.master_socket = value.substr(0, value.find(','));
  }
  return line;
}

// Workers have the command line of their master, and so may helper processes of either.
bool IsChildOfHaproxy(const host::LocalProcess& process) {
  const std::string parent =
      fmt::format("{}/{}/cmdline", process.proc.substr(0, process.proc.rfind('/')), process.parent);
  const auto text = ReadUntrustedFile(parent, std::size_t{4} << 20);
  if (!text || !*text) return false;
  std::string_view first = std::string_view(**text).substr(0, kNameBytesMax);
  first = first.substr(0, first.find('\0'));
  return IsHaproxy(first.substr(first.rfind('/') + 1));
}

// "/run/admin.sock" for "stats socket /run/admin.sock mode 600 level admin"; empty if the line has
// no socket that can read everything.
std::string SocketOfLine(const std::vector<Word>& words) {
  if (words.size() < 3 || words[0].text != "stats" || words[1].text != "socket") return "";
  std::string_view path = words[2].text;
  if (path.starts_with("unix@")) path.remove_prefix(5);
  if (!path.starts_with('/')) return "";
  for (std::size_t i = 3; i + 1 < words.size(); ++i)
    if (words[i].text == "level" && words[i + 1].text == "user") return "";
  return std::string(path);
}

// A socket that can read everything: one in the configuration, or the master's.
std::string FindSocket(const host::LocalProcess& process, const CommandLine& line,
                       const std::vector<std::string>& configs) {
  Variables variables;
  if (auto environment = process.ReadEnvironment()) variables = *std::move(environment);
  for (const std::string& config : configs) {
    // Directories are skipped: the global section is rarely in a directory of many files.
    const auto text = process.ReadFile(config, kConfigBytesMax);
    std::string_view rest = text && *text ? std::string_view(**text) : std::string_view();
    while (!rest.empty()) {
      const auto words = SplitWords(TakePart(rest, '\n'), variables);
      std::string socket = words ? SocketOfLine(*words) : std::string();
      if (!socket.empty()) return socket;
    }
  }
  return line.master_socket.starts_with('/') ? line.master_socket : "";
}

}  // namespace

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places) {
  if (!IsHaproxy(process.Name()) || IsChildOfHaproxy(process)) return std::nullopt;
  const CommandLine line = ReadCommandLine(process.command);
  if (line.configs.empty()) return std::nullopt;  // only prints its version, or checks
  DiscoveredSource found;
  std::vector<std::string> configs;
  bool has_relative = false;
  for (const std::string& config : line.configs) {
    has_relative = has_relative || !config.starts_with('/');
    configs.push_back(process.Absolute(config));
    found.known_by.emplace_back("config", configs.back());
  }
  found.Set("config", configs);
  if (!line.is_master) {
    found.notes.emplace_back(
        "it runs without a master process (-W or -Ws), so it cannot be restored in place");
  } else if (!process.unit.empty()) {
    found.Set("reload", "systemd:" + process.unit);
  } else if (line.pid_file.starts_with('/')) {
    found.Set("reload", "pidfile:" + line.pid_file);
  } else if (line.master_socket.starts_with('/')) {
    found.Set("reload", "master:" + line.master_socket);
  } else {
    found.notes.emplace_back("found no way to reload it: add \"reload\" for restores in place");
  }
  const std::string socket = FindSocket(process, line, configs);
  if (!socket.empty()) {
    found.Set("socket", socket);
  } else {
    found.notes.emplace_back(
        "found no \"stats socket\" with level operator: with one in \"socket\", the runtime state "
        "is backed up too");
  }
  constexpr std::string_view kDeleted = " (deleted)";
  std::string program = process.program;
  if (program.ends_with(kDeleted)) program.resize(program.size() - kDeleted.size());
  const bool is_on_path = program.starts_with("/usr/sbin/") || program.starts_with("/usr/bin/") ||
                          program.starts_with("/usr/local/");
  if (!program.empty() && (!is_on_path || !program.ends_with("/haproxy")))
    found.Set("binary", program);
  const host::UnitFiles unit = host::FindUnitFiles(process.unit, places);
  if (!unit.environment.empty()) found.Set("environment_file", unit.environment.front());
  const std::string directory =
      line.directory.empty() ? process.directory : process.Absolute(line.directory);
  if (!directory.empty() && directory != "/") found.Set("directory", directory);
  if (has_relative && process.directory.empty()) found.NoteRelative("config");
  return found;
}

}  // namespace holdfast::haproxy
