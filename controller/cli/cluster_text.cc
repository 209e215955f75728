#include "controller/cli/cluster_text.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kListedMax = 20;  // lines of one list; --json has all of them

template <typename Texts>
std::string Joined(const Texts& texts, std::string_view none = "") {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined.empty() ? std::string(none) : joined;
}

// "3m 07s ago", "just now", "never".
std::string Ago(std::int64_t unix_ms, WallTime now) {
  if (unix_ms <= 0) return "never";
  const std::int64_t since = trust::UnixMilliseconds(now) - unix_ms;
  // Two clocks may differ by a little.
  if (since < 1'000) return "just now";
  return FormatDuration(std::chrono::seconds(since / 1'000)) + " ago";
}

std::string Took(std::int64_t from_ms, std::int64_t to_ms) {
  if (from_ms <= 0 || to_ms < from_ms) return "";
  return FormatDuration(std::chrono::milliseconds(to_ms - from_ms));
}

void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  text += fmt::format("{}:\n", title);
  for (std::size_t i = 0; i < std::min(lines.size(), kListedMax); ++i) {
    text += fmt::format("  {}\n", Printable(lines[i]));
  }
  if (lines.size() > kListedMax) {
    text += fmt::format("  and {} more (--json has all)\n", lines.size() - kListedMax);
  }
}

template <typename Texts>
std::vector<std::string> Copied(const Texts& texts) {
  return {texts.begin(), texts.end()};
}

// Titles in one column, texts in the next.
std::string Aligned(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [title, text] : pairs) width = std::max(width, Columns(title));
  std::string aligned;
  for (const auto& [title, text] : pairs) {
    aligned += fmt::format("  {}{}  {}\n", title, std::string(width - Columns(title), ' '),
                           Printable(text));
  }
  return aligned;
}

Cell HealthCell(const v1::ProbedSource& source) {
  if (source.has_error()) return {source.error().message(), StateColour::kRed};
  if (source.health().empty()) return StateCell(source.healthy() ? "healthy" : "not healthy");
  return {source.health(), source.healthy() ? StateColour::kGreen : StateColour::kRed};
}

std::string ItemsText(std::uint64_t items) { return items == 0 ? "" : FormatCount(items); }
std::string BytesText(std::uint64_t bytes) { return bytes == 0 ? "" : FormatBytes(bytes); }

std::string TaskTable(const v1::RunView& run, Screen screen) {
  // Attempts of one task stand below it.
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
                      {.title = "BYTES", .is_right = true, .drop_rank = 4},
                      {.title = "AFTER", .is_right = true, .drop_rank = 2}},
                     rows, screen);
}

// "partial, safety"; empty for a complete and valid backup.
std::string SnapshotMarks(const v1::SnapshotView& snapshot) {
  std::string text;
  for (const auto& [is_marked, mark] :
       {std::pair(snapshot.partial(), "partial"), std::pair(snapshot.invalid(), "invalid"),
        std::pair(snapshot.safety(), "safety")}) {
    if (is_marked) text += fmt::format("{}{}", text.empty() ? "" : ", ", mark);
  }
  return text;
}

std::string SnapshotTable(const std::vector<v1::SnapshotView>& snapshots, Screen screen) {
  Rows rows;
  for (const v1::SnapshotView& snapshot : snapshots) {
    rows.push_back({ShortHex(snapshot.id()), TimeText(snapshot.time_ms()), snapshot.source(),
                    snapshot.host(), snapshot.repository(), ItemsText(snapshot.items()),
                    BytesText(snapshot.bytes()), StateCell(SnapshotMarks(snapshot)),
                    snapshot.note()});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "TIME", .drop_rank = 1},
                      {.title = "SOURCE", .is_flexible = true},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 4},
                      {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 5},
                      {.title = "ITEMS", .is_right = true, .drop_rank = 7},
                      {.title = "BYTES", .is_right = true, .drop_rank = 6},
                      {.title = "STATE", .drop_rank = 2},
                      {.title = "NOTE", .is_flexible = true, .drop_rank = 3}},
                     rows, screen);
}

// What a kind's own restore would do.
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

// What a table cannot hold of a task.
std::string TaskDetails(const v1::TaskView& task, Screen screen) {
  std::string text;
  if (task.has_error()) {
    text += fmt::format("  {}: {}\n", task.error().code(), Printable(task.error().message()));
    if (!task.error().hint().empty()) {
      text += fmt::format("  hint: {}\n", Printable(task.error().hint()));
    }
    if (task.error().rolled_back()) text += "  all is as it was before\n";
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
    text += fmt::format("  {}: {} snapshots, {} packs, {} read\n",
                        verify.sound() ? "sound" : fmt::format("{} errors", verify.error_count()),
                        FormatCount(verify.snapshots()), FormatCount(verify.packs()),
                        FormatBytes(verify.bytes_read()));
    AddLines(lists, "  errors", Copied(verify.errors()));
    AddLines(lists, "  warnings", Copied(verify.warnings()));
  }
  if (report.has_restored()) {
    const v1::Restored& restored = report.restored();
    text += fmt::format("  {}restored {} items, {}",
                        restored.dry_run()   ? "a dry run, which changed nothing: would have "
                        : restored.resumed() ? "went on where it had stopped: "
                                             : "",
                        FormatCount(restored.items()), FormatBytes(restored.bytes()));
    if (!restored.directory().empty()) text += " to " + Printable(restored.directory());
    text += "\n";
    if (!restored.safety_snapshot().empty()) {
      text += fmt::format("  what was there before: snapshot {}\n",
                          ShortHex(restored.safety_snapshot()));
    }
    if (restored.has_partly()) {
      text += fmt::format("  not all of it: {}: {}\n", restored.partly().code(),
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

}  // namespace

std::string InitClusterText(const InitClusterReport& report) {
  std::string text = fmt::format(
      "made the keys of a new cluster ({}) in {}, valid until {}\n\nWhere the files go:\n",
      report.cluster_id, Printable(report.directory), TimeText(report.expires_ms));
  std::vector<std::pair<std::string, std::string>> places = {
      {"controller/",
       "to the controller's host, into /etc/holdfast; nothing else of this goes there"}};
  for (const InitClusterReport::Person& person : report.operators) {
    places.emplace_back("operators/" + person.name + "/",
                        fmt::format("to {}'s own machine, as ~/.config/holdfast", person.name));
    places.emplace_back(
        "root/" + person.name + ".key",
        fmt::format("to {}, offline: a stick in a safe; it says who is trusted", person.name));
  }
  text += Aligned(places);
  std::string host;
  for (const InitClusterReport::Placement& one : report.placements) {
    if (one.host != host) {
      host = one.host;
      const bool is_controller = host == "controller";
      text += is_controller ? "\nOn the controller's host, as root, in controller/:\n"
                            : fmt::format("\nOn {0}'s machine, as {0}, in operators/{0}/:\n", host);
    }
    text += fmt::format("  {}\n", one.command);
  }
  text +=
      "\nThe keys of operators and of root must leave this machine, and never lie on the "
      "controller:\nwhoever has them may restore over live data, or change whom agents obey.\n\n"
      "Next:\n"
      "  1. on the controller's host:    systemctl enable --now holdfast-controller\n"
      "  2. on an operator's machine:    holdfast status\n"
      "  3. for each node, there:        holdfast agent token NODE > token\n"
      "     and on the node:             holdfast-agent join --token-file token\n"
      "  4. when all have their keys:    remove this directory\n";
  std::vector<std::string> warnings = report.warnings;
  if (!warnings.empty()) text += "\n";
  AddLines(text, "warnings", warnings);
  return text;
}

namespace {

// Why `status` ends with 1.
std::string ProblemsText(const v1::StatusReply& status) {
  if (status.problem_count() == 0) return "";
  std::string text = "\nproblems:\n";
  const int shown = std::min(status.problems_size(), static_cast<int>(kListedMax));
  for (int i = 0; i < shown; ++i) {
    const v1::Problem& problem = status.problems(i);
    text += fmt::format("  {}: {}\n", Printable(problem.subject()), Printable(problem.message()));
    if (!problem.hint().empty()) text += fmt::format("    hint: {}\n", Printable(problem.hint()));
  }
  const std::uint64_t rest = status.problem_count() - static_cast<std::uint64_t>(shown);
  if (rest > 0) {
    text += fmt::format("  and {} more: holdfast status --json\n", FormatCount(rest));
  }
  return text;
}

}  // namespace

std::string StatusText(const v1::StatusReply& status, WallTime now, Screen screen) {
  std::string text = Aligned({
      {"cluster", fmt::format("{} ({})", status.cluster(), status.cluster_id())},
      {"controller", fmt::format("version {}, up since {}, epoch {}", status.version(),
                                 TimeText(status.started_ms()), status.epoch())},
      {"trust", fmt::format("root document {}, valid until {}", status.root_version(),
                            TimeText(status.root_expires_ms()))},
      {"agents", fmt::format("{} of {} connected{}", status.agents_connected(), status.agents(),
                             status.agents_revoked() > 0
                                 ? fmt::format(", {} revoked", status.agents_revoked())
                                 : "")},
  });
  if (status.drafts_open() > 0) {
    text += fmt::format("  {} {} for signatures: holdfast approval list\n", status.drafts_open(),
                        status.drafts_open() == 1 ? "restore waits" : "restores wait");
  }
  if (status.sources_size() > 0) {
    Rows rows;
    for (const v1::SourceStatus& source : status.sources()) {
      rows.push_back({source.source(),
                      fmt::format("{}/{}", source.nodes_connected_size(), source.nodes_size()),
                      source.last_good_ms() == 0 ? "never" : Ago(source.last_good_ms(), now),
                      StateCell(source.last_state()),
                      source.last_run().empty() ? "" : Ago(source.last_ended_ms(), now),
                      source.last_node()});
    }
    text += "\n" + FormatTable({{.title = "SOURCE", .is_flexible = true},
                                {.title = "NODES", .is_right = true, .drop_rank = 5},
                                {.title = "LAST GOOD", .is_right = true, .drop_rank = 2},
                                {.title = "LAST RUN", .drop_rank = 1},
                                {.title = "ENDED", .is_right = true, .drop_rank = 3},
                                {.title = "ON", .is_flexible = true, .drop_rank = 4}},
                               rows, screen);
  }
  if (status.running_size() > 0) {
    text += "\n" + RunListText({status.running().begin(), status.running().end()}, false, screen);
  }
  return text + ProblemsText(status);
}

std::string AgentsText(const std::vector<v1::AgentView>& agents, WallTime now, Screen screen) {
  if (agents.empty()) return "no node has joined yet: holdfast agent token NODE\n";
  Rows rows;
  std::vector<std::string> warnings;
  for (const v1::AgentView& agent : agents) {
    std::vector<std::string> sources;
    for (const v1::ConfiguredSource& source : agent.sources()) sources.push_back(source.source());
    rows.push_back({agent.node(),
                    StateCell(agent.revoked()     ? "revoked"
                              : agent.connected() ? "connected"
                                                  : "away"),
                    Ago(agent.last_seen_ms(), now), agent.version(), Joined(sources, "none"),
                    Joined(agent.repositories(), "none")});
    for (const std::string& warning : agent.warnings()) {
      warnings.push_back(agent.node() + ": " + warning);
    }
  }
  std::string text = FormatTable({{.title = "NODE", .is_flexible = true},
                                  {.title = "STATE", .drop_rank = 1},
                                  {.title = "LAST SEEN", .is_right = true, .drop_rank = 2},
                                  {.title = "VERSION", .drop_rank = 5},
                                  {.title = "SOURCES", .is_flexible = true, .drop_rank = 3},
                                  {.title = "REPOSITORIES", .is_flexible = true, .drop_rank = 4}},
                                 rows, screen);
  AddLines(text, "warnings", warnings);
  return text;
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
                                  {.title = "ASKED", .drop_rank = 4},
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
    text +=
        fmt::format("asked {} by {}{}\n", TimeText(run.created_ms()), Printable(run.requester()),
                    run.note().empty() ? "" : ": " + Printable(run.note()));
  }
  if (run.tasks_size() > 0) text += "\n" + TaskTable(run, screen);
  const std::uint64_t shown = static_cast<std::uint64_t>(run.tasks_size());
  if (run.task_count() > shown) {
    text += fmt::format("and {} more tasks: holdfast run show {}\n",
                        FormatCount(run.task_count() - shown), run.run());
  }
  if (run.reports_left_out() > 0) {
    text += fmt::format("without the details of {} tasks: holdfast run show {}\n",
                        FormatCount(run.reports_left_out()), run.run());
  }
  if (run.snapshots_size() > 0) {
    text += "\n" + SnapshotTable({run.snapshots().begin(), run.snapshots().end()}, screen);
  }
  if (run.more_snapshots()) {
    text += fmt::format("there are more: holdfast snapshot list --run {} --limit 0\n", run.run());
  }
  for (const v1::TaskView& task : run.tasks()) text += TaskDetails(task, screen);
  return text;
}

std::string SourcesText(const v1::RunView& run, Screen screen) {
  Rows rows;
  std::string details;
  for (const v1::TaskView& task : run.tasks()) {
    if (!task.report().has_probe()) {
      rows.push_back(
          {task.source().empty() ? "?" : task.source(), task.node(), "", "",
           fmt::format("no answer: {}",
                       task.has_error() ? task.error().message()
                                        : std::string(TaskStateText(task.progress().state())))});
    }
    for (const v1::ProbedSource& source : task.report().probe().sources()) {
      rows.push_back({source.source(), task.node(), source.topology(), source.repository(),
                      HealthCell(source)});
      std::vector<std::string> missing;
      for (const v1::MissingItem& item : source.missing()) {
        missing.push_back(item.what() + ": " + item.reason() +
                          (item.remedy().empty() ? "" : " (hint: " + item.remedy() + ")"));
      }
      std::string lists;
      AddLines(lists, "  a backup now would lack", missing);
      AddLines(lists, "  warnings", Copied(source.warnings()));
      if (!source.error().hint().empty()) {
        lists += fmt::format("  hint: {}\n", Printable(source.error().hint()));
      }
      if (!lists.empty())
        details += fmt::format("\n{}@{}\n{}", source.source(), task.node(), lists);
    }
  }
  if (rows.empty()) return "no sources\n";
  std::ranges::sort(
      rows, {}, [](const std::vector<Cell>& row) { return std::pair(row[0].text, row[1].text); });
  return FormatTable({{.title = "SOURCE", .is_flexible = true},
                      {.title = "NODE", .is_flexible = true},
                      {.title = "TOPOLOGY", .drop_rank = 3},
                      {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 2},
                      {.title = "HEALTH", .is_flexible = true, .drop_rank = 1}},
                     rows, screen) +
         details;
}

std::string SnapshotsText(const std::vector<v1::SnapshotView>& snapshots, bool more,
                          Screen screen) {
  if (snapshots.empty()) return "no snapshots\n";
  std::string text = SnapshotTable(snapshots, screen);
  if (more) text += "there are more: --limit 0 shows all\n";
  return text;
}

std::string SnapshotDetailsText(const v1::SnapshotView& snapshot) {
  const std::map<std::string, std::string> position(snapshot.position().begin(),
                                                    snapshot.position().end());
  std::string where;
  for (const auto& [key, value] : position) {
    where += fmt::format("{}{} {}", where.empty() ? "" : ", ", key, value);
  }
  std::vector<std::pair<std::string, std::string>> words = {
      {"snapshot", Hex(snapshot.id())},
      {"source", snapshot.source()},
      {"host", snapshot.host()},
      {"time", TimeText(snapshot.time_ms())},
      {"repository", snapshot.repository()},
      {"run", snapshot.run()},
      {"holds",
       fmt::format("{} items, {}", FormatCount(snapshot.items()), FormatBytes(snapshot.bytes()))},
      {"state", SnapshotMarks(snapshot).empty() ? "complete" : SnapshotMarks(snapshot)},
      {"missing",
       snapshot.missing_count() > 0 ? FormatCount(snapshot.missing_count()) + " items" : ""},
      {"position", where},
      {"cut", snapshot.cut_barrier_met() ? "together with the run's other sources" : "on its own"},
      {"parent", ShortHex(snapshot.parent())},
      {"note", snapshot.note()},
  };
  std::erase_if(words, [](const auto& pair) { return pair.second.empty(); });
  return Aligned(words);
}

std::string PlanText(const v1::Plan& plan) { return Aligned(PlanWords(plan)); }

std::string DraftText(const v1::DraftView& draft, const v1::Plan& plan) {
  std::string text = fmt::format("draft {}: {}, signed by {} of {} operators", draft.draft(),
                                 Printable(draft.state()), draft.persons_size(), draft.operators());
  if (draft.persons_size() > 0) text += fmt::format(" ({})", Printable(Joined(draft.persons())));
  if (!draft.denied_by().empty()) text += ", denied by " + Printable(draft.denied_by());
  return text + "\n" + PlanText(plan);
}

std::string DraftsText(const std::vector<v1::DraftView>& drafts, bool more, Screen screen) {
  if (drafts.empty()) return "nothing waits for signatures\n";
  Rows rows;
  for (const v1::DraftView& draft : drafts) {
    Result<v1::Plan> plan = ReadDraft(draft);
    const bool is_restore = plan && plan->has_restore();
    rows.push_back(
        {draft.draft(), StateCell(draft.state()),
         plan ? std::string(trust::OrderKindText(trust::KindOf(*plan))) : "cannot be read",
         is_restore ? plan->restore().source() : "", plan ? plan->node() : "", draft.requester(),
         fmt::format("{}/{}", draft.persons_size(), draft.operators()),
         TimeText(draft.expires_ms())});
  }
  std::string text = FormatTable({{.title = "DRAFT"},
                                  {.title = "STATE", .drop_rank = 1},
                                  {.title = "ORDER", .drop_rank = 3},
                                  {.title = "SOURCE", .is_flexible = true, .drop_rank = 2},
                                  {.title = "NODE", .is_flexible = true, .drop_rank = 5},
                                  {.title = "BY", .is_flexible = true, .drop_rank = 7},
                                  {.title = "SIGNED", .is_right = true, .drop_rank = 4},
                                  {.title = "UNTIL", .drop_rank = 6}},
                                 rows, screen);
  if (more) text += "there are more: --limit 0 shows all\n";
  return text;
}

std::string TrustText(const v1::RootDocument& document, WallTime now, Screen screen) {
  const bool has_expired = trust::UnixMilliseconds(now) > document.expires_at_ms();
  std::vector<std::pair<std::string, std::string>> words = {
      {"cluster", fmt::format("{} ({})", document.cluster(), document.cluster_id())},
      {"version", fmt::format("{}, epoch {}", document.version(), document.epoch())},
      {"valid", fmt::format("{} to {}{}", TimeText(document.issued_at_ms()),
                            TimeText(document.expires_at_ms()),
                            has_expired ? ": EXPIRED, nothing is obeyed" : "")},
      {"to change it", fmt::format("{} persons with root keys", document.root_threshold())},
  };
  for (const v1::Threshold& threshold : document.thresholds()) {
    words.emplace_back(trust::OrderKindText(threshold.kind()),
                       fmt::format("{} operators", threshold.operators()));
  }
  Rows rows;
  for (const v1::RoleKey& key : document.keys()) {
    auto public_key = crypto::PublicKeyFromBytes(AsBytes(key.public_key()));
    rows.push_back({std::string(trust::RoleText(key.role())), key.person(),
                    public_key ? crypto::ShortKeyId(crypto::KeyIdOf(*public_key)) : "",
                    TimeText(key.not_before_ms()), TimeText(key.not_after_ms())});
  }
  return Aligned(words) + "\n" +
         FormatTable({{.title = "ROLE"},
                      {.title = "PERSON", .is_flexible = true},
                      {.title = "KEY", .drop_rank = 1},
                      {.title = "FROM", .drop_rank = 3},
                      {.title = "UNTIL", .drop_rank = 2}},
                     rows, screen);
}

std::string RotateText(const std::vector<std::string>& differences,
                       const RootSignatures& signatures, const std::string& file, bool sent) {
  std::string text;
  AddLines(text, "the next root document", differences);
  text += fmt::format(
      "signed by {} ({} of {} of the old document, {} of {} of the new)\n",
      Joined(signatures.old_persons.empty() ? signatures.new_persons : signatures.old_persons,
             "nobody"),
      signatures.old_persons.size(), signatures.old_needed, signatures.new_persons.size(),
      signatures.new_needed);
  if (sent) return text + "it is in force; agents take it when they next hear of the controller\n";
  if (!signatures.is_enough()) {
    return text + fmt::format(
                      "hand {0} to the next person: holdfast trust rotate --file {0} "
                      "--root-key KEY\n",
                      file);
  }
  return text + fmt::format("all have signed: holdfast trust rotate --file {} --send\n", file);
}

std::string TrustKeyText(const std::string& person, const std::string& directory,
                         const std::string& curve_key) {
  return fmt::format(
      "made the keys of {0} in {1}\n\n"
      "  operator.key, operator.curve  stay with {0}, in ~/.config/holdfast\n"
      "  root.key                      stays with {0}, offline\n"
      "  operator.pub, root.pub        go to whoever begins the next root document\n\n"
      "Next:\n"
      "  1. where a root key is:   holdfast trust rotate --add-operator {0}=operator.pub \\\n"
      "                              [--add-root {0}=root.pub] --root-key KEY --file "
      "next.holdfast\n"
      "  2. in controller.yaml, under admin: operators:\n"
      "       {0}: {2}\n",
      person, directory, Quote(curve_key));
}

std::string CatalogText(const v1::CatalogReply& reply) {
  std::string text;
  for (const std::string& line : reply.lines()) text += Printable(line) + "\n";
  return text;
}

}  // namespace holdfast::cli
