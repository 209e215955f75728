// etcd 3.4 and newer: a snapshot of the key space by the maintenance API, and files of the member
// beside it. docs/sources/etcd.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind EtcdKind();

}  // namespace holdfast
