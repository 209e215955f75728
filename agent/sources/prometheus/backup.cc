#include "agent/sources/prometheus/backup.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "agent/sources/prometheus/block_files.h"
#include "agent/sources/prometheus/facts.h"
#include "agent/sources/prometheus/log_files.h"
#include "common/base/format.h"

namespace holdfast::prometheus {
namespace {

class Session final : public BackupSession {
 public:
  Session(const SourceContext& context, const Settings& settings, const BackupSpec& spec)
      : context_(context), settings_(settings), previous_(spec.previous) {}

  Result<void> Prepare(std::stop_token stop) override {
    stop_ = std::move(stop);
    HF_TRY(CheckStop(stop_));
    auto data = OpenFile(settings_.data_dir, O_RDONLY | O_DIRECTORY);
    if (!data)
      return Fail(std::move(data).error().WithHint(
          "set \"data_dir\" to the value of --storage.tsdb.path, and let the agent read it"));
    data_ = *std::move(data);
    if (!settings_.url.empty()) {
      auto asked = QueryServer(settings_, stop_);
      if (asked) {
        facts_ = *std::move(asked);
      } else if (asked.error().code() == ErrorCode::kCancelled) {
        return Fail(std::move(asked).error());
      } else {
        warnings_.push_back("cannot read the version of Prometheus: " + asked.error().Text());
      }
    }
    HF_ASSIGN(node_, OpenKingpinFiles(context_, NodeOptions(settings_), previous_));
    is_cold_ = !node_->process && !facts_;
    return {};
  }

  // THE ORDER, see backup.h: do not list blocks before this.
  Result<void> Cut() override {
    HF_TRY(CheckStop(stop_));
    cut_ = context_.clock->Now();
    HF_ASSIGN(wal_, LogFiles::Pin(data_.get(), settings_.data_dir, "wal", names_));
    HF_ASSIGN(wbl_, LogFiles::Pin(data_.get(), settings_.data_dir, "wbl", names_));
    return {};
  }

  Result<std::optional<Item>> Next() override {
    HF_TRY(CheckStop(stop_));
    if (!std::exchange(is_top_given_, true)) {
      HF_ASSIGN(Item top, DirectoryItem(data_.get(), "data", settings_.data_dir, names_));
      return top;
    }
    for (LogFiles* log : {&*wal_, &*wbl_})
      if (auto item = log->Next()) return item;
    if (!blocks_) blocks_.emplace(data_.get(), settings_.data_dir, previous_);
    HF_ASSIGN(auto item, blocks_->Next());
    if (item) return item;
    return node_->Next();
  }

  Result<Manifest> Finish() override {
    Manifest manifest;
    manifest.method = is_cold_ ? "cold copy: logs, then blocks" : "logs, then blocks";
    manifest.consistency = "fuzzy";
    manifest.cut_time = cut_;
    manifest.position["time"] = FormatTime(cut_);
    if (!wal_->position().empty()) manifest.position["wal"] = wal_->position();
    if (!wbl_->position().empty()) manifest.position["wbl"] = wbl_->position();
    manifest.details["state"] = {is_cold_ ? "cold" : "live"};
    manifest.details["data_dir"] = {settings_.data_dir};
    DescribeServer(manifest);
    DescribeBlocks(manifest);
    node_->Describe(manifest, warnings_);
    if (is_cold_)
      warnings_.push_back("found no Prometheus running on this data: it is saved as it is");
    manifest.warnings = std::move(warnings_);
    return manifest;
  }

 private:
  void DescribeServer(Manifest& manifest) {
    if (facts_ && !facts_->version.empty()) manifest.identity["server_version"] = facts_->version;
    if (facts_ && facts_->corruptions.value_or(0) > 0)
      warnings_.push_back(fmt::format("Prometheus says that its log was corrupt {}",
                                      FormatCount(*facts_->corruptions, "time")));
    if (!settings_.url.empty()) manifest.endpoint = settings_.url;
    const std::optional<ConfigFacts> config = ReadConfigFacts(node_->config);
    if (const auto& process = node_->process) {
      const Mode mode = ModeOf(process->flags, config);
      manifest.details["mode"] = {std::string(ModeText(mode))};
      if (mode != Mode::kAgent)
        manifest.details["retention"] = {RetentionText(process->flags, config)};
    }
    if (!config) return;
    std::string labels;
    for (const auto& [name, value] : config->external_labels) {
      manifest.details["external_labels"].push_back(fmt::format("{}={}", name, value));
      labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", name, value);
    }
    if (!labels.empty()) manifest.identity["external_labels"] = labels;
    manifest.details["remote_writes"] = {std::to_string(config->remote_writes)};
    if (!config->out_of_order_window.empty())
      manifest.details["out_of_order_time_window"] = {config->out_of_order_window};
  }

  void DescribeBlocks(Manifest& manifest) {
    std::uint64_t samples = 0;
    for (const BlockMeta& meta : blocks_->blocks()) {
      manifest.details["blocks"].push_back(BlockText(meta));
      samples += meta.samples;
    }
    manifest.details["samples_in_blocks"] = {std::to_string(samples)};
    if (!blocks_->vanished().empty()) manifest.details["vanished_blocks"] = blocks_->vanished();
    const auto& missing = blocks_->missing();
    manifest.missing.insert(manifest.missing.end(), missing.begin(), missing.end());
    const auto& said = blocks_->warnings();
    warnings_.insert(warnings_.end(), said.begin(), said.end());
  }

  const SourceContext& context_;
  const Settings& settings_;
  SnapshotView* previous_;
  std::stop_token stop_;
  Fd data_;
  filetree::NameCache names_;
  std::optional<ServerFacts> facts_;  // nullopt: not queried, or no answer
  std::optional<KingpinFiles> node_;
  std::optional<LogFiles> wal_;
  std::optional<LogFiles> wbl_;
  std::optional<BlockFiles> blocks_;
  std::vector<std::string> warnings_;
  WallTime cut_{};
  bool is_cold_ = false;
  bool is_top_given_ = false;
};

}  // namespace

KingpinFilesOptions NodeOptions(const Settings& settings) {
  KingpinFilesOptions options;
  static_cast<KingpinFilesSettings&>(options) = settings;
  options.server = {.programs = {"prometheus"},
                    .storage_flags = {"storage.tsdb.path", "storage.agent.path"},
                    .storage_defaults = {"data", "data-agent", "/var/lib/prometheus/metrics2",
                                         "/var/lib/prometheus/data-agent"},
                    .storage = settings.data_dir,
                    .defaults = {"/etc/default/prometheus"}};
  options.config_defaults = {"prometheus.yml", "/etc/prometheus/prometheus.yml"};
  options.config_flags = {"web.config.file"};
  options.units = {"prometheus.service"};
  return options;
}

std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec) {
  return std::make_unique<Session>(context, settings, spec);
}

}  // namespace holdfast::prometheus
