// Prometheus: its logs and blocks by their files, in an order in which nothing is lost, and its
// configuration. docs/sources/prometheus.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind PrometheusKind();

}  // namespace holdfast
