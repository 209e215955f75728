// Saves the files behind a HAProxy configuration below "members/<node>/files", and what only the
// running process knows (live_state.h) below "members/<node>/live".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/sources/haproxy/settings.h"
#include "agent/sources/source.h"

namespace holdfast::haproxy {

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Details of the manifest that a restore reads.
inline constexpr std::string_view kConfigDetail = "config";
inline constexpr std::string_view kCertificateDirectories = "certificate_directories";
inline constexpr std::string_view kConfigDirectories = "config_directories";

// "members/<node>/files"
std::string MemberPrefix(const std::string& node);
// "members/<node>/live"
std::string LivePrefix(const std::string& node);

}  // namespace holdfast::haproxy
