// HAProxy: its configuration, every file that it names and, with the option "socket", state that
// only the running process has. Options, restore, limits: docs/sources/haproxy.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind HaproxyKind();

}  // namespace holdfast
