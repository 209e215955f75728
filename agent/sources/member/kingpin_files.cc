#include "agent/sources/member/kingpin_files.h"

#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/member/missing_policy.h"
#include "agent/sources/member/referenced_files.h"
#include "common/base/format.h"

namespace holdfast {

namespace {

std::string FindConfig(const KingpinFilesOptions& options, const host::Places& places,
                       const std::optional<KingpinProcess>& process) {
  std::string config = options.config;
  if (config.empty() && process) config = process->PathOf("config.file");
  if (!config.empty()) return config;
  for (const std::string& path : options.config_defaults) {
    if (!path.starts_with('/') && (!process || process->directory.empty())) continue;
    std::string absolute =
        path.starts_with('/') ? places.etc_root + path : host::AbsoluteIn(process->directory, path);
    if (host::IsRegularFile(absolute)) return absolute;
  }
  return "";
}

// Adds the configuration, the files that it names, and those that flags name.
void AddNamed(const KingpinFilesOptions& options, const KingpinFiles& files,
              MemberFilesSpec& spec) {
  ReferencedFiles named;
  const std::string& config = files.config;
  if (config.empty()) {
    spec.missing.push_back({"the configuration", "its place is not known",
                            "name it in \"config\", or start the server"});
  } else {
    auto added = named.AddConfig(config, "\"config\"");
    if (!added)
      spec.missing.push_back({config, added.error().message(), "correct it, or \"config\""});
    // A configuration that cannot be parsed is still saved.
    if (!added && added.error().code() == ErrorCode::kInvalidArgument)
      named.Add(config, "\"config\"");
  }
  if (files.process) {
    for (const std::string& flag : options.config_flags) {
      const std::string path = files.process->PathOf(flag);
      if (path.empty()) continue;
      auto added = named.AddConfig(path, "--" + flag);
      if (!added)
        spec.missing.push_back({path,
                                fmt::format("named by --{}: {}", flag, added.error().message()),
                                "create it, or correct the flag"});
    }
  }
  spec.missing.insert(spec.missing.end(), named.missing().begin(), named.missing().end());
  spec.roots = named.roots();
}

// Adds the other files.
void AddOthers(const KingpinFilesOptions& options, const host::Places& places,
               const KingpinFiles& files, MemberFilesSpec& spec) {
  const auto add = [&spec](const std::vector<std::string>& paths) {
    spec.roots.insert(spec.roots.end(), paths.begin(), paths.end());
  };
  add(options.files);
  if (files.process) {
    spec.Add(*files.process);
  } else {
    MemberProcess usual;
    for (const std::string& unit : options.units) {
      usual.unit = unit;
      usual.AddStartFiles(options.server.defaults, places);
    }
    add(usual.files);
  }
  for (const std::string& path : options.storage_files)
    if (host::IsRegularFile(path)) spec.roots.push_back(path);
  host::SortPaths(spec.roots);
}

}  // namespace

void AddKingpinFilesOptions(config::Schema& schema) {
  using config::OptionSpec;
  using config::OptionType;
  schema.options.push_back(
      OptionSpec{.name = "config",
                 .type = OptionType::kPath,
                 .help = "configuration file; default: the one that the running process names"});
  schema.options.push_back(
      OptionSpec{.name = "files",
                 .type = OptionType::kPathList,
                 .help = "further files and directories of this node to save"});
  schema.options.push_back(OnMissingOption());
}

void ReadKingpinFiles(const config::Values& values, KingpinFilesSettings& settings) {
  settings.config = values.Text("config");
  settings.files = values.List("files");
  settings.missing_is_failure = FailsOnMissing(values);
}

Result<KingpinFiles> OpenKingpinFiles(const SourceContext& context,
                                      const KingpinFilesOptions& options, SnapshotView* previous) {
  KingpinFiles files;
  MemberFilesSpec spec;
  auto process = FindKingpinProcess(options.server, context.places);
  if (process)
    files.process = *std::move(process);
  else
    spec.warnings.push_back("the server's command line is not saved: " + process.error().Text());
  files.config = FindConfig(options, context.places, files.process);
  AddNamed(options, files, spec);
  if (options.missing_is_failure) HF_TRY(FailIfMissing(spec.missing));
  AddOthers(options, context.places, files, spec);
  if (!options.files.empty()) spec.details["files"] = options.files;
  if (!files.config.empty()) spec.details["config"] = {files.config};
  HF_ASSIGN(static_cast<MemberFiles&>(files),
            MemberFiles::Open(context, std::move(spec), previous));
  return files;
}

}  // namespace holdfast
