// The ACLs of a cluster.
//
// librdkafka hides refusals: a user who may not describe the cluster gets an empty list, as does a
// user of a cluster without an authorizer. So an empty list can mean "not readable" as well as "no
// ACLs". A list that can be read contains at least the bindings that allow this user to read it.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

// Values are the names that kafka-acls and Kafka's protocol use, e.g. TOPIC, "orders", LITERAL,
// "User:anna", "*", READ, ALLOW. Values that this librdkafka does not know read as UNKNOWN, and
// such a binding cannot be created. These are the resource types TRANSACTIONAL_ID (unless
// Capabilities::transactional_id_acls), DELEGATION_TOKEN and USER, and operations on tokens.
struct AclBinding {
  std::string resource_type;
  std::string resource_name;
  std::string pattern_type;
  std::string principal;
  std::string host;
  std::string operation;
  std::string permission;
  auto operator<=>(const AclBinding&) const = default;
};

// Returns all bindings, sorted.
Result<std::vector<AclBinding>> DescribeAcls(Client& client, std::stop_token stop);

// Returns one outcome per binding, in order; nullopt: the binding exists. Creating an existing
// binding succeeds. Each outcome is kUnsupported if the cluster has no authorizer.
Result<std::vector<std::optional<Error>>> CreateAcls(Client& client,
                                                     std::span<const AclBinding> bindings,
                                                     std::stop_token stop);

}  // namespace holdfast::rdkafka
