// Small files that somebody else writes, whom the agent need not trust.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// A regular file of somebody else as text; nullopt when it is not there. kCorrupt when it is
// something else, which is not opened for long, or larger than `bytes_max`.
Result<std::optional<std::string>> ReadForeignFile(const std::string& path, std::size_t bytes_max);

// The same of one that was opened, not to wait, or of the error that came of it.
Result<std::optional<std::string>> ReadForeignFile(Result<Fd> file, const std::string& path,
                                                   std::size_t bytes_max);

}  // namespace holdfast
