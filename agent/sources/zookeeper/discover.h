// Recognises a running ZooKeeper server, and describes how to back it up.
#pragma once

#include <optional>

#include "agent/sources/discovered_source.h"
#include "agent/sources/host/process.h"

namespace holdfast::zookeeper {

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

}  // namespace holdfast::zookeeper
