#include "common/config/yaml_fault.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "common/base/format.h"

namespace holdfast::config {
namespace {

constexpr std::string_view kBlank = " \t";

// A quoted scalar or a bracket, by its position in the text.
struct Span {
  char opener = 0;
  std::size_t begin = 0;
  std::size_t end = std::string_view::npos;  // after the closing character
};

class Text {
 public:
  explicit Text(std::string_view text) : text_(text) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      begins_.push_back(begin);
      lines_.push_back(line);
      begin = end + 1;
    }
    Scan();
  }

  // Empty if the line does not exist. Counted from 1.
  std::string_view Line(int number) const {
    if (number < 1 || static_cast<std::size_t>(number) > lines_.size()) return {};
    return lines_[static_cast<std::size_t>(number) - 1];
  }
  std::size_t At(int line, int column) const {
    if (line < 1) return 0;
    const std::size_t index = static_cast<std::size_t>(line) - 1;
    if (index >= begins_.size()) return text_.size();
    const auto within = static_cast<std::size_t>(std::max(column, 1) - 1);
    return std::min(begins_[index] + within, text_.size());
  }
  YamlFault FaultAt(std::size_t at, std::string cause, std::string fix) const {
    const auto next = std::ranges::upper_bound(begins_, at);
    const auto index = static_cast<std::size_t>(next - begins_.begin()) - 1;
    return {.line = static_cast<int>(index) + 1,
            .column = static_cast<int>(at - begins_[index]) + 1,
            .cause = std::move(cause),
            .fix = std::move(fix)};
  }
  int LineOf(std::size_t at) const { return FaultAt(at, "", "").line; }

  const std::vector<Span>& quotes() const { return quotes_; }
  // The innermost bracket that is open at `at`.
  std::optional<Span> OpenBracketAt(std::size_t at) const {
    std::optional<Span> found;
    for (const Span& bracket : brackets_) {
      if (bracket.begin < at && bracket.end > at) found = bracket;
    }
    return found;
  }

 private:
  // Quotes and brackets only count where a value may begin; inside brackets that is also after an
  // opening bracket and a comma. Block scalars are scanned too, which may find too many.
  void Scan() {
    std::vector<std::size_t> open;  // indexes into brackets_
    bool may_begin = true;
    for (std::size_t at = 0; at < text_.size(); ++at) {
      const char c = text_[at];
      const bool after_blank = at == 0 || kBlank.contains(text_[at - 1]) || text_[at - 1] == '\n';
      if (c == '\n') {
        may_begin = true;
      } else if (c == '#' && after_blank) {
        at = std::min(text_.find('\n', at), text_.size()) - 1;
      } else if ((c == '"' || c == '\'') && may_begin) {
        quotes_.push_back({c, at, EndOfQuoted(text_, at)});
        if (quotes_.back().end == std::string_view::npos) return;
        at = quotes_.back().end - 1;
        may_begin = false;
      } else if ((c == '[' || c == '{') && may_begin) {
        open.push_back(brackets_.size());
        brackets_.push_back({.opener = c, .begin = at});
      } else if ((c == ']' || c == '}') && !open.empty()) {
        brackets_[open.back()].end = at + 1;
        open.pop_back();
        may_begin = false;
      } else if (c == ',' && !open.empty()) {
        may_begin = true;
      } else if (c == ':' || c == '-') {
        const bool ends = at + 1 >= text_.size() || kBlank.contains(text_[at + 1]) ||
                          text_[at + 1] == '\n' || text_[at + 1] == '\r';
        may_begin = ends && (c == ':' || may_begin);
      } else if (!kBlank.contains(c) && c != '\r') {
        may_begin = false;
      }
    }
  }

  std::string_view text_;
  std::vector<std::string_view> lines_;
  std::vector<std::size_t> begins_;
  std::vector<Span> quotes_;
  std::vector<Span> brackets_;
};

std::size_t IndentOf(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool IsBare(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(kBlank);
  return begin == line.npos || line[begin] == '#';
}

bool IsItem(std::string_view rest) { return rest == "-" || rest.starts_with("- "); }

// The nearest line above that is not blank; 0 if all are blank.
int LineAbove(const Text& text, int line) {
  for (--line; line > 0; --line) {
    if (!IsBare(text.Line(line))) return line;
  }
  return 0;
}

// The position of the colon of "key: value" or "key:" in `line`, or npos.
std::size_t ColonOf(std::string_view line) {
  for (std::size_t at = line.find(':'); at != line.npos; at = line.find(':', at + 1)) {
    if (at + 1 == line.size() || kBlank.contains(line[at + 1])) return at;
  }
  return line.npos;
}

// Checks only this line and the one above, because block scalars further up may have tabs.
std::optional<YamlFault> TabFault(const Text& text, int line) {
  for (int number = line - 1; number <= line; ++number) {
    const std::string_view found = text.Line(number);
    const std::size_t end = std::min(found.find_first_not_of(kBlank), found.size());
    const std::size_t tab = found.substr(0, end).find('\t');
    if (tab == found.npos || end == found.size()) continue;
    return text.FaultAt(text.At(number, static_cast<int>(tab) + 1), "a tab in the indentation",
                        "indent with spaces; YAML allows no tabs there");
  }
  return std::nullopt;
}

std::optional<YamlFault> QuoteFault(const Text& text, std::size_t at) {
  for (const Span& quote : text.quotes()) {
    if (quote.begin > at) break;
    const std::string shown = quote.opener == '"' ? "double quote" : "single quote";
    if (quote.end == std::string_view::npos) {
      return text.FaultAt(quote.begin, fmt::format("this {} is never closed", shown),
                          "close it at the end of the value");
    }
    const int begin = text.LineOf(quote.begin);
    const int end = text.LineOf(quote.end - 1);
    if (begin < end && quote.end <= at && text.LineOf(at) == end) {
      return text.FaultAt(quote.begin,
                          fmt::format("this {} is not closed before line {}", shown, end),
                          "close it at the end of the value");
    }
    const bool follows = quote.end <= at && text.LineOf(at) == end;
    const auto column = at - quote.end;
    if (follows && begin == end) {
      const YamlFault place = text.FaultAt(quote.end, "", "");
      const std::string_view between =
          text.Line(end).substr(static_cast<std::size_t>(place.column) - 1, column);
      if (between.find_first_not_of(kBlank) != between.npos) continue;
      return text.FaultAt(quote.end, fmt::format("text after the closing {}", shown),
                          quote.opener == '"'
                              ? R"(remove it, or write \" for a quote inside double quotes)"
                              : "remove it, or write '' for a quote inside single quotes");
    }
  }
  return std::nullopt;
}

std::optional<YamlFault> BracketFault(const Text& text, std::size_t at, std::string_view said) {
  if (said.starts_with("illegal flow end")) {
    return text.FaultAt(at, "a closing bracket that nothing opens",
                        "remove it, or put the value in quotes");
  }
  if (said.find("flow not found") == said.npos) return std::nullopt;
  const std::optional<Span> bracket = text.OpenBracketAt(at);
  if (!bracket) return std::nullopt;
  return text.FaultAt(
      bracket->begin, fmt::format("this \"{}\" is never closed", bracket->opener),
      fmt::format("close it with \"{}\" after the last value", bracket->opener == '[' ? ']' : '}'));
}

std::optional<YamlFault> CharacterFault(const Text& text, int line, int column,
                                        std::string_view said) {
  const std::string_view found = text.Line(line);
  const auto index = static_cast<std::size_t>(std::max(column, 1) - 1);
  const std::size_t at = text.At(line, column);
  if ((said == "unknown token" || said.find("anchor") != said.npos ||
       said.find("alias") != said.npos) &&
      index < found.size()) {
    return text.FaultAt(at,
                        fmt::format("a value that begins with {}", Quote(found.substr(index, 1))),
                        "put the value in quotes");
  }
  if (said.starts_with("unknown escape character")) {
    return text.FaultAt(at, std::string(said) + " in double quotes",
                        R"(write \\ for a backslash, or use single quotes)");
  }
  return std::nullopt;
}

// A colon that the parser does not accept: its key is misplaced, or the value has a colon too.
std::optional<YamlFault> ColonFault(const Text& text, int line, int column, std::string_view said) {
  if (!said.starts_with("illegal map value")) return std::nullopt;
  const std::string_view found = text.Line(line);
  const std::size_t first = ColonOf(found);
  if (first != found.npos && first + 1 < static_cast<std::size_t>(column)) {
    return text.FaultAt(text.At(line, column), "a second \": \" in the value of a key",
                        "put the value in quotes");
  }
  const int above = LineAbove(text, line);
  if (above == 0) return std::nullopt;
  const std::string_view before = text.Line(above);
  const std::size_t begin = before.find_first_not_of(kBlank);
  const std::string_view rest = before.substr(begin);
  const std::size_t at = text.At(above, static_cast<int>(begin) + 1);
  if (ColonOf(before) == before.npos) {
    if (rest.starts_with('-') && !IsItem(rest)) {
      return text.FaultAt(at, "no space after the dash", "write \"- \" before the list item");
    }
    if (const std::size_t colon = before.find(':'); colon != before.npos) {
      return text.FaultAt(
          text.At(above, static_cast<int>(colon) + 2), "no space after the colon",
          fmt::format("write {}", Quote(fmt::format("{}: {}", before.substr(begin, colon - begin),
                                                    before.substr(colon + 1)))));
    }
    const std::size_t end = std::min(rest.find(' '), rest.size());
    return text.FaultAt(at, fmt::format("no colon after {}", Quote(rest.substr(0, end))),
                        fmt::format("write {}", Quote(fmt::format("{}:{}", rest.substr(0, end),
                                                                  rest.substr(end)))));
  }
  if (IndentOf(found) > IndentOf(before)) {
    return text.FaultAt(
        text.At(line, static_cast<int>(IndentOf(found)) + 1),
        fmt::format("a key below the key in line {}, which already has a value", above),
        fmt::format("indent it by {}, like line {}", FormatCount(IndentOf(before), "space"),
                    above));
  }
  return std::nullopt;
}

// A line that does not belong to any block above it.
std::optional<YamlFault> IndentFault(const Text& text, int line, std::string_view said) {
  if (!said.starts_with("end of ") && !said.starts_with("illegal block entry")) return std::nullopt;
  const std::string_view found = text.Line(line);
  if (IsBare(found)) return std::nullopt;
  const std::size_t indent = IndentOf(found);
  const std::size_t at = text.At(line, static_cast<int>(indent) + 1);
  const bool is_item = IsItem(found.substr(indent));
  // The indents of the blocks that are open above, including those of a list item's own keys.
  std::set<std::size_t> open;
  std::size_t least = std::string_view::npos;
  for (int above = LineAbove(text, line); above > 0; above = LineAbove(text, above)) {
    std::string_view rest = text.Line(above);
    std::size_t column = IndentOf(rest);
    if (column >= least) continue;
    least = column;
    open.insert(column);
    rest.remove_prefix(column);
    while (IsItem(rest) && rest.size() > 2) {
      const std::size_t step = 2 + IndentOf(rest.substr(2));
      column += step;
      rest.remove_prefix(step);
      if (ColonOf(rest) != rest.npos) open.insert(column);
    }
    if (least == 0) break;
  }
  if (!open.contains(indent)) {
    std::vector<std::string> choices;
    for (const std::size_t one : open) choices.push_back(fmt::format("{}", one));
    return text.FaultAt(
        at, fmt::format("indented by {}, like no line above", FormatCount(indent, "space")),
        fmt::format("indent it like the lines that it belongs to: by {}",
                    fmt::join(choices, " or ")));
  }
  if (is_item) {
    return text.FaultAt(at, "a list item where a key is expected",
                        "indent it below the key that the list belongs to, or remove the dash");
  }
  return text.FaultAt(at, "a key where a list item is expected",
                      "indent it like the keys of the item above, or begin an item with \"- \"");
}

}  // namespace

std::size_t EndOfQuoted(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      const bool is_doubled = quote == '\'' && at + 1 < text.size() && text[at + 1] == quote;
      if (!is_doubled) return at + 1;
      ++at;
    }
  }
  return text.npos;
}

YamlFault ExplainYamlFault(std::string_view whole, int line, int column, std::string_view said) {
  const Text text(whole);
  const std::size_t at = text.At(line, column);
  if (auto fault = TabFault(text, line)) return *fault;
  if (auto fault = QuoteFault(text, at)) return *fault;
  if (auto fault = BracketFault(text, at, said)) return *fault;
  if (auto fault = CharacterFault(text, line, column, said)) return *fault;
  if (auto fault = ColonFault(text, line, column, said)) return *fault;
  if (auto fault = IndentFault(text, line, said)) return *fault;
  return {.line = line,
          .column = column,
          .cause = fmt::format("invalid YAML: {}", said),
          .fix = "check the indentation, the colons and the quotes of this line and the one above"};
}

}  // namespace holdfast::config
