#include "common/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "common/base/character_widths.h"
#include "common/base/format.h"
#include "common/base/utf8.h"
#include "common/io/fd.h"

namespace holdfast::cli {
namespace {

struct Size {
  std::size_t columns = 80;
  std::size_t lines = 24;
};

// The size of a terminal, which may change at any time.
Size SizeOf(int fd) {
  struct winsize size {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  Size known;
  if (size.ws_col > 0) known.columns = size.ws_col;
  if (size.ws_row > 0) known.lines = size.ws_row;
  return known;
}

// The columns of `text`, which may contain colours.
std::size_t ShownColumns(std::string_view text) {
  std::size_t columns = 0;
  for (;;) {
    const std::size_t colour = text.find("\x1b[");
    columns += Columns(text.substr(0, colour));
    const std::size_t end = colour == text.npos ? text.npos : text.find('m', colour);
    if (end == text.npos) return columns;
    text.remove_prefix(end + 1);
  }
}

std::string WrapLine(std::string_view line, std::size_t width) {
  if (ShownColumns(line) <= width) return std::string(line);
  const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
  std::string wrapped(line.substr(0, indent));
  line.remove_prefix(indent);
  std::size_t used = indent;
  bool is_first = true;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    const std::size_t columns = ShownColumns(word);
    if (is_first) {
      is_first = false;
    } else if (used + 1 + columns > width) {
      wrapped += '\n' + std::string(indent + 2, ' ');
      used = indent + 2;
    } else {
      wrapped += ' ';
      ++used;
    }
    wrapped += word;
    used += columns;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return wrapped;
}

}  // namespace

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    columns += CharacterColumns(point.value);
    text.remove_prefix(point.length);
  }
  return columns;
}

std::string_view FrontColumns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  std::size_t count = 0;
  while (end < text.size()) {
    const CodePoint point = DecodeUtf8(text.substr(end));
    count += CharacterColumns(point.value);
    if (count > columns) break;
    end += point.length;
  }
  return text.substr(0, end);
}

std::string_view BackColumns(std::string_view text, std::size_t columns) {
  std::size_t rest = Columns(text);
  bool is_cut = false;  // the previous character was cut, so characters combined with it go too
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    const std::size_t taken = CharacterColumns(point.value);
    if (rest <= columns && !(is_cut && taken == 0)) break;
    is_cut = true;
    rest -= taken;
    text.remove_prefix(point.length);
  }
  return text;
}

std::string WrapText(std::string_view text, std::size_t width) {
  if (width == 0) return std::string(text);
  std::string wrapped;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    wrapped += WrapLine(text.substr(0, end), width);
    if (end < text.size()) wrapped += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

TerminalTraits TerminalTraitsOf(
    const std::map<std::string, std::string, std::less<>>& environment) {
  const auto term = environment.find("TERM");
  const bool has_cursor =
      term != environment.end() && !term->second.empty() && term->second != "dumb";
  const auto no_color = environment.find("NO_COLOR");
  const bool is_plain = no_color != environment.end() && !no_color->second.empty();
  return {.has_cursor = has_cursor, .has_colour = has_cursor && !is_plain};
}

Terminal::Terminal(int out_fd, int error_fd, TerminalTraits traits)
    : out_fd_(out_fd),
      error_fd_(error_fd),
      errors_are_live_(traits.has_cursor && ::isatty(error_fd) != 0),
      has_colour_(traits.has_colour && ::isatty(out_fd) != 0) {}

Screen Terminal::screen() const {
  if (::isatty(out_fd_) == 0) return {};
  return {SizeOf(out_fd_).columns, has_colour_};
}

std::size_t Terminal::status_lines_max() const {
  // The cursor needs a line below them.
  return errors_are_live_ ? std::max<std::size_t>(SizeOf(error_fd_).lines, 2) - 1 : 0;
}

std::size_t Terminal::status_width() const {
  // A line that fills the last column wraps on some terminals.
  return std::max<std::size_t>(SizeOf(error_fd_).columns, 2) - 1;
}

Result<void> Terminal::WriteOut(std::string_view text) {
  ShowStatus({});
  std::lock_guard lock(mutex_);
  return WriteAll(out_fd_, AsBytes(text), "standard output");
}

void Terminal::WriteErrorLine(std::string_view line) {
  std::lock_guard lock(mutex_);
  std::string text = ClearedStatus();
  text += WrapText(line, ::isatty(error_fd_) != 0 ? SizeOf(error_fd_).columns : 0);
  text += '\n';
  for (const std::string& status : status_) text += status + "\n";
  WriteError(text);
}

void Terminal::ShowStatus(const std::vector<std::string>& lines) {
  if (!errors_are_live_) return;
  std::lock_guard lock(mutex_);
  if (lines.empty() && status_.empty()) return;
  std::string text = ClearedStatus();
  status_.clear();
  for (const std::string& line : lines) {
    // A line that wraps would take two rows but be cleared as one.
    status_.emplace_back(FrontColumns(line, status_width()));
    text += status_.back() + "\n";
  }
  WriteError(text);
}

std::string Terminal::ClearedStatus() {
  if (status_.empty()) return "";
  // The cursor may not be in the first column: a terminal echoes Ctrl-C as ^C.
  return fmt::format("\r\x1b[{}A\x1b[J", status_.size());
}

void Terminal::WriteError(std::string_view text) {
  // If stderr is closed, there is nowhere to report it.
  (void)WriteAll(error_fd_, AsBytes(text), "standard error");
}

}  // namespace holdfast::cli
