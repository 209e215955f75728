#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// Why `status` exits with 1.
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

std::string StatusJson(const v1::StatusReply& status, int exit_code) {
  Json document = Document("status", exit_code);
  document["cluster_id"] = status.cluster_id();
  document["cluster"] = status.cluster();
  document["epoch"] = status.epoch();
  document["root_version"] = status.root_version();
  document["root_expires"] = TimeOrNull(status.root_expires_ms());
  document["version"] = status.version();
  document["started"] = TimeOrNull(status.started_ms());
  document["agents"] = {{"known", status.agents()},
                        {"connected", status.agents_connected()},
                        {"revoked", status.agents_revoked()}};
  document["running"] = Json::array();
  for (const v1::RunView& run : status.running()) document["running"].push_back(RunHead(run));
  document["sources"] = Json::array();
  for (const v1::SourceStatus& source : status.sources()) {
    document["sources"].push_back({{"source", source.source()},
                                   {"topology", OrNull(source.topology())},
                                   {"repository", OrNull(source.repository())},
                                   {"nodes", List(source.nodes())},
                                   {"nodes_connected", List(source.nodes_connected())},
                                   {"last_good", OrNull(source.last_good())},
                                   {"last_good_time", TimeOrNull(source.last_good_ms())},
                                   {"last_time", TimeOrNull(source.last_ms())},
                                   {"last_partial", source.last_partial()},
                                   {"last_run", OrNull(source.last_run())},
                                   {"last_error", OrNull(source.last_error())},
                                   {"last_state", OrNull(source.last_state())},
                                   {"last_node", OrNull(source.last_node())},
                                   {"last_ended", TimeOrNull(source.last_ended_ms())},
                                   {"last_reason", OrNull(source.last_reason())},
                                   {"last_hint", OrNull(source.last_hint())}});
  }
  document["drafts_open"] = status.drafts_open();
  document["warnings"] = List(status.warnings());
  document["problems"] = Json::array();
  for (const v1::Problem& problem : status.problems()) {
    document["problems"].push_back({{"condition", problem.condition()},
                                    {"subject", problem.subject()},
                                    {"message", problem.message()},
                                    {"hint", OrNull(problem.hint())}});
  }
  document["problem_count"] = status.problem_count();
  return Dump(document);
}

class StatusVerb final : public OperatorVerb {
 public:
  std::string Notes() const override {
    return "Ends with 1 and names each problem when\n"
           "  - an agent is away (agent_away)\n"
           "  - the last run of a source created no snapshot of it (source_failed)\n"
           "  - the last run of a source saved it only in part (source_partly_saved)\n"
           "  - the last run of a source saved an invalid state (source_invalid)\n"
           "  - a source has no good snapshot a day after its node joined (source_never_saved)\n"
           "  - a task of a running run is lost (task_lost)\n"
           "  - two agents use the key of one node (key_used_twice)\n"
           "  - the controller refused a report from an agent (report_refused)\n"
           "  - the root document expires within 60 days (trust_expires)\n";
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    request.mutable_status();
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kStatus));
    const int code = reply.status().problem_count() > 0 ? kExitFailed : kExitDone;
    return session.Finish(
        code, [&] { return StatusText(reply.status(), session.now(), session.screen()); },
        [&] { return StatusJson(reply.status(), code); });
  }
};

}  // namespace

OperatorVerbEntry StatusEntry() {
  return {.text = {.names = {"status"},
                   .section = "Back up, browse and restore",
                   .summary = "show the cluster: agents, sources and their last runs, problems",
                   .examples = "  holdfast status\n  holdfast status --json\n"},
          .make = MakeOperatorVerb<StatusVerb>};
}

}  // namespace holdfast::cli::cluster
