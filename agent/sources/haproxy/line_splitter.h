// Splits text that arrives in pieces into lines.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::haproxy {

class LineSplitter {
 public:
  using Sink = std::function<Result<void>(std::string_view line)>;  // without its line feed

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // kCorrupt for a line that is longer than the limit, or the sink's error.
  Result<void> Feed(std::string_view piece, const Sink& sink);
  // What follows the last line feed.
  const std::string& rest() const { return pending_; }

 private:
  const std::size_t line_bytes_max_;
  std::string pending_;
};

}  // namespace holdfast::haproxy
