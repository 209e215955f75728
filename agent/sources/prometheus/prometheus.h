// Prometheus: files of its logs and blocks, in an order that loses nothing, and its configuration
// (docs/sources/prometheus.md).
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind PrometheusKind();

}  // namespace holdfast
