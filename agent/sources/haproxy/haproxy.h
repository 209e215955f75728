// HAProxy: its configuration, and every file that the configuration names. What only the running
// process knows is not saved. Options, restore, limits: docs/sources/haproxy.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind HaproxyKind();

}  // namespace holdfast
