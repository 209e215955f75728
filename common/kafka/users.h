// Users with SCRAM passwords in the brokers. Passwords, salts and hashes cannot be read.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

struct ScramCredential {
  std::string mechanism;  // "SCRAM-SHA-256", "SCRAM-SHA-512"
  std::int32_t iterations = 0;
};

struct ScramUser {
  std::string name;
  std::vector<ScramCredential> credentials;
  std::optional<Error> error;  // of this user
};

// Returns all users, sorted by name. kUnsupported unless Capabilities::scram_users.
Result<std::vector<ScramUser>> DescribeScramUsers(Client& client, std::stop_token stop);

}  // namespace holdfast::rdkafka
