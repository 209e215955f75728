// Files of real servers, 3.8 and 3.9, each started, filled, stopped, started again, written to and
// killed: "snapshot.2a" with "log.2b" behind it, "log.1" before it.
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
