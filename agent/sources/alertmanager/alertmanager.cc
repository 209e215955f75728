#include "agent/sources/alertmanager/alertmanager.h"

#include <algorithm>
#include <utility>

#include "agent/sources/alertmanager/backup.h"
#include "agent/sources/alertmanager/discover.h"
#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/alertmanager/survey.h"
#include "agent/sources/member/basic_source.h"
#include "common/base/format.h"

namespace holdfast {
namespace alertmanager {
namespace {

class AlertmanagerSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    HF_ASSIGN(auto members, SurveyMembers(settings_, stop));
    HF_TRY(QuerySilences(members, stop));
    auto options = NodeOptions(settings_);
    options.missing_is_failure = false;
    HF_ASSIGN(const auto node, OpenKingpinFiles(context_, options, nullptr));
    SourceInfo info;
    std::size_t answering = 0;
    for (const Member& member : members) {
      if (member.failure) {
        info.warnings.push_back(member.failure->Text());
        continue;
      }
      if (answering++ == 0) Describe(member, info);
    }
    info.healthy = answering > 0 && answering == members.size();
    info.health =
        fmt::format("{} of {} answer", answering, FormatCount(members.size(), "endpoint"));
    for (std::string& text : Disagreements(members)) info.warnings.push_back(std::move(text));
    if (!node.process)
      info.warnings.push_back(
          "found no running Alertmanager with its data in \"storage\": the way it is started would "
          "not be saved");
    info.would_save.push_back(FormatCount(MergeSilences(members).size(), "silence"));
    info.would_save.insert(info.would_save.end(), node.roots().begin(), node.roots().end());
    info.missing = node.missing();
    return info;
  }

 private:
  static void Describe(const Member& member, SourceInfo& info) {
    info.identity["server_version"] = member.status.version;
    info.identity["endpoint"] = member.endpoint;
    if (!member.status.cluster_status.empty())
      info.identity["cluster_status"] = member.status.cluster_status;
    for (const Status::Peer& peer : member.status.peers)
      info.members.push_back({{"name", peer.name}, {"address", peer.address}});
  }
};

}  // namespace
}  // namespace alertmanager

SourceKind AlertmanagerKind() {
  SourceKind kind;
  kind.kind = "alertmanager";
  kind.topology = Topology::kReplicated;
  kind.summary =
      "Alertmanager: silences, notification log, configuration and the files that it names";
  kind.options = alertmanager::SettingsSchema();
  kind.no_in_place = "its peers would send it their own state";
  kind.discover = alertmanager::Discover;
  kind.open = OpenWithSettings<alertmanager::AlertmanagerSource, alertmanager::ReadSettings>;
  return kind;
}

}  // namespace holdfast
