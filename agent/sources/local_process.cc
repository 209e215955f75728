#include "agent/sources/local_process.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include "agent/sources/foreign_file.h"
#include "agent/sources/host/process.h"
#include "common/base/format.h"
#include "common/filetree/metadata.h"

namespace holdfast {
namespace {

constexpr std::size_t kProcBytesMax = 4U << 20;  // the kernel's own bound for a command line

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
  return cgroup && *cgroup ? host::UnitOfControlGroup(**cgroup) : std::string();
}

std::vector<std::string> UnitFiles(const std::string& unit, const std::string& etc_root) {
  host::UnitFiles found = host::FindUnitFiles(unit, {.proc = "", .etc_root = etc_root});
  std::vector<std::string> files = std::move(found.units);
  std::ranges::move(found.environment, std::back_inserter(files));
  std::ranges::sort(files);
  files.erase(std::ranges::unique(files).begin(), files.end());
  return files;
}

}  // namespace holdfast
