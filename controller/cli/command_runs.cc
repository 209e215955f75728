// Commands that make runs or look at them.
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

// The runs that the controller made.
Result<std::vector<std::string>> MakeRuns(Session& session, v1::AdminRequest request) {
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRunsMade));
  return std::vector<std::string>(reply.runs_made().runs().begin(), reply.runs_made().runs().end());
}

// The run of that beginning, as it is now.
Result<v1::RunView> FindRun(Session& session, const std::string& run) {
  v1::AdminRequest request;
  request.mutable_run_show()->set_run(run);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRun));
  return std::move(*reply.mutable_run());
}

// The run with all of its tasks and their reports, page by page.
Result<v1::RunView> ReadWholeRun(Session& session, const std::string& run) {
  v1::RunView whole;
  for (std::uint32_t first = 0;;) {
    v1::AdminRequest request;
    request.mutable_run_show()->set_run(first == 0 ? run : whole.run());
    request.mutable_run_show()->set_paged(true);
    request.mutable_run_show()->set_first_task(first);
    HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRun));
    const std::uint32_t next = reply.run().next_task();
    if (first == 0) {
      whole = std::move(*reply.mutable_run());
    } else {
      for (v1::TaskView& task : *reply.mutable_run()->mutable_tasks()) {
        *whole.add_tasks() = std::move(task);
      }
    }
    if (next <= first) return whole;
    first = next;
  }
}

// A probe's code is that of its sources: one that is not healthy was looked at all the same.
int ExitCodeOfProbe(const v1::RunView& run, int code) {
  std::vector<int> codes;
  for (const v1::TaskView& task : run.tasks()) {
    if (!task.report().has_probe()) codes.push_back(code == kExitDone ? kExitFailed : code);
    for (const v1::ProbedSource& source : task.report().probe().sources()) {
      codes.push_back(source.has_error()
                          ? ExitCodeOf(Error(ErrorCodeNamed(source.error().code()), ""))
                          : kExitDone);
    }
  }
  return codes.empty() ? code : CombineExitCodes(codes);
}

}  // namespace

Result<int> RunBackup(Session& session) {
  const OperatorLine& line = session.line();
  v1::AdminRequest request;
  v1::RunRequest& run = *request.mutable_run();
  run.set_kind(v1::ORDER_KIND_BACKUP);
  for (const std::string& selector : line.selectors) run.add_selectors(selector);
  run.set_queue_if_busy(line.queue_if_busy);
  run.set_splay_ms(static_cast<std::uint32_t>(line.splay.count()));
  run.set_note(line.note);
  HF_ASSIGN(const std::vector<std::string> runs, MakeRuns(session, std::move(request)));
  return session.FollowAndFinish(runs);
}

Result<int> RunCheck(Session& session) {
  v1::AdminRequest request;
  v1::RunRequest& run = *request.mutable_run();
  run.set_kind(v1::ORDER_KIND_VERIFY);
  run.set_repository(session.line().repository);
  run.set_read_data(session.line().read_data);
  HF_ASSIGN(const std::vector<std::string> runs, MakeRuns(session, std::move(request)));
  return session.FollowAndFinish(runs);
}

Result<int> RunSourceList(Session& session) {
  v1::AdminRequest request;
  v1::RunRequest& run = *request.mutable_run();
  run.set_kind(v1::ORDER_KIND_PROBE);
  for (const std::string& selector : session.line().selectors) run.add_selectors(selector);
  HF_ASSIGN(const std::vector<std::string> runs, MakeRuns(session, std::move(request)));
  if (runs.size() != 1) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the controller made {} runs for one probe", runs.size()));
  }
  HF_ASSIGN(Session::RunsOutcome outcome, session.Follow(runs));
  const v1::RunView& probe = outcome.runs.front();
  if (!outcome.left) outcome.code = ExitCodeOfProbe(probe, outcome.code);
  return session.Finish(
      outcome.code, [&] { return SourcesText(probe, session.screen()); },
      [&] { return SourcesJson(probe, outcome.left, outcome.code); });
}

Result<int> RunRunList(Session& session) {
  const OperatorLine& line = session.line();
  std::vector<v1::RunView> runs;
  bool more = true;
  while (more && (line.limit == 0 || runs.size() < line.limit)) {
    v1::AdminRequest request;
    v1::RunListRequest& list = *request.mutable_run_list();
    list.set_before(runs.empty() ? "" : runs.back().run());
    list.set_limit(line.limit == 0 ? 0 : line.limit - static_cast<std::uint32_t>(runs.size()));
    list.set_source(line.source);
    list.set_running_only(line.running_only);
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRuns));
    runs.insert(runs.end(), reply.runs().runs().begin(), reply.runs().runs().end());
    more = reply.runs().more();
    if (reply.runs().runs_size() == 0) break;  // nothing names where the next page begins
  }
  return session.Finish(
      0, [&] { return RunListText(runs, more, session.screen()); },
      [&] { return RunListJson(runs, more); });
}

Result<int> RunRunShow(Session& session) {
  HF_ASSIGN(const v1::RunView run, ReadWholeRun(session, session.line().name));
  const int code = IsRunEnded(run) ? ExitCodeOfRun(run) : kExitDone;
  return session.Finish(
      code, [&] { return RunDetailsText(run, session.screen()); },
      [&] { return RunsJson(session.command(), {run}, std::nullopt, code); });
}

Result<int> RunRunWatch(Session& session) {
  HF_ASSIGN(const v1::RunView run, FindRun(session, session.line().name));
  return session.FollowAndFinish({run.run()});
}

Result<int> RunRunCancel(Session& session) {
  HF_ASSIGN(v1::RunView run, FindRun(session, session.line().name));
  if (IsRunEnded(run)) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("run {} has ended already: {}", run.run(), run.state()));
  }
  v1::AdminRequest request;
  request.mutable_run_cancel()->set_run(run.run());
  HF_TRY(session.Ask(std::move(request), v1::AdminReply::kRunsMade));
  Session::RunsOutcome outcome{{run}, std::nullopt, kExitDone};
  if (!session.line().no_wait) {
    HF_ASSIGN(outcome, session.Follow({run.run()}));
    // Its end is what was asked for.
    if (outcome.runs.front().state() == "cancelled") outcome.code = kExitDone;
  }
  return session.Finish(
      outcome.code,
      [&] {
        return session.line().no_wait ? fmt::format("run {} is being cancelled\n", run.run())
                                      : RunDetailsText(outcome.runs.front(), session.screen());
      },
      [&] { return RunsJson(session.command(), outcome.runs, outcome.left, outcome.code); });
}

}  // namespace holdfast::cli
