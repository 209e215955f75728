#include "agent/sources/local_process.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "agent/sources/foreign_file.h"
#include "common/base/format.h"
#include "common/filetree/metadata.h"

namespace holdfast {
namespace {

constexpr std::size_t kProcBytesMax = 4U << 20;  // the kernel's own bound for a command line
constexpr std::size_t kUnitBytesMax = 1U << 20;
constexpr std::string_view kServiceEnding = ".service";

constexpr std::array<std::string_view, 4> kUnitDirectories = {
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system"};

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Of a control group: "0::/system.slice/kafka.service".
std::string UnitOfGroup(std::string_view cgroup) {
  while (!cgroup.empty()) {
    const std::size_t end = std::min(cgroup.find('\n'), cgroup.size());
    std::string_view line = cgroup.substr(0, end);
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
    if (!line.starts_with("0::") && line.find(":name=systemd:") == std::string_view::npos) continue;
    // A service may have groups of its own below.
    while (!line.empty()) {
      const std::size_t slash = line.rfind('/');
      if (slash == std::string_view::npos) break;
      const std::string_view name = line.substr(slash + 1);
      if (name.ends_with(kServiceEnding)) return std::string(name);
      line = line.substr(0, slash);
    }
  }
  return "";
}

void AddUnitFile(const std::string& path, std::set<std::string>& files) {
  const auto add = [&](const std::string& file) {
    if (file.starts_with('/') && IsRegularFile(file)) files.insert(file);
  };
  add(path);
  const auto text = ReadForeignFile(path, kUnitBytesMax);
  if (!text || !*text) return;
  std::string_view rest = **text;
  constexpr std::string_view kName = "EnvironmentFile=";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = TrimBlanks(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.starts_with(kName)) continue;
    line = TrimBlanks(line.substr(kName.size()));
    if (line.starts_with('-')) line.remove_prefix(1);
    add(std::string(line));
  }
}

}  // namespace

bool IsRegularFile(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string AbsoluteIn(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : directory + "/" + path;
}

Result<std::vector<std::string>> ListProcesses(const std::string& proc) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(proc.c_str()), &::closedir);
  if (!stream) return Fail(ErrnoError(errno, "list " + Quote(proc)));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name.find_first_not_of("0123456789") == std::string_view::npos) names.emplace_back(name);
  }
  std::ranges::sort(names, [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  return names;
}

std::vector<std::string> SplitAtNul(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string WorkingDirectory(const std::string& process) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(process + "/cwd", error);
  return error ? std::string() : target.string();
}

std::string UserOf(const std::string& process) {
  struct stat status {};
  if (::stat(process.c_str(), &status) != 0) return "";
  filetree::NameCache names;
  std::string user = names.User(status.st_uid);
  return user.empty() ? std::to_string(status.st_uid) : user;
}

std::string UnitOfProcess(const std::string& process) {
  const auto cgroup = ReadForeignFile(process + "/cgroup", kProcBytesMax);
  return cgroup && *cgroup ? UnitOfGroup(**cgroup) : std::string();
}

std::vector<std::string> UnitFiles(const std::string& unit, const std::string& etc_root) {
  std::set<std::string> files;
  std::vector<std::string> names = {unit};
  // "kafka@1.service" is made of "kafka@.service".
  if (const std::size_t at = unit.find('@'); at != std::string::npos)
    names.push_back(unit.substr(0, at + 1) + std::string(kServiceEnding));
  for (const std::string_view directory : kUnitDirectories) {
    for (const std::string& name : names) {
      const std::string path = fmt::format("{}{}/{}", etc_root, directory, name);
      AddUnitFile(path, files);
      std::error_code error;
      std::filesystem::directory_iterator drop_ins(path + ".d", error);
      for (; !error && drop_ins != std::filesystem::directory_iterator(); drop_ins.increment(error))
        if (drop_ins->path().extension() == ".conf") AddUnitFile(drop_ins->path().string(), files);
    }
  }
  return {files.begin(), files.end()};
}

}  // namespace holdfast
