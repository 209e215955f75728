#include "common/cli/table.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/base/result.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kGap = 2;
// The shortest text that is still recognisable. Narrower columns are dropped.
constexpr std::size_t kFlexibleMin = 12;
// A key of this length has room for a kind and a name of 40 characters. Longer ones are shortened
// to it before a column is dropped; to kKeyBesideState if that keeps a column of rank 1; to kKeyMin
// if the keys alone do not fit.
constexpr std::size_t kKeyReadable = 48;
constexpr std::size_t kKeyBesideState = 24;
constexpr std::size_t kKeyMin = 8;
constexpr std::string_view kCut = "~";

bool IsKey(const Column& column) { return column.drop_rank == 0; }

// The columns that are shown, and their widths.
class Layout {
 public:
  // `wanted`: full width of each column; `has_text`: whether it has any text below its title.
  Layout(const std::vector<Column>& columns, std::vector<std::size_t> wanted,
         std::vector<bool> has_text)
      : columns_(columns),
        widths_(std::move(wanted)),
        has_text_(std::move(has_text)),
        shown_(columns.size()) {
    std::iota(shown_.begin(), shown_.end(), std::size_t{0});
  }

  void FitInto(std::size_t width) {
    std::vector<std::size_t> by_rank = std::exchange(shown_, {});
    std::ranges::stable_sort(by_rank, {}, [&](std::size_t i) { return DropRank(i); });
    for (std::size_t i : by_rank) {
      const std::size_t key_min = columns_[i].drop_rank == 1 ? kKeyBesideState : kKeyReadable;
      shown_.push_back(i);
      if (!IsKey(columns_[i]) && LeastTotal(key_min) > width) shown_.pop_back();
    }
    std::ranges::sort(shown_);
    for (std::size_t key_min : {kKeyReadable, kKeyBesideState, kKeyMin}) Shorten(width, key_min);
  }

  const std::vector<std::size_t>& shown() const { return shown_; }
  std::size_t width(std::size_t column) const { return widths_[column]; }
  std::vector<std::string> DroppedTitles() const {
    std::vector<std::string> titles;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (has_text_[i] && !std::ranges::binary_search(shown_, i)) {
        titles.push_back(columns_[i].title);
      }
    }
    return titles;
  }

 private:
  // Columns without text are dropped first.
  unsigned DropRank(std::size_t column) const {
    const bool is_last = !has_text_[column] && !IsKey(columns_[column]);
    return is_last ? UINT_MAX : columns_[column].drop_rank;
  }

  // The least width to which a column can be shortened.
  std::size_t Least(std::size_t column, std::size_t key_min) const {
    if (!columns_[column].is_flexible) return widths_[column];
    const std::size_t least =
        IsKey(columns_[column]) ? key_min : std::max(kFlexibleMin, Columns(columns_[column].title));
    return std::min(widths_[column], least);
  }

  std::size_t LeastTotal(std::size_t key_min) const {
    std::size_t total = kGap * (shown_.size() - 1);
    for (std::size_t i : shown_) total += Least(i, key_min);
    return total;
  }

  // Shortens the widest columns until all fit.
  void Shorten(std::size_t width, std::size_t key_min) {
    std::size_t total = kGap * (shown_.size() - 1);
    for (std::size_t i : shown_) total += widths_[i];
    for (; total > width; --total) {
      std::optional<std::size_t> widest;
      for (std::size_t i : shown_) {
        if (widths_[i] <= Least(i, key_min)) continue;
        if (!widest || widths_[i] > widths_[*widest]) widest = i;
      }
      if (!widest) return;
      --widths_[*widest];
    }
  }

  const std::vector<Column>& columns_;
  std::vector<std::size_t> widths_;
  std::vector<bool> has_text_;
  std::vector<std::size_t> shown_;
};

std::string CutAtEnd(std::string_view text, std::size_t width) {
  if (Columns(text) <= width) return std::string(text);
  return fmt::format("{}{}", FrontColumns(text, width - 1), kCut);
}

// `mark` replaces what is left out. `front` of the remaining columns are from the text's front.
std::string CutInside(std::string_view text, std::size_t width, std::size_t front,
                      std::string_view mark) {
  if (Columns(text) <= width) return std::string(text);
  const std::size_t rest = width > mark.size() ? width - mark.size() : 0;
  front = std::min(front, rest);
  return fmt::format("{}{}{}", FrontColumns(text, front), mark, BackColumns(text, rest - front));
}

std::string CutByQuarters(std::string_view text, std::size_t width, std::size_t front_quarters) {
  return CutInside(text, width, width * front_quarters / 4, kCut);
}

// In "source@node" both parts are shortened, so that the beginning and the end of each remain.
std::string CutAroundAt(std::string_view text, std::size_t width, std::size_t front_quarters) {
  const std::size_t at = text.rfind('@');
  if (Columns(text) <= width || at == std::string_view::npos || width <= 2 * kKeyMin) {
    return CutByQuarters(text, width, front_quarters);
  }
  const std::string_view source = text.substr(0, at);
  const std::string_view node = text.substr(at + 1);
  const std::size_t room = width - 1;
  const std::size_t rest = room - std::min(room, Columns(source));
  const std::size_t node_room = std::min(Columns(node), std::max(room / 2, rest));
  return fmt::format("{}@{}", CutByQuarters(source, room - node_room, front_quarters),
                     CutByQuarters(node, node_room, 2));
}

// The shortened form of each text of a key column. Different texts stay different.
std::map<std::string, std::string> ShortenedKeys(const std::set<std::string>& texts,
                                                 std::size_t width) {
  std::map<std::string, std::string> keys;
  // The difference may be at the front, at the back or in the middle.
  for (const auto& cut : {CutAroundAt, CutByQuarters}) {
    for (const std::size_t front_quarters : {2, 1, 3, 0}) {
      keys.clear();
      std::set<std::string> seen;
      for (const std::string& text : texts) {
        keys[text] = cut(text, width, front_quarters);
        seen.insert(keys[text]);
      }
      if (seen.size() == texts.size()) return keys;
    }
  }
  // They differ only in what is always left out: number them.
  keys.clear();
  std::set<std::string> seen;
  for (const std::string& text : texts) {
    std::string key = CutInside(text, width, width / 2, kCut);
    for (std::size_t number = 2; !seen.insert(key).second; ++number) {
      key = CutInside(text, width, width / 2, fmt::format("~{}~", number));
    }
    keys[text] = std::move(key);
  }
  return keys;
}

void ShortenCells(std::vector<std::vector<Cell>>& rows, const Column& column, std::size_t at,
                  std::size_t width) {
  if (!IsKey(column)) {
    for (std::vector<Cell>& row : rows) row[at].text = CutAtEnd(row[at].text, width);
    return;
  }
  std::set<std::string> texts;
  for (const std::vector<Cell>& row : rows) texts.insert(row[at].text);
  const auto keys = ShortenedKeys(texts, width);
  for (std::vector<Cell>& row : rows) row[at].text = keys.at(row[at].text);
}

std::string_view ColourCode(StateColour colour) {
  switch (colour) {
    case StateColour::kNone:
      return "";
    case StateColour::kGreen:
      return "\x1b[32m";
    case StateColour::kYellow:
      return "\x1b[33m";
    case StateColour::kRed:
      return "\x1b[31m";
  }
  return "";
}

std::string PaddedCell(const Cell& cell, std::size_t width, bool is_right, bool has_colour) {
  const std::size_t columns = Columns(cell.text);
  const std::string padding(width > columns ? width - columns : 0, ' ');
  std::string text = cell.text;
  if (has_colour && cell.colour != StateColour::kNone) {
    text = fmt::format("{}{}\x1b[0m", ColourCode(cell.colour), cell.text);
  }
  return is_right ? padding + text : text + padding;
}

// "columns not shown: READ, ADDED (wider terminal or --json)", wrapped to `width`.
std::string DroppedText(const std::vector<std::string>& titles, std::size_t width) {
  if (titles.empty()) return "";
  return WrapText(
      fmt::format("columns not shown: {} (wider terminal or --json)\n", fmt::join(titles, ", ")),
      width);
}

StateColour ColourOfWord(std::string_view word) {
  static constexpr std::pair<std::string_view, StateColour> kWords[] = {
      {"done", StateColour::kGreen},         {"saved", StateColour::kGreen},
      {"composed", StateColour::kGreen},     {"complete", StateColour::kGreen},
      {"healthy", StateColour::kGreen},      {"connected", StateColour::kGreen},
      {"partly done", StateColour::kYellow}, {"partial", StateColour::kYellow},
      {"invalid", StateColour::kYellow},     {"away", StateColour::kYellow},
      {"cancelled", StateColour::kYellow},   {"stale", StateColour::kYellow},
      {"unknown", StateColour::kYellow},     {"failed", StateColour::kRed},
      {"lost", StateColour::kRed},           {"refused", StateColour::kRed},
      {"not healthy", StateColour::kRed},    {"denied", StateColour::kRed},
  };
  const auto* found =
      std::ranges::find(kWords, word, &std::pair<std::string_view, StateColour>::first);
  return found == std::end(kWords) ? StateColour::kNone : found->second;
}

}  // namespace

Cell StateCell(std::string_view state) {
  constexpr std::string_view kBetween = ", ";
  Cell cell(state);
  for (std::string_view rest = state; !rest.empty();) {
    const std::size_t end = std::min(rest.find(kBetween), rest.size());
    cell.colour = std::max(cell.colour, ColourOfWord(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + kBetween.size(), rest.size()));
  }
  return cell;
}

std::string FormatTable(const std::vector<Column>& declared, const Rows& rows, Screen screen) {
  std::vector<Column> columns = declared;
  Rows lines;
  std::vector<std::size_t> wanted;
  std::vector<bool> has_text(columns.size());
  for (const Column& column : columns) wanted.push_back(Columns(column.title));
  for (const std::vector<Cell>& row : rows) {
    HF_CHECK(row.size() == columns.size());
    std::vector<Cell>& line = lines.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.emplace_back(Printable(row[i].text), row[i].colour);
      const bool is_alarming = row[i].colour >= StateColour::kYellow;
      if (is_alarming) columns[i].drop_rank = std::min(columns[i].drop_rank, 1U);
      wanted[i] = std::max(wanted[i], Columns(line[i].text));
      has_text[i] = has_text[i] || !line[i].text.empty();
    }
  }
  Layout layout(columns, wanted, std::move(has_text));
  if (screen.width > 0) layout.FitInto(screen.width);
  for (std::size_t i : layout.shown()) {
    if (layout.width(i) < wanted[i]) ShortenCells(lines, columns[i], i, layout.width(i));
  }
  std::vector<Cell>& titles = *lines.emplace(lines.begin());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    titles.emplace_back(CutAtEnd(columns[i].title, layout.width(i)));
  }
  std::string text;
  for (const std::vector<Cell>& line : lines) {
    std::string row;
    for (std::size_t i : layout.shown()) {
      if (i != layout.shown().front()) row += std::string(kGap, ' ');
      row += PaddedCell(line[i], layout.width(i), columns[i].is_right, screen.has_colour);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text + DroppedText(layout.DroppedTitles(), screen.width);
}

std::string ShortenInside(std::string_view text, std::size_t width) {
  return CutAroundAt(text, width, 2);
}

}  // namespace holdfast::cli
