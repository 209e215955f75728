#include "agent/sources/etcd/survey.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::etcd {
namespace {

// etcd itself considers a member slow, and refuses writes, from this lag on.
constexpr std::uint64_t kLagMax = 5000;

Result<void> Ask(EndpointReport& report, const HttpAccess& access, std::stop_token stop) {
  HF_ASSIGN(report.connection, Connection::Open(report.endpoint, access));
  HF_ASSIGN(report.status, report.connection->Status(stop));
  HF_ASSIGN(report.alarms, report.connection->Alarms(stop));
  HF_ASSIGN(report.members, report.connection->Members(stop));
  report.user_not_needed = report.connection->user_not_needed();
  return {};
}

bool HasAlarm(const EndpointReport& report, AlarmType type) {
  return std::ranges::any_of(report.alarms, [&](const AlarmEntry& alarm) {
    return alarm.type == type && alarm.member_id == report.status.header.member_id;
  });
}

std::string_view AlarmName(AlarmType type) {
  switch (type) {
    case AlarmType::kNone:
      return "NONE";
    case AlarmType::kNoSpace:
      return "NOSPACE";
    case AlarmType::kCorrupt:
      return "CORRUPT";
  }
  return "UNKNOWN";
}

Result<void> CheckOneCluster(const std::vector<EndpointReport>& reports) {
  const EndpointReport* first = nullptr;
  for (const EndpointReport& report : reports) {
    if (report.failure) continue;
    if (first == nullptr) first = &report;
    if (report.status.header.cluster_id == first->status.header.cluster_id) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is of cluster {}, but {} is of cluster {}", Quote(first->endpoint),
                            IdText(first->status.header.cluster_id), Quote(report.endpoint),
                            IdText(report.status.header.cluster_id)),
                "list only members of one cluster; configure one source per cluster");
  }
  return {};
}

Error NoEndpoint(const std::vector<std::optional<Error>>& reasons) {
  const Error& first = *reasons.front();
  if (reasons.size() == 1)
    return Error(first.code(), "no member can be read: " + first.message()).WithHint(first.hint());
  std::string text = "no member can be read";
  std::string_view separator = ": ";
  for (const std::optional<Error>& reason : reasons) {
    text += separator;
    text += reason->message();
    separator = "; ";
  }
  return Error(first.code(), text).WithHint(first.hint());
}

}  // namespace

Result<std::vector<EndpointReport>> SurveyEndpoints(const Settings& settings,
                                                    std::stop_token stop) {
  HF_ASSIGN(const HttpAccess access, OpenHttpAccess(settings));
  std::vector<EndpointReport> reports;
  for (const std::string& endpoint : settings.endpoints) {
    EndpointReport& report = reports.emplace_back();
    report.endpoint = endpoint;
    auto asked = Ask(report, access, stop);
    if (asked) continue;
    if (asked.error().code() == ErrorCode::kCancelled) return Fail(std::move(asked).error());
    report.failure = std::move(asked).error();
    report.connection.reset();
  }
  return reports;
}

std::optional<Error> UnsupportedReason(const EndpointReport& report, std::uint64_t raft_index_max) {
  if (report.failure) return report.failure;
  std::string name = Quote(report.endpoint);
  const StatusResponse& status = report.status;
  if (HasAlarm(report, AlarmType::kCorrupt))
    return Error(ErrorCode::kCorrupt,
                 name + " has the alarm CORRUPT: its data differ from other members'")
        .WithHint("read another member, and replace this one");
  if (status.is_learner)
    return Error(ErrorCode::kUnavailable, name + " is a learner, which serves no snapshots")
        .WithHint("list a voting member");
  if (status.leader == 0)
    return Error(ErrorCode::kUnavailable, name + " sees no leader")
        .WithHint("the cluster has lost its quorum, or this member cannot reach it");
  if (raft_index_max > status.raft_applied_index + kLagMax)
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{} lags by {}", name,
                             FormatCount(raft_index_max - status.raft_applied_index, "entry")))
        .WithHint("let it catch up, or list another member");
  return std::nullopt;
}

Result<EndpointChoice> ChooseEndpoint(const std::vector<EndpointReport>& reports) {
  HF_CHECK(!reports.empty());
  HF_TRY(CheckOneCluster(reports));
  std::uint64_t newest = 0;
  for (const EndpointReport& report : reports)
    if (!report.failure) newest = std::max(newest, report.status.raft_index);
  std::vector<std::optional<Error>> reasons;
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const EndpointReport& report = reports[i];
    reasons.push_back(UnsupportedReason(report, newest));
    if (reasons.back()) continue;
    bool is_better = !chosen || (HasAlarm(reports[*chosen], AlarmType::kNoSpace) &&
                                 !HasAlarm(report, AlarmType::kNoSpace));
    if (is_better) chosen = i;
  }
  if (!chosen) return Fail(NoEndpoint(reasons));
  EndpointChoice choice;
  choice.index = *chosen;
  for (const std::optional<Error>& reason : reasons)
    if (reason) choice.warnings.push_back(reason->Text());
  const EndpointReport& report = reports[*chosen];
  for (std::string& text : AlarmTexts(report.alarms, report.members))
    choice.warnings.push_back(std::move(text));
  for (const std::string& text : report.status.errors)
    choice.warnings.push_back(fmt::format("{} says: {}", Quote(report.endpoint), text));
  if (report.user_not_needed)
    choice.warnings.push_back("authentication is off in this cluster: the user was not needed");
  return choice;
}

std::vector<std::string> AlarmTexts(const std::vector<AlarmEntry>& alarms,
                                    const std::vector<MemberEntry>& members) {
  std::vector<std::string> texts;
  for (const AlarmEntry& alarm : alarms) {
    auto member = std::ranges::find(members, alarm.member_id, &MemberEntry::id);
    bool is_named = member != members.end() && !member->name.empty();
    texts.push_back(fmt::format("member {} has the alarm {}",
                                Quote(is_named ? member->name : IdText(alarm.member_id)),
                                AlarmName(alarm.type)));
  }
  return texts;
}

}  // namespace holdfast::etcd
