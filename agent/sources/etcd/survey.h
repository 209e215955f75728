// Inspects the members of a cluster and chooses the one to read.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/etcd/connection.h"
#include "agent/sources/etcd/settings.h"
#include "common/base/result.h"

namespace holdfast::etcd {

// The answers of one endpoint, or why it failed.
struct EndpointReport {
  std::string endpoint;
  std::optional<Error> failure;
  StatusResponse status;
  std::vector<AlarmEntry> alarms;    // of the whole cluster
  std::vector<MemberEntry> members;  // of the whole cluster
  bool user_not_needed = false;
  std::unique_ptr<Connection> connection;  // null if it failed
};

// Queries all endpoints in sequence. Fails only for local reasons: unreadable files, or a stop.
Result<std::vector<EndpointReport>> SurveyEndpoints(const Settings& settings, std::stop_token stop);

struct EndpointChoice {
  std::size_t index = 0;
  std::vector<std::string> warnings;
};

// Chooses the first endpoint with complete and current data: it answers, is not a learner, sees a
// leader, has no alarm, and has applied nearly everything that any member knows. A member with a
// NOSPACE alarm is the last choice; a corrupt one is never chosen. If none is usable, fails with
// the first one's code and all reasons. kInvalidArgument if they belong to different clusters.
Result<EndpointChoice> ChooseEndpoint(const std::vector<EndpointReport>& reports);

// Why this endpoint cannot be read; nullopt if it can. `raft_index_max` is of all members.
std::optional<Error> UnsupportedReason(const EndpointReport& report, std::uint64_t raft_index_max);

// Returns "member m2 has the alarm NOSPACE" etc., one per alarm.
std::vector<std::string> AlarmTexts(const std::vector<AlarmEntry>& alarms,
                                    const std::vector<MemberEntry>& members);

}  // namespace holdfast::etcd
