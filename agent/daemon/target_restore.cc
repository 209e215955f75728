#include "agent/daemon/target_restore.h"

#include "common/base/bytes.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {

jobs::RestoreOptions TargetRestoreOptions(const v1::RestoreOrder& order,
                                          const RestoreTargetSettings& target) {
  jobs::RestoreOptions options;
  options.selector = HexEncode(AsBytes(order.snapshot()));
  options.mode = jobs::RestoreMode::kMethod;
  options.source = order.source();
  options.dry_run = order.named().dry_run();
  options.safety_snapshot = order.named().safety_snapshot();
  for (const v1::TargetOption& option : order.named().options()) {
    options.kind_options[option.name()].assign(option.values().begin(), option.values().end());
  }
  options.method = target.method;
  options.fixed_options = target.options;
  return options;
}

}  // namespace holdfast::agent
