#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"
#include "controller/cli/connection.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// A probe's code is that of its sources; an unhealthy one was probed anyway.
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

std::string SourcesText(const v1::RunView& run, Screen screen) {
  Rows rows;
  std::string details;
  for (const v1::TaskView& task : run.tasks()) {
    if (!task.report().has_probe()) {
      rows.push_back(
          {task.source().empty() ? "?" : task.source(), task.node(), "", "", StateCell("unknown"),
           fmt::format("no answer: {}",
                       task.has_error() ? task.error().message()
                                        : std::string(TaskStateText(task.progress().state())))});
    }
    for (const v1::ProbedSource& source : task.report().probe().sources()) {
      const bool is_healthy = source.healthy() && !source.has_error();
      rows.push_back({source.source(), task.node(), source.topology(), source.repository(),
                      StateCell(is_healthy ? "healthy" : "not healthy"),
                      source.has_error() ? source.error().message() : source.health()});
      std::vector<std::string> missing;
      for (const v1::MissingItem& item : source.missing()) {
        missing.push_back(item.what() + ": " + item.reason() +
                          (item.remedy().empty() ? "" : " (hint: " + item.remedy() + ")"));
      }
      std::string lists;
      AddLines(lists, "  a backup now would miss", missing);
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
                      {.title = "TOPOLOGY", .drop_rank = 4},
                      {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 3},
                      {.title = "HEALTH", .drop_rank = 1},
                      {.title = "STATE", .is_flexible = true, .drop_rank = 2}},
                     rows, screen) +
         details;
}

std::string SourcesJson(const v1::RunView& run, const std::optional<Error>& error, int exit_code) {
  Json document = Document("source list", exit_code);
  document["run"] = run.run();
  document["sources"] = Json::array();
  document["nodes_without_answer"] = Json::array();
  for (const v1::TaskView& task : run.tasks()) {
    for (const v1::ProbedSource& source : task.report().probe().sources()) {
      Json object = {{"node", task.node()}};
      object.update(SourceObject(source));
      document["sources"].push_back(std::move(object));
    }
    if (task.report().has_probe()) continue;
    document["nodes_without_answer"].push_back(
        {{"node", task.node()},
         {"state", TaskStateText(task.progress().state())},
         {"error", task.has_error() ? FailureObject(task.error()) : Json(nullptr)}});
  }
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

class SourceListVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddSelectors(options, "which sources, * allowed; default: all");
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    v1::RunRequest& run = *request.mutable_run();
    run.set_kind(v1::ORDER_KIND_PROBE);
    for (const std::string& selector : selectors_) run.add_selectors(selector);
    HF_ASSIGN(const std::vector<std::string> runs, session.MakeRuns(std::move(request)));
    if (runs.size() != 1) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the controller started {} runs for one probe", runs.size()));
    }
    HF_ASSIGN(Session::RunsOutcome outcome, session.Follow(runs));
    const v1::RunView& probe = outcome.runs.front();
    if (!outcome.left) outcome.code = ExitCodeOfProbe(probe, outcome.code);
    return session.Finish(
        outcome.code, [&] { return SourcesText(probe, session.screen()); },
        [&] { return SourcesJson(probe, outcome.left, outcome.code); });
  }
};

}  // namespace

OperatorVerbEntry SourceListEntry() {
  return {
      .text = {.names = {"source list"},
               .section = "Back up, browse and restore",
               .summary = "let agents probe their sources: health, and what is missing",
               .examples =
                   "  holdfast source list\n  holdfast source list 'etcd/*' 'files/app@web-*'\n"},
      .make = MakeOperatorVerb<SourceListVerb>};
}

}  // namespace holdfast::cli::cluster
