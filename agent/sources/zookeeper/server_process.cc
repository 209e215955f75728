#include "agent/sources/zookeeper/server_process.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/zookeeper/server_config.h"
#include "common/base/format.h"
#include "common/base/text.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::array<std::string_view, 2> kMainClasses = {
    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "org.apache.zookeeper.server.ZooKeeperServerMain"};
constexpr std::array<std::string_view, 10> kVariables = {
    "ZOO",       "ZK_",    "JVMFLAGS", "SERVER_JVMFLAGS", "JMX", "JAVA_", "JDK_JAVA_OPTIONS",
    "CLASSPATH", "KAFKA_", "LD_"};
constexpr std::string_view kJarEnding = ".jar";

// "3.9.4" of "/usr/share/zookeeper/lib/zookeeper-3.9.4.jar".
std::string VersionIn(const std::vector<std::string>& command) {
  constexpr std::string_view kName = "zookeeper-";
  for (const std::string& argument : command) {
    std::string_view rest = argument;
    while (!rest.empty()) {
      std::string_view jar = TakePart(rest, ':');
      jar.remove_prefix(jar.rfind('/') + 1);
      if (!jar.starts_with(kName) || !jar.ends_with(kJarEnding)) continue;
      jar = jar.substr(kName.size(), jar.size() - kName.size() - kJarEnding.size());
      if (jar.find_first_not_of("0123456789.") == std::string_view::npos) return std::string(jar);
    }
  }
  return "";
}

// The files that the command line names.
std::vector<std::string> FilesInCommand(const host::LocalProcess& server) {
  std::vector<std::string> files;
  for (const std::string& argument : server.command) {
    const std::string_view named = WithoutFileScheme(FileInJavaArgument(argument));
    if (named.empty()) continue;
    std::string path = server.Absolute(named);
    const std::string_view property = std::string_view(argument).substr(0, argument.find('='));
    if ((NamesFile(property) && path.starts_with('/')) || host::IsRegularFile(path))
      files.push_back(std::move(path));
  }
  return files;
}

}  // namespace

std::span<const std::string> ServerArguments(const host::LocalProcess& process) {
  const auto main = std::ranges::find_first_of(process.command, kMainClasses);
  return {main == process.command.end() ? main : main + 1, process.command.end()};
}

Result<ServerProcess> FindServerProcess(const std::string& config, const std::string& data_dir,
                                        const host::Places& places) {
  std::optional<ServerProcess> found;
  const auto visit = [&](const host::LocalProcess& server) {
    const auto arguments = ServerArguments(server);
    if (arguments.empty()) return true;
    ServerProcess process;
    process.config = server.Absolute(arguments.front());
    const bool is_wanted = process.config == config || host::IsSameFile(process.config, config);
    if (!is_wanted || !server.MayWrite(data_dir)) return true;
    process.CopyStart(server);
    process.CopyEnvironment(server, kVariables, "server");
    process.version = VersionIn(server.command);
    process.files = FilesInCommand(server);
    process.AddStartFiles({"/etc/default/zookeeper", "/etc/zookeeper/conf/environment"}, places);
    found = std::move(process);
    return false;
  };
  HF_TRY(host::VisitProcesses(places, visit));
  if (found) return *std::move(found);
  return Fail(ErrorCode::kNotFound, fmt::format("no server runs here with {}", Quote(config)));
}

}  // namespace holdfast::zookeeper
