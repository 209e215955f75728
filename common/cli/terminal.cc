#include "common/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::cli {
namespace {

// 0 where `fd` is no terminal.
std::size_t TerminalWidth(int fd) {
  if (::isatty(fd) == 0) return 0;
  struct winsize size {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

std::string CutToColumns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  std::size_t count = 0;
  for (; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && ++count > columns) break;
  }
  return std::string(text.substr(0, end));
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      printable += fmt::format("\\x{:02x}", byte);
    } else {
      printable += c;
    }
  }
  return printable;
}

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  for (char c : text) columns += BeginsCharacter(c) ? 1 : 0;
  return columns;
}

Terminal::Terminal(int out_fd, int error_fd)
    : out_fd_(out_fd),
      error_fd_(error_fd),
      errors_are_live_(::isatty(error_fd) != 0),
      error_width_(TerminalWidth(error_fd)),
      out_width_(TerminalWidth(out_fd)) {}

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
    status_.push_back(CutToColumns(line, error_width_ > 1 ? error_width_ - 1 : 79));
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
