// Reads small files of other users. They are untrusted input.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// The content of a regular file; nullopt if it does not exist. kCorrupt if it is not a regular file
// or is larger than `bytes_max`. Never blocks, e.g. on a FIFO.
Result<std::optional<std::string>> ReadUntrustedFile(const std::string& path,
                                                     std::size_t bytes_max);

// The same for a file that was opened with O_NONBLOCK, or for the error of opening it.
Result<std::optional<std::string>> ReadUntrustedFile(Result<Fd> file, const std::string& path,
                                                     std::size_t bytes_max);

}  // namespace holdfast
