#include "agent/sources/member/kingpin_files.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/member/missing_policy.h"
#include "agent/sources/member/text_item.h"
#include "common/base/format.h"

namespace holdfast {

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

Result<KingpinFiles> KingpinFiles::Prepare(const SourceContext& context,
                                           KingpinFilesOptions options, SnapshotView* previous) {
  KingpinFiles files;
  files.options_ = std::move(options);
  files.places_ = context.places;
  files.prefix_ = fmt::format("members/{}", context.node);
  files.now_ = context.clock->Now();
  auto process = FindKingpinProcess(files.options_.server, files.places_);
  if (process) {
    files.process_ = *std::move(process);
  } else {
    files.warnings_.push_back("the server's command line is not saved: " + process.error().Text());
  }
  files.FindConfig();
  HF_TRY(files.Gather());
  HF_TRY(files.OpenWalker(context, previous));
  return files;
}

void KingpinFiles::FindConfig() {
  config_ = options_.config;
  if (config_.empty() && process_) config_ = process_->PathOf("config.file");
  if (!config_.empty()) return;
  for (const std::string& path : options_.config_defaults) {
    if (!path.starts_with('/') && (!process_ || process_->directory.empty())) continue;
    std::string absolute = path.starts_with('/') ? places_.etc_root + path
                                                 : host::AbsoluteIn(process_->directory, path);
    if (!host::IsRegularFile(absolute)) continue;
    config_ = std::move(absolute);
    return;
  }
}

Result<void> KingpinFiles::Gather() {
  ReferencedFiles named;
  if (config_.empty()) {
    missing_.push_back({"the configuration", "its place is not known",
                        "name it in \"config\", or start the server"});
  } else {
    auto added = named.AddConfig(config_, "\"config\"");
    if (!added) missing_.push_back({config_, added.error().message(), "correct it, or \"config\""});
    // A configuration that cannot be parsed is still saved.
    if (!added && added.error().code() == ErrorCode::kInvalidArgument)
      named.Add(config_, "\"config\"");
  }
  if (process_) {
    for (const std::string& flag : options_.config_flags) {
      const std::string path = process_->PathOf(flag);
      if (path.empty()) continue;
      auto added = named.AddConfig(path, "--" + flag);
      if (!added)
        missing_.push_back({path, fmt::format("named by --{}: {}", flag, added.error().message()),
                            "create it, or correct the flag"});
    }
  }
  missing_.insert(missing_.end(), named.missing().begin(), named.missing().end());
  if (options_.missing_is_failure) HF_TRY(FailIfMissing(missing_));
  roots_ = named.roots();
  const auto add = [this](const std::vector<std::string>& paths) {
    roots_.insert(roots_.end(), paths.begin(), paths.end());
  };
  add(options_.files);
  if (process_) {
    add(process_->files);
  } else {
    for (const std::string& unit : options_.units) add(host::FindUnitFiles(unit, places_).All());
    for (const std::string& path : options_.server.defaults)
      if (host::IsRegularFile(places_.etc_root + path)) roots_.push_back(places_.etc_root + path);
  }
  for (const std::string& path : options_.storage_files)
    if (host::IsRegularFile(path)) roots_.push_back(path);
  std::ranges::sort(roots_);
  roots_.erase(std::ranges::unique(roots_).begin(), roots_.end());
  return {};
}

Result<void> KingpinFiles::OpenWalker(const SourceContext& context, SnapshotView* previous) {
  if (roots_.empty()) return {};
  filetree::WalkOptions walk;
  walk.roots = roots_;
  walk.prefix = prefix_ + "/files";
  walk.ReuseFrom(previous, context.node);
  HF_ASSIGN(walker_, filetree::Walker::Create(std::move(walk)));
  bytes_ = walker_->Estimate(filetree::kEstimateItemsMax).bytes;
  return {};
}

Result<std::optional<Item>> KingpinFiles::Next() {
  if (walker_) {
    HF_ASSIGN(auto item, walker_->Next());
    if (item) return item;
  }
  if (!process_ || std::exchange(is_process_given_, true)) return std::nullopt;
  return TextItem(prefix_ + "/process.json", EncodeKingpinProcess(*process_),
                  DocumentAttributes(now_));
}

void KingpinFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  if (!options_.files.empty()) manifest.details["files"] = options_.files;
  if (!config_.empty()) manifest.details["config"] = {config_};
  manifest.missing.insert(manifest.missing.end(), missing_.begin(), missing_.end());
  warnings.insert(warnings.end(), warnings_.begin(), warnings_.end());
  if (walker_) walker_->AppendTo(manifest, warnings);
}

}  // namespace holdfast
