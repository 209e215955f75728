#include "agent/sources/prometheus/server_process.h"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "agent/sources/foreign_file.h"
#include "common/base/format.h"

namespace holdfast::prometheus {
namespace {

constexpr std::size_t kCommandBytesMax = 4U << 20;  // the kernel's own bound for a command line

// Of the same file, or of a name that is written alike.
bool IsSamePlace(const std::string& one, const std::string& other) {
  struct stat a {};
  struct stat b {};
  if (::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0)
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
  return WithoutSlashes(std::filesystem::path(one).lexically_normal()) ==
         WithoutSlashes(std::filesystem::path(other).lexically_normal());
}

// Whether whoever runs the process may write the directory anyway: what it says of itself is
// believed no further.
bool MayOwn(const std::string& process, const std::string& directory) {
  struct stat runs {};
  struct stat owned {};
  if (::stat(process.c_str(), &runs) != 0) return false;
  if (::stat(directory.c_str(), &owned) != 0) return true;  // nothing is there to be lied about
  return runs.st_uid == owned.st_uid || runs.st_uid == 0;
}

bool Uses(const ServerProcess& process, const ServerQuery& query) {
  bool is_said = false;
  for (const std::string& flag : query.storage_flags) {
    const std::string path = process.PathOf(flag);
    is_said = is_said || process.flags.Last(flag).has_value();
    if (!path.empty() && IsSamePlace(path, query.storage)) return true;
  }
  return !is_said && std::ranges::any_of(query.storage_defaults, [&](const std::string& path) {
    return (path.starts_with('/') || !process.directory.empty()) &&
           IsSamePlace(AbsoluteIn(process.directory, path), query.storage);
  });
}

}  // namespace

std::string ServerProcess::PathOf(std::string_view flag) const {
  const auto value = flags.Last(flag);
  if (!value || value->empty()) return "";
  if (directory.empty() && !value->starts_with('/')) return "";
  return std::filesystem::path(AbsoluteIn(directory, *value)).lexically_normal();
}

Result<ServerProcess> FindServerProcess(const ServerQuery& query, const ProcessPlaces& places) {
  HF_ASSIGN(const auto ids, ListProcesses(places.proc));
  std::vector<std::string> others;
  for (const std::string& id : ids) {
    const std::string proc = fmt::format("{}/{}", places.proc, id);
    const auto text = ReadForeignFile(proc + "/cmdline", kCommandBytesMax);
    if (!text || !*text) continue;
    ServerProcess process;
    process.command = SplitAtNul(**text);
    if (process.command.empty()) continue;
    const std::string& program = process.command.front();
    if (std::ranges::find(query.programs, program.substr(program.rfind('/') + 1)) ==
        query.programs.end())
      continue;
    process.flags = Flags::Parse(std::span(process.command).subspan(1));
    process.directory = WorkingDirectory(proc);
    if (!Uses(process, query) || !MayOwn(proc, query.storage)) {
      others.push_back(id);
      continue;
    }
    process.user = UserOf(proc);
    process.unit = UnitOfProcess(proc);
    if (!process.unit.empty()) process.files = UnitFiles(process.unit, places.etc_root);
    for (const std::string& path : query.defaults)
      if (IsRegularFile(places.etc_root + path)) process.files.push_back(places.etc_root + path);
    std::ranges::sort(process.files);
    process.files.erase(std::ranges::unique(process.files).begin(), process.files.end());
    return process;
  }
  const std::string name = query.programs.front();
  return Fail(ErrorCode::kNotFound,
              others.empty() ? fmt::format("no {} runs here", name)
                             : fmt::format("no {} that runs here can be seen to keep its data in "
                                           "{}: not process {}",
                                           name, Quote(query.storage), fmt::join(others, ", ")));
}

std::string EncodeServerProcess(const ServerProcess& process) {
  const nlohmann::ordered_json json = {{"format_version", 1},
                                       {"command", process.command},
                                       {"directory", process.directory},
                                       {"user", process.user},
                                       {"unit", process.unit}};
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace holdfast::prometheus
