// The running HAProxy: finds its master process, reloads it, and verifies the reload.
//
// Source: HAProxy management guide 2.6, sections 4 (stopping and restarting) and 9.4 (master CLI);
// proc(5). Only master-worker mode (-W, -Ws) can be reloaded in place.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "agent/sources/haproxy/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::haproxy {

// A worker. A pid alone could be reused.
struct Worker {
  pid_t pid = 0;
  std::uint64_t started = 0;  // clock ticks since boot
  bool operator==(const Worker&) const = default;
};

struct ProcessState {
  bool is_running = false;
  pid_t master = 0;
  std::vector<Worker> workers;         // current workers and leaving ones
  std::optional<long> failed_reloads;  // as counted by the master; nullopt if it may not be read
};

class Process {
 public:
  // `clock` outlives the object.
  Process(ReloadMethod method, const Clock& clock) : method_(std::move(method)), clock_(clock) {}

  // Succeeds also if HAProxy does not run. kNotFound: no such unit. kUnsupported: it runs, but not
  // in master-worker mode. kDenied: this user may not signal it.
  Result<ProcessState> Look(std::stop_token stop) const;

  // Waits until the master has started, then makes it reload its configuration. Errors contain what
  // HAProxy or systemd printed.
  Result<void> Reload(const ProcessState& before, std::stop_token stop) const;

  // Waits until a worker that is not in `before` has run for a moment. kTimedOut; kUnavailable if
  // the master has ended or kept its old configuration.
  Result<void> AwaitReload(const ProcessState& before, const std::stop_token& stop) const;

  // Starts HAProxy through systemd; kUnsupported for other reload methods.
  Result<void> Start(std::stop_token stop) const;

 private:
  Result<pid_t> FindMaster(std::stop_token stop) const;  // 0: not running
  Result<void> AwaitReady(pid_t master, const std::stop_token& stop) const;
  ReloadMethod method_;
  const Clock& clock_;
};

}  // namespace holdfast::haproxy
