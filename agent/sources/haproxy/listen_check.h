// Detects, before a reload, that another program listens on an address of the new configuration.
//
// HAProxy would detect it too, but at a cost: while it retries to bind, its old workers stop
// listening (management guide 2.6, section 4), so requests fail for seconds.
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
// and sockets given by path or descriptor are left out: HAProxy checks those itself.
std::vector<ListenAddress> ParseListenAddresses(std::string_view text, const std::string& place);

// kBusy, naming the address and its place, if a program other than `running` listens there. An
// address counts as free if the agent has no permission to find out.
Result<void> CheckListenAddresses(const std::vector<ListenAddress>& addresses,
                                  const ProcessState& running);

}  // namespace holdfast::haproxy
