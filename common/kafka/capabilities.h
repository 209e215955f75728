// What the loaded librdkafka can do. The oldest supported version is 2.0.2, Debian 12's. Features
// of later versions depend on both the headers at build time and the library at run time.
#pragma once

#include <string>

namespace holdfast::rdkafka {

struct Capabilities {
  std::string version;                 // "2.0.2"
  bool scram_users = false;            // DescribeScramUsers() (2.2)
  bool topic_ids = false;              // (2.3)
  bool transactional_id_acls = false;  // read and create these ACLs (2.6)
  bool kafka4_scram_login = false;     // (2.6.1)
};

Capabilities LibraryCapabilities();

}  // namespace holdfast::rdkafka
