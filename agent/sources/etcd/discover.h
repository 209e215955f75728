// Recognises a running etcd and says how to save it.
#pragma once

#include <optional>

#include "agent/sources/discovery.h"
#include "agent/sources/host/process.h"

namespace holdfast::etcd {

// `places` says where the files of its unit are.
std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& places);

}  // namespace holdfast::etcd
