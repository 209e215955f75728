#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/copy_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string CopyText(const jobs::CopyJobReport& report) {
  using State = repository::SnapshotCopy::State;
  const repository::CopyReport& copy = report.copy;
  std::string text;
  for (const repository::SnapshotCopy& snapshot : copy.snapshots) {
    if (snapshot.state != State::kCopied) continue;
    text += fmt::format("{}  {}  copied as {}\n", snapshot.snapshot.id.Hex().substr(0, 8),
                        FormatTime(snapshot.snapshot.time.seconds, 0),
                        snapshot.copy->Hex().substr(0, 8));
  }
  const std::size_t done = report.CountOf(report.dry_run ? State::kLeft : State::kCopied);
  text +=
      fmt::format("{} {}copied from {} to {}, {} already existed\n", FormatCount(done, "snapshot"),
                  report.dry_run ? "would be " : "", Printable(report.repository),
                  Printable(report.to), report.CountOf(State::kPresent));
  if (const std::size_t failed = report.CountOf(State::kFailed); failed > 0) {
    text += fmt::format("{} not copied: the repository lost some of their data\n",
                        FormatCount(failed, "snapshot"));
  }
  if (report.dry_run) {
    return text + fmt::format("  {} in {} would be read\n", FormatBytes(copy.bytes_read),
                              FormatCount(copy.data_blobs, "blob"));
  }
  return text + fmt::format("  {} in {} new, {} stored\n", FormatBytes(copy.bytes_added),
                            FormatCount(copy.data_blobs + copy.tree_blobs, "blob"),
                            FormatBytes(copy.bytes_stored));
}

std::string_view CopyStateName(repository::SnapshotCopy::State state) {
  switch (state) {
    case repository::SnapshotCopy::State::kCopied:
      return "copied";
    case repository::SnapshotCopy::State::kPresent:
      return "present";
    case repository::SnapshotCopy::State::kFailed:
      return "failed";
    case repository::SnapshotCopy::State::kLeft:
      return "left";
  }
  return "";
}

std::string CopyJson(const jobs::CopyJobReport& report, int exit_code) {
  Json document = Document("repository copy", exit_code);
  document["repository"] = report.repository;
  document["to"] = report.to;
  document["dry_run"] = report.dry_run;
  document["snapshots"] = Json::array();
  for (const repository::SnapshotCopy& copy : report.copy.snapshots) {
    Json entry = SnapshotObject(copy.snapshot);
    entry["state"] = CopyStateName(copy.state);
    entry["copy"] = copy.copy ? Json(copy.copy->Hex()) : Json(nullptr);
    entry["error"] = ErrorOrNull(copy.error);
    document["snapshots"].push_back(std::move(entry));
  }
  document["data_blobs"] = report.copy.data_blobs;
  document["tree_blobs"] = report.copy.tree_blobs;
  document["bytes_read"] = report.copy.bytes_read;
  document["bytes_added"] = report.copy.bytes_added;
  document["bytes_stored"] = report.copy.bytes_stored;
  document["error"] = ErrorOrNull(report.copy.error);
  return Dump(document);
}

Error CopyErrorOf(const repository::SnapshotCopy& copy) {
  return Error(*copy.error)
      .While(fmt::format("copy snapshot {}", copy.snapshot.id.Hex().substr(0, 8)));
}

class CopyVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "snapshot",
              .metavar = "SNAPSHOT",
              .help = "as `restore` takes it; default: all",
              .value = &snapshots_})
        .Add({.names = "--to",
              .metavar = "NAME",
              .help = "the other repository of the configuration",
              .value = &to_})
        .Add({.names = "--to-url",
              .metavar = "URL",
              .help = "the other repository by its URL",
              .value = &to_url_})
        .Add({.names = "--to-password-file",
              .metavar = "FILE",
              .help = "with --to-url: the file that holds its password",
              .value = &to_password_file_});
    AddSourceFilter(options, "only snapshots of these");
    options.Add(
        {.names = "--dry-run,-n", .help = "only show what would be done", .value = &dry_run_});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress to, Target(program));
    HF_ASSIGN(const jobs::RepositoryAddress from, program.OneRepository(to.name));
    HF_ASSIGN(
        const jobs::CopyJobReport report,
        jobs::RunCopy(program.job(), from, to,
                      {.snapshots = snapshots_, .selector = source_filter_, .dry_run = dry_run_}));
    std::vector<int> codes;
    for (const repository::SnapshotCopy& copy : report.copy.snapshots) {
      if (copy.error) program.ShowError(CopyErrorOf(copy));
      codes.push_back(copy.error ? ExitCodeOf(*copy.error, true) : kExitDone);
    }
    int code = CombineExitCodes(codes);
    if (report.copy.error) {
      program.ShowError(*report.copy.error);
      code = ExitCodeOf(*report.copy.error,
                        report.CountOf(repository::SnapshotCopy::State::kCopied) > 0);
    }
    return program.Finish(
        code, [&] { return CopyText(report); }, [&] { return CopyJson(report, code); });
  }

 protected:
  Result<void> CheckOptions() override {
    const bool has_name = !to_.empty();
    const bool has_url = !to_url_.empty();
    if (has_name == has_url) {
      return WrongOptions(
          has_name ? "--to and --to-url exclude each other"
                   : "no target; expected --to NAME, or --to-url with --to-password-file");
    }
    if (has_url && to_password_file_.empty()) {
      return WrongOptions("--to-url requires --to-password-file");
    }
    if (!has_url && !to_password_file_.empty()) {
      return WrongOptions("--to-password-file requires --to-url");
    }
    if (has_name && !repository_url().empty()) {
      return WrongOptions(
          "--to NAME needs a configuration, which --repository-url does without; expected "
          "--to-url");
    }
    if (!snapshots_.empty() && !source_filter_.empty()) {
      return WrongOptions("snapshots and --source exclude each other");
    }
    return CheckSourceFilter();
  }

 private:
  Result<jobs::RepositoryAddress> Target(const AgentProgram& program) const {
    if (!to_.empty()) return program.NamedRepository(to_);
    return program.AddressOfUrl(to_url_, to_password_file_, "--to-password-file");
  }

  std::vector<std::string> snapshots_;
  std::string to_;
  std::string to_url_;
  std::string to_password_file_;
  bool dry_run_ = false;
};

}  // namespace

VerbEntry CopyEntry() {
  return {
      .text = {.names = {"copy", "repository copy"},
               .section = "Repository",
               .summary = "copy snapshots to another repository, except those that it already has",
               .examples =
                   "  holdfast-agent copy --repository main --to offsite\n"
                   "  holdfast-agent copy latest:etcd/main --repository main --to offsite\n"
                   "  holdfast-agent copy --source 'etcd/*' --repository main --to offsite\n"
                   "  holdfast-agent copy --repository-url file:/mnt/old --password-file p \\\n"
                   "      --to-url file:/srv/new --to-password-file q\n",
               .json_name = "repository copy"},
      .make = MakeVerb<CopyVerb>};
}

}  // namespace holdfast::cli
