// stdout and stderr of one run: results, messages, and live lines below them.
//
// This room holds what all command lines share: parsing (command_line.h), tables that fit the
// terminal (table.h), progress (progress_text.h), JSON documents (json_document.h) and exit codes
// (exit_code.h). It knows no verb of any program.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/printable.h"
#include "common/base/result.h"

namespace holdfast::cli {

// Terminal columns of `text`: two for a wide East Asian character, none for a combining one.
std::size_t Columns(std::string_view text);
// The longest prefix, or suffix, of `text` that takes at most `columns`. Combining characters stay
// with their base character.
std::string_view FrontColumns(std::string_view text, std::size_t columns);
std::string_view BackColumns(std::string_view text, std::size_t columns);

// Wraps `text` between words into lines of at most `width` columns. Continuation lines are indented
// by two more columns. A longer word, such as a path, stays whole. `width` 0: unchanged. Colours
// take no columns.
std::string WrapText(std::string_view text, std::size_t width);

// Where text is displayed.
struct Screen {
  Screen(std::size_t screen_width = 0, bool coloured = false)  // NOLINT: a width alone is a screen
      : width(screen_width), has_colour(coloured) {}
  std::size_t width;  // columns; 0: not a terminal, nothing is cut
  bool has_colour;
};

// Whether escape sequences work on a terminal of this environment, and whether colours are wanted.
struct TerminalTraits {
  bool has_cursor = true;
  bool has_colour = true;
};
// TERM=dumb disables both; NO_COLOR (https://no-color.org) disables only colours.
TerminalTraits TerminalTraitsOf(const std::map<std::string, std::string, std::less<>>& environment);

// Thread-safe.
class Terminal {
 public:
  // This process's stdout and stderr; tests pass files.
  explicit Terminal(TerminalTraits traits = {}) : Terminal(1, 2, traits) {}
  Terminal(int out_fd, int error_fd, TerminalTraits traits = {});
  ~Terminal() { ShowStatus({}); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Whether stderr is a terminal that can show live lines.
  bool errors_are_live() const { return errors_are_live_; }
  // The current screen of stdout.
  Screen screen() const;
  // How many lines ShowStatus() can show without scrolling; 0 unless errors_are_live().
  std::size_t status_lines_max() const;
  // Columns of a live line.
  std::size_t status_width() const;

  // kUnavailable when the reader is gone, kNoSpace for a full disk, ...
  Result<void> WriteOut(std::string_view text);
  // Writes one line to stderr, above the live lines; wrapped on a terminal.
  void WriteErrorLine(std::string_view line);
  // Replaces the live lines. Does nothing unless errors_are_live().
  void ShowStatus(const std::vector<std::string>& lines);

 private:
  void WriteError(std::string_view text);
  std::string ClearedStatus();
  const int out_fd_;
  const int error_fd_;
  bool errors_are_live_ = false;
  bool has_colour_ = false;
  std::mutex mutex_;
  std::vector<std::string> status_;
};

}  // namespace holdfast::cli
