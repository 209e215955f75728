#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/lock_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"

namespace holdfast::cli {
namespace {

std::string LockListText(const jobs::LockListReport& report, Screen screen) {
  if (report.locks.empty()) return "no locks\n";
  Rows rows;
  for (const jobs::LockListReport::Entry& entry : report.locks) {
    const repository::LockInfo& lock = entry.lock;
    rows.push_back({ShortId(lock.id.Hex()), FormatTime(lock.time.seconds, 0),
                    lock.exclusive ? "exclusive" : "shared", lock.host, lock.user,
                    fmt::format("{}", lock.pid), StateCell(entry.is_stale ? "stale" : "held")});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "TIME", .drop_rank = 3},
                      {.title = "KIND", .drop_rank = 4},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 2},
                      {.title = "USER", .is_flexible = true, .drop_rank = 6},
                      {.title = "PID", .is_right = true, .drop_rank = 5},
                      {.title = "STATE", .drop_rank = 1}},
                     rows, screen);
}

std::string LockListJson(const jobs::LockListReport& report) {
  Json document = Document("repository lock list", 0);
  document["repository"] = report.repository;
  document["locks"] = Json::array();
  for (const jobs::LockListReport::Entry& entry : report.locks) {
    const repository::LockInfo& lock = entry.lock;
    document["locks"].push_back({{"id", lock.id.Hex()},
                                 {"time", FormatTime(lock.time.seconds, lock.time.nanoseconds)},
                                 {"exclusive", lock.exclusive},
                                 {"host", lock.host},
                                 {"user", lock.user},
                                 {"pid", lock.pid},
                                 {"stale", entry.is_stale}});
  }
  return Dump(document);
}

class LockListVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override { AddRepositoryChoice(options); }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::LockListReport report, jobs::RunLockList(program.job(), repository));
    return program.Finish(
        kExitDone, [&] { return LockListText(report, program.screen()); },
        [&] { return LockListJson(report); });
  }
};

}  // namespace

VerbEntry LockListEntry() {
  return {.text = {.names = {"lock list", "repository lock list"},
                   .section = "Repository",
                   .summary = "show who holds a lock",
                   .examples = "  holdfast-agent lock list\n",
                   .json_name = "repository lock list"},
          .make = MakeVerb<LockListVerb>};
}

}  // namespace holdfast::cli
