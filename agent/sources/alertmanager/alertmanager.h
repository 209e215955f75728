// Alertmanager: its silences by its API, its notification log and configuration by their files.
// docs/sources/alertmanager.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind AlertmanagerKind();

}  // namespace holdfast
