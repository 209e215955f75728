// What the loaded librdkafka can do. The oldest supported version is 2.0.2, Debian 12's. Features
// of later versions depend on both the headers at build time and the library at run time.
#pragma once

#include <string>

namespace holdfast::rdkafka {

struct Capabilities {
  std::string version;                  // "2.0.2"
  bool leader_epochs = false;           // of records and of group offsets (2.1)
  bool scram_users = false;             // DescribeScramUsers() (2.2)
  bool topic_ids = false;               // (2.3)
  bool transactional_id_acls = false;   // read and create these ACLs (2.6)
  bool kafka4_scram_login = false;      // (2.6.1)
  bool group_types = false;             // classic or consumer, and the latter's members (2.10)
  bool client_metrics_configs = false;  // until 2.9; later versions reject these
  // Cluster-wide broker defaults. No librdkafka can address them, so they are read as part of each
  // broker's configuration and never set.
  bool cluster_default_configs = false;
};

Capabilities LibraryCapabilities();

}  // namespace holdfast::rdkafka
