// Snapshots that ZooKeeper compresses (zookeeper.snapshot.compression.method), as their names say:
//
//   snapshot.<zxid>.gz        one gzip stream
//   snapshot.<zxid>.snappy    what the Java library snappy-java writes: the eight bytes 0x82
//   "SNAPPY"
//                             0, two numbers of its version, and chunks of at most some 32 KiB,
//                             each with its length before it, four bytes, in Snappy's raw format
//                             (google/snappy, format_description.txt)
//
// Only read, and piece by piece: memory does not depend on what a file claims to hold.
#pragma once

#include <memory>
#include <string_view>

#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

enum class Compression : std::uint8_t { kNone, kGzip, kSnappy };
// By the end of a snapshot's name.
Compression CompressionOf(std::string_view name);
std::string_view CompressionName(Compression compression);  // "none", "gz", "snappy"

// What was compressed. Reading fails with kCorrupt where the file is damaged or ends too early, and
// with the errors of `file`.
std::unique_ptr<ByteReader> Decompress(Compression compression, std::unique_ptr<ByteReader> file);

}  // namespace holdfast::zookeeper
