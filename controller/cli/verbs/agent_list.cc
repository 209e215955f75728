#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// "etcd/main, files/app"; of many, their number, which a narrow table keeps, and the first.
std::string SourcesText(const v1::AgentView& agent) {
  constexpr int kShown = 3;
  std::vector<std::string> sources;
  for (const v1::ConfiguredSource& source : agent.sources()) sources.push_back(source.source());
  if (agent.sources_size() <= kShown) return Joined(sources, "none");
  return fmt::format("{}: {}, ...", FormatCount(sources.size()), sources.front());
}

std::string AgentsText(const std::vector<v1::AgentView>& agents, WallTime now, Screen screen) {
  if (agents.empty()) return "no node has joined yet: holdfast agent token NODE\n";
  Rows rows;
  std::vector<std::string> warnings;
  for (const v1::AgentView& agent : agents) {
    rows.push_back({agent.node(),
                    StateCell(agent.revoked()     ? "revoked"
                              : agent.connected() ? "connected"
                                                  : "away"),
                    Ago(agent.last_seen_ms(), now), agent.version(), SourcesText(agent),
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

std::string AgentsJson(const std::vector<v1::AgentView>& agents) {
  Json document = Document("agent list", 0);
  document["agents"] = Json::array();
  for (const v1::AgentView& agent : agents) {
    Json sources = Json::array();
    for (const v1::ConfiguredSource& source : agent.sources()) {
      sources.push_back({{"source", source.source()},
                         {"repository", OrNull(source.repository())},
                         {"topology", OrNull(source.topology())}});
    }
    document["agents"].push_back({{"node", agent.node()},
                                  {"incarnation", agent.incarnation()},
                                  {"version", OrNull(agent.version())},
                                  {"root_version", agent.root_version()},
                                  {"connected", agent.connected()},
                                  {"revoked", agent.revoked()},
                                  {"joined", TimeOrNull(agent.joined_ms())},
                                  {"last_seen", TimeOrNull(agent.last_seen_ms())},
                                  {"sources", std::move(sources)},
                                  {"repositories", List(agent.repositories())},
                                  {"warnings", List(agent.warnings())}});
  }
  return Dump(document);
}

class AgentListVerb final : public OperatorVerb {
 public:
  Result<int> Run(Session& session) override {
    HF_ASSIGN(const std::vector<v1::AgentView> agents, session.Agents());
    return session.Finish(
        0, [&] { return AgentsText(agents, session.now(), session.screen()); },
        [&] { return AgentsJson(agents); });
  }
};

}  // namespace

OperatorVerbEntry AgentListEntry() {
  return {.text = {.names = {"agent list"},
                   .section = "Set up and maintain the cluster",
                   .summary = "show the nodes that have joined",
                   .examples = "  holdfast agent list\n"},
          .make = MakeOperatorVerb<AgentListVerb>};
}

}  // namespace holdfast::cli::cluster
