#include "common/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "common/base/format.h"
#include "common/base/utf8.h"
#include "common/cli/character_widths.h"
#include "common/io/fd.h"

namespace holdfast::cli {
namespace {

struct Size {
  std::size_t columns = 80;
  std::size_t lines = 24;
};

// Of a terminal; it may change at any time.
Size SizeOf(int fd) {
  struct winsize size {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  Size known;
  if (size.ws_col > 0) known.columns = size.ws_col;
  if (size.ws_row > 0) known.lines = size.ws_row;
  return known;
}

std::string Escaped(const CodePoint& point, char first_byte) {
  if (!point.valid) return fmt::format("\\x{:02x}", static_cast<std::uint8_t>(first_byte));
  const auto value = static_cast<std::uint32_t>(point.value);
  if (value < 0x80) return fmt::format("\\x{:02x}", value);
  return value < 0x10000 ? fmt::format("\\u{:04x}", value) : fmt::format("\\U{:08x}", value);
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.valid && !IsUnsafe(point.value)) {
      printable += text.substr(0, point.length);
    } else {
      printable += Escaped(point, text.front());
    }
    text.remove_prefix(point.length);
  }
  return printable;
}

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
  bool is_cut = false;  // the character before, so that what combines with it goes as well
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
  // One line stays for the cursor, which stands below them.
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
  text += line;
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
    // A line that wraps would take two rows, and be cleared as one.
    status_.emplace_back(FrontColumns(line, status_width()));
    text += status_.back() + "\n";
  }
  WriteError(text);
}

std::string Terminal::ClearedStatus() {
  if (status_.empty()) return "";
  return fmt::format("\x1b[{}A\x1b[J", status_.size());
}

void Terminal::WriteError(std::string_view text) {
  // Whoever closed stderr wants to hear nothing.
  (void)WriteAll(error_fd_, AsBytes(text), "standard error");
}

}  // namespace holdfast::cli
