// Looks at Alertmanagers that are, or should be, one cluster.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/alertmanager/settings.h"
#include "agent/sources/alertmanager/silence.h"
#include "agent/sources/prometheus/http_api.h"
#include "common/base/result.h"

namespace holdfast::alertmanager {

// GET /api/v2/status, as far as it is of use.
struct Status {
  std::string version;
  std::string cluster_name;    // of this member; empty where it is alone
  std::string cluster_status;  // "ready", "settling" or "disabled"
  struct Peer {
    std::string name;
    std::string address;
  };
  std::vector<Peer> peers;  // itself among them
  std::string json;         // all of it, in lines
  bool is_clustered() const { return cluster_status != "disabled"; }
};
// kCorrupt for what is no such answer.
Result<Status> ParseStatus(std::string_view text);

// One endpoint. `api` outlives its use.
struct Member {
  std::string endpoint;
  std::optional<prometheus::HttpApi> api;
  std::optional<Error> failure;
  Status status;
  std::vector<Silence> silences;
};

// Asks all of them for their status. Only what is wrong with the settings, and kCancelled, is an
// error; a member that does not answer has a `failure`.
Result<std::vector<Member>> SurveyMembers(const Settings& settings, std::stop_token stop);

// Asks those that answered for their silences; who does not answer now has a `failure`.
Result<void> AskForSilences(std::vector<Member>& members, const std::stop_token& stop);

// Of all members without a failure: of each silence the newest version, as they would agree on
// themselves, by ascending id.
std::vector<Silence> MergeSilences(const std::vector<Member>& members);

// In words, which members lack what others have; empty where they agree. Expired silences do not
// count: each member forgets them in its own time.
std::vector<std::string> Disagreements(const std::vector<Member>& members);

}  // namespace holdfast::alertmanager
