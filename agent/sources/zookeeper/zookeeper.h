// The source kind `zookeeper`: docs/sources/zookeeper.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind ZooKeeperKind();

}  // namespace holdfast
