// Runs HAProxy's own check (`haproxy -c`) on the live configuration, or on a staged one. A staged
// one is checked with the staged certificates and maps instead of the live ones that it names.
#pragma once

#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/listen_check.h"
#include "agent/sources/haproxy/settings.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

struct CheckVerdict {
  bool is_accepted = false;
  std::vector<std::string> alerts;     // HAProxy's own messages, with real paths
  std::vector<std::string> warnings;   // likewise
  std::vector<ListenAddress> listens;  // what it listens on; CheckMirror() only
};

// Checks the configuration on disk. Writes only temporary files: HAProxy would rotate the backing
// file of a ring even during a check, so a configuration with a ring is checked as a copy that
// names another backing file. kNotFound if there is no such program. kUnsupported, here and below,
// if HAProxy cannot check anything in this environment.
Result<CheckVerdict> CheckLive(const Settings& settings, std::stop_token stop);

// Checks the configuration seen through `mirror`, a private directory in which "<mirror>/etc/x"
// stands for "/etc/x". Other files come from the live system, except `removed`. Writes modified
// copies of configuration files to the mirror. The caller removes it afterwards.
Result<CheckVerdict> CheckMirror(const Settings& settings, const std::string& mirror,
                                 const std::set<std::string>& removed, std::stop_token stop);

// The version in the output of `haproxy -v`, e.g. "2.6.12-1+deb12u4".
Result<std::string> AskVersion(const Settings& settings, std::stop_token stop);

}  // namespace holdfast::haproxy
