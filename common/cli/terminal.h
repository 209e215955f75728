// stdout and stderr of one run: results, messages, and the live lines that stand below them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::cli {

// `text` without anything that would command a terminal or change what stands beside it: controls,
// format characters and invalid bytes are escaped ("\x1b", "\u202e", "\xff").
std::string Printable(std::string_view text);

// How many columns of a terminal `text` takes: two for a wide character of East Asia, none for a
// combining one.
std::size_t Columns(std::string_view text);
// The longest front, and the longest back, of `text` that takes at most `columns`. Combining
// characters stay with what they belong to.
std::string_view FrontColumns(std::string_view text, std::size_t columns);
std::string_view BackColumns(std::string_view text, std::size_t columns);

// `text` with lines of at most `width` columns, broken between words; what follows a break is
// indented by two columns more than its line. A longer word, such as a path, stays whole. `width`
// 0: unchanged. Colours take no columns.
std::string WrapText(std::string_view text, std::size_t width);

// Where text will be read.
struct Screen {
  Screen(std::size_t screen_width = 0, bool coloured = false)  // NOLINT: a width alone is a screen
      : width(screen_width), has_colour(coloured) {}
  std::size_t width;  // columns; 0: no terminal, nothing is cut off
  bool has_colour;
};

// Whether escape sequences work on a terminal of this environment, and whether colours are wanted.
struct TerminalTraits {
  bool has_cursor = true;
  bool has_colour = true;
};
// TERM=dumb has neither; NO_COLOR (https://no-color.org) is about colours alone.
TerminalTraits TerminalTraitsOf(const std::map<std::string, std::string, std::less<>>& environment);

// Safe to use from several threads.
class Terminal {
 public:
  // Of this process; tests give files.
  explicit Terminal(TerminalTraits traits = {}) : Terminal(1, 2, traits) {}
  Terminal(int out_fd, int error_fd, TerminalTraits traits = {});
  ~Terminal() { ShowStatus({}); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Whether people look at it live.
  bool errors_are_live() const { return errors_are_live_; }
  // Of stdout, as it is now.
  Screen screen() const;
  // How many lines ShowStatus() may be given, so that none scrolls away; 0 where
  // !errors_are_live().
  std::size_t status_lines_max() const;
  // Columns of a live line.
  std::size_t status_width() const;

  // kUnavailable when the reader is gone, kNoSpace for a full disk, ...
  Result<void> WriteOut(std::string_view text);
  // One line to stderr, above the live lines; wrapped on a terminal.
  void WriteErrorLine(std::string_view line);
  // Replaces the live lines; only where errors_are_live().
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
