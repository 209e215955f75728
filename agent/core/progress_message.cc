#include "agent/core/progress_message.h"

namespace holdfast::agent {

void SetProgress(const event::TaskProgress& progress, v1::TaskProgress& message) {
  message.set_phase(progress.phase);
  message.set_items(progress.items);
  message.set_bytes(progress.bytes);
  message.set_items_total(progress.items_total);
  message.set_bytes_total(progress.bytes_total);
  message.set_bytes_unchanged(progress.bytes_unchanged);
}

}  // namespace holdfast::agent
