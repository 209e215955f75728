// Snapshots that ZooKeeper compresses (zookeeper.snapshot.compression.method), recognised by name:
//
//   snapshot.<zxid>.gz        one gzip stream
//   snapshot.<zxid>.snappy    the format of the Java library snappy-java: the eight bytes 0x82
//                             "SNAPPY" 0, two version numbers, and chunks of up to about 32 KiB,
//                             each preceded by its length (four bytes), in Snappy's raw format
//                             (google/snappy, format_description.txt)
//
// Content is only read, in pieces: memory does not depend on what a file claims to contain.
#pragma once

#include <memory>
#include <string_view>

#include "common/stream/item.h"

namespace holdfast::zookeeper {

enum class Compression : std::uint8_t { kNone, kGzip, kSnappy };
// Determined by the end of a snapshot's name.
Compression CompressionOf(std::string_view name);
std::string_view CompressionName(Compression compression);  // "none", "gz", "snappy"

// The decompressed content. Reading fails with kCorrupt if the file is damaged or truncated, and
// with the errors of `file`.
std::unique_ptr<ByteReader> Decompress(Compression compression, std::unique_ptr<ByteReader> file);

}  // namespace holdfast::zookeeper
