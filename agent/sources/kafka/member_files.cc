#include "agent/sources/kafka/member_files.h"

#include <algorithm>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/exclude.h"

namespace holdfast::kafka {
namespace {

constexpr std::string_view kMetadataLog = "__cluster_metadata-0";

}  // namespace

Result<BrokerFiles> BrokerFiles::Prepare(const SourceContext& context,
                                         const BrokerFilesOptions& options,
                                         const LogDirectories& directories,
                                         SnapshotView* previous) {
  BrokerFiles files;
  files.metadata_prefix_ = fmt::format("members/{}/cluster_metadata", context.node);
  MemberFilesSpec spec;
  if (!options.log_dirs.empty()) {
    files.FindProcess(options, context.places, spec);
    files.OpenMetadataLog(options, directories, spec);
  }
  files.FindFiles(options, spec);
  HF_ASSIGN(files.files_, MemberFiles::Open(context, std::move(spec), previous));
  return files;
}

void BrokerFiles::FindProcess(const BrokerFilesOptions& options, const host::Places& places,
                              MemberFilesSpec& spec) {
  auto process = FindBrokerProcess(options.log_dirs, places);
  if (process) {
    process_ = *std::move(process);
    spec.Add(*process_);
  } else {
    spec.warnings.push_back("the broker's command line is not saved: " + process.error().Text());
  }
}

void BrokerFiles::OpenMetadataLog(const BrokerFilesOptions& options,
                                  const LogDirectories& directories, MemberFilesSpec& spec) {
  std::vector<std::string> places;
  if (process_) {
    const auto found = process_->properties.find("metadata.log.dir");
    if (found != process_->properties.end() && !found->second.empty())
      places.push_back(found->second);
  }
  places.insert(places.end(), options.log_dirs.begin(), options.log_dirs.end());
  places.insert(places.end(), options.files.begin(), options.files.end());
  for (std::string directory : places) {
    directory = WithoutSlashes(std::move(directory));
    if (!directory.ends_with(kMetadataLog)) directory += fmt::format("/{}", kMetadataLog);
    if (!host::Exists(directory)) continue;
    auto log = MetadataLog::Open(directory);
    if (!log) {
      spec.missing.push_back({directory, log.error().message(), "let the agent read it"});
    } else {
      if (const std::string doubt = log->Doubt(); !doubt.empty())
        spec.missing.push_back(
            {directory, doubt, "back up again; if that fails too, check the broker"});
      metadata_log_ = *std::move(log);
    }
    metadata_directory_ = directory;
    return;
  }
  if (directories.is_kraft())
    spec.missing.push_back(
        {std::string(kMetadataLog),
         "not found: KRaft's metadata log, the only place of the hashes of SCRAM "
         "passwords, quotas and secret settings",
         "let the agent read the directories, and name the broker's "
         "metadata.log.dir in \"files\""});
}

void BrokerFiles::FindFiles(const BrokerFilesOptions& options, MemberFilesSpec& spec) const {
  spec.roots.insert(spec.roots.begin(), options.files.begin(), options.files.end());
  if (!options.files.empty()) spec.details["files"] = options.files;
  if (!options.log_dirs.empty()) spec.details["log_dirs"] = options.log_dirs;
  std::vector<std::string> directories = options.log_dirs;
  if (!metadata_directory_.empty())
    directories.push_back(metadata_directory_.substr(0, metadata_directory_.rfind('/')));
  for (const std::string& directory : directories)
    for (const char* name : {"/meta.properties", "/bootstrap.checkpoint"})
      if (host::Exists(directory + name)) spec.roots.push_back(directory + name);
  if (metadata_directory_.empty()) return;
  // MetadataLog saves that directory.
  spec.exclude.push_back(filetree::LiteralPattern(metadata_directory_));
  std::erase_if(spec.roots, [&](const std::string& root) {
    return root == metadata_directory_ || root == metadata_directory_ + "/";
  });
}

Result<std::optional<Item>> BrokerFiles::Next() {
  HF_ASSIGN(auto file, files_.NextFile());
  if (file) return file;
  if (metadata_log_) {
    HF_ASSIGN(auto item, metadata_log_->Next(metadata_prefix_));
    if (item) return item;
  }
  return files_.Next();
}

void BrokerFiles::Describe(Manifest& manifest, std::vector<std::string>& warnings) const {
  if (process_ && !process_->version.empty())
    manifest.identity["server_version"] = process_->version;
  if (metadata_log_) {
    manifest.details["cluster_metadata"] = {metadata_directory_};
    manifest.details["cluster_metadata_end"] = {
        std::to_string(std::max(metadata_log_->end(), metadata_log_->snapshot_end().value_or(0)))};
  }
  files_.Describe(manifest, warnings);
}

}  // namespace holdfast::kafka
