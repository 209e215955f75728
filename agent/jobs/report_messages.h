// Converts the reports of jobs to protocol messages (proto/holdfast/v1/plan.proto). Lists have
// their first entries and a total count, long texts are truncated, and invalid UTF-8 becomes
// U+FFFD. So no outcome exceeds kOutcomeBytesMax, whatever a source or a repository contains.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/jobs/backup/backup_task.h"
#include "agent/jobs/backup/probe_job.h"
#include "agent/jobs/maintenance/check_job.h"
#include "agent/jobs/maintenance/inventory_job.h"
#include "agent/jobs/parts/compose_job.h"
#include "agent/jobs/restore/restore_job.h"

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

// A report has at most 1 MiB, and contains more than the outcome.
inline constexpr std::size_t kOutcomeBytesMax = 900U << 10;

// Each fills a new message. The caller sets whether the part was cut on an order, and which part a
// snapshot composed at once was made of.
void FillMessage(const SavedPart& part, v1::Part& message);
void FillMessage(const ComposedSnapshot& composed, v1::Composed& message);
void FillMessage(const std::vector<ProbeReport>& reports, v1::ProbeResult& message);
// REQUIRES: no report.error, here and for RestoreReport without `with_plan`.
void FillMessage(const CheckTaskReport& report, v1::VerifyResult& message);
// Adds as many snapshots as fit, and sets `more` if any remain.
void FillMessage(const InventoryPage& page, v1::InventoryResult& message);
// `with_plan` adds the fields of one-shot methods and dry runs. Only controllers that order these
// understand them.
void FillMessage(const RestoreReport& report, v1::Restored& message, bool with_plan = false);
void FillMessage(const Error& error, bool began, bool rolled_back, v1::Failure& message);

}  // namespace holdfast::jobs
