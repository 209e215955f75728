#include "agent/sources/member/kingpin_process.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast {
namespace {

// Whether both paths are the same file or, if either does not exist, are lexically equal.
bool IsSamePlace(const std::string& one, const std::string& other) {
  if (host::Exists(one) && host::Exists(other)) return host::IsSameFile(one, other);
  return WithoutSlashes(std::filesystem::path(one).lexically_normal()) ==
         WithoutSlashes(std::filesystem::path(other).lexically_normal());
}

// A claim is trusted if the process may write there anyway, or the directory does not exist.
bool MayOwn(const host::LocalProcess& process, const std::string& directory) {
  return process.MayWrite(directory) || ::access(directory.c_str(), F_OK) != 0;
}

bool Uses(const KingpinProcess& process, const KingpinQuery& query) {
  bool is_said = false;
  for (const std::string& flag : query.storage_flags) {
    const std::string path = process.PathOf(flag);
    is_said = is_said || process.flags.Last(flag).has_value();
    if (!path.empty() && IsSamePlace(path, query.storage)) return true;
  }
  return !is_said && std::ranges::any_of(query.storage_defaults, [&](const std::string& path) {
    return (path.starts_with('/') || !process.directory.empty()) &&
           IsSamePlace(host::AbsoluteIn(process.directory, path), query.storage);
  });
}

}  // namespace

std::string KingpinProcess::PathOf(std::string_view flag) const {
  const auto value = flags.Last(flag);
  if (!value || value->empty()) return "";
  if (directory.empty() && !value->starts_with('/')) return "";
  return std::filesystem::path(host::AbsoluteIn(directory, *value)).lexically_normal();
}

Result<KingpinProcess> FindKingpinProcess(const KingpinQuery& query, const host::Places& places) {
  std::optional<KingpinProcess> found;
  std::vector<pid_t> others;
  const auto visit = [&](const host::LocalProcess& one) {
    if (std::ranges::find(query.programs, one.Name()) == query.programs.end()) return true;
    KingpinProcess process;
    process.CopyStart(one);
    process.flags = KingpinFlags::Parse(std::span(process.command).subspan(1));
    if (!Uses(process, query) || !MayOwn(one, query.storage)) {
      others.push_back(one.pid);
      return true;
    }
    process.AddStartFiles(query.defaults, places);
    found = std::move(process);
    return false;
  };
  HF_TRY(host::VisitProcesses(places, visit));
  if (found) return *std::move(found);
  const std::string name = query.programs.front();
  return Fail(ErrorCode::kNotFound,
              others.empty()
                  ? fmt::format("no {} runs here", name)
                  : fmt::format("found no running {} with its data in {}: not process {}", name,
                                Quote(query.storage), fmt::join(others, ", ")));
}

}  // namespace holdfast
