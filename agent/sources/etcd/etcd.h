// etcd 3.4 and newer: a snapshot of the key space from the maintenance API, and the member's files
// (docs/sources/etcd.md).
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind EtcdKind();

}  // namespace holdfast
