#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/key_job.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"

namespace holdfast::cli {
namespace {

std::string KeyListText(const jobs::KeyListReport& report, Screen screen) {
  Rows rows;
  for (const repository::KeyInfo& key : report.keys) {
    const bool has_time = key.created != WallTime();
    rows.push_back({ShortId(key.id.Hex()), has_time ? FormatShortTime(key.created) : "-", key.user,
                    key.host, key.is_in_use ? "in use" : ""});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "MADE", .drop_rank = 1},
                      {.title = "USER", .is_flexible = true, .drop_rank = 2},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                      {.title = ""}},
                     rows, screen);
}

std::string KeyListJson(const jobs::KeyListReport& report) {
  Json document = Document("repository key list", 0);
  document["repository"] = report.repository;
  document["keys"] = Json::array();
  for (const repository::KeyInfo& key : report.keys) {
    const bool has_time = key.created != WallTime();
    document["keys"].push_back({{"id", key.id.Hex()},
                                {"created", has_time ? Json(FormatTime(key.created)) : Json()},
                                {"user", OrNull(key.user)},
                                {"host", OrNull(key.host)},
                                {"in_use", key.is_in_use}});
  }
  return Dump(document);
}

class KeyListVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override { AddRepositoryChoice(options); }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::KeyListReport report, jobs::RunKeyList(program.job(), repository));
    return program.Finish(
        kExitDone, [&] { return KeyListText(report, program.screen()); },
        [&] { return KeyListJson(report); });
  }
};

}  // namespace

VerbEntry KeyListEntry() {
  return {.text = {.names = {"key list", "repository key list"},
                   .section = "Repository",
                   .summary = "show the keys, one for each password",
                   .examples = "  holdfast-agent key list\n",
                   .json_name = "repository key list"},
          .make = MakeVerb<KeyListVerb>};
}

}  // namespace holdfast::cli
