#include "agent/daemon/target_restore.h"

#include "common/base/bytes.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {

jobs::RestoreOptions OptionsOfOrder(const v1::Plan& plan) {
  const v1::RestoreOrder& order = plan.restore();
  jobs::RestoreOptions options;
  options.selector = HexEncode(AsBytes(order.snapshot()));
  jobs::OrderedSnapshot& ordered = options.ordered.emplace();
  ordered.source = order.source();
  ordered.host = order.host();
  ordered.run = order.run();
  ordered.time_ms = order.time_ms();
  ordered.is_safety = order.safety();
  if (order.has_newest()) {
    ordered.newest = {.allow_partial = order.newest().allow_partial(),
                      .allow_invalid = order.newest().allow_invalid()};
  }
  ordered.issued_ms = plan.issued_at_ms();
  return options;
}

jobs::RestoreOptions TargetRestoreOptions(const v1::Plan& plan,
                                          const RestoreTargetSettings& target) {
  const v1::RestoreOrder& order = plan.restore();
  jobs::RestoreOptions options = OptionsOfOrder(plan);
  options.mode = jobs::RestoreMode::kMethod;
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
