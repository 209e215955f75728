#include "agent/sources/alertmanager/backup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <utility>

#include "agent/sources/alertmanager/survey.h"
#include "agent/sources/host/paths.h"
#include "agent/sources/member/text_item.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/filetree/file_reader.h"
#include "common/filetree/metadata.h"
#include "common/io/fd.h"

namespace holdfast::alertmanager {
namespace {

constexpr std::chrono::hours kDefaultRetention{120};
// A recent change may not have reached all peers yet.
constexpr int kAgreementTries = 5;
constexpr std::chrono::milliseconds kGossip{300};

// A file of the storage, held open in case it is replaced.
struct Pinned {
  Fd file;
  Attributes attributes;
};

Result<std::optional<Pinned>> Pin(const std::string& path) {
  auto file = OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file) {
    if (file.error().code() == ErrorCode::kNotFound) return std::nullopt;
    return Fail(std::move(file).error());
  }
  HF_ASSIGN(const struct stat status, StatRegularFile(file->get(), path));
  return Pinned{*std::move(file), filetree::FromStat(status)};
}

// Why no member could be queried.
Error UnreachableError(const std::vector<Member>& members) {
  std::string text = "no endpoint answers";
  std::string_view separator = ": ";
  for (const Member& member : members) {
    text += fmt::format("{}{}", separator, member.failure->message());
    separator = "; ";
  }
  const Error& first = *members.front().failure;
  return Error(first.code(), text).WithHint(first.hint());
}

bool NoneAnswers(const std::vector<Member>& members) {
  return std::ranges::all_of(members, [](const Member& one) { return one.failure.has_value(); });
}

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context),
        settings_(settings),
        previous_(spec.previous),
        is_member_(spec.scope == BackupScope::kMember) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_TRY(CheckStop(stop_));
    HF_ASSIGN(members_, SurveyMembers(settings_, stop_));
    if (members_.empty()) return Fail(ErrorCode::kInvalidArgument, "no endpoint is configured");
    HF_ASSIGN(node_, OpenKingpinFiles(context_, NodeOptions(settings_), previous_));
    if (NoneAnswers(members_) && !is_member_) HF_TRY(UseColdFiles());
    if (is_member_) return {};
    HF_TRY(PinStorage("nflog"));
    if (is_cold_) HF_TRY(PinStorage("silences"));
    return {};
  }

  Result<void> Cut() override {
    HF_TRY(CheckStop(stop_));
    cut_ = context_.clock->Now();
    if (is_member_) return {};
    if (!is_cold_) {
      HF_TRY(AskAll());
      QueueAnswers();
    }
    return {};
  }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    if (!documents_.empty()) {
      Item item = std::move(documents_.front());
      documents_.pop_front();
      return item;
    }
    if (!pinned_.empty()) {
      auto [name, pinned] = std::move(pinned_.front());
      pinned_.pop_front();
      Item item;
      item.path = fmt::format("{}/{}", kStoragePath, name);
      item.attributes = pinned.attributes;
      item.required = false;
      item.content = filetree::ReadLiveFile(std::move(pinned.file), item.attributes,
                                            settings_.storage + "/" + name);
      return item;
    }
    return node_->Next();
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.cut_time = cut_;
    for (const Member& member : members_)
      if (member.failure) warnings_.push_back(member.failure->Text());
    const auto first = std::ranges::find_if(members_, [](const Member& m) { return !m.failure; });
    if (first != members_.end()) {
      manifest.endpoint = first->endpoint;
      manifest.identity["server_version"] = first->status.version;
      if (!first->status.cluster_status.empty())
        manifest.identity["cluster_status"] = first->status.cluster_status;
      for (const Status::Peer& peer : first->status.peers)
        manifest.members.push_back({{"name", peer.name}, {"address", peer.address}});
    }
    manifest.method = is_cold_ ? "cold copy of the storage" : "API v2";
    manifest.consistency = is_cold_ || is_member_ ? "per file" : are_agreed_ ? "exact" : "fuzzy";
    if (!is_member_) DescribeState(manifest);
    node_->Describe(manifest, warnings_);
    manifest.missing.insert(manifest.missing.end(), missing_.begin(), missing_.end());
    manifest.warnings = std::move(warnings_);
    return manifest;
  }

  std::uint64_t bytes_total() const override { return bytes_ + (node_ ? node_->bytes() : 0); }

 private:
  // Uses the files only if Alertmanager is not running: those of a running server are outdated.
  Result<void> UseColdFiles() {
    const bool is_down = std::ranges::all_of(
        members_, [](const Member& member) { return member.api && member.api->is_unreachable(); });
    if (!is_down || node_->process || !host::Exists(settings_.storage))
      return Fail(UnreachableError(members_));
    is_cold_ = true;
    warnings_.push_back(
        "Alertmanager does not run: its files are saved as they are; silences that it created "
        "after it last wrote them are included only if it was stopped cleanly");
    return {};
  }

  Result<void> PinStorage(const std::string& name) {
    const std::string path = settings_.storage + "/" + name;
    auto pinned = Pin(path);
    if (!pinned) {
      missing_.push_back({path, pinned.error().message(), "let the agent read \"storage\""});
      return {};
    }
    if (!*pinned) {
      if (is_cold_) missing_.push_back({path, "it does not exist", "correct \"storage\""});
      return {};
    }
    bytes_ += (*pinned)->attributes.size;
    const WallTime written = ToWallTime((*pinned)->attributes.mtime);
    (name == "nflog" ? nflog_written_ : silences_written_) = written;
    pinned_.emplace_back(name, **std::move(pinned));
    return {};
  }

  Result<void> AskAll() {
    for (int tries = 1;; ++tries) {
      HF_TRY(QuerySilences(members_, stop_));
      if (NoneAnswers(members_)) return Fail(UnreachableError(members_));
      const auto differences = Disagreements(members_);
      are_agreed_ = differences.empty();
      if (are_agreed_) break;
      if (tries == kAgreementTries) {
        warnings_.insert(warnings_.end(), differences.begin(), differences.end());
        break;
      }
      if (!WaitFor(kGossip, stop_)) return Stopped();
    }
    silences_ = MergeSilences(members_);
    const auto alone = std::ranges::find_if(members_, [](const Member& member) {
      return !member.failure && !member.status.is_clustered();
    });
    if (members_.size() > 1 && alone != members_.end())
      warnings_.push_back(fmt::format(
          "{} is not in a cluster: its own silences were merged with those of the other endpoints",
          Quote(alone->endpoint)));
    return {};
  }

  void QueueAnswers() {
    const Attributes attributes = DocumentAttributes(cut_);
    const auto queue = [&](std::string path, std::string text) {
      bytes_ += text.size();
      documents_.push_back(TextItem(std::move(path), std::move(text), attributes));
    };
    const auto first = std::ranges::find_if(members_, [](const Member& m) { return !m.failure; });
    queue(std::string(kSilencesPath), EncodeSilences(silences_));
    queue(std::string(kStatusPath), first->status.json);
    const Bytes storage = EncodeStorage(silences_, Retention());
    queue(fmt::format("{}/silences", kStoragePath), std::string(AsText(storage)));
  }

  std::optional<std::string> RetentionFlag() const {
    return node_->process ? node_->process->flags.Last("data.retention") : std::nullopt;
  }

  std::chrono::milliseconds Retention() const {
    const auto said = RetentionFlag();
    return said ? ParseDuration(*said).value_or(kDefaultRetention) : kDefaultRetention;
  }

  void DescribeState(Manifest& manifest) {
    manifest.details["state"] = {is_cold_ ? "cold" : "live"};
    manifest.details["retention"] = {RetentionFlag().value_or("120h")};
    if (nflog_written_) {
      manifest.details["nflog_written"] = {FormatTime(*nflog_written_)};
      manifest.details["nflog_age"] = {
          FormatDuration(std::max(cut_ - *nflog_written_, WallTime::duration::zero()))};
    } else {
      warnings_.push_back(
          "the notification log is not saved because the file does not exist yet: after a restore, "
          "notifications may be sent a second time");
    }
    if (is_cold_) {
      if (silences_written_) manifest.position["written"] = FormatTime(*silences_written_);
      return;
    }
    std::map<std::string, std::size_t> states = {{"active", 0}, {"pending", 0}, {"expired", 0}};
    UnixTime newest;
    for (const Silence& silence : silences_) {
      ++states[silence.state];
      newest = std::max(newest, silence.updated);
    }
    for (const auto& [state, count] : states)
      manifest.details["silences_" + state] = {std::to_string(count)};
    manifest.position["silences"] = std::to_string(silences_.size());
    if (newest.seconds != 0)
      manifest.position["updated_at"] = FormatTime(newest.seconds, newest.nanoseconds);
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  const bool is_member_;
  std::stop_token stop_;
  std::vector<Member> members_;
  std::optional<KingpinFiles> node_;
  std::vector<Silence> silences_;
  std::deque<Item> documents_;
  std::deque<std::pair<std::string, Pinned>> pinned_;
  std::optional<WallTime> nflog_written_;
  std::optional<WallTime> silences_written_;  // if cold
  std::vector<Missing> missing_;
  std::vector<std::string> warnings_;
  std::uint64_t bytes_ = 0;
  WallTime cut_{};
  bool is_cold_ = false;
  bool are_agreed_ = true;
};

}  // namespace

KingpinFilesOptions NodeOptions(const Settings& settings) {
  KingpinFilesOptions options;
  static_cast<KingpinFilesSettings&>(options) = settings;
  options.server = {
      .programs = {"alertmanager", "prometheus-alertmanager"},
      .storage_flags = {"storage.path"},
      .storage_defaults = {"data", "/var/lib/prometheus/alertmanager"},
      .storage = settings.storage,
      .defaults = {"/etc/default/prometheus-alertmanager", "/etc/default/alertmanager"}};
  options.config_defaults = {"alertmanager.yml", "/etc/prometheus/alertmanager.yml",
                             "/etc/alertmanager/alertmanager.yml"};
  options.config_flags = {"web.config.file", "cluster.tls-config"};
  options.units = {"alertmanager.service", "prometheus-alertmanager.service"};
  options.storage_files = {settings.storage + "/silences", settings.storage + "/nflog"};
  return options;
}

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::alertmanager
