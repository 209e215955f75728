// Detects a running Prometheus and proposes the configuration of a source for it.
#pragma once

#include <optional>

#include "agent/sources/discovered_source.h"
#include "agent/sources/host/process.h"

namespace holdfast::prometheus {

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

}  // namespace holdfast::prometheus
