// Recognises a running HAProxy, and describes how to back it up.
#pragma once

#include <optional>

#include "agent/sources/discovered_source.h"
#include "agent/sources/host/process.h"

namespace holdfast::haproxy {

// `places` says where to find the files of its unit.
std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

}  // namespace holdfast::haproxy
