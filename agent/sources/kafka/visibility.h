// Whether a cluster shows all that it has.
//
// Brokers leave out what a user may not see, and say nothing. What their authorizer would say
// cannot be computed: super users are told to nobody, and authorizers may be anybody's. But a name
// that is asked for is refused where this user may not see it, whether or not it exists, and is not
// there where he may. So names are asked for: one that nobody has, for all that no ACL names, and
// every one that ACLs name and that was not listed.
//
// ACLs have no names to ask for. Who reads them needs a binding, or to be a super user; so a list
// without any is believed only where something else shows that it may be read.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/broker_texts.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/kafka/acls.h"
#include "common/kafka/client.h"
#include "common/stream/manifest.h"

namespace holdfast::kafka {

// Lists of it are left out, and a manifest stays short: the first 20, and then how many more.
inline constexpr std::size_t kNamedMax = 20;
void Shorten(std::vector<Missing>& missing, std::string_view of_what);

// A name that no topic and no group has.
std::string NobodysName(Random& random);

// What is to be seen at all.
struct NameScope {
  std::vector<std::string> patterns{"*"};                 // as a shell's
  std::function<bool(std::string_view name)> wants = {};  // of what they match; empty: all
};

// What to ask for by name: `nobody` as each pattern has it, names of ACLs that are not in `seen`,
// and a name with each prefix of ACLs. `resource_type` is "TOPIC" or "GROUP"; `seen` is sorted.
struct AskedName {
  std::string name;
  std::string shown;  // what it stands for, e.g. "topic \"orders\"", "topics \"team-*\""
};
std::vector<AskedName> NamesToAskFor(std::string_view resource_type,
                                     std::span<const rdkafka::AclBinding> acls,
                                     const std::vector<std::string>& seen,
                                     const std::string& nobody, const NameScope& scope = {});

// What may be there and is not seen. `seen` are the names that were listed, sorted.
Result<std::vector<Missing>> FindHiddenTopics(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& nobody, const NameScope& scope,
                                              std::stop_token stop);
// REQUIRES: the cluster has groups. Asking makes it ready to have some.
Result<std::vector<Missing>> FindHiddenGroups(rdkafka::Client& client,
                                              std::span<const rdkafka::AclBinding> acls,
                                              const std::vector<std::string>& seen,
                                              const std::string& nobody, std::stop_token stop);

// What a client is for brokers with the usual settings, "User:anna"; empty where it has a
// certificate, which they turn into a name by rules of theirs.
std::string PrincipalOf(const rdkafka::Properties& properties);

// What is known of a list of ACLs that is empty.
struct AclEvidence {
  std::optional<bool> has_authorizer;  // nullopt: not known
  bool may_describe_cluster = false;   // shown by another answer
  bool may_describe_configs = false;   // of the cluster, likewise
  // The broker's own server.properties, null where they cannot be read, and the principal.
  const JavaProperties* server_properties = nullptr;
  std::string principal;
};
// nullopt: there really are none.
std::optional<Missing> DoubtThatThereAreNoAcls(const AclEvidence& evidence);

}  // namespace holdfast::kafka
