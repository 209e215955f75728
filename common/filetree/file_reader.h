// Reads a file that other programs may be writing to, and reports whether they did.
#pragma once

#include <memory>
#include <string>

#include "common/io/fd.h"
#include "common/stream/item.h"

namespace holdfast::filetree {

// Files up to this size are read completely before the first byte is returned, so that they can be
// read again if they changed during the read.
inline constexpr std::size_t kBufferedBytesMax = 1U << 20;

// Content of `file`, a regular file open for reading. `attributes` are those of its item; errors
// name `shown`.
//
// A file of at most kBufferedBytesMax is read up to three times, until stat(2) returns the same
// before and after. A larger one is streamed, up to the size that it had at the start. The Outcome
// has the attributes from before the last read, with the size that was actually returned. `changed`
// is set when size, mtime or ctime changed. Holes are returned as zeros without reading them.
std::unique_ptr<ByteReader> ReadLiveFile(Fd file, const Attributes& attributes, std::string shown);

}  // namespace holdfast::filetree
