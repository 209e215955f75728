#include "agent/sources/zookeeper/discover.h"

#include <span>

#include "agent/sources/zookeeper/server_config.h"
#include "agent/sources/zookeeper/server_process.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kUsualConfig = "/etc/zookeeper/zoo.cfg";

// "2181 /data [tick time [connections]]" instead of a configuration: a server for testing.
DiscoveredSource DescribeBare(const host::LocalProcess& process,
                              std::span<const std::string> arguments) {
  DiscoveredSource found;
  const std::string data = process.Absolute(arguments[1]);
  found.Set("config", std::string(kUsualConfig));
  found.Set("data_dir", data);
  found.known_by.emplace_back("data_dir", data);
  found.facts["data directory"] = data;
  found.notes.push_back(
      fmt::format("it was started without a zoo.cfg, which a source needs: write \"dataDir={}\" "
                  "and \"clientPort={}\" into the file in \"config\"",
                  data, arguments[0]));
  return found;
}

Result<JavaProperties> ReadConfig(const host::LocalProcess& process, const std::string& path) {
  HF_ASSIGN(const auto text, process.ReadFile(path, kConfigBytesMax));
  if (!text) return Fail(ErrorCode::kNotFound, "does not exist");
  return ParseProperties(*text);
}

// A relative directory starts at the server's working directory, and a directory in a container is
// the container's. In both cases the source needs the option.
std::string AddDirectory(const host::LocalProcess& process, const JavaProperties& properties,
                         const std::string& property, const std::string& option,
                         const std::string& fact, DiscoveredSource& found) {
  const std::string said = TrimmedPropertyOf(properties, property);
  if (said.empty()) return said;
  const std::string path = process.Absolute(said);
  found.facts[fact] = path;
  if (!said.starts_with('/') || process.is_contained) found.Set(option, path);
  return path;
}

}  // namespace

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& /*places*/) {
  const auto arguments = ServerArguments(process);
  if (arguments.empty()) return std::nullopt;
  if (arguments.size() > 1) return DescribeBare(process, arguments);
  DiscoveredSource found;
  const std::string path = process.Absolute(arguments[0]);
  found.Set("config", path);
  found.known_by.emplace_back("config", path);
  if (!path.starts_with('/')) {
    found.NoteRelative("config");
    return found;
  }
  const auto properties = ReadConfig(process, path);
  if (!properties) {
    found.notes.push_back(
        fmt::format("its configuration {} cannot be read: {} (hint: let the agent read it)",
                    Quote(path), properties.error().message()));
    return found;
  }
  const std::string data =
      AddDirectory(process, *properties, "dataDir", "data_dir", "data directory", found);
  (void)AddDirectory(process, *properties, "dataLogDir", "data_log_dir", "log directory", found);
  const auto id = process.ReadFile(data + "/myid", kNumberBytesMax);
  if (!data.empty() && id && *id)
    found.facts["member"] = (*id)->substr(0, (*id)->find_first_of(" \t\r\n"));
  return found;
}

}  // namespace holdfast::zookeeper
