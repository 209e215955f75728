// Saves "data/snapshot.db", the file that `etcdctl snapshot save` writes, and the member's own
// files below "members/<node>/files".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/etcd/settings.h"
#include "agent/sources/source.h"

namespace holdfast::etcd {

inline constexpr std::string_view kSnapshotPath = "data/snapshot.db";

// See docs/decisions/0005-etcd-block-size.md.
inline constexpr std::uint32_t kBlockBytes = 16U << 10;

// All references must outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// The texts with commas between them, as in DescribeMember() and in etcd's flags.
std::string Join(const std::vector<std::string>& texts);

// An entry of Manifest::members.
std::map<std::string, std::string> DescribeMember(const MemberEntry& member);

}  // namespace holdfast::etcd
