// Reads a file that others may be writing to, and says whether they did.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"
#include "common/stream/item.h"

namespace holdfast::filetree {

// Files up to this size are read whole before the first byte is given away, so that they can be
// read again when they changed meanwhile.
inline constexpr std::size_t kBufferedBytesMax = 1U << 20;

// Content of `file`, a regular file open for reading; `attributes` are those of its item, `shown`
// the path that errors name.
//
// A file of at most kBufferedBytesMax is read up to three times until stat(2) says the same before
// and after; a larger one is given away as it is read, no further than the size it had at the
// beginning. Either way the Outcome has the attributes as of the end, the size of what was really
// given, and `changed` when size, mtime or ctime moved. Holes are not read but made up.
std::unique_ptr<ByteReader> ReadLiveFile(Fd file, const Attributes& attributes, std::string shown);

}  // namespace holdfast::filetree
