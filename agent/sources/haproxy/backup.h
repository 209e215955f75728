// Backs up a HAProxy: the files that its configuration names, to "members/<node>/files", and state
// that only the running process has (live_state.h), to "members/<node>/live".
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

// Manifest details that a restore reads.
inline constexpr std::string_view kConfigDetail = "config";
inline constexpr std::string_view kCertificateDirectories = "certificate_directories";
inline constexpr std::string_view kConfigDirectories = "config_directories";

// "members/<node>/files"
std::string MemberPrefix(const std::string& node);
// "members/<node>/live"
std::string LivePrefix(const std::string& node);

}  // namespace holdfast::haproxy
