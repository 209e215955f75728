// The running HAProxy: finding its master process, having it reload, and seeing that it did.
//
// Source: HAProxy management guide 2.6, sections 4 (stopping and restarting) and 9.4 (master CLI);
// proc(5). Only master-worker mode (-W, -Ws) can be reloaded in place.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

// One worker; a pid alone may be used again.
struct Worker {
  pid_t pid = 0;
  std::uint64_t started = 0;  // clock ticks since boot
  bool operator==(const Worker&) const = default;
};

struct ProcessState {
  bool is_running = false;
  pid_t master = 0;
  std::vector<Worker> workers;  // current and leaving ones
  std::optional<long>
      failed_reloads;  // as the master counts them; unknown where it may not be read
};

class Process {
 public:
  // `clock` outlives the object.
  Process(ReloadMethod method, const Clock& clock) : method_(std::move(method)), clock_(clock) {}

  // Not running is no error. kNotFound: no such unit. kUnsupported: it runs, but not in
  // master-worker mode. kDenied: it may not be signalled by this user.
  Result<ProcessState> Look(std::stop_token stop) const;

  // Has the master take its configuration anew, once it has started itself. An error carries what
  // HAProxy or systemd said.
  Result<void> Reload(const ProcessState& before, std::stop_token stop) const;

  // Waits until a worker that was not there in `before` has run for a moment. kTimedOut,
  // or kUnavailable when the master has gone or kept its old configuration.
  Result<void> AwaitReload(const ProcessState& before, const std::stop_token& stop) const;

  // Starts it where systemd can; kUnsupported otherwise.
  Result<void> Start(std::stop_token stop) const;

 private:
  Result<pid_t> FindMaster(std::stop_token stop) const;  // 0: not running
  Result<void> AwaitReady(pid_t master, const std::stop_token& stop) const;
  ReloadMethod method_;
  const Clock& clock_;
};

}  // namespace holdfast::haproxy
