#include "agent/sources/kafka/broker_process.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/text.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kConfigBytesMax = 1U << 20;
constexpr std::string_view kMainClass = "kafka.Kafka";
constexpr std::string_view kOverride = "--override";
constexpr std::string_view kJarEnding = ".jar";

constexpr std::array<std::string_view, 14> kVariables = {"KAFKA_",     "JMX_",
                                                         "JAVA_",      "JDK_JAVA_OPTIONS",
                                                         "JVM_",       "LOG_DIR",
                                                         "EXTRA_",     "CLASSPATH",
                                                         "SCALA_",     "GC_LOG_ENABLED",
                                                         "LD_",        "MALLOC_",
                                                         "CONFLUENT_", "CONSOLE_OUTPUT_FILE"};
constexpr std::array<std::string_view, 3> kClassPathOptions = {"-cp", "-classpath", "--class-path"};

// Collects the paths that are existing regular files.
class FileList {
 public:
  void Add(std::string_view path) {
    std::string text(WithoutFileScheme(path));
    if (text.starts_with('/') && host::IsRegularFile(text)) paths_.push_back(std::move(text));
  }
  std::vector<std::string> Take() { return std::move(paths_); }

 private:
  std::vector<std::string> paths_;
};

// Adds a value that is a path, and the path in a config provider's "${file:/a/file:name}".
void AddNamedInValue(std::string_view value, FileList& files) {
  files.Add(value);
  constexpr std::string_view kProvider = "${file:";
  for (std::size_t at = value.find(kProvider); at != std::string_view::npos;
       at = value.find(kProvider, at + 1)) {
    const std::string_view rest = value.substr(at + kProvider.size());
    files.Add(rest.substr(0, std::min(rest.find(':'), rest.size())));
  }
}

// Returns "3.9.1" for "libs/kafka_2.13-3.9.1.jar", the broker's own jar; empty for others.
std::string_view VersionOfJar(std::string_view jar) {
  jar.remove_prefix(jar.rfind('/') + 1);
  const std::size_t dash = jar.find('-');
  if (!jar.starts_with("kafka_2.") || !jar.ends_with(kJarEnding) || dash == std::string_view::npos)
    return {};
  jar.remove_suffix(kJarEnding.size());
  return jar.substr(dash + 1);
}

// Finds the broker's version on a class path. Jars of its sources and tests may be in the same
// directory and have longer names, so the shortest version wins.
class VersionSearch {
 public:
  void Add(std::string_view jar) {
    const std::string_view version = VersionOfJar(jar);
    if (!version.empty() && (found_.empty() || version.size() < found_.size())) found_ = version;
  }
  void AddDirectory(const std::string& path) {
    std::error_code error;
    std::filesystem::directory_iterator jars(path, error);
    for (; !error && jars != std::filesystem::directory_iterator(); jars.increment(error))
      Add(jars->path().filename().string());
  }
  const std::string& found() const { return found_; }

 private:
  std::string found_;
};

// Whether the process uses one of the directories and may write there.
bool Uses(const host::LocalProcess& process, const JavaProperties& properties,
          std::span<const std::string> log_dirs) {
  const std::vector<std::string> used = LogDirsOf(properties);
  return std::ranges::any_of(log_dirs, [&](const std::string& directory) {
    return std::ranges::find(used, WithoutSlashes(directory)) != used.end() &&
           process.MayWrite(directory);
  });
}

std::string VersionOf(const host::LocalProcess& process) {
  auto option = std::ranges::find_first_of(process.command, kClassPathOptions);
  if (option == process.command.end() || ++option == process.command.end()) return "";
  VersionSearch search;
  std::string_view rest = *option;
  while (!rest.empty()) {
    const std::string_view one = TakePart(rest, ':');
    if (one.ends_with("/*"))
      search.AddDirectory(process.Absolute(one.substr(0, one.size() - 2)));
    else
      search.Add(one);
  }
  return search.found();
}

BrokerProcess Describe(const host::LocalProcess& process, BrokerConfig config,
                       const host::Places& places) {
  BrokerProcess broker;
  broker.CopyStart(process);
  broker.CopyEnvironment(process, kVariables, "broker");
  broker.version = VersionOf(process);
  broker.config = std::move(config.path);
  broker.properties = std::move(config.properties);
  FileList files;
  files.Add(broker.config);
  for (const std::string& argument : broker.command) files.Add(FileInJavaArgument(argument));
  for (const auto& [name, value] : broker.properties) AddNamedInValue(value, files);
  broker.files = files.Take();
  broker.AddStartFiles({"/etc/default/kafka"}, places);
  return broker;
}

}  // namespace

std::vector<std::string> LogDirsOf(const JavaProperties& properties) {
  std::string_view value;
  for (const char* name : {"log.dir", "log.dirs"}) {
    const auto found = properties.find(name);
    if (found != properties.end() && !found->second.empty()) value = found->second;
  }
  std::vector<std::string> directories;
  while (!value.empty()) {
    const std::string_view one = Trim(TakePart(value, ','));
    if (!one.empty()) directories.push_back(WithoutSlashes(std::string(one)));
  }
  return directories;
}

Result<std::optional<BrokerConfig>> ReadBrokerConfig(const host::LocalProcess& process) {
  const auto main = std::ranges::find(process.command, kMainClass);
  if (main == process.command.end() || main + 1 == process.command.end()) return std::nullopt;
  BrokerConfig config{.path = process.Absolute(*(main + 1)), .properties = {}};
  HF_ASSIGN(const auto text, process.ReadFile(config.path, kConfigBytesMax));
  if (!text)
    return Fail(ErrorCode::kNotFound, fmt::format("{} does not exist", Quote(config.path)));
  auto properties = ParseProperties(*text);
  if (!properties) return Fail(std::move(properties).error().While(Quote(config.path)));
  config.properties = *std::move(properties);
  for (std::size_t i = 0; i + 1 < process.command.size(); ++i) {
    if (process.command[i] != kOverride) continue;
    const std::string& pair = process.command[i + 1];
    const std::size_t equals = std::min(pair.find('='), pair.size());
    config.properties[pair.substr(0, equals)] = pair.substr(std::min(equals + 1, pair.size()));
  }
  return config;
}

Result<BrokerProcess> FindBrokerProcess(std::span<const std::string> log_dirs,
                                        const host::Places& places) {
  std::optional<BrokerProcess> found;
  std::vector<std::string> reasons;
  const auto visit = [&](const host::LocalProcess& process) {
    auto config = ReadBrokerConfig(process);
    if (!config) {
      reasons.push_back(fmt::format("process {}: {}", process.pid, config.error().message()));
    } else if (*config && Uses(process, (*config)->properties, log_dirs)) {
      found = Describe(process, **std::move(config), places);
    } else if (*config) {
      reasons.push_back(fmt::format("process {} is another broker", process.pid));
    }
    return !found;
  };
  HF_TRY(host::VisitProcesses(places, visit));
  if (found) return *std::move(found);
  return Fail(ErrorCode::kNotFound,
              reasons.empty()
                  ? std::string("no broker runs here")
                  : fmt::format("found no running broker that uses these \"log_dirs\": {}",
                                fmt::join(reasons, "; ")),
              "start the broker, and let the agent read its server.properties");
}

}  // namespace holdfast::kafka
