#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/check_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string CheckText(const std::vector<jobs::CheckTaskReport>& reports, Screen screen) {
  std::string text;
  for (const jobs::CheckTaskReport& report : reports) {
    std::string label = Printable(report.repository.empty() ? report.url : report.repository);
    const repository::CheckReport& check = report.check;
    if (report.error) {
      text += fmt::format("{}: not checked\n", label);
      AddLines(text, "errors", check.errors, check.findings);
      continue;
    }
    const std::string head = fmt::format(
        "{}: {}: {}, {}, {}, {}, {} read, {}\n", label, check.findings == 0 ? "sound" : "not sound",
        FormatCount(check.snapshots, "snapshot"), FormatCount(check.packs, "pack"),
        FormatCount(check.blobs, "blob"), FormatCount(check.trees, "directory"),
        FormatBytes(check.bytes_read), Duration({{"", report.seconds}}));
    text += WrapText(head, screen.width);
    if (check.packs_bad > 0) {
      text +=
          fmt::format("  {} damaged or missing, and {} in them\n",
                      FormatCount(check.packs_bad, "pack"), FormatCount(check.blobs_bad, "blob"));
    }
    if (check.entries_affected > 0) {
      text += fmt::format("  {} {} lost data: {} in them\n",
                          FormatCount(check.snapshots_affected, "snapshot"),
                          check.snapshots_affected == 1 ? "needs" : "need",
                          FormatCount(check.entries_affected, "path"));
    }
    if (check.packs_unreferenced > 0) {
      text += fmt::format("  {} of interrupted runs not referenced; harmless\n",
                          FormatCount(check.packs_unreferenced, "pack"));
    }
    if (check.packs_read > 0 && check.packs_read < check.packs) {
      text += fmt::format("  {} of {} read\n", FormatCount(check.packs_read),
                          FormatCount(check.packs, "pack"));
    }
    AddLines(text, "errors", check.errors, check.findings);
    AddLines(text, "hints", check.hints);
    AddLines(text, "warnings", report.warnings);
  }
  return text;
}

std::string CheckFindingJson(const std::string& repository, const std::string& url,
                             const repository::CheckFinding& finding) {
  using Kind = repository::CheckFinding::Kind;
  const auto id_of = [&](Kind kind) {
    return finding.kind == kind && finding.id ? Json(finding.id->Hex()) : Json(nullptr);
  };
  Json entry = {{"repository", OrNull(repository)},
                {"url", url},
                {"kind", repository::CheckKindName(finding.kind)},
                {"state", repository::CheckStateName(finding.state)},
                {"key", id_of(Kind::kKey)},
                {"index", id_of(Kind::kIndex)},
                {"pack", id_of(Kind::kPack)},
                {"blob", id_of(Kind::kBlob)},
                {"snapshot", id_of(Kind::kSnapshot)},
                {"path", nullptr},
                {"blobs", Json::array()},
                {"message", finding.message},
                {"remedy", OrNull(finding.remedy)}};
  if (finding.snapshot) {
    entry["snapshot"] = finding.snapshot->Hex();
    entry["path"] = finding.path;
  }
  for (const repository::CheckFinding::Blob& blob : finding.blobs) {
    Json packs = Json::array();
    for (const repository::Id& pack : blob.packs) packs.push_back(pack.Hex());
    if (finding.kind == Kind::kBlob) entry["pack"] = blob.packs.at(0).Hex();
    entry["blobs"].push_back({{"blob", blob.id.Hex()},
                              {"type", repository::BlobTypeName(blob.type)},
                              {"packs", std::move(packs)}});
  }
  return DumpLine(entry);
}

std::string CheckJson(const std::vector<jobs::CheckTaskReport>& reports, int exit_code) {
  Json document = Document("check", exit_code);
  document["repositories"] = Json::array();
  for (const jobs::CheckTaskReport& report : reports) {
    document["repositories"].push_back({
        {"repository", OrNull(report.repository)},
        {"url", report.url},
        {"sound", report.is_sound()},
        {"snapshots", report.check.snapshots},
        {"packs", report.check.packs},
        {"packs_unreferenced", report.check.packs_unreferenced},
        {"blobs", report.check.blobs},
        {"trees", report.check.trees},
        {"packs_read", report.check.packs_read},
        {"bytes_read", report.check.bytes_read},
        {"seconds", report.seconds},
        {"findings", report.check.findings},
        {"packs_bad", report.check.packs_bad},
        {"blobs_bad", report.check.blobs_bad},
        {"snapshots_affected", report.check.snapshots_affected},
        {"entries_affected", report.check.entries_affected},
        {"errors", List(report.check.errors)},
        {"hints", List(report.check.hints)},
        {"warnings", List(report.warnings)},
        {"error", ErrorOrNull(report.error)},
    });
  }
  return Dump(document);
}

class CheckVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "--read-data",
              .help = "read and hash all data, not only lists",
              .value = &read_data_})
        .Add(
            {.names = "--read-data-subset",
             .metavar = "N/M|P%",
             .help = "read and hash a part of the packs: 2/7 is the second of seven, 10% is random",
             .value = [this](const std::string& text) -> Result<void> {
               HF_ASSIGN(subset_, repository::ParseReadSubset(text));
               return {};
             }});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const std::vector<jobs::RepositoryAddress> repositories, program.Repositories());
    // There may be many findings. With --json, each is printed as it is found.
    ListOutput out(program.terminal(), program.is_json(), "findings");
    jobs::CheckVisitor visit;
    if (program.is_json()) {
      visit = [&](const jobs::RepositoryAddress& repository,
                  const repository::CheckFinding& finding) {
        return out.Add(CheckFindingJson(repository.name, repository.url, finding));
      };
    }
    const std::vector<jobs::CheckTaskReport> reports =
        jobs::RunCheck(program.job(), repositories,
                       {.read_data = read_data_ || subset_.has_value(),
                        .subset = subset_.value_or(repository::ReadSubset())},
                       visit);
    program.EndProgress();
    std::vector<int> codes;
    for (const jobs::CheckTaskReport& report : reports) {
      if (report.error) program.ShowError(*report.error);
      codes.push_back(report.error ? ExitCodeOf(*report.error)
                                   : (report.is_sound() ? kExitDone : kExitFailed));
    }
    // Damage in one repository is a failure even if the others are sound.
    int code = CombineExitCodes(codes);
    if (code == kExitPartlyDone) code = kExitFailed;
    const Result<void> written = out.End(program.is_json() ? CheckJson(reports, code)
                                                           : CheckText(reports, program.screen()));
    if (!written && code == kExitDone) {
      program.ShowError(written.error());
      code = kExitFailed;
    }
    return code;
  }

 protected:
  Result<void> CheckOptions() override {
    if (!read_data_ || !subset_) return {};
    return WrongOptions("--read-data reads all; leave --read-data-subset out");
  }

 private:
  bool read_data_ = false;
  std::optional<repository::ReadSubset> subset_;
};

}  // namespace

VerbEntry CheckEntry() {
  return {
      .text =
          {.names = {"check", "repository check"},
           .section = "Repository",
           .summary = "check the repositories for damage",
           .examples =
               "  holdfast-agent check\n"
               "  holdfast-agent check --read-data --repository main\n"
               "  holdfast-agent check --read-data-subset 10%\n"
               "  holdfast-agent check --repository-url file:/srv/backup/main --password-file p\n"},
      .make = MakeVerb<CheckVerb>};
}

}  // namespace holdfast::cli
