// Finds out before a reload that another program holds an address which the new configuration
// wants.
//
// HAProxy would find out, too, but in a costly way: while it tries again and again to bind, its old
// workers stop listening (management guide 2.6, section 4), so that requests fail for seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/haproxy/process.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

struct ListenAddress {
  std::string host;  // numeric IPv4 or IPv6
  std::uint16_t port = 0;
  std::string place;  // of the directive: "/etc/haproxy/haproxy.cfg:12"
  bool operator==(const ListenAddress&) const = default;
};

// The TCP addresses in the first argument of a "bind" line, e.g. "*:80,[::1]:81". Names, ranges,
// sockets by path or descriptor are left out: those are for HAProxy to see.
std::vector<ListenAddress> ParseListenAddresses(std::string_view text, const std::string& place);

// kBusy, naming the address and its place, when a program other than `running` listens there. What
// cannot be told, for want of rights, is taken as free.
Result<void> CheckListenAddresses(const std::vector<ListenAddress>& addresses,
                                  const ProcessState& running);

}  // namespace holdfast::haproxy
