// Inspects Alertmanagers that are, or should be, one cluster.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/alertmanager/silence.h"
#include "agent/sources/member/http_api.h"
#include "common/base/result.h"

namespace holdfast::alertmanager {

// The relevant part of GET /api/v2/status.
struct Status {
  std::string version;
  std::string cluster_status;  // "ready", "settling" or "disabled"
  struct Peer {
    std::string name;
    std::string address;
  };
  std::vector<Peer> peers;  // including itself
  std::string json;         // the whole response, indented
  bool is_clustered() const { return cluster_status != "disabled"; }
};
// kCorrupt if it is not a status.
Result<Status> ParseStatus(std::string_view text);

// One endpoint.
struct Member {
  std::string endpoint;
  std::optional<HttpApi> api;
  std::optional<Error> failure;
  Status status;
  std::vector<Silence> silences;
};

// Queries the status of all members. A member that does not answer has a `failure`. Fails only with
// kCancelled or for invalid settings.
Result<std::vector<Member>> SurveyMembers(const Settings& settings, std::stop_token stop);

// Queries the silences of members that answered; sets `failure` for those that no longer answer.
Result<void> QuerySilences(std::vector<Member>& members, const std::stop_token& stop);

// Merges the silences of all members without a failure: the newest version of each, as they would
// agree on themselves, by ascending id.
std::vector<Silence> MergeSilences(const std::vector<Member>& members);

// Describes which members miss silences that others have; empty if they agree. Missing expired
// silences do not count: each member deletes them at its own time.
std::vector<std::string> Disagreements(const std::vector<Member>& members);

}  // namespace holdfast::alertmanager
