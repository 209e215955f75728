#include "common/cli/table.h"

#include <algorithm>
#include <cstdint>

#include "common/base/format.h"
#include "common/base/result.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kFlexibleMin = 8;

// Cuts flexible columns, the widest first, until all fits or nothing more can go.
void FitWidths(const std::vector<Column>& columns, std::vector<std::size_t>& widths,
               std::size_t width) {
  for (;;) {
    std::size_t total = kGap * (widths.size() - 1);
    for (std::size_t column_width : widths) total += column_width;
    if (total <= width) return;
    std::size_t widest = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!columns[i].is_flexible || widths[i] <= kFlexibleMin) continue;
      if (widest == columns.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == columns.size()) return;
    --widths[widest];
  }
}

std::string Cell(const std::string& text, std::size_t width, bool is_right) {
  std::size_t columns = Columns(text);
  if (columns <= width) {
    std::string padding(width - columns, ' ');
    return is_right ? padding + text : text + padding;
  }
  std::string cut;
  std::size_t count = 0;
  for (char c : text) {
    if (Columns({&c, 1}) == 1 && ++count == width) break;
    cut += c;
  }
  return cut + "~";
}

}  // namespace

std::string FormatTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, std::size_t width) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string>& titles = lines.emplace_back();
  for (const Column& column : columns) titles.push_back(column.title);
  for (const std::vector<std::string>& row : rows) {
    HF_CHECK(row.size() == columns.size());
    std::vector<std::string>& line = lines.emplace_back();
    for (const std::string& cell : row) line.push_back(Printable(cell));
  }
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const std::vector<std::string>& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Columns(line[i]));
  }
  if (width > 0) FitWidths(columns, widths, width);
  std::string text;
  for (const std::vector<std::string>& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i > 0) row += std::string(kGap, ' ');
      row += Cell(line[i], widths[i], columns[i].is_right);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string FormatCount(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace holdfast::cli
