// The note of a backup: the words that an operator gives with --note.
#pragma once

#include <cstddef>

namespace holdfast {

// Lists show notes and read them of every snapshot, so a note is bounded.
inline constexpr std::size_t kNoteBytesMax = 1024;

}  // namespace holdfast
