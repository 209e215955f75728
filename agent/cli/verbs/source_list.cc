#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/backup/discover_job.h"
#include "agent/jobs/backup/probe_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string DiscoveryText(const jobs::DiscoveryReport& report, const std::string& config,
                          Screen screen) {
  Rows rows;
  std::string lines;
  std::string details;
  for (const jobs::FoundService& service : report.services) {
    const std::string label = service.kind + "/" + service.name;
    rows.push_back({label, std::to_string(service.process), service.user,
                    service.unit.empty() ? "-" : service.unit,
                    service.is_configured ? "yes" : "no"});
    if (!service.is_configured) lines += fmt::format("  {}\n", Printable(service.line));
    std::string text;
    for (const auto& [name, value] : service.facts)
      text += fmt::format("  {}: {}\n", name, Printable(value));
    AddLines(text, "notes", service.notes);
    if (!text.empty()) details += fmt::format("\n{}\n{}", label, text);
  }
  const std::string looked = FormatCount(report.sweep.processes, "process") + " inspected";
  std::string text;
  if (rows.empty()) {
    text = fmt::format("no service that Holdfast has a kind for runs here ({})\n", looked);
  } else {
    text = FormatTable({{.title = "SOURCE", .is_flexible = true},
                        {.title = "PROCESS", .is_right = true, .drop_rank = 2},
                        {.title = "USER", .is_flexible = true, .drop_rank = 3},
                        {.title = "UNIT", .is_flexible = true, .drop_rank = 4},
                        {.title = "CONFIGURED", .drop_rank = 1}},
                       rows, screen);
    text += fmt::format("\n{}\n", looked);
  }
  std::vector<std::string> unseen;
  for (const host::UnseenProcess& process : report.sweep.unseen)
    unseen.push_back(fmt::format("{} of {}: {}", process.pid, process.user, process.reason));
  AddLines(text, "could not be inspected", unseen, report.sweep.unseen_count);
  AddLines(text, "warnings", report.sweep.warnings);
  if (!lines.empty())
    text +=
        fmt::format("\nto back up what is not configured yet, add below \"sources:\" in {}:\n\n{}",
                    Printable(config), lines);
  return text + details;
}

std::string ProbeText(const std::vector<jobs::ProbeReport>& reports, Screen screen) {
  Rows rows;
  std::string details;
  for (const jobs::ProbeReport& report : reports) {
    std::string label = report.kind + "/" + report.name;
    auto version = report.info.identity.find("server_version");
    if (version == report.info.identity.end()) version = report.info.identity.find("version");
    rows.push_back({label, report.repository, std::string(TopologyName(report.topology)),
                    version == report.info.identity.end() ? "-" : version->second,
                    StateCell(report.error          ? "unknown"
                              : report.info.healthy ? "healthy"
                                                    : "not healthy"),
                    report.error ? report.error->message() : report.info.health});
    std::string text;
    if (!report.info.identity.empty()) {
      text += fmt::format("  identity: {}\n", Pairs(report.info.identity));
    }
    std::vector<std::string> members;
    for (const auto& member : report.info.members) members.push_back(Pairs(member));
    AddLines(text, "members", members);
    AddLines(text, "would save", report.info.would_save);
    AddMissing(text, report.info.missing);
    AddLines(text, "warnings", report.info.warnings);
    if (report.error && !report.error->hint().empty()) {
      text += fmt::format("  hint: {}\n", Printable(report.error->hint()));
    }
    if (report.unfinished_restore) {
      text += fmt::format("  a restore of snapshot {} was interrupted (run {}); {}\n",
                          ShortId(report.unfinished_restore->snapshot),
                          report.unfinished_restore->run, HowToRecover(*report.unfinished_restore));
    }
    if (report.journal_error) {
      text += fmt::format("  {}\n", Printable(report.journal_error->Text()));
    }
    if (!text.empty()) details += fmt::format("\n{}\n{}", label, text);
  }
  std::string table = FormatTable({{.title = "SOURCE", .is_flexible = true},
                                   {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 3},
                                   {.title = "TOPOLOGY", .drop_rank = 5},
                                   {.title = "VERSION", .is_flexible = true, .drop_rank = 4},
                                   {.title = "HEALTH", .drop_rank = 1},
                                   {.title = "STATE", .is_flexible = true, .drop_rank = 2}},
                                  rows, screen);
  return table + details;
}

Json Members(const std::vector<std::map<std::string, std::string>>& members) {
  Json array = Json::array();
  for (const auto& member : members) array.push_back(Object(member));
  return array;
}

std::string DiscoveryJson(const jobs::DiscoveryReport& report) {
  Json document = Document("source list", 0);
  document["services"] = Json::array();
  for (const jobs::FoundService& service : report.services) {
    document["services"].push_back({{"kind", service.kind},
                                    {"name", service.name},
                                    {"configured", service.is_configured},
                                    {"process", service.process},
                                    {"user", service.user},
                                    {"unit", OrNull(service.unit)},
                                    {"facts", Object(service.facts)},
                                    {"line", service.line},
                                    {"notes", List(service.notes)}});
  }
  document["processes"] = report.sweep.processes;
  document["unseen"] = Json::array();
  for (const host::UnseenProcess& process : report.sweep.unseen)
    document["unseen"].push_back(
        {{"process", process.pid}, {"user", process.user}, {"reason", process.reason}});
  document["unseen_count"] = report.sweep.unseen_count;
  document["warnings"] = List(report.sweep.warnings);
  return Dump(document);
}

std::string ProbeJson(const std::vector<jobs::ProbeReport>& reports, int exit_code) {
  Json document = Document("source list", exit_code);
  document["sources"] = Json::array();
  for (const jobs::ProbeReport& report : reports) {
    Json unfinished = nullptr;
    if (report.unfinished_restore) {
      unfinished = {{"run", report.unfinished_restore->run},
                    {"snapshot", report.unfinished_restore->snapshot},
                    {"begin", FormatTime(report.unfinished_restore->begin)}};
    }
    document["sources"].push_back({
        {"kind", report.kind},
        {"name", report.name},
        {"repository", report.repository},
        {"topology", TopologyName(report.topology)},
        {"healthy", !report.error && report.info.healthy},
        {"health", OrNull(report.info.health)},
        {"identity", Object(report.info.identity)},
        {"members", Members(report.info.members)},
        {"would_save", List(report.info.would_save)},
        {"missing", MissingList(report.info.missing)},
        {"warnings", List(report.info.warnings)},
        {"unfinished_restore", std::move(unfinished)},
        {"error", ErrorOrNull(report.error ? report.error : report.journal_error)},
    });
  }
  return Dump(document);
}

class SourceListVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "source",
              .metavar = "KIND/NAME",
              .help = "sources to show, * is allowed; default: all",
              .value = &selectors_})
        .Add({.names = "--discover",
              .help = "instead, find services among this host's processes, and print how to "
                      "configure each",
              .value = &discover_});
  }

  // --discover finds services before there is a configuration.
  bool works_without_config() const override { return discover_; }

  Result<int> Run(AgentProgram& program) override {
    if (discover_) return Discover(program);
    HF_ASSIGN(auto sources, SelectSources(*program.settings(), selectors_));
    const std::vector<jobs::ProbeReport> reports = jobs::RunProbe(program.job(), sources);
    std::vector<int> codes;
    for (const jobs::ProbeReport& report : reports) {
      codes.push_back(report.error ? ExitCodeOf(*report.error) : kExitDone);
    }
    const int code = CombineExitCodes(codes);
    return program.Finish(
        code, [&] { return ProbeText(reports, program.screen()); },
        [&] { return ProbeJson(reports, code); });
  }

 protected:
  Result<void> CheckOptions() override {
    if (!discover_ || selectors_.empty()) return {};
    return WrongOptions("--discover finds what is not configured yet; leave KIND/NAME out");
  }

 private:
  static Result<int> Discover(AgentProgram& program) {
    HF_ASSIGN(const jobs::DiscoveryReport report,
              jobs::RunDiscovery(program.job(), program.context().places));
    return program.FinishVerbatim(
        kExitDone, [&] { return DiscoveryText(report, program.config_file(), program.screen()); },
        [&] { return DiscoveryJson(report); });
  }

  std::vector<std::string> selectors_;
  bool discover_ = false;
};

}  // namespace

VerbEntry SourceListEntry() {
  return {.text = {.names = {"source list"},
                   .section = "This node",
                   .summary = "show each source: version, health, and what a backup would save",
                   .examples = "  holdfast-agent source list\n"
                               "  holdfast-agent source list 'etcd/*' --json\n"
                               "  holdfast-agent source list --discover\n"},
          .make = MakeVerb<SourceListVerb>};
}

}  // namespace holdfast::cli
