#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/restore/browse_job.h"
#include "common/base/format.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string FindEntryText(const jobs::FoundEntry& entry) {
  const std::string path = entry.path.empty() ? "/" : entry.path;
  return fmt::format("{}  {}  {}  {}", ShortId(entry.snapshot.id.Hex()),
                     FormatTime(entry.snapshot.time.seconds, 0),
                     Printable(SourceLabel(entry.snapshot)), Printable(path));
}

std::string FindText(const jobs::FindReport& report) {
  if (report.matches > 0) return "";
  return fmt::format("nothing found in {}\n", FormatCount(report.snapshots, "snapshot"));
}

std::string FindEntryJson(const jobs::FoundEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const bool is_file = attributes.type == NodeType::kFile;
  return DumpLine({{"snapshot", entry.snapshot.id.Hex()},
                   {"time", Time(entry.snapshot.time)},
                   {"path", entry.path},
                   {"type", NodeTypeName(attributes.type)},
                   {"size", is_file ? Json(attributes.size) : Json()}});
}

std::string FindJson(const std::string& repository, const jobs::FindReport& report) {
  Json document = Document("repository find", 0);
  document["repository"] = repository;
  document["snapshots"] = report.snapshots;
  document["error"] = nullptr;
  return Dump(document);
}

class FindVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "wanted",
                 .metavar = "PATTERN",
                 .help = "a name; or, with a /, a path in the snapshot or the absolute path that "
                         "was backed up; * is allowed; or a blob's full id",
                 .value = &wanted_,
                 .is_required = true});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    return program.FinishList("matches", [&](ListOutput& out) -> Result<std::string> {
      HF_ASSIGN(
          const jobs::FindReport report,
          jobs::RunFind(program.job(), repository, wanted_, [&](const jobs::FoundEntry& entry) {
            return out.Add(out.is_json() ? FindEntryJson(entry) : FindEntryText(entry));
          }));
      return out.is_json() ? FindJson(repository.label(), report) : FindText(report);
    });
  }

 private:
  std::string wanted_;
};

}  // namespace

VerbEntry FindEntry() {
  return {.text = {.names = {"find", "repository find"},
                   .section = "Back up, browse and restore",
                   .summary = "find a path, or the files that use a blob, in all snapshots",
                   .examples = "  holdfast-agent find 'nginx*.conf'\n"
                               "  holdfast-agent find 'data/etc/*/hosts'\n"
                               "  holdfast-agent find 5d41402abc4b2a76b9719d911017c592...\n",
                   .json_name = "repository find"},
          .make = MakeVerb<FindVerb>};
}

}  // namespace holdfast::cli
