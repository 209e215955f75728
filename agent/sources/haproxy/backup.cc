#include "agent/sources/haproxy/backup.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/sources/haproxy/config_check.h"
#include "agent/sources/haproxy/live_state.h"
#include "agent/sources/haproxy/survey.h"
#include "agent/sources/member/missing_policy.h"
#include "common/base/format.h"
#include "common/filetree/exclude.h"
#include "common/filetree/walker.h"

namespace holdfast::haproxy {

namespace {

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context),
        settings_(settings),
        previous_(spec.previous),
        staged_(spec.staged),
        may_refuse_(settings.missing_is_failure && !spec.before_restore) {}

  Result<void> Prepare(std::stop_token stop) override {
    survey_ = TakeSurvey(settings_);
    if (!survey_.has_config) {
      const Missing& first = survey_.missing.front();
      return Fail(ErrorCode::kNotFound,
                  fmt::format("no configuration: {}: {}", Quote(first.what), first.reason),
                  "correct the source's \"config\", and let the agent read the file");
    }
    if (may_refuse_) HF_TRY(FailIfMissing(survey_.missing));
    stop_ = std::move(stop);
    HF_TRY(AskHaproxy(stop_));
    filetree::WalkOptions options;
    options.roots = survey_.roots;
    for (const std::string& path : staged_) {
      options.exclude.push_back(filetree::LiteralPattern(path));
    }
    options.prefix = MemberPrefix(context_.node);
    options.ReuseFrom(previous_);
    HF_ASSIGN(walker_, filetree::Walker::Create(std::move(options)));
    const filetree::Walker::Totals totals = walker_->Estimate(filetree::kEstimateItemsMax);
    if (totals.is_whole) bytes_total_ = totals.bytes;
    return {};
  }

  // Files have no common point in time. The cut only tells later backups which files to read again.
  Result<void> Cut() override {
    cut_ = context_.clock->Now();
    return {};
  }

  // The process's own state comes first, because it changes fastest.
  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    if (!settings_.socket.empty()) {
      if (!live_) {
        HF_ASSIGN(live_, LiveState::Take({.settings = &settings_,
                                          .state_dir = context_.state_dir,
                                          .clock = context_.clock},
                                         stop_));
      }
      HF_ASSIGN(auto item, live_->Next(LivePrefix(context_.node)));
      if (item) return item;
    }
    return walker_->Next();
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.identity = std::move(identity_);
    manifest.method = live_ && !live_->is_cold()
                          ? "files named by the configuration, and its runtime API"
                          : "files named by the configuration";
    manifest.consistency = "per file";
    manifest.cut_time = cut_;
    manifest.details[std::string(kConfigDetail)] = settings_.config;
    manifest.details["files"] = survey_.roots;
    manifest.details[std::string(kCertificateDirectories)] = survey_.certificate_directories;
    manifest.details[std::string(kConfigDirectories)] = survey_.config_directories;
    manifest.missing = survey_.missing;
    for (Missing missing : walker_->missing()) {
      auto place = survey_.places.find(missing.what);
      if (place != survey_.places.end()) missing.reason += ", named in " + place->second;
      manifest.missing.push_back(std::move(missing));
    }
    manifest.invalid = invalid_;
    manifest.warnings = survey_.warnings;
    manifest.warnings.insert(manifest.warnings.end(), notes_.begin(), notes_.end());
    const std::vector<std::string>& walked = walker_->warnings();
    manifest.warnings.insert(manifest.warnings.end(), walked.begin(), walked.end());
    if (live_) live_->Describe(manifest);
    if (TakeSurvey(settings_) != survey_) {
      manifest.warnings.emplace_back(
          "the configuration changed the files that it names during the backup; back up again");
    }
    return manifest;
  }

  std::uint64_t bytes_total() const override { return bytes_total_; }

 private:
  // Backups matter most when something is wrong, so what HAProxy says is only recorded.
  Result<void> AskHaproxy(const std::stop_token& stop) {
    Result<std::string> version = AskVersion(settings_, stop);
    if (!version) {
      if (version.error().code() == ErrorCode::kCancelled) return Fail(std::move(version).error());
      notes_.push_back(
          fmt::format("the configuration was not checked: {}", version.error().message()));
      return {};
    }
    identity_["server_version"] = *version;
    Result<CheckVerdict> verdict = CheckLive(settings_, stop);
    if (!verdict) {
      if (verdict.error().code() == ErrorCode::kCancelled) return Fail(std::move(verdict).error());
      notes_.push_back(
          fmt::format("the configuration was not checked: {}", verdict.error().Text()));
      return {};
    }
    for (const std::string& warning : verdict->warnings) {
      notes_.push_back("haproxy warns: " + warning);
    }
    for (const std::string& alert : verdict->alerts) {
      if (verdict->is_accepted) {
        notes_.push_back("haproxy says: " + alert);
      } else {
        invalid_.push_back("haproxy refuses the configuration: " + alert);
      }
    }
    return {};
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  const std::vector<std::string> staged_;
  const bool may_refuse_;  // fail if a file is missing
  Survey survey_;
  std::map<std::string, std::string> identity_;
  std::vector<std::string> notes_;
  std::vector<std::string> invalid_;  // why HAProxy refuses the configuration
  std::unique_ptr<filetree::Walker> walker_;
  std::optional<LiveState> live_;
  std::uint64_t bytes_total_ = 0;
  WallTime cut_{};
  std::stop_token stop_;
};

}  // namespace

std::string MemberPrefix(const std::string& node) { return fmt::format("members/{}/files", node); }
std::string LivePrefix(const std::string& node) { return fmt::format("members/{}/live", node); }

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::haproxy
