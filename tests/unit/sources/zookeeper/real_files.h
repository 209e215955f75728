// Files of real servers, 3.8 and 3.9. Each was started, filled, stopped, started again, written to
// and killed. It left "snapshot.2a", "log.1" before it and "log.2b" after it.
#pragma once

#include <memory>
#include <string>

#include "agent/sources/zookeeper/compression.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/io/fd.h"
#include "tests/support/results.h"
#include "tests/support/zookeeper_files.h"

namespace holdfast::testing {

inline Bytes RealFile(const std::string& name) {
  return Unwrap(ReadWholeFile(std::string(HOLDFAST_ZOOKEEPER_DATA) + "/" + name));
}

inline zookeeper::OpenContent Opening(Bytes bytes, zookeeper::Compression compression = {}) {
  return [bytes = std::move(bytes), compression]() -> Result<std::unique_ptr<ByteReader>> {
    return zookeeper::Decompress(compression, std::make_unique<MemoryContent>(bytes));
  };
}

}  // namespace holdfast::testing
