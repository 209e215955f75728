// Who may do what on a cluster.
//
// librdkafka passes over what brokers refuse here: a user who may not describe the cluster is told
// of no bindings, and so is who asks a cluster without an authorizer. An empty list means "cannot
// be read" as well as "there are none". His own bindings, without which he could not have asked,
// must be in it.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

// In the words of kafka-acls and of Kafka's protocol, e.g. TOPIC, "orders", LITERAL, "User:anna",
// "*", READ, ALLOW. What this librdkafka does not know is UNKNOWN, and cannot be created again:
// resources TRANSACTIONAL_ID unless Capabilities::transactional_id_acls, DELEGATION_TOKEN and USER,
// and operations on tokens.
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

// All of them, sorted.
Result<std::vector<AclBinding>> DescribeAcls(Client& client, std::stop_token stop);

// What became of each, in their order; nullopt: it exists. One that was there stays. kUnsupported
// for each where the cluster has no authorizer.
Result<std::vector<std::optional<Error>>> CreateAcls(Client& client,
                                                     std::span<const AclBinding> bindings,
                                                     std::stop_token stop);

}  // namespace holdfast::rdkafka
