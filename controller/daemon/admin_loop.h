// Serves operators on the UNIX socket and over CURVE with one AdminService. It has its own thread,
// so that a long list never delays the core.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "controller/daemon/admin_service.h"
#include "controller/daemon/core_loop.h"
#include "controller/daemon/settings.h"

namespace holdfast::controller {

class AdminLoop {
 public:
  virtual ~AdminLoop() = default;
  // Opens both listeners, and tests that the one with CURVE refuses unknown keys. All references
  // must outlive the loop. Errors of LocalServer::Listen() and AdminServer::Open().
  static Result<std::unique_ptr<AdminLoop>> Open(const ControllerSettings& settings,
                                                 AdminServiceOptions options, CoreLoop& core,
                                                 const bus::CurveKeys& keys, Random& random,
                                                 const Clock& clock);
  // Where operators of other hosts connect; empty if they cannot.
  virtual std::string endpoint() const = 0;
  // Sends runs to their watchers now, not at the next tick. From any thread.
  virtual void ShowRuns() = 0;
};

// "uid:1000(anna)@HOST": a user of the UNIX socket, as in the audit.
std::string LocalActor(std::uint32_t uid);

}  // namespace holdfast::controller
