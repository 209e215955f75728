// Has HAProxy itself look at a configuration (`haproxy -c`): the live one, or one that a restore
// has staged, with the certificates and maps staged with it rather than the live ones that it
// names.
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
  std::vector<std::string> alerts;     // HAProxy's own words, with real paths
  std::vector<std::string> warnings;   // likewise
  std::vector<ListenAddress> listens;  // what the configuration will listen on; CheckMirror() only
};

// The configuration as it lies on disk now. Nothing is written beside temporary files: where the
// configuration has a ring with a backing file, which HAProxy would rotate even while checking, a
// copy without that is checked. kNotFound when there is no such program; kUnsupported, here and
// below, when HAProxy cannot check anything in this place.
Result<CheckVerdict> CheckLive(const Settings& settings, std::stop_token stop);

// The configuration seen through `mirror`, a private directory in which "<mirror>/etc/haproxy/x"
// stands for "/etc/haproxy/x"; what it lacks is taken from the live system, but for `removed`. Adds
// rewritten copies of configuration files to the mirror. Afterwards the caller removes it.
Result<CheckVerdict> CheckMirror(const Settings& settings, const std::string& mirror,
                                 const std::set<std::string>& removed, std::stop_token stop);

// "2.6.12-1+deb12u4", from `haproxy -v`.
Result<std::string> AskVersion(const Settings& settings, std::stop_token stop);

}  // namespace holdfast::haproxy
