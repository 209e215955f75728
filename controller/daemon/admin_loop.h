// The operators' two doors, the UNIX socket and CURVE, before one AdminService; on a thread of its
// own, so that a long list never keeps the core from deciding.
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
  // Opens both doors and tests that the second one keeps strangers out. All that is referred to
  // outlives the loop. Errors of LocalServer::Listen() and AdminServer::Open().
  static Result<std::unique_ptr<AdminLoop>> Open(const ControllerSettings& settings,
                                                 AdminServiceOptions options, CoreLoop& core,
                                                 const bus::CurveKeys& keys, Random& random,
                                                 const Clock& clock);
  // Where operators of other hosts connect to; empty where they may not.
  virtual std::string endpoint() const = 0;
  // Whoever follows a run is shown it now, and not at the next turn. From any thread.
  virtual void ShowRuns() = 0;
};

// "uid:1000(anna)@HOST": how the audit names who asks by the UNIX socket.
std::string LocalActor(std::uint32_t uid);

}  // namespace holdfast::controller
