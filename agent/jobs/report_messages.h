// What jobs say, as it crosses the wire (proto/holdfast/v1/plan.proto). Lists show their first
// entries, counts tell how many there are, texts that are too long are cut and bytes that are no
// UTF-8 become U+FFFD; so no outcome is larger than kOutcomeBytesMax, whatever a source or a
// repository holds.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/jobs/backup_task.h"
#include "agent/jobs/check_job.h"
#include "agent/jobs/compose_job.h"
#include "agent/jobs/inventory_job.h"
#include "agent/jobs/probe_job.h"
#include "agent/jobs/restore_job.h"
#include "common/base/result.h"

namespace holdfast::v1 {
class Composed;
class Failure;
class InventoryResult;
class Part;
class ProbeResult;
class Restored;
class VerifyResult;
}  // namespace holdfast::v1

namespace holdfast::jobs {

// A report has 1 MiB in all, and says more than the outcome.
inline constexpr std::size_t kOutcomeBytesMax = 900U << 10;

// Each fills a fresh message. Whether the part was cut on an order, and which part a composed
// snapshot was made of at once, the caller knows.
void FillMessage(const SavedPart& part, v1::Part& message);
void FillMessage(const ComposedSnapshot& composed, v1::Composed& message);
void FillMessage(const std::vector<ProbeReport>& reports, v1::ProbeResult& message);
// REQUIRES: no report.error, here and in the next but one.
void FillMessage(const CheckTaskReport& report, v1::VerifyResult& message);
// As many snapshots as there is room for; then `more` is set.
void FillMessage(const InventoryPage& page, v1::InventoryResult& message);
// `with_plan`: with what only a one-shot method and a dry run have. Whoever ordered one of them
// understands it, and nobody else does.
void FillMessage(const RestoreReport& report, v1::Restored& message, bool with_plan = false);
void FillMessage(const Error& error, bool began, bool rolled_back, v1::Failure& message);

// What a compose order says of a part. kInvalidArgument for a tree id of the wrong length.
Result<ComposeRequest::Part> ReadMessage(const v1::Part& message);

}  // namespace holdfast::jobs
