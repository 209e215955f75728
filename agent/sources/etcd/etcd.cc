#include "agent/sources/etcd/etcd.h"

#include <algorithm>
#include <utility>

#include "agent/sources/etcd/backup.h"
#include "agent/sources/etcd/control_plane.h"
#include "agent/sources/etcd/discover.h"
#include "agent/sources/etcd/settings.h"
#include "agent/sources/etcd/survey.h"
#include "agent/sources/member/basic_source.h"
#include "common/base/format.h"
#include "common/filetree/walker.h"

namespace holdfast {
namespace etcd {
namespace {

class EtcdSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    SourceInfo info;
    AddFiles(info);
    HF_ASSIGN(auto reports, SurveyEndpoints(settings_, std::move(stop)));
    if (reports.empty()) return Fail(ErrorCode::kInvalidArgument, "no endpoint is configured");
    std::uint64_t newest = 0;
    for (const EndpointReport& report : reports)
      if (!report.failure) newest = std::max(newest, report.status.raft_index);
    auto choice = ChooseEndpoint(reports);
    // No endpoint answers: return the errors instead of an empty description.
    if (!choice &&
        std::ranges::all_of(reports, [](const auto& r) { return r.failure.has_value(); }))
      return Fail(std::move(choice).error());
    std::size_t readable = 0;
    for (const EndpointReport& report : reports)
      if (!UnsupportedReason(report, newest)) ++readable;
    info.healthy = choice && readable == reports.size();
    info.health =
        fmt::format("{} of {} can be read", readable, FormatCount(reports.size(), "endpoint"));
    if (choice) {
      info.warnings = std::move(choice->warnings);
      Describe(reports[choice->index], info);
    } else {
      info.warnings.push_back(choice.error().Text());
    }
    for (const EndpointReport& report : reports) AddMemberState(report, info);
    return info;
  }

 private:
  void AddFiles(SourceInfo& info) const {
    info.would_save.emplace_back(kSnapshotPath);
    ControlPlaneFiles control_plane = FindControlPlaneFiles(settings_);
    info.missing = std::move(control_plane.missing);
    for (const std::string& path : settings_.files) {
      auto found = filetree::ReadAttributes(path);
      if (found) {
        info.would_save.push_back(path);
      } else {
        info.missing.push_back(
            {path, found.error().message(), "correct \"files\", or let the agent read it"});
      }
    }
    info.would_save.insert(info.would_save.end(), control_plane.roots.begin(),
                           control_plane.roots.end());
  }

  static void Describe(const EndpointReport& report, SourceInfo& info) {
    const StatusResponse& status = report.status;
    info.identity["server_version"] = status.version;
    info.identity["cluster_id"] = IdText(status.header.cluster_id);
    info.identity["endpoint"] = report.endpoint;
    info.identity["database_bytes"] = std::to_string(status.db_size);
    info.identity["database_bytes_in_use"] = std::to_string(status.db_size_in_use);
    if (!status.storage_version.empty()) info.identity["storage_version"] = status.storage_version;
    for (const MemberEntry& member : report.members) {
      auto& text = info.members.emplace_back(DescribeMember(member));
      if (member.id == status.leader) text["leader"] = "true";
    }
  }

  // Adds what the endpoint reports about its member.
  static void AddMemberState(const EndpointReport& report, SourceInfo& info) {
    if (report.failure) return;
    std::string id = IdText(report.status.header.member_id);
    for (auto& member : info.members) {
      if (member["id"] != id) continue;
      member["endpoint"] = report.endpoint;
      member["version"] = report.status.version;
      member["raft_index"] = std::to_string(report.status.raft_index);
      member["raft_applied_index"] = std::to_string(report.status.raft_applied_index);
    }
  }
};

}  // namespace
}  // namespace etcd

SourceKind EtcdKind() {
  SourceKind kind;
  kind.kind = "etcd";
  kind.topology = Topology::kReplicated;
  kind.summary = "etcd: a snapshot of its keys, and the files of a kubeadm control plane";
  kind.options = etcd::SettingsSchema();
  kind.no_in_place = "all members must start from the snapshot together";
  kind.discover = etcd::Discover;
  kind.open = OpenWithSettings<etcd::EtcdSource, etcd::ReadSettings>;
  return kind;
}

}  // namespace holdfast
