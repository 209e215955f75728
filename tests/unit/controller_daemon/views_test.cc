#include "controller/daemon/admin_views.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "tests/support/catch.h"

namespace holdfast::controller {
namespace {

TaskStatus Ended(TaskState state, const v1::Report& report) {
  TaskStatus status;
  status.record.state = status.state = state;
  status.record.report = ToBytes(report.SerializeAsString());
  return status;
}

TEST_CASE("views: an ended task shows the counts of its report") {
  v1::Report restored;
  restored.mutable_restored()->set_items(35);
  restored.mutable_restored()->set_bytes(600);
  v1::Report composed;
  composed.mutable_composed()->set_items(5);
  composed.mutable_composed()->set_bytes(1'000);
  composed.mutable_composed()->mutable_part()->set_items(5);
  composed.mutable_composed()->mutable_part()->set_bytes(70);
  v1::Report saved;
  saved.mutable_saved()->set_items(3);
  saved.mutable_saved()->set_bytes(20);
  v1::RunView run;

  FillTasks({Ended(TaskState::kDone, restored), Ended(TaskState::kComposed, composed),
             Ended(TaskState::kSaved, saved)},
            0, run);

  std::map<std::uint64_t, std::uint64_t> counts;
  for (const v1::TaskView& task : run.tasks()) {
    counts[task.progress().items()] = task.progress().bytes();
  }
  CHECK(counts == std::map<std::uint64_t, std::uint64_t>{{35, 600}, {5, 1'000}, {3, 20}});
}

}  // namespace
}  // namespace holdfast::controller
