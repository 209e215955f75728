#include "agent/sources/zookeeper/backup.h"

#include <optional>
#include <utility>

#include "agent/sources/zookeeper/member_files.h"
#include "agent/sources/zookeeper/pinned_files.h"
#include "agent/sources/zookeeper/survey.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kDataPath = "data";
constexpr std::string_view kVersionPath = "data/version-2";

std::string SumText(std::uint32_t sum) { return fmt::format("adler32:{:08x}", sum); }

std::string PathOf(const PinnedFile& file) { return fmt::format("{}/{}", kVersionPath, file.name); }

void DescribeServer(const Survey& survey, Manifest& manifest) {
  manifest.identity = survey.Identity();
  manifest.members = survey.Members();
  if (survey.config.client) manifest.endpoint = survey.config.client->Text();
  manifest.details["service"] = {survey.is_live() ? "live" : "cold"};
  manifest.details["health"] = {survey.Health()};
  for (const char* name : {"acceptedEpoch", "currentEpoch"})
    if (const auto epoch = ReadEpoch(survey.config, name))
      manifest.details[name == std::string_view("acceptedEpoch") ? "accepted_epoch"
                                                                 : "current_epoch"] = {
          std::to_string(*epoch)};
  manifest.details["data_dir"] = {survey.config.data_dir};
  if (survey.config.log_dir != survey.config.data_dir)
    manifest.details["data_log_dir"] = {survey.config.log_dir};
}

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_ASSIGN(survey_, SurveyServer(settings_, stop_, context_.places));
    if (survey_.is_outdated())
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("this member is not part of the ensemble that the others serve, so "
                              "its files are out of date: {}",
                              survey_.silence->message()),
                  "start it, or back up another member");
    HF_TRY(OpenFiles());
    HF_TRY(CatchUp());
    HF_ASSIGN(member_files_, OpenMemberFiles(context_, settings_, survey_, previous_));
    return {};
  }

  Result<void> Cut() override {
    const bool was_whole = files_->damages().empty();
    HF_TRY(files_->Advance(stop_));
    // The run waited so long that logs were created and purged. So there are newer snapshots.
    if (was_whole && !files_->damages().empty()) HF_TRY(OpenFiles());
    files_->DropEmptyLogs();
    return {};
  }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    const std::size_t step = next_++;
    if (step == 0) return DirectoryItem(kDataPath, survey_.config.data_dir);
    if (step == 1) return DirectoryItem(kVersionPath, survey_.config.data_dir + "/version-2");
    if (step == 2) return FileItem(files_->snapshot());
    if (step - 3 < files_->logs().size()) return FileItem(files_->logs()[step - 3].file);
    return member_files_->Next();
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    DescribeServer(survey_, manifest);
    manifest.method =
        survey_.is_live() ? "snapshot and transaction logs" : "snapshot and transaction logs, cold";
    manifest.consistency = "fuzzy";
    manifest.position["zxid"] = ZxidText(files_->zxid());
    manifest.position["epoch"] = std::to_string(files_->zxid() >> 32);
    manifest.position["snapshot_zxid"] = ZxidText(files_->snapshot().zxid);
    manifest.details["snapshot_compression"] = {
        std::string(CompressionName(CompressionOf(files_->snapshot().name)))};
    manifest.details["sessions"] = {std::to_string(files_->summary().sessions)};
    manifest.checksums[PathOf(files_->snapshot())] = SumText(files_->snapshot().sum);
    for (const PinnedLog& log : files_->logs())
      manifest.checksums[PathOf(log.file)] = SumText(log.file.sum);
    DescribeDoubts(manifest);
    HF_TRY(DescribeTree(manifest));
    member_files_->Describe(manifest, warnings_);
    manifest.warnings = std::move(warnings_);
    return manifest;
  }

  std::uint64_t bytes_total() const override {
    return (files_ ? files_->bytes() : 0) + (member_files_ ? member_files_->bytes() : 0);
  }

 private:
  Result<void> OpenFiles() {
    HF_ASSIGN(files_, PinnedFiles::Open({.data_dir = survey_.config.data_dir,
                                         .log_dir = survey_.config.log_dir,
                                         .is_live = survey_.is_live()},
                                        stop_));
    return {};
  }

  // The copy must have everything that was confirmed to a client before this. Other members may
  // have confirmed a transaction before this member has it.
  Result<void> CatchUp() {
    const std::int64_t confirmed = survey_.confirmed_zxid();
    HF_ASSIGN(const bool has_it, files_->AdvanceTo(confirmed, stop_));
    if (has_it || !files_->damages().empty()) return {};
    return Fail(
        ErrorCode::kUnavailable,
        fmt::format("this member's log ends at {:#x}, but the ensemble is at {:#x}", files_->zxid(),
                    confirmed),
        "wait until it has caught up, or back up another member; \"config\" must be the file "
        "that this server was started with");
  }

  Result<std::optional<Item>> DirectoryItem(std::string_view path, const std::string& directory) {
    Item item;
    item.path = path;
    HF_ASSIGN(item.attributes, filetree::ReadAttributes(directory));
    if (item.attributes.type == NodeType::kSymlink) {
      HF_ASSIGN(item.attributes, filetree::ReadAttributes(directory + "/."));
    }
    return item;
  }

  // Snapshots, and logs that the server no longer writes, never change.
  std::optional<Item> FileItem(const PinnedFile& file) {
    Item item;
    item.path = PathOf(file);
    item.attributes = file.attributes;
    if (IsSaved(item.path, file)) {
      item.content =
          Reuse{.path = item.path, .read = [&file]() {
                  return Result<std::unique_ptr<ByteReader>>(PinnedFiles::OpenContent(file));
                }};
    } else {
      item.content = PinnedFiles::OpenContent(file);
    }
    return item;
  }

  // Another member's file with the same name may differ: each member writes its own snapshots.
  bool IsSaved(const std::string& path, const PinnedFile& file) {
    if (previous_ == nullptr || !previous_->manifest()) return false;
    const auto& sums = previous_->manifest()->checksums;
    const auto sum = sums.find(path);
    if (sum == sums.end() || sum->second != SumText(file.sum)) return false;
    const auto saved = previous_->Stat(path);
    return saved && *saved && (*saved)->size == file.attributes.size &&
           (*saved)->mtime == file.attributes.mtime && (*saved)->inode == file.attributes.inode;
  }

  void DescribeDoubts(Manifest& manifest) {
    for (const SkippedSnapshot& one : files_->passed_over()) {
      const std::string text = fmt::format("{}: {}", one.path, one.reason);
      manifest.details["snapshots_passed_over"].push_back(text);
      // A snapshot that is still being written is not lost.
      if (!one.is_written)
        warnings_.push_back(
            fmt::format("a newer snapshot cannot be used, so {} was used instead: {}",
                        files_->snapshot().name, text));
    }
    for (const std::string& damage : files_->damages())
      manifest.missing.push_back({"transactions",
                                  fmt::format("{}; the copy ends at {:#x}", damage, files_->zxid()),
                                  "back up another member, and check this server's disk"});
    if (!files_->is_covered())
      manifest.missing.push_back(
          {"transactions",
           fmt::format("the logs end at {:#x}, and the snapshot may have parts of transactions up "
                       "to {:#x}: multis may be torn",
                       files_->zxid(), files_->summary().fuzzy_end()),
           "back up another member"});
  }

  Result<void> DescribeTree(Manifest& manifest) {
    auto facts = ReadTreeFacts(files_->Tree(), stop_);
    if (!facts) {
      const ErrorCode code = facts.error().code();
      if (code != ErrorCode::kUnsupported && code != ErrorCode::kCorrupt)
        return Fail(std::move(facts).error());
      warnings_.push_back("node count and digest are not known: " + facts.error().Text());
      return {};
    }
    manifest.details["znodes"] = {std::to_string(facts->nodes)};
    manifest.details["digest"] = {fmt::format("{:#x}", facts->digest)};
    if (facts->first_difference) {
      warnings_.push_back(
          fmt::format("from {:#x} on, the tree's digest differs from the one in the log (hint: a "
                      "server whose file.encoding is not UTF-8 computes different digests for "
                      "paths that are not ASCII; otherwise compare with another member)",
                      *facts->first_difference));
    } else if (facts->logged) {
      manifest.details["digest_confirmed_at"] = {ZxidText(facts->logged->zxid)};
    }
    return {};
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  std::stop_token stop_;
  Survey survey_;
  std::optional<PinnedFiles> files_;
  std::optional<MemberFiles> member_files_;
  std::vector<std::string> warnings_;
  std::size_t next_ = 0;
};

// Saves only this member's files. They matter most if the server is down, so a missing or bad
// answer never prevents this.
class MemberSession final : public BackupSession {
 public:
  MemberSession(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_ASSIGN(survey_, SurveyServer(settings_, stop_, context_.places));
    HF_ASSIGN(files_, OpenMemberFiles(context_, settings_, survey_, previous_));
    return {};
  }

  Result<void> Cut() override { return {}; }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    return files_->Next();
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    DescribeServer(survey_, manifest);
    manifest.method = "files of the member";
    manifest.consistency = "per file";
    files_->Describe(manifest, manifest.warnings);
    return manifest;
  }

  std::uint64_t bytes_total() const override { return files_ ? files_->bytes() : 0; }

 private:
  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  std::stop_token stop_;
  Survey survey_;
  std::optional<MemberFiles> files_;
};

}  // namespace

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  if (spec.scope == BackupScope::kMember)
    return std::make_unique<MemberSession>(context, settings, spec);
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::zookeeper
