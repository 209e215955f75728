// Recognises a running HAProxy and says how to save it.
#pragma once

#include <optional>

#include "agent/sources/discovery.h"
#include "agent/sources/host/process.h"

namespace holdfast::haproxy {

// `places` says where the files of its unit are.
std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

}  // namespace holdfast::haproxy
