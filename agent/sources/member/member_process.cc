#include "agent/sources/member/member_process.h"

#include <algorithm>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast {

void MemberProcess::CopyStart(const host::LocalProcess& process) {
  command = process.command;
  directory = process.directory;
  user = process.user;
  unit = process.unit;
}

void MemberProcess::CopyEnvironment(const host::LocalProcess& process,
                                    std::span<const std::string_view> names,
                                    std::string_view what) {
  environment.emplace();
  const auto readable = process.ReadEnvironment();
  if (!readable) {
    warnings.push_back(
        fmt::format("the environment that the {} was started with is not saved: {} (hint: {})",
                    what, readable.error().message(), host::kLookHint));
    return;
  }
  for (const auto& [name, value] : *readable)
    if (std::ranges::any_of(names, [&](std::string_view one) { return name.starts_with(one); }))
      (*environment)[name] = value;
}

void MemberProcess::AddStartFiles(const std::vector<std::string>& defaults,
                                  const host::Places& places) {
  for (std::string& file : host::FindUnitFiles(unit, places).All())
    files.push_back(std::move(file));
  for (const std::string& path : defaults)
    if (host::IsRegularFile(places.etc_root + path)) files.push_back(places.etc_root + path);
  host::SortPaths(files);
}

std::string MemberProcess::Encode() const {
  nlohmann::ordered_json json = {{"format_version", 1}, {"command", command}};
  if (environment) json["environment"] = *environment;
  json["directory"] = directory;
  json["user"] = user;
  json["unit"] = unit;
  if (!config.empty()) json["config"] = config;
  return DumpJson(json, 1) + "\n";
}

std::string_view FileInJavaArgument(std::string_view argument) {
  const bool is_property = argument.starts_with("-D");
  if (!is_property && !argument.starts_with("-javaagent:")) return {};
  std::size_t at = argument.find('=');
  if (at == std::string_view::npos) return {};
  if (!is_property) at = std::max(at, argument.rfind(':'));
  const std::string_view value = argument.substr(at + 1);
  return value.ends_with(".jar") ? std::string_view() : value;
}

std::string_view WithoutFileScheme(std::string_view path) {
  if (path.starts_with("file:")) path.remove_prefix(path.starts_with("file://") ? 7 : 5);
  return path;
}

}  // namespace holdfast
