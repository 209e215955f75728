#include "agent/sources/kafka/member_files.h"

#include <algorithm>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/member/text_item.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast::kafka {
namespace {

constexpr std::string_view kMetadataLog = "__cluster_metadata-0";

// Escapes a path so that the walker treats it literally.
std::string AsPattern(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace

Result<MemberFiles> MemberFiles::Prepare(const SourceContext& context, MemberFilesOptions options,
                                         const LogDirectories& directories,
                                         SnapshotView* previous) {
  MemberFiles files;
  files.options_ = std::move(options);
  files.prefix_ = fmt::format("members/{}", context.node);
  files.now_ = context.clock->Now();
  if (!files.options_.log_dirs.empty()) {
    files.FindProcess(context.places);
    files.OpenMetadataLog(directories);
  }
  HF_TRY(files.OpenWalker(context, previous));
  return files;
}

void MemberFiles::FindProcess(const host::Places& places) {
  auto process = FindBrokerProcess(options_.log_dirs, places);
  if (process) {
    process_ = *std::move(process);
    warnings_ = process_->warnings;
  } else {
    warnings_.push_back("the broker's command line is not saved: " + process.error().Text());
  }
}

void MemberFiles::OpenMetadataLog(const LogDirectories& directories) {
  std::vector<std::string> places;
  if (process_) {
    const auto found = process_->properties.find("metadata.log.dir");
    if (found != process_->properties.end() && !found->second.empty())
      places.push_back(found->second);
  }
  places.insert(places.end(), options_.log_dirs.begin(), options_.log_dirs.end());
  places.insert(places.end(), options_.files.begin(), options_.files.end());
  for (std::string directory : places) {
    directory = WithoutSlashes(std::move(directory));
    if (!directory.ends_with(kMetadataLog)) directory += fmt::format("/{}", kMetadataLog);
    if (!host::Exists(directory)) continue;
    auto log = MetadataLog::Open(directory);
    if (!log) {
      missing_.push_back({directory, log.error().message(), "let the agent read it"});
    } else {
      if (const std::string doubt = log->Doubt(); !doubt.empty())
        missing_.push_back(
            {directory, doubt, "back up again; if that fails too, check the broker"});
      metadata_log_ = *std::move(log);
    }
    metadata_directory_ = directory;
    return;
  }
  if (directories.is_kraft())
    missing_.push_back({std::string(kMetadataLog),
                        "not found: KRaft's metadata log, the only place of the hashes of SCRAM "
                        "passwords, quotas and secret settings",
                        "let the agent read the directories, and name the broker's "
                        "metadata.log.dir in \"files\""});
}

Result<void> MemberFiles::OpenWalker(const SourceContext& context, SnapshotView* previous) {
  filetree::WalkOptions walk;
  walk.roots = options_.files;
  if (process_) walk.roots.insert(walk.roots.end(), process_->files.begin(), process_->files.end());
  std::vector<std::string> directories = options_.log_dirs;
  if (!metadata_directory_.empty())
    directories.push_back(metadata_directory_.substr(0, metadata_directory_.rfind('/')));
  for (const std::string& directory : directories)
    for (const char* name : {"/meta.properties", "/bootstrap.checkpoint"})
      if (host::Exists(directory + name)) walk.roots.push_back(directory + name);
  // MetadataLog saves that directory.
  if (!metadata_directory_.empty()) walk.exclude.push_back(AsPattern(metadata_directory_));
  std::erase_if(walk.roots, [&](const std::string& root) {
    return !metadata_directory_.empty() &&
           (root == metadata_directory_ || root == metadata_directory_ + "/");
  });
  if (metadata_log_) bytes_ = metadata_log_->bytes();
  if (walk.roots.empty()) return {};
  walk.prefix = prefix_ + "/files";
  walk.ReuseFrom(previous, context.node);
  HF_ASSIGN(walker_, filetree::Walker::Create(std::move(walk)));
  bytes_ += walker_->Estimate(filetree::kEstimateItemsMax).bytes;
  return {};
}

std::optional<Item> MemberFiles::TakeProcess() {
  if (!process_ || std::exchange(is_process_given_, true)) return std::nullopt;
  return TextItem(prefix_ + "/process.json", process_->Encode(), DocumentAttributes(now_));
}

Result<std::optional<Item>> MemberFiles::Next() {
  if (walker_) {
    HF_ASSIGN(auto item, walker_->Next());
    if (item) return item;
  }
  if (metadata_log_) {
    HF_ASSIGN(auto item, metadata_log_->Next(prefix_ + "/cluster_metadata"));
    if (item) return item;
  }
  return TakeProcess();
}

void MemberFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  if (!options_.files.empty()) manifest.details["files"] = options_.files;
  if (!options_.log_dirs.empty()) manifest.details["log_dirs"] = options_.log_dirs;
  if (process_ && !process_->version.empty())
    manifest.identity["server_version"] = process_->version;
  if (metadata_log_) {
    manifest.details["cluster_metadata"] = {metadata_directory_};
    manifest.details["cluster_metadata_end"] = {
        std::to_string(std::max(metadata_log_->end(), metadata_log_->snapshot_end().value_or(0)))};
  }
  manifest.missing.insert(manifest.missing.end(), missing_.begin(), missing_.end());
  warnings.insert(warnings.end(), warnings_.begin(), warnings_.end());
  if (walker_) walker_->AppendTo(manifest, warnings);
}

}  // namespace holdfast::kafka
