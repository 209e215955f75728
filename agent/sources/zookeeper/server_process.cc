#include "agent/sources/zookeeper/server_process.h"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "agent/sources/foreign_file.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::size_t kProcBytesMax = 4U << 20;  // the kernel's own bound for a command line
constexpr std::array<std::string_view, 2> kMainClasses = {
    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "org.apache.zookeeper.server.ZooKeeperServerMain"};
constexpr std::array<std::string_view, 10> kVariables = {
    "ZOO",       "ZK_",    "JVMFLAGS", "SERVER_JVMFLAGS", "JMX", "JAVA_", "JDK_JAVA_OPTIONS",
    "CLASSPATH", "KAFKA_", "LD_"};
constexpr std::array<std::string_view, 2> kDefaults = {"/etc/default/zookeeper",
                                                       "/etc/zookeeper/conf/environment"};
constexpr std::string_view kJarEnding = ".jar";

// "-Djava.security.auth.login.config=/a/file", "-javaagent:/a/program.jar=7000:/a/file".
std::string_view FileNamedIn(std::string_view argument) {
  const bool is_property = argument.starts_with("-D");
  if (!is_property && !argument.starts_with("-javaagent:")) return {};
  std::size_t at = argument.find('=');
  if (at == std::string_view::npos) return {};
  if (!is_property) at = std::max(at, argument.rfind(':'));
  std::string_view value = argument.substr(at + 1);
  if (value.starts_with("file:")) value.remove_prefix(value.starts_with("file://") ? 7 : 5);
  return value.ends_with(kJarEnding) ? std::string_view() : value;
}

// "3.9.4" of "/usr/share/zookeeper/lib/zookeeper-3.9.4.jar".
std::string VersionIn(const std::vector<std::string>& command) {
  constexpr std::string_view kName = "zookeeper-";
  for (const std::string& argument : command) {
    std::string_view rest = argument;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(':'), rest.size());
      std::string_view jar = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      jar.remove_prefix(jar.rfind('/') + 1);
      if (!jar.starts_with(kName) || !jar.ends_with(kJarEnding)) continue;
      jar = jar.substr(kName.size(), jar.size() - kName.size() - kJarEnding.size());
      if (jar.find_first_not_of("0123456789.") == std::string_view::npos) return std::string(jar);
    }
  }
  return "";
}

bool IsSameFile(const std::string& one, const std::string& other) {
  struct stat a {};
  struct stat b {};
  if (one == other) return true;
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

bool MayWrite(const std::string& process, const std::string& data_dir) {
  struct stat status {};
  struct stat owned {};
  return ::stat(process.c_str(), &status) == 0 && ::stat(data_dir.c_str(), &owned) == 0 &&
         (status.st_uid == owned.st_uid || status.st_uid == 0);
}

// Nullopt for what is no server.
std::optional<ServerProcess> ReadCommand(const std::string& proc) {
  const auto text = ReadForeignFile(proc + "/cmdline", kProcBytesMax);
  if (!text || !*text) return std::nullopt;
  ServerProcess process;
  process.command = SplitAtNul(**text);
  const auto main = std::ranges::find_first_of(process.command, kMainClasses);
  if (main == process.command.end() || main + 1 == process.command.end()) return std::nullopt;
  process.directory = WorkingDirectory(proc);
  process.config = AbsoluteIn(process.directory, *(main + 1));
  return process;
}

void ReadEnvironment(const std::string& proc, ServerProcess& process) {
  const auto text = ReadForeignFile(proc + "/environ", kProcBytesMax);
  if (!text || !*text) {
    process.warnings.push_back(
        fmt::format("the environment that the server was started with is not saved: {} (hint: let "
                    "the agent run as root, or give it CAP_SYS_PTRACE)",
                    text ? "its process has ended" : text.error().message()));
    return;
  }
  for (const std::string& entry : SplitAtNul(**text)) {
    const std::size_t equals = entry.find('=');
    const bool is_wanted = std::ranges::any_of(
        kVariables, [&](std::string_view name) { return entry.starts_with(name); });
    if (equals != std::string::npos && is_wanted)
      process.environment[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
}

void FindFiles(const ProcessPlaces& places, ServerProcess& process) {
  std::set<std::string> files;
  for (const std::string& argument : process.command) {
    const std::string_view named = FileNamedIn(argument);
    if (named.empty()) continue;
    std::string path = AbsoluteIn(process.directory, std::string(named));
    if (IsRegularFile(path)) files.insert(std::move(path));
  }
  for (const std::string_view path : kDefaults)
    if (const std::string file = places.etc_root + std::string(path); IsRegularFile(file))
      files.insert(file);
  if (!process.unit.empty())
    for (std::string& file : UnitFiles(process.unit, places.etc_root))
      files.insert(std::move(file));
  process.files = {files.begin(), files.end()};
}

}  // namespace

Result<ServerProcess> FindServerProcess(const std::string& config, const std::string& data_dir,
                                        const ProcessPlaces& places) {
  HF_ASSIGN(const std::vector<std::string> ids, ListProcesses(places.proc));
  for (const std::string& id : ids) {
    const std::string proc = fmt::format("{}/{}", places.proc, id);
    std::optional<ServerProcess> process = ReadCommand(proc);
    if (!process || !IsSameFile(process->config, config) || !MayWrite(proc, data_dir)) continue;
    process->user = UserOf(proc);
    process->unit = UnitOfProcess(proc);
    process->version = VersionIn(process->command);
    ReadEnvironment(proc, *process);
    FindFiles(places, *process);
    return *std::move(process);
  }
  return Fail(ErrorCode::kNotFound, fmt::format("no server runs here with {}", Quote(config)));
}

std::string EncodeServerProcess(const ServerProcess& process) {
  const nlohmann::ordered_json json = {{"format_version", 1},
                                       {"command", process.command},
                                       {"environment", process.environment},
                                       {"directory", process.directory},
                                       {"user", process.user},
                                       {"unit", process.unit},
                                       {"config", process.config}};
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace holdfast::zookeeper
