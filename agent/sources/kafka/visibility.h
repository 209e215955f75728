// Finds out whether a cluster shows everything that it has.
//
// Brokers silently omit what a user may not see. Their authorizer's decisions cannot be predicted:
// super users are not public, and authorizers are pluggable. But a request for a name is refused if
// the user may not see that name, whether or not it exists; otherwise the answer is that it does
// not exist. So we request names: an unused one for everything that ACLs do not name, and every
// name in ACLs that was not listed.
//
// ACLs cannot be requested by name. Reading them requires a binding, or a super user. So an empty
// list is trusted only if something else shows that this user may read it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/parse_broker_texts.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/kafka/acls.h"
#include "common/kafka/client.h"
#include "common/stream/manifest.h"

namespace holdfast::kafka {

// Shortens a list for the manifest: the first 20, then one entry with how many more there are.
inline constexpr std::size_t kNamedMax = 20;
void Shorten(std::vector<Missing>& missing, std::string_view of_what);

// A random name that no topic and no group has.
std::string UnusedName(Random& random);

// The names that matter.
struct NameScope {
  std::vector<std::string> patterns{"*"};            // shell patterns
  std::function<bool(std::string_view name)> wants;  // a further filter; empty: all
};

// The names to request: `unused_name` inserted in each pattern, names in ACLs that are not in
// `seen`, and one name with each prefix in ACLs. `resource_type` is "TOPIC" or "GROUP"; `seen` is
// sorted.
struct ProbeName {
  std::string name;
  std::string shown;  // what it represents, e.g. "topic \"orders\"", "topics \"team-*\""
};
std::vector<ProbeName> NamesToProbe(std::string_view resource_type,
                                    std::span<const rdkafka::AclBinding> acls,
                                    const std::vector<std::string>& seen,
                                    const std::string& unused_name, const NameScope& scope = {});

// Returns what may exist but is not visible. `seen` are the listed names, sorted.
Result<std::vector<Missing>> FindHiddenTopics(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& unused_name,
                                              const NameScope& scope, std::stop_token stop);
// REQUIRES: the cluster has groups. The request creates __consumer_offsets if it does not exist.
Result<std::vector<Missing>> FindHiddenGroups(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& unused_name, std::stop_token stop);

// The principal of a client for brokers with default settings, "User:anna"; empty if the client has
// a certificate, which brokers map to a name by their own rules.
std::string PrincipalOf(const rdkafka::Properties& properties);

// What is known about an empty list of ACLs.
struct AclEvidence {
  std::optional<bool> has_authorizer;  // nullopt: unknown
  bool may_describe_cluster = false;   // another request proved it
  bool may_describe_configs = false;   // another request proved it
  // The broker's own server.properties; null if not readable.
  const JavaProperties* server_properties = nullptr;
  std::string principal;
};
// nullopt if there really are no ACLs.
std::optional<Missing> CheckEmptyAclList(const AclEvidence& evidence);

}  // namespace holdfast::kafka
