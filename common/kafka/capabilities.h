// What the librdkafka that this program runs with can do. Debian 12's is 2.0.2, which is the oldest
// that the room takes; what a later one adds depends on both the headers it was built with and the
// library that is loaded.
#pragma once

#include <string>

namespace holdfast::rdkafka {

struct Capabilities {
  std::string version;                  // "2.0.2"
  bool leader_epochs = false;           // of records and of groups' offsets (2.1)
  bool scram_users = false;             // who has a SCRAM password (2.2)
  bool incremental_configs = false;     // one entry changed, the others left (2.2)
  bool topic_ids = false;               // (2.3)
  bool transactional_id_acls = false;   // told apart from other kinds, and created (2.6)
  bool kafka4_scram_login = false;      // (2.6.1)
  bool group_types = false;             // classic or consumer, and members of the latter (2.10)
  bool client_metrics_configs = false;  // until 2.9: later ones do not let them through
  // Entries that hold for all brokers: none can name them, so they are read as part of each
  // broker's and never set.
  bool cluster_default_configs = false;
};

Capabilities LibraryCapabilities();

}  // namespace holdfast::rdkafka
