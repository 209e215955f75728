// Tables for users.
//
// A table on a terminal never wraps: columns are shortened first, then dropped, and a last line
// names those not shown. Other output is never cut.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli/terminal.h"

namespace holdfast::cli {

struct Column {
  std::string title;
  bool is_right = false;     // numbers
  bool is_flexible = false;  // may be shortened when the terminal is too narrow
  // 0: a key. It is never dropped, and never shortened so that two rows look alike. 1: the main
  // content; keys are shortened to make room for it. Of the others the highest rank is dropped
  // first. A column with a yellow or red state counts as 1: a partial snapshot must not look like a
  // good one.
  unsigned drop_rank = 0;
};

// What a cell says about its row. Colours show only this.
enum class StateColour : std::uint8_t {
  kNone,
  kGreen,   // done, healthy
  kYellow,  // partly done, invalid, away: needs attention
  kRed,     // failed, lost, refused
};

struct Cell {
  Cell(std::convertible_to<std::string_view> auto const& content)  // NOLINT: a cell is its text
      : text(std::string_view(content)) {}
  Cell(std::string content, StateColour state_colour)
      : text(std::move(content)), colour(state_colour) {}
  std::string text;
  StateColour colour = StateColour::kNone;
};
using Rows = std::vector<std::vector<Cell>>;

// A state in either program's words, with its colour. Of several words ("partial, safety") the
// worst one counts.
Cell StateCell(std::string_view state);

// Rows below aligned titles, two blanks between columns. Screen width 0: nothing is cut or dropped.
std::string FormatTable(const std::vector<Column>& columns, const Rows& rows, Screen screen);

// Shortens `text` to at most `width` columns with "~" in the middle, or in "source@node" in the
// middle of both parts.
std::string ShortenInside(std::string_view text, std::size_t width);

}  // namespace holdfast::cli
