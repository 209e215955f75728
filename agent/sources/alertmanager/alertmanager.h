// Alertmanager: silences from its API; notification log and configuration from files
// (docs/sources/alertmanager.md).
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind AlertmanagerKind();

}  // namespace holdfast
