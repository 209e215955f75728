#include "common/kafka/capabilities.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

namespace holdfast::rdkafka {

Capabilities LibraryCapabilities() {
  // 0xMMmmrrxx. A feature with its own function also needs it in the headers.
  const int loaded = rd_kafka_version();
  const int both = std::min(loaded, int{RD_KAFKA_VERSION});
  const auto has = [](int version, int major_minor_revision) {
    return (version >> 8) >= major_minor_revision;
  };
  return {.version = rd_kafka_version_str(),
          .scram_users = has(both, 0x020200),
          .topic_ids = has(both, 0x020300),
          .transactional_id_acls = has(loaded, 0x020600),
          .kafka4_scram_login = has(loaded, 0x020601)};
}

}  // namespace holdfast::rdkafka
