// Asks a running HAProxy on a UNIX socket: one of a worker ("stats socket") or the master's (-S),
// which passes questions on to each of its workers.
//
// Source: HAProxy management guide 2.6, sections 9.3 and 9.4. One question per connection: an
// answer ends with an empty line and the end of the connection, so that one that broke off is
// known.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

class RuntimeApi {
 public:
  // Of an answer, from one piece of it to the next.
  static constexpr std::chrono::seconds kPatience{10};
  // No answer's line is as long; HAProxy's own buffer has 16 KiB.
  static constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;

  // Finds out whose socket it is, and its level. `clock` outlives it. kNotFound and kUnavailable as
  // ConnectSocket(); kUnsupported: what listens there is no HAProxy that we know.
  static Result<RuntimeApi> Open(std::string path, const Clock& clock, std::stop_token stop);

  bool is_master() const { return is_master_; }
  // The process ids to ask on the master's socket; 0, once, on a worker's own, which is whoever
  // answers there.
  const std::vector<pid_t>& workers() const { return workers_; }
  // "user", "operator" or "admin".
  const std::string& level() const { return level_; }
  bool MayOperate() const { return level_ != "user"; }

  using Line = std::function<Result<void>(std::string_view line)>;
  // Gives each line of the answer without its end, as it comes. kUnavailable when the answer breaks
  // off or the worker has gone, kTimedOut, kCorrupt for a line beyond the limit, or `line`'s error.
  Result<void> Ask(pid_t worker, std::string_view command, const Line& line) const;
  // All of it, each line with a line feed; kCorrupt when it is larger than `bytes_max`.
  Result<std::string> AskText(pid_t worker, std::string_view command,
                              std::size_t bytes_max = std::size_t{1} << 20) const;

 private:
  RuntimeApi(std::string path, const Clock& clock, std::stop_token stop)
      : path_(std::move(path)), clock_(&clock), stop_(std::move(stop)) {}
  Result<std::size_t> ReadPiece(int fd, std::span<std::uint8_t> buffer) const;

  std::string path_;
  const Clock* clock_;
  std::stop_token stop_;
  bool is_master_ = false;
  std::vector<pid_t> workers_;
  std::string level_;
};

// kNotFound: there is no socket; kUnavailable: nobody listens on it; kTimedOut: whoever does takes
// no more connections.
Result<Fd> ConnectSocket(const std::string& path,
                         std::chrono::milliseconds patience = RuntimeApi::kPatience);

}  // namespace holdfast::haproxy
