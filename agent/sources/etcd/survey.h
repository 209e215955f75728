// Looks at the members of a cluster and chooses the one to read.
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

// One endpoint as it answered, or why it did not.
struct EndpointReport {
  std::string endpoint;
  std::optional<Error> failure;
  StatusResponse status;
  std::vector<AlarmEntry> alarms;    // of the whole cluster
  std::vector<MemberEntry> members;  // likewise
  bool user_not_needed = false;
  std::unique_ptr<Connection> connection;  // null where it failed
};

// Asks every endpoint, one after the other. An error only for what is wrong on this side: files
// that cannot be read, or a stop.
Result<std::vector<EndpointReport>> SurveyEndpoints(const Settings& settings, std::stop_token stop);

struct EndpointChoice {
  std::size_t index = 0;
  std::vector<std::string> warnings;
};

// The first endpoint whose data are whole and current: it answers, is no learner, sees a leader,
// has no alarm of its own, and has applied nearly all that any member knows of. A member without
// space comes last but can be read; a corrupt one never is. When there is none: the first
// endpoint's error code and every endpoint's reason. kInvalidArgument when the endpoints are of
// different clusters.
Result<EndpointChoice> ChooseEndpoint(const std::vector<EndpointReport>& reports);

// Why this endpoint cannot be read, or nullopt. `raft_index_max` is the newest any member knows.
std::optional<Error> ReasonAgainst(const EndpointReport& report, std::uint64_t raft_index_max);

// "member m2 has the alarm NOSPACE", one per alarm.
std::vector<std::string> AlarmTexts(const std::vector<AlarmEntry>& alarms,
                                    const std::vector<MemberEntry>& members);

}  // namespace holdfast::etcd
