// A client for HAProxy's runtime API on a UNIX socket: a worker's ("stats socket"), or the master's
// (-S), which forwards commands to each of its workers.
//
// Source: HAProxy management guide 2.6, sections 9.3 and 9.4. One command per connection: a
// complete answer ends with an empty line and the end of the connection, so a truncated one is
// detected.
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
  // The longest wait for the next piece of an answer.
  static constexpr std::chrono::seconds kPatience{10};
  // No line of an answer is this long: HAProxy's own buffer has 16 KiB.
  static constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;

  // Finds out whose socket it is, and its level. `clock` outlives the object. kNotFound and
  // kUnavailable as ConnectSocket(); kUnsupported if the listener is not a known HAProxy.
  static Result<RuntimeApi> Open(std::string path, const Clock& clock, std::stop_token stop);

  bool is_master() const { return is_master_; }
  // The process ids to address on the master's socket. On a worker's own socket a single 0, for the
  // process that answers there.
  const std::vector<pid_t>& workers() const { return workers_; }
  // "user", "operator" or "admin".
  const std::string& level() const { return level_; }
  bool MayOperate() const { return level_ != "user"; }

  using Line = std::function<Result<void>(std::string_view line)>;
  // Passes each line of the answer to `line` as it arrives, without its line feed. kUnavailable if
  // the answer is truncated or the worker ended, kTimedOut, kCorrupt for a line beyond the limit,
  // or the error of `line`.
  Result<void> Ask(pid_t worker, std::string_view command, const Line& line) const;
  // The whole answer, each line with a line feed; kCorrupt if it is larger than `bytes_max`.
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

// kNotFound: no such socket. kUnavailable: no process listens on it. kTimedOut: the listener
// accepts no more connections.
Result<Fd> ConnectSocket(const std::string& path,
                         std::chrono::milliseconds patience = RuntimeApi::kPatience);

}  // namespace holdfast::haproxy
