#include "controller/cli/run_report.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/trust/orders.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli::cluster {
namespace {

std::string Took(std::int64_t from_ms, std::int64_t to_ms) {
  if (from_ms <= 0 || to_ms < from_ms) return "";
  return FormatDuration(std::chrono::milliseconds(to_ms - from_ms));
}

std::string TaskTable(const v1::RunView& run, Screen screen) {
  // Attempts of one task are listed below it.
  const std::map<std::uint32_t, Attempt> attempts = AttemptsOf(run);
  std::vector<const v1::TaskView*> tasks;
  for (const v1::TaskView& task : run.tasks()) tasks.push_back(&task);
  std::ranges::stable_sort(
      tasks, {}, [&](const v1::TaskView* task) { return attempts.at(task->number()).of; });
  Rows rows;
  for (const v1::TaskView* one : tasks) {
    const v1::TaskView& task = *one;
    const std::uint32_t attempt = attempts.at(task.number()).number;
    rows.push_back(
        {attempt == 1 ? TaskLabel(task) : fmt::format("  attempt {}: {}", attempt, TaskLabel(task)),
         fmt::format("{}{}", trust::OrderKindText(task.kind()), task.rest() ? " rest" : ""),
         StateCell(TaskStateText(task.progress().state())), ItemsText(task.progress().items()),
         BytesText(task.progress().bytes()), Took(run.started_ms(), task.ended_ms())});
  }
  return FormatTable({{.title = "TASK", .is_flexible = true},
                      {.title = "ORDER", .drop_rank = 3},
                      {.title = "STATE", .drop_rank = 1},
                      {.title = "ITEMS", .is_right = true, .drop_rank = 5},
                      {.title = "SIZE", .is_right = true, .drop_rank = 4},
                      {.title = "AFTER", .is_right = true, .drop_rank = 2}},
                     rows, screen);
}

// What a restore method would do.
std::string PlannedText(const v1::Restored& restored, Screen screen) {
  if (restored.plan().empty()) return "";
  Rows rows;
  for (const v1::PlannedItem& item : restored.plan()) {
    rows.push_back({item.what(), item.name(), item.target(), FormatCount(item.parts()),
                    FormatCount(item.items()), FormatBytes(item.bytes()), item.there(),
                    item.action()});
  }
  std::string text = FormatTable({{.title = "WHAT"},
                                  {.title = "NAME", .is_flexible = true},
                                  {.title = "TO", .is_flexible = true, .drop_rank = 2},
                                  {.title = "PARTS", .is_right = true, .drop_rank = 6},
                                  {.title = "ITEMS", .is_right = true, .drop_rank = 5},
                                  {.title = "SIZE", .is_right = true, .drop_rank = 4},
                                  {.title = "THERE NOW", .is_flexible = true, .drop_rank = 3},
                                  {.title = "WOULD BE", .is_flexible = true, .drop_rank = 1}},
                                 rows, screen);
  const auto shown = static_cast<std::uint64_t>(restored.plan_size());
  if (restored.plan_count() > shown) {
    text += fmt::format("and {} more\n", FormatCount(restored.plan_count() - shown));
  }
  return text;
}

// What a table has no room for.
std::string TaskDetails(const v1::TaskView& task, Screen screen) {
  std::string text;
  if (task.has_error()) {
    text += fmt::format("  error: {}\n", Printable(task.error().message()));
    if (!task.error().hint().empty()) {
      text += fmt::format("  hint: {}\n", Printable(task.error().hint()));
    }
    if (task.error().rolled_back())
      text += "  rolled back: the live state is as it was before the restore\n";
  }
  const v1::Report& report = task.report();
  std::string lists;
  std::vector<std::string> missing;
  for (const auto& item :
       report.has_composed() ? report.composed().missing() : report.saved().missing()) {
    missing.push_back(item.what() + ": " + item.reason() +
                      (item.remedy().empty() ? "" : " (hint: " + item.remedy() + ")"));
  }
  AddLines(lists, "  missing", missing);
  if (report.has_verify()) {
    const v1::VerifyResult& verify = report.verify();
    text += fmt::format("  {}: {}, {}, {} read\n",
                        verify.sound() ? "sound" : FormatCount(verify.error_count(), "error"),
                        FormatCount(verify.snapshots(), "snapshot"),
                        FormatCount(verify.packs(), "pack"), FormatBytes(verify.bytes_read()));
    AddLines(lists, "  errors", Copied(verify.errors()));
    AddLines(lists, "  warnings", Copied(verify.warnings()));
  }
  if (report.has_restored()) {
    const v1::Restored& restored = report.restored();
    text += fmt::format("  {}restored {}, {}",
                        restored.dry_run()   ? "a dry run, which changed nothing: it would have "
                        : restored.resumed() ? "resumed: "
                                             : "",
                        FormatCount(restored.items(), "item"), FormatBytes(restored.bytes()));
    if (!restored.directory().empty()) text += " to " + Printable(restored.directory());
    text += "\n";
    if (!restored.safety_snapshot().empty()) {
      text += fmt::format("  state before: snapshot {}\n", ShortHex(restored.safety_snapshot()));
    }
    if (restored.has_partly()) {
      text += fmt::format("  incomplete: {}: {}\n", restored.partly().code(),
                          Printable(restored.partly().message()));
      if (!restored.partly().hint().empty()) {
        text += fmt::format("  hint: {}\n", Printable(restored.partly().hint()));
      }
    }
    text += PlannedText(restored, screen);
    for (const std::string& line : restored.lines()) text += "  " + Printable(line) + "\n";
    AddLines(lists, "  changes", Copied(restored.changes()));
    AddLines(lists, "  warnings", Copied(restored.warnings()));
  }
  text += lists;
  return text.empty() ? "" : fmt::format("\n{}\n{}", TaskLabel(task), text);
}

Json PartObject(const v1::Part& part) {
  return {{"node", part.node()},
          {"tree_id", IdOrNull(part.tree_id())},
          {"data", part.data()},
          {"rest", part.rest()},
          {"cut_time", TimeOrNull(part.cut_time_ms())},
          {"cut_on_order", part.cut_on_order()},
          {"items", part.items()},
          {"bytes", part.bytes()},
          {"bytes_read", part.bytes_read()},
          {"bytes_added", part.bytes_added()},
          {"bytes_stored", part.bytes_stored()},
          {"seconds", Object(part.seconds())},
          {"position", Object(part.position())},
          {"endpoint", OrNull(part.endpoint())},
          {"missing_count", part.missing_count()},
          {"missing", MissingList(part.missing())},
          {"warning_count", part.warning_count()},
          {"warnings", List(part.warnings())}};
}

Json ComposedObject(const v1::Composed& composed) {
  return {{"snapshot", IdOrNull(composed.snapshot())},
          {"parent", IdOrNull(composed.parent())},
          {"partial", composed.partial()},
          {"host", composed.host()},
          {"items", composed.items()},
          {"files", composed.files()},
          {"bytes", composed.bytes()},
          {"time", TimeOrNull(composed.time_ms())},
          {"was_there", composed.was_there()},
          {"cut_barrier_met", composed.cut_barrier_met()},
          {"position", Object(composed.position())},
          {"missing_count", composed.missing_count()},
          {"missing", MissingList(composed.missing())},
          {"part", composed.has_part() ? PartObject(composed.part()) : Json(nullptr)}};
}

Json VerifyObject(const v1::VerifyResult& verify) {
  return {{"sound", verify.sound()},
          {"snapshots", verify.snapshots()},
          {"packs", verify.packs()},
          {"bytes_read", verify.bytes_read()},
          {"error_count", verify.error_count()},
          {"errors", List(verify.errors())},
          {"warnings", List(verify.warnings())}};
}

Json RestoredObject(const v1::Restored& restored) {
  Json plan = Json::array();
  for (const v1::PlannedItem& item : restored.plan()) {
    plan.push_back({{"what", item.what()},
                    {"name", item.name()},
                    {"target", item.target()},
                    {"parts", item.parts()},
                    {"items", item.items()},
                    {"bytes", item.bytes()},
                    {"there", item.there()},
                    {"action", item.action()}});
  }
  return {{"directory", OrNull(restored.directory())},
          {"items", restored.items()},
          {"bytes", restored.bytes()},
          {"seconds", Object(restored.seconds())},
          {"changes", List(restored.changes())},
          {"warnings", List(restored.warnings())},
          {"safety_snapshot", IdOrNull(restored.safety_snapshot())},
          {"lines", List(restored.lines())},
          {"plan", std::move(plan)},
          {"plan_count", restored.plan_count()},
          {"dry_run", restored.dry_run()},
          {"resumed", restored.resumed()},
          {"partly", restored.has_partly() ? FailureObject(restored.partly()) : Json(nullptr)}};
}

// The signed report, under the name of its outcome.
Json ReportObject(const v1::Report& report) {
  Json object = {{"node", report.node()},
                 {"incarnation", report.incarnation()},
                 {"report_sequence", report.report_sequence()},
                 {"time", TimeOrNull(report.time_ms())},
                 {"version", OrNull(report.version())},
                 {"plan_id", IdOrNull(report.plan_id())}};
  if (report.has_refused()) {
    object["refused"] = {{"check", report.refused().check()},
                         {"message", report.refused().message()},
                         {"hint", OrNull(report.refused().hint())}};
  } else if (report.has_saved()) {
    object["saved"] = PartObject(report.saved());
  } else if (report.has_composed()) {
    object["composed"] = ComposedObject(report.composed());
  } else if (report.has_probe()) {
    object["probe"] = Json::array();
    for (const auto& source : report.probe().sources()) {
      object["probe"].push_back(SourceObject(source));
    }
  } else if (report.has_verify()) {
    object["verify"] = VerifyObject(report.verify());
  } else if (report.has_inventory()) {
    object["inventory"] = {{"repository_id", report.inventory().repository_id()},
                           {"snapshots", report.inventory().snapshots_size()},
                           {"more", report.inventory().more()}};
  } else if (report.has_restored()) {
    object["restored"] = RestoredObject(report.restored());
  } else if (report.has_failed()) {
    object["failed"] = FailureObject(report.failed());
  } else if (report.has_cancelled()) {
    object["cancelled"] = FailureObject(report.cancelled());
  }
  return object;
}

Json TaskObject(const v1::TaskView& task, const Attempt& attempt) {
  const v1::TaskProgress& progress = task.progress();
  return {
      {"number", task.number()},
      {"kind", trust::OrderKindText(task.kind())},
      {"node", task.node()},
      {"source", OrNull(task.source())},
      {"repository", OrNull(task.repository())},
      {"round", task.round()},
      {"attempt", attempt.number},
      {"attempt_of", attempt.of},
      {"data", task.data()},
      {"rest", task.rest()},
      {"state", TaskStateText(progress.state())},
      {"phase", OrNull(progress.phase())},
      {"items", progress.items()},
      {"items_total", progress.items_total() > 0 ? Json(progress.items_total()) : Json(nullptr)},
      {"bytes", progress.bytes()},
      {"bytes_total", progress.bytes_total() > 0 ? Json(progress.bytes_total()) : Json(nullptr)},
      {"bytes_unchanged", progress.bytes_unchanged()},
      {"cut_time", TimeOrNull(progress.cut_time_ms())},
      {"heard", TimeOrNull(task.heard_ms())},
      {"ended", TimeOrNull(task.ended_ms())},
      {"snapshot", IdOrNull(task.snapshot())},
      {"error", task.has_error() ? FailureObject(task.error()) : Json(nullptr)},
      {"report", task.has_report() ? ReportObject(task.report()) : Json(nullptr)}};
}

}  // namespace

Json SourceObject(const v1::ProbedSource& source) {
  Json members = Json::array();
  for (const v1::ProbedMember& member : source.members()) members.push_back(Object(member.facts()));
  return {{"source", source.source()},
          {"repository", OrNull(source.repository())},
          {"topology", OrNull(source.topology())},
          {"healthy", source.healthy()},
          {"health", OrNull(source.health())},
          {"identity", Object(source.identity())},
          {"members", std::move(members)},
          {"would_save", List(source.would_save())},
          {"missing", MissingList(source.missing())},
          {"warnings", List(source.warnings())},
          {"error", source.has_error() ? FailureObject(source.error()) : Json(nullptr)}};
}

std::string RunListText(const std::vector<v1::RunView>& runs, bool more, Screen screen) {
  if (runs.empty() && !more) return "no runs\n";
  Rows rows;
  for (const v1::RunView& run : runs) {
    std::string what = Joined(run.selectors(), run.repository());
    if (what.empty()) what = "all";
    rows.push_back({run.run(), RunKindText(run), StateCell(run.state()), TimeText(run.created_ms()),
                    Took(run.started_ms(), run.ended_ms()), what, run.requester(),
                    run.message().empty() ? run.note() : run.message()});
  }
  std::string text = FormatTable({{.title = "RUN"},
                                  {.title = "KIND", .drop_rank = 2},
                                  {.title = "STATE", .drop_rank = 1},
                                  {.title = "REQUESTED", .drop_rank = 4},
                                  {.title = "TOOK", .is_right = true, .drop_rank = 6},
                                  {.title = "WHAT", .is_flexible = true, .drop_rank = 3},
                                  {.title = "BY", .is_flexible = true, .drop_rank = 7},
                                  {.title = "NOTE", .is_flexible = true, .drop_rank = 5}},
                                 rows, screen);
  if (more) text += "there are more: --limit 0 shows all\n";
  return text;
}

std::string RunDetailsText(const v1::RunView& run, Screen screen) {
  std::string text = fmt::format("{} {}: {}", RunKindText(run), run.run(), Printable(run.state()));
  const std::string took = Took(run.started_ms(), run.ended_ms());
  if (!took.empty()) text += " after " + took;
  text += "\n";
  if (!run.message().empty()) text += fmt::format("{}\n", Printable(run.message()));
  if (!run.hint().empty()) text += fmt::format("hint: {}\n", Printable(run.hint()));
  if (!run.requester().empty()) {
    text += fmt::format("requested {} by {}{}\n", TimeText(run.created_ms()),
                        Printable(run.requester()),
                        run.note().empty() ? "" : ": " + Printable(run.note()));
  }
  if (run.tasks_size() > 0) text += "\n" + TaskTable(run, screen);
  const std::uint64_t shown = static_cast<std::uint64_t>(run.tasks_size());
  if (run.task_count() > shown) {
    text += fmt::format("and {}: holdfast run show {}\n",
                        FormatCount(run.task_count() - shown, "more task"), run.run());
  }
  if (run.reports_left_out() > 0) {
    text += fmt::format("without the details of {}: holdfast run show {}\n",
                        FormatCount(run.reports_left_out(), "task"), run.run());
  }
  if (run.snapshots_size() > 0) {
    std::vector<v1::SnapshotView> snapshots(run.snapshots().begin(), run.snapshots().end());
    std::ranges::stable_sort(snapshots, {}, &v1::SnapshotView::source);
    text += "\n" + SnapshotTable(snapshots, screen);
  }
  if (run.more_snapshots()) {
    text += fmt::format("there are more: holdfast snapshot list --run {} --limit 0\n", run.run());
  }
  for (const v1::TaskView& task : run.tasks()) text += TaskDetails(task, screen);
  return text;
}

Json RunHead(const v1::RunView& run) {
  return {
      {"run", run.run()},
      {"kind", run.kind() == v1::ORDER_KIND_UNSPECIFIED ? Json(nullptr)
                                                        : Json(trust::OrderKindText(run.kind()))},
      {"state", run.state()},
      {"requester", OrNull(run.requester())},
      {"note", OrNull(run.note())},
      {"selectors", List(run.selectors())},
      {"repository", OrNull(run.repository())},
      {"created", TimeOrNull(run.created_ms())},
      {"started", TimeOrNull(run.started_ms())},
      {"cut", TimeOrNull(run.cut_ms())},
      {"ended", TimeOrNull(run.ended_ms())},
      {"message", OrNull(run.message())},
      {"hint", OrNull(run.hint())}};
}

Json RunObject(const v1::RunView& run) {
  Json object = RunHead(run);
  object["tasks"] = Json::array();
  const std::map<std::uint32_t, Attempt> attempts = AttemptsOf(run);
  for (const v1::TaskView& task : run.tasks()) {
    object["tasks"].push_back(TaskObject(task, attempts.at(task.number())));
  }
  object["task_count"] =
      std::max<std::uint64_t>(run.task_count(), static_cast<std::uint64_t>(run.tasks_size()));
  object["tasks_left_out"] =
      object["task_count"].get<std::uint64_t>() - static_cast<std::uint64_t>(run.tasks_size());
  object["reports_left_out"] = run.reports_left_out();
  object["snapshots"] = Json::array();
  for (const auto& snapshot : run.snapshots()) {
    object["snapshots"].push_back(SnapshotObject(snapshot));
  }
  object["more_snapshots"] = run.more_snapshots();
  return object;
}

std::string RunsJson(std::string_view verb, const std::vector<v1::RunView>& runs,
                     const std::optional<Error>& error, int exit_code) {
  Json document = Document(verb, exit_code);
  document["runs"] = Json::array();
  for (const v1::RunView& run : runs) document["runs"].push_back(RunObject(run));
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

}  // namespace holdfast::cli::cluster
