#include "agent/sources/kafka/partition_plan.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

// Why the stored records are not in the partition's current history; empty if they may be.
std::string UnsupportedReason(const PartitionDocument& previous, const PartitionFacts& now) {
  if (!previous.topic_id.empty() && !now.topic_id.empty() && previous.topic_id != now.topic_id)
    return "the topic was deleted and recreated";
  if (now.last_stable < previous.end)
    return fmt::format("it ends at offset {}, but {} was saved", now.last_stable, previous.end);
  if (previous.last_record.records == 0) return "";
  const std::int64_t last = previous.last_record.last_offset;
  const auto stored = EpochAt(previous.epochs, last);
  const auto present = EpochAt(now.epochs, last);
  if (last >= now.low && stored && present && *stored != *present)
    return fmt::format(
        "offset {} has leader epoch {}, but {} was saved: a replica without the newest records "
        "became the leader",
        last, *present, *stored);
  return "";
}

bool IsProven(const PartitionDocument& previous, const PartitionFacts& now) {
  const std::int64_t last = previous.last_record.last_offset;
  const bool same_topic = !previous.topic_id.empty() && previous.topic_id == now.topic_id;
  return same_topic && EpochAt(previous.epochs, last) && EpochAt(now.epochs, last);
}

}  // namespace

std::optional<std::int32_t> EpochAt(const std::vector<EpochStart>& epochs, std::int64_t offset) {
  const auto above = std::ranges::upper_bound(epochs, offset, {}, &EpochStart::first);
  if (above == epochs.begin()) return std::nullopt;
  return std::prev(above)->epoch;
}

PartitionPlan Replan(const PartitionFacts& now, std::string why) {
  PartitionPlan plan;
  plan.reread_reason = std::move(why);
  plan.read_from = now.low;
  plan.grows = now.last_stable > now.low;
  return plan;
}

PartitionPlan PlanPartition(const PartitionDocument* previous, const PartitionFacts& now) {
  if (previous == nullptr || now.compacted || previous->compacted) return Replan(now, "");
  if (std::string why = UnsupportedReason(*previous, now); !why.empty())
    return Replan(now, std::move(why));
  PartitionPlan plan;
  if (now.low > previous->end)
    plan.lost = LostRange{previous->end, now.low, "deleted before they could be saved"};
  const std::vector<SegmentFacts>& files = previous->files;
  while (plan.keep < files.size() && files[plan.keep].run.last_offset < now.low) ++plan.keep;
  plan.has_kept = plan.keep < files.size();
  // Without a stored record to compare, assume nothing.
  plan.read_from = plan.has_kept ? previous->end : now.low;
  plan.grows = now.last_stable > plan.read_from;
  if (!plan.has_kept) return plan;
  plan.trims = files[plan.keep].run.first_offset < now.low;
  plan.must_compare = !IsProven(*previous, now);
  return plan;
}

}  // namespace holdfast::kafka
