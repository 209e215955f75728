// Notifications to systemd, sd_notify(3). They do nothing, without an error, if the process was not
// started as a service of Type=notify.
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
  std::string notify_socket;  // NOTIFY_SOCKET: a path, or an abstract name after "@"
  std::string watchdog_usec;  // WATCHDOG_USEC
  std::string watchdog_pid;   // WATCHDOG_PID

  static NotifyEnvironment OfThisProcess();
};

// Thread-safe. Each call sends one datagram and waits at most a second for systemd to accept it,
// then fails with kTimedOut. kUnavailable if nothing listens at the socket.
class Notifier {
 public:
  // kInvalidArgument for malformed variables.
  static Result<Notifier> Create(const NotifyEnvironment& environment);

  bool is_connected() const { return socket_.is_open(); }
  // How often to call Watchdog(): half of systemd's timeout; nullopt without a timeout.
  std::optional<std::chrono::microseconds> watchdog_interval() const { return watchdog_interval_; }

  // Startup is complete: units that wait for this one may start.
  Result<void> Ready(std::string_view status) const;
  // One line for `systemctl status`.
  Result<void> Status(std::string_view status) const;
  // Still making progress. Must be called by the code that makes it, not by a separate timer.
  Result<void> Watchdog() const;
  Result<void> Stopping(std::string_view status) const;

 private:
  Result<void> Send(const std::string& text) const;

  std::string address_;
  Fd socket_;
  std::optional<std::chrono::microseconds> watchdog_interval_;
};

}  // namespace holdfast
