// The note of a backup, given by the operator with --note.
#pragma once

#include <cstddef>

namespace holdfast {

// Notes are bounded because lists read the notes of all snapshots.
inline constexpr std::size_t kNoteBytesMax = 1024;

}  // namespace holdfast
