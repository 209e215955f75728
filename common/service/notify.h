// What a service tells systemd about itself, sd_notify(3). Where the process was not started as a
// service of Type=notify, telling it something does nothing and is no error.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// The variables that systemd sets, sd_watchdog_enabled(3).
struct NotifyEnvironment {
  std::string notify_socket;  // NOTIFY_SOCKET: a path, or a name of the abstract kind after "@"
  std::string watchdog_usec;  // WATCHDOG_USEC
  std::string watchdog_pid;   // WATCHDOG_PID

  static NotifyEnvironment OfThisProcess();
};

// Safe to call from several threads. Each call sends one datagram and waits at most a second for
// systemd to take it: kTimedOut then, and kUnavailable where nobody listens at the socket.
class Notifier {
 public:
  // kInvalidArgument when the variables do not say what they must.
  static Result<Notifier> Create(const NotifyEnvironment& environment);

  bool is_connected() const { return socket_.is_open(); }
  // How often Watchdog() is to be called: half of what systemd waits for; nullopt where it does
  // not.
  std::optional<std::chrono::microseconds> watchdog_interval() const { return watchdog_interval_; }

  // The start is over: units that wait for this one go on.
  Result<void> Ready(std::string_view status) const;
  // One line for `systemctl status`.
  Result<void> Status(std::string_view status) const;
  // Still making progress. To be called by what makes it, not by a timer beside it.
  Result<void> Watchdog() const;
  Result<void> Stopping(std::string_view status) const;
  // Start, stop or whatever is going on may take this much longer from now on.
  Result<void> ExtendTimeout(std::chrono::microseconds by) const;

 private:
  Result<void> Send(const std::string& text) const;

  std::string address_;
  Fd socket_;
  std::optional<std::chrono::microseconds> watchdog_interval_;
};

}  // namespace holdfast
