#include "agent/sources/host/process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/text.h"
#include "common/filetree/metadata.h"
#include "common/io/fd.h"

namespace holdfast::host {
namespace {

constexpr std::size_t kCommandBytesMax = 4U << 20;
constexpr std::size_t kProcBytesMax = 4U << 20;
constexpr std::size_t kUnitBytesMax = 1U << 20;
constexpr std::string_view kServiceEnding = ".service";
constexpr std::array<std::string_view, 4> kUnitDirectories = {
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system"};
// Names that container engines use in control groups.
constexpr std::array<std::string_view, 6> kEngines = {"docker", "kubepods", "libpod",
                                                      "crio",   "lxc",      "containerd"};

std::string_view TrimBlanks(std::string_view text) { return Trim(text, " \t\r"); }

std::vector<std::string> SplitAtNul(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    parts.emplace_back(TakePart(text, '\0'));
  }
  return parts;
}

std::string LinkTarget(const std::string& path) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(path, error);
  return error ? std::string() : target.string();
}

constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Follows symlinks as in a chroot: none leads out of `root`.
Result<Fd> OpenWithin(const std::string& root, const std::string& path, int flags) {
  HF_ASSIGN(const Fd directory, OpenFile(root, O_PATH | O_DIRECTORY));
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how);
  if (fd < 0) return Fail(ErrnoError(errno, "open " + Quote(path)));
  return Fd(static_cast<int>(fd));
}

void AddUnitFile(const std::string& path, std::set<std::string>& units,
                 std::set<std::string>& environment) {
  if (!IsRegularFile(path)) return;
  units.insert(path);
  const auto text = ReadUntrustedFile(path, kUnitBytesMax);
  if (!text || !*text) return;
  std::string_view rest = **text;
  constexpr std::string_view kName = "EnvironmentFile=";
  while (!rest.empty()) {
    std::string_view line = TrimBlanks(TakeLine(rest));
    if (!line.starts_with(kName)) continue;
    line = TrimBlanks(line.substr(kName.size()));
    if (line.starts_with('-')) line.remove_prefix(1);
    std::string file(line);
    if (file.starts_with('/') && IsRegularFile(file)) environment.insert(std::move(file));
  }
}

bool IsVariableName(std::string_view name) {
  return !name.empty() && (name[0] < '0' || name[0] > '9') && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string Unquote(std::string_view value) {
  std::string text;
  char quote = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\' && quote != '\'' && i + 1 < value.size()) {
      text += value[++i];
    } else if ((c == '"' || c == '\'') && (quote == 0 || quote == c)) {
      quote = quote == 0 ? c : 0;
    } else {
      text += c;
    }
  }
  return text;
}

// The fourth field of /proc/PID/stat, after the name in parentheses and the state.
pid_t ParentOf(std::string_view stat) {
  const std::size_t name_end = stat.rfind(") ");
  pid_t parent = 0;
  if (name_end == std::string_view::npos || name_end + 4 >= stat.size()) return parent;
  const std::string_view text = stat.substr(name_end + 4);
  (void)std::from_chars(text.data(), text.data() + text.size(), parent);
  return parent;
}

bool IsGroupOfEngine(std::string_view cgroup) {
  return std::ranges::any_of(
      kEngines, [&](std::string_view name) { return cgroup.find(name) != cgroup.npos; });
}

// One sweep through the processes.
class Reader {
 public:
  explicit Reader(const Places& places)
      : places_(places), own_mounts_(LinkTarget(places.proc + "/self/ns/mnt")) {}

  // Nullopt if the process has ended, is a kernel thread, or cannot be inspected.
  std::optional<LocalProcess> Read(pid_t pid, Sweep& sweep) {
    LocalProcess process;
    process.pid = pid;
    process.proc = fmt::format("{}/{}", places_.proc, pid);
    struct stat status {};
    if (::stat(process.proc.c_str(), &status) != 0) return std::nullopt;
    process.uid = status.st_uid;
    process.user = names_.User(status.st_uid);
    if (process.user.empty()) process.user = std::to_string(status.st_uid);
    const auto command = ReadUntrustedFile(process.proc + "/cmdline", kCommandBytesMax);
    if (!command) {
      // The read also fails if the process has ended.
      if (command.error().code() != ErrorCode::kNotFound &&
          ::access(process.proc.c_str(), F_OK) == 0)
        Hide(process, command.error().message(), sweep);
      return std::nullopt;
    }
    if (!*command || (*command)->empty()) return std::nullopt;
    ++sweep.processes;
    process.command = SplitAtNul(**command);
    if (const auto stat = ReadUntrustedFile(process.proc + "/stat", kProcBytesMax); stat && *stat)
      process.parent = ParentOf(**stat);
    process.directory = LinkTarget(process.proc + "/cwd");
    process.program = LinkTarget(process.proc + "/exe");
    const auto cgroup = ReadUntrustedFile(process.proc + "/cgroup", kProcBytesMax);
    const std::string_view group = cgroup && *cgroup ? std::string_view(**cgroup) : "";
    process.unit = UnitOfControlGroup(group);
    const std::string mounts = LinkTarget(process.proc + "/ns/mnt");
    process.is_contained =
        mounts.empty() || own_mounts_.empty() ? IsGroupOfEngine(group) : mounts != own_mounts_;
    const std::string root = LinkTarget(process.proc + "/root");
    if (!root.empty() && root != "/") process.is_contained = true;
    return process;
  }

 private:
  void Hide(const LocalProcess& process, std::string reason, Sweep& sweep) {
    ++sweep.unseen_count;
    if (sweep.unseen.size() < kUnseenMax)
      sweep.unseen.push_back({process.pid, process.user, std::move(reason)});
  }

  const Places& places_;
  const std::string own_mounts_;
  filetree::NameCache names_;
};

// With the mount option hidepid, /proc does not list processes of other users.
void WarnOfHidden(const Places& places, Sweep& sweep) {
  const auto mounts = ReadUntrustedFile(places.proc + "/mounts", kProcBytesMax);
  if (!mounts || !*mounts || ::access((places.proc + "/1").c_str(), F_OK) == 0) return;
  std::string_view rest = **mounts;
  while (!rest.empty()) {
    const std::string_view line = TakeLine(rest);
    if (line.find(" /proc proc ") == line.npos || line.find("hidepid=") == line.npos) continue;
    sweep.warnings.push_back(fmt::format(
        "/proc is mounted with \"hidepid\": processes of other users are not shown (hint: {})",
        kLookHint));
    return;
  }
}

}  // namespace

std::string_view LocalProcess::Name() const {
  const std::string_view first = command.front();
  return first.substr(first.rfind('/') + 1);
}

std::string LocalProcess::Absolute(std::string_view path) const {
  while (path.starts_with("./")) path.remove_prefix(2);
  if (path.starts_with('/') || directory.empty()) return std::string(path);
  return directory == "/" ? "/" + std::string(path) : fmt::format("{}/{}", directory, path);
}

Result<std::optional<std::string>> LocalProcess::ReadFile(const std::string& path,
                                                          std::size_t bytes_max) const {
  if (!path.starts_with('/'))
    return Fail(ErrorCode::kDenied, "its working directory cannot be read", std::string(kLookHint));
  const std::string root = proc + "/root";
  // Without access to the root of the process, read the file of this host: most often the same.
  if (!is_contained || ::access((root + "/.").c_str(), F_OK) != 0)
    return ReadUntrustedFile(path, bytes_max);
  return ReadUntrustedFile(OpenWithin(root, path, kReadFlags), path, bytes_max);
}

bool LocalProcess::SeesAsWeDo(const std::string& path) const {
  if (!is_contained) return true;
  const Result<Fd> theirs = OpenWithin(proc + "/root", path, O_PATH | O_CLOEXEC);
  if (!theirs && theirs.error().code() != ErrorCode::kNotFound) return true;
  struct stat ours {};
  const bool have_ours = ::stat(path.c_str(), &ours) == 0;
  struct stat status {};
  if (!theirs || ::fstat(theirs->get(), &status) != 0) return !have_ours;
  return have_ours && ours.st_dev == status.st_dev && ours.st_ino == status.st_ino;
}

bool LocalProcess::MayWrite(const std::string& path) const {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && (uid == status.st_uid || uid == 0);
}

Result<Environment> LocalProcess::ReadEnvironment() const {
  HF_ASSIGN(const auto text, ReadUntrustedFile(proc + "/environ", kProcBytesMax));
  if (!text) return Fail(ErrorCode::kNotFound, "its process has ended");
  Environment environment;
  for (const std::string& entry : SplitAtNul(*text)) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos)
      environment[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return environment;
}

Result<Sweep> VisitProcesses(const Places& places,
                             const std::function<bool(const LocalProcess&)>& visit) {
  HF_ASSIGN(const std::vector<std::string> names, NamesIn(places.proc));
  std::vector<pid_t> pids;
  for (const std::string& name : names) {
    const auto pid = ParseWhole<pid_t>(name);
    if (pid && *pid > 0) pids.push_back(*pid);
  }
  std::ranges::sort(pids);
  Sweep sweep;
  WarnOfHidden(places, sweep);
  Reader reader(places);
  for (const pid_t pid : pids) {
    const std::optional<LocalProcess> process = reader.Read(pid, sweep);
    if (process && !visit(*process)) break;
  }
  return sweep;
}

std::vector<std::string> UnitFiles::All() const {
  std::vector<std::string> files;
  std::ranges::set_union(units, environment, std::back_inserter(files));
  return files;
}

UnitFiles FindUnitFiles(const std::string& unit, const Places& places) {
  if (unit.empty()) return {};
  std::vector<std::string> names = {unit};
  // "kafka@1.service" is an instance of "kafka@.service".
  if (const std::size_t at = unit.find('@'); at != std::string::npos)
    names.push_back(unit.substr(0, at + 1) + std::string(kServiceEnding));
  std::set<std::string> units;
  std::set<std::string> environment;
  for (const std::string_view directory : kUnitDirectories) {
    for (const std::string& name : names) {
      const std::string path = fmt::format("{}{}/{}", places.etc_root, directory, name);
      AddUnitFile(path, units, environment);
      std::error_code error;
      std::filesystem::directory_iterator drop_ins(path + ".d", error);
      for (; !error && drop_ins != std::filesystem::directory_iterator(); drop_ins.increment(error))
        if (drop_ins->path().extension() == ".conf")
          AddUnitFile(drop_ins->path().string(), units, environment);
    }
  }
  return {.units = {units.begin(), units.end()},
          .environment = {environment.begin(), environment.end()}};
}

Environment ParseEnvironment(std::string_view text) {
  Environment variables;
  while (!text.empty()) {
    std::string_view line = TrimBlanks(TakeLine(text));
    if (line.starts_with('#') || line.starts_with(';')) continue;
    if (line.starts_with("export ")) line = TrimBlanks(line.substr(7));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, equals);
    if (IsVariableName(name))
      variables[std::string(name)] = Unquote(TrimBlanks(line.substr(equals + 1)));
  }
  return variables;
}

std::string UnitOfControlGroup(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    if (!line.starts_with("0::") && line.find(":name=systemd:") == std::string_view::npos) continue;
    if (line.find("/user@") != std::string_view::npos) continue;
    // A service may have subgroups.
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

}  // namespace holdfast::host
