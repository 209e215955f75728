// The access control list of a node, as encoded in files and messages: a vector of {permissions,
// scheme, id}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/sources/zookeeper/jute.h"

namespace holdfast::zookeeper {

struct AclEntry {
  std::int32_t permissions = 0;
  std::string scheme;
  std::string id;
  bool operator==(const AclEntry&) const = default;
};

// Empty if the list is null, or after an error of `reader`.
inline std::vector<AclEntry> ReadAcl(JuteReader& reader) {
  constexpr std::size_t kEntryBytesMin = 12;
  std::vector<AclEntry> acl(reader.Count(kEntryBytesMin));
  for (AclEntry& entry : acl) {
    entry.permissions = reader.Int();
    entry.scheme = reader.Text();
    entry.id = reader.Text();
  }
  return acl;
}

inline void WriteAcl(const std::vector<AclEntry>& acl, JuteWriter& writer) {
  writer.Int(static_cast<std::int32_t>(acl.size()));
  for (const AclEntry& entry : acl) writer.Int(entry.permissions).Text(entry.scheme).Text(entry.id);
}

}  // namespace holdfast::zookeeper
