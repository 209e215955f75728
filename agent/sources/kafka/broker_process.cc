#include "agent/sources/kafka/broker_process.h"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "agent/sources/foreign_file.h"
#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kProcBytesMax = 4U << 20;  // the kernel's own bound for a command line
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
constexpr std::string_view kDefaults = "/etc/default/kafka";

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Collects paths of regular files that are there.
class FileSet {
 public:
  void Add(std::string_view path) {
    std::string text(path);
    if (text.starts_with("file:")) text = text.substr(text.starts_with("file://") ? 7 : 5);
    if (text.starts_with('/') && IsRegularFile(text)) paths_.insert(std::move(text));
  }
  std::vector<std::string> Sorted() const { return {paths_.begin(), paths_.end()}; }

 private:
  std::set<std::string> paths_;
};

// "-Dname=/a/file", "-javaagent:/a/program.jar=7071:/a/file"; a program comes with its package.
void AddNamedInArgument(std::string_view argument, FileSet& files) {
  const bool is_property = argument.starts_with("-D");
  if (!is_property && !argument.starts_with("-javaagent:")) return;
  std::size_t at = argument.find('=');
  if (at == std::string_view::npos) return;
  if (!is_property) at = std::max(at, argument.rfind(':'));
  const std::string_view value = argument.substr(at + 1);
  if (!value.ends_with(kJarEnding)) files.Add(value);
}

// A value that is a file's path, or names one for a provider of secrets: "${file:/a/file:name}".
void AddNamedInValue(std::string_view value, FileSet& files) {
  files.Add(value);
  constexpr std::string_view kProvider = "${file:";
  for (std::size_t at = value.find(kProvider); at != std::string_view::npos;
       at = value.find(kProvider, at + 1)) {
    const std::string_view rest = value.substr(at + kProvider.size());
    files.Add(rest.substr(0, std::min(rest.find(':'), rest.size())));
  }
}

bool IsWanted(std::string_view variable) {
  return std::ranges::any_of(kVariables,
                             [&](std::string_view name) { return variable.starts_with(name); });
}

// "3.9.1" of "libs/kafka_2.13-3.9.1.jar", which is the broker itself; empty for others.
std::string_view VersionOf(std::string_view jar) {
  jar.remove_prefix(jar.rfind('/') + 1);
  const std::size_t dash = jar.find('-');
  if (!jar.starts_with("kafka_2.") || !jar.ends_with(kJarEnding) || dash == std::string_view::npos)
    return {};
  jar.remove_suffix(kJarEnding.size());
  return jar.substr(dash + 1);
}

// Of all that is on a class path. Sources and tests may lie beside the broker, under longer names.
class VersionSearch {
 public:
  void Add(std::string_view jar) {
    const std::string_view version = VersionOf(jar);
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

// One process, while it is found out whether it is the one.
class Candidate {
 public:
  Candidate(std::string proc, const ProcessPlaces& places)
      : proc_(std::move(proc)), places_(places) {}

  // False for what is no broker.
  bool ReadCommand() {
    const auto text = ReadForeignFile(proc_ + "/cmdline", kProcBytesMax);
    if (!text || !*text) return false;
    process_.command = SplitAtNul(**text);
    const auto main = std::ranges::find(process_.command, kMainClass);
    if (main == process_.command.end() || main + 1 == process_.command.end()) return false;
    process_.directory = WorkingDirectory(proc_);
    process_.config = AbsoluteIn(process_.directory, *(main + 1));
    return true;
  }

  // Errors say why its configuration is not known.
  Result<void> ReadConfig() {
    HF_ASSIGN(const auto text, ReadForeignFile(process_.config, kConfigBytesMax));
    if (!text)
      return Fail(ErrorCode::kNotFound, fmt::format("{} is not there", Quote(process_.config)));
    auto properties = ParseProperties(*text);
    if (!properties) return Fail(std::move(properties).error().While(Quote(process_.config)));
    process_.properties = *std::move(properties);
    for (std::size_t i = 0; i + 1 < process_.command.size(); ++i) {
      if (process_.command[i] != kOverride) continue;
      const std::string& pair = process_.command[i + 1];
      const std::size_t equals = std::min(pair.find('='), pair.size());
      process_.properties[pair.substr(0, equals)] = pair.substr(std::min(equals + 1, pair.size()));
    }
    return {};
  }

  // Whether it uses one of the directories, and is whoever may write there.
  bool Uses(std::span<const std::string> log_dirs) const {
    struct stat process {};
    if (::stat(proc_.c_str(), &process) != 0) return false;
    const std::vector<std::string> used = LogDirsOf(process_.properties);
    return std::ranges::any_of(log_dirs, [&](const std::string& directory) {
      struct stat owned {};
      return std::ranges::find(used, WithoutSlashes(directory)) != used.end() &&
             ::stat(directory.c_str(), &owned) == 0 &&
             (process.st_uid == owned.st_uid || process.st_uid == 0);
    });
  }

  BrokerProcess Finish() && {
    process_.user = UserOf(proc_);
    process_.unit = UnitOfProcess(proc_);
    ReadEnvironment();
    ReadVersion();
    FileSet files;
    files.Add(process_.config);
    for (const std::string& argument : process_.command) AddNamedInArgument(argument, files);
    for (const auto& [name, value] : process_.properties) AddNamedInValue(value, files);
    files.Add(places_.etc_root + std::string(kDefaults));
    if (!process_.unit.empty())
      for (const std::string& path : UnitFiles(process_.unit, places_.etc_root)) files.Add(path);
    process_.files = files.Sorted();
    return std::move(process_);
  }

 private:
  void ReadEnvironment() {
    const auto text = ReadForeignFile(proc_ + "/environ", kProcBytesMax);
    if (!text || !*text) {
      process_.warnings.push_back(
          fmt::format("the environment that the broker was started with is not saved: {} (hint: "
                      "let the agent run as root, or give it CAP_SYS_PTRACE)",
                      text ? "its process has ended" : text.error().message()));
      return;
    }
    for (const std::string& entry : SplitAtNul(**text)) {
      const std::size_t equals = entry.find('=');
      if (equals != std::string::npos && IsWanted(entry))
        process_.environment[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }

  void ReadVersion() {
    auto option = std::ranges::find_first_of(process_.command, kClassPathOptions);
    if (option == process_.command.end() || ++option == process_.command.end()) return;
    VersionSearch search;
    std::string_view rest = *option;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(':'), rest.size());
      const std::string_view one = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (one.ends_with("/*"))
        search.AddDirectory(
            AbsoluteIn(process_.directory, std::string(one.substr(0, one.size() - 2))));
      else
        search.Add(one);
    }
    process_.version = search.found();
  }

  const std::string proc_;
  const ProcessPlaces& places_;
  BrokerProcess process_;
};

}  // namespace

std::vector<std::string> LogDirsOf(const JavaProperties& properties) {
  std::string_view value;
  for (const char* name : {"log.dir", "log.dirs"}) {
    const auto found = properties.find(name);
    if (found != properties.end() && !found->second.empty()) value = found->second;
  }
  std::vector<std::string> directories;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    const std::string_view one = TrimBlanks(value.substr(0, end));
    if (!one.empty()) directories.push_back(WithoutSlashes(std::string(one)));
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return directories;
}

Result<BrokerProcess> FindBrokerProcess(std::span<const std::string> log_dirs,
                                        const ProcessPlaces& places) {
  HF_ASSIGN(const auto processes, ListProcesses(places.proc));
  std::vector<std::string> reasons;
  for (const std::string& name : processes) {
    Candidate candidate(fmt::format("{}/{}", places.proc, name), places);
    if (!candidate.ReadCommand()) continue;
    if (auto read = candidate.ReadConfig(); !read) {
      reasons.push_back(fmt::format("process {}: {}", name, read.error().message()));
    } else if (candidate.Uses(log_dirs)) {
      return std::move(candidate).Finish();
    } else {
      reasons.push_back(fmt::format("process {} is another broker's", name));
    }
  }
  std::ranges::sort(reasons);
  return Fail(ErrorCode::kNotFound,
              reasons.empty() ? std::string("no broker runs here")
                              : fmt::format("none of the brokers that run here can be seen to use "
                                            "these \"log_dirs\": {}",
                                            fmt::join(reasons, "; ")),
              "start the broker, and let the agent read its server.properties");
}

std::string EncodeBrokerProcess(const BrokerProcess& process) {
  const nlohmann::ordered_json json = {{"format_version", 1},
                                       {"command", process.command},
                                       {"environment", process.environment},
                                       {"directory", process.directory},
                                       {"user", process.user},
                                       {"unit", process.unit},
                                       {"config", process.config}};
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace holdfast::kafka
