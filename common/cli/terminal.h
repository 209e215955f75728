// stdout and stderr of one run: results, messages, and the live lines that stand below them.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::cli {

// `text` without bytes that would command a terminal.
std::string Printable(std::string_view text);

// How many columns `text` takes, one for each character.
std::size_t Columns(std::string_view text);

// Safe to use from several threads.
class Terminal {
 public:
  // Of this process; tests give files.
  explicit Terminal(int out_fd = 1, int error_fd = 2);
  ~Terminal() { ShowStatus({}); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Whether people look at it live.
  bool errors_are_live() const { return errors_are_live_; }
  // Columns of stdout; 0 where it is no terminal, and nothing is to be cut off.
  std::size_t width() const { return out_width_; }

  // kUnavailable when the reader is gone, kNoSpace for a full disk, ...
  Result<void> WriteOut(std::string_view text);
  // One line to stderr, above the live lines.
  void WriteErrorLine(std::string_view line);
  // Replaces the live lines; only where errors_are_live().
  void ShowStatus(const std::vector<std::string>& lines);

 private:
  void WriteError(std::string_view text);
  std::string ClearedStatus();
  const int out_fd_;
  const int error_fd_;
  bool errors_are_live_ = false;
  std::size_t error_width_ = 0;
  std::size_t out_width_ = 0;
  std::mutex mutex_;
  std::vector<std::string> status_;
};

}  // namespace holdfast::cli
