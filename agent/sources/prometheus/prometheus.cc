#include "agent/sources/prometheus/prometheus.h"

#include <fcntl.h>

#include <utility>

#include "agent/sources/member/basic_source.h"
#include "agent/sources/prometheus/backup.h"
#include "agent/sources/prometheus/discover.h"
#include "agent/sources/prometheus/facts.h"
#include "agent/sources/prometheus/pinned_file.h"
#include "agent/sources/prometheus/settings.h"
#include "common/base/format.h"
#include "common/base/ulid.h"

namespace holdfast {
namespace prometheus {
namespace {

class PrometheusSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    auto data = OpenFile(settings_.data_dir, O_RDONLY | O_DIRECTORY);
    if (!data)
      return Fail(std::move(data).error().WithHint(
          "set \"data_dir\" to the value of --storage.tsdb.path, and let the agent read it"));
    HF_ASSIGN(const auto names, NamesIn(data->get(), settings_.data_dir));
    std::size_t blocks = 0;
    for (const std::string& name : names) blocks += IsUlid(name) ? 1 : 0;
    auto options = NodeOptions(settings_);
    options.missing_is_failure = false;
    HF_ASSIGN(const auto node, OpenKingpinFiles(context_, options, nullptr));
    SourceInfo info;
    HF_TRY(AskVersion(info, stop));
    const auto& process = node.process;
    info.would_save.push_back(FormatCount(blocks, "block") + " and the logs");
    if (process)
      DescribeMode(*process, node.config, info);
    else
      info.warnings.push_back(
          "found no running Prometheus with its data in \"data_dir\": the way it is started would "
          "not be saved");
    const bool answers = info.identity.contains("server_version");
    info.healthy = settings_.url.empty() ? process.has_value() : answers;
    info.health = fmt::format("{}; {}", FormatCount(blocks, "block"),
                              answers   ? "it answers"
                              : process ? "it runs"
                                        : "it does not run");
    info.would_save.insert(info.would_save.end(), node.roots().begin(), node.roots().end());
    info.missing = node.missing();
    return info;
  }

 private:
  // Describes which samples would be saved if the server sends them elsewhere.
  static void DescribeMode(const KingpinProcess& process, const std::string& config,
                           SourceInfo& info) {
    const std::optional<ConfigFacts> facts = ReadConfigFacts(config);
    const Mode mode = ModeOf(process.flags, facts);
    info.identity["mode"] = ModeText(mode);
    if (facts && facts->remote_writes > 0)
      info.identity["remote_writes"] = std::to_string(facts->remote_writes);
    if (mode == Mode::kAgent)
      info.would_save = {"the log: samples that were not sent yet"};
    else if (mode == Mode::kRemoteWriteOnly)
      info.would_save.back() +=
          fmt::format(": samples of {}; the others were sent", RetentionText(process.flags, facts));
  }

  Result<void> AskVersion(SourceInfo& info, const std::stop_token& stop) const {
    if (settings_.url.empty()) return {};
    auto facts = QueryServer(settings_, stop);
    if (!facts) {
      if (facts.error().code() == ErrorCode::kCancelled) return Fail(std::move(facts).error());
      info.warnings.push_back(facts.error().Text());
      return {};
    }
    info.identity["server_version"] = facts->version;
    if (facts->corruptions.value_or(0) > 0)
      info.warnings.push_back("it reports that its log was corrupt " +
                              FormatCount(*facts->corruptions, "time"));
    return {};
  }
};

}  // namespace
}  // namespace prometheus

SourceKind PrometheusKind() {
  SourceKind kind;
  kind.kind = "prometheus";
  kind.topology = Topology::kLocal;
  kind.summary =
      "Prometheus: blocks and write-ahead log, configuration and the files that it names";
  kind.options = prometheus::SettingsSchema();
  kind.no_in_place = "it cannot load blocks while it runs";
  kind.discover = prometheus::Discover;
  kind.open = OpenWithSettings<prometheus::PrometheusSource, prometheus::ReadSettings>;
  return kind;
}

}  // namespace holdfast
