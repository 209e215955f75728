// Tables for people.
#pragma once

#include <string>
#include <vector>

namespace holdfast::cli {

struct Column {
  std::string title;
  bool is_right = false;     // numbers
  bool is_flexible = false;  // may be cut off when the terminal is too narrow
};

// Rows below aligned titles, two blanks between columns. `width` 0: nothing is cut off.
std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, std::size_t width);

// 1234567 -> "1,234,567".
std::string FormatCount(std::uint64_t count);

}  // namespace holdfast::cli
