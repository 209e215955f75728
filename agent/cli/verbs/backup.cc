#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/backup/backup_job.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

// With more sources, positions are not shown, because they would hide the table and the problems.
constexpr std::size_t kPositionsMax = 20;

// Details of one source that the table does not show.
std::string BackupDetails(const jobs::BackupTaskReport& task, bool with_position) {
  std::string text;
  if (!task.recovered.empty()) AddLines(text, "recovered", {task.recovered});
  if (with_position && !task.manifest.position.empty()) {
    std::string where = Pairs(task.manifest.position);
    if (!task.manifest.endpoint.empty()) where += " at " + Printable(task.manifest.endpoint);
    text += fmt::format("  position: {}\n", where);
  }
  AddLines(text, "invalid", task.manifest.invalid);
  if (!task.manifest.invalid.empty()) {
    text += "  hint: correct it and back up again; `latest` passes over this snapshot\n";
  }
  AddMissing(text, task.manifest.missing);
  AddLines(text, "warnings", task.warnings);
  if (!text.empty()) text = fmt::format("\n{}\n{}", task.label(), text);
  return text;
}

std::string BackupText(const jobs::BackupReport& report, Screen screen) {
  const bool with_positions = report.tasks.size() <= kPositionsMax;
  Rows rows;
  std::string details;
  for (const jobs::BackupTaskReport& task : report.tasks) {
    bool has_snapshot = !task.snapshot.empty();
    rows.push_back({task.label(), StateCell(jobs::TaskOutcomeName(task.state)),
                    has_snapshot ? ShortId(task.snapshot) : "-",
                    has_snapshot ? FormatCount(task.counts.files) : "-",
                    has_snapshot ? FormatBytes(task.counts.bytes) : "-",
                    has_snapshot ? FormatBytes(task.bytes_read) : "-",
                    has_snapshot ? FormatBytes(task.counts.bytes_added) : "-",
                    has_snapshot ? FormatBytes(task.counts.bytes_stored) : "-",
                    Duration(task.seconds)});
    details += BackupDetails(task, with_positions);
  }
  if (!with_positions) {
    details += fmt::format("\npositions of {} sources: --json\n", FormatCount(report.tasks.size()));
  }
  std::string table = FormatTable({{.title = "SOURCE", .is_flexible = true},
                                   {.title = "STATE", .drop_rank = 1},
                                   {.title = "SNAPSHOT", .drop_rank = 2},
                                   {.title = "FILES", .is_right = true, .drop_rank = 5},
                                   {.title = "SIZE", .is_right = true, .drop_rank = 4},
                                   {.title = "READ", .is_right = true, .drop_rank = 7},
                                   {.title = "ADDED", .is_right = true, .drop_rank = 6},
                                   {.title = "STORED", .is_right = true, .drop_rank = 8},
                                   {.title = "TIME", .is_right = true, .drop_rank = 3}},
                                  rows, screen);
  return table + details;
}

std::string BackupJson(const jobs::BackupReport& report, int exit_code) {
  Json document = Document("backup", exit_code);
  document["run"] = report.run;
  document["begin"] = FormatTime(report.begin);
  document["end"] = FormatTime(report.end);
  document["sources"] = Json::array();
  for (const jobs::BackupTaskReport& task : report.tasks) {
    document["sources"].push_back(BackupTask(task));
  }
  return Dump(document);
}

int ExitCodeOfBackup(const jobs::BackupReport& report) {
  std::vector<int> codes;
  for (const jobs::BackupTaskReport& task : report.tasks) {
    if (task.error) {
      codes.push_back(ExitCodeOf(*task.error, task.began));
    } else {
      codes.push_back(task.state == jobs::TaskOutcome::kDone ? kExitDone : kExitPartlyDone);
    }
  }
  return CombineExitCodes(codes);
}

class BackupVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "source",
              .metavar = "KIND/NAME",
              .help = "sources to back up, * is allowed; default: all",
              .value = &selectors_})
        .Add({.names = "--note",
              .metavar = "TEXT",
              .help = "text to keep with the snapshots",
              .value = NoteInto(note_)})
        .Add({.names = "--rehash",
              .help = "read all data again, and store again what the repository lost",
              .value = &rehash_});
    AddRetryLock(options);
  }

  std::string Notes() const override {
    std::string notes = "Kinds of source:\n";
    for (const SourceKind& kind : kinds()) {
      notes += fmt::format("  {:<12} {}\n", kind.kind, kind.summary);
    }
    return notes;
  }

  Result<int> Run(AgentProgram& program) override {
    const AgentSettings& settings = *program.settings();
    HF_ASSIGN(auto sources, SelectSources(settings, selectors_));
    if (sources.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("no sources in {}; expected at least one", Quote(settings.file)));
    }
    const jobs::BackupReport report = jobs::RunBackup(program.job(), sources, note_, rehash_);
    for (Error error : jobs::ErrorsOf(report)) {
      if (error.code() == ErrorCode::kCancelled && error.hint().empty()) {
        error = std::move(error).WithHint(
            "no snapshot was created; the next backup reuses the stored data");
      }
      program.ShowError(error);
    }
    for (const jobs::BackupTaskReport& task : report.tasks) {
      if (task.error) continue;
      Log(LogLevel::kInfo, "{}: {}, snapshot {}", task.label(), jobs::TaskOutcomeName(task.state),
          task.snapshot);
    }
    const int code = ExitCodeOfBackup(report);
    return program.Finish(
        code, [&] { return BackupText(report, program.screen()); },
        [&] { return BackupJson(report, code); });
  }

 private:
  std::vector<std::string> selectors_;
  std::string note_;
  bool rehash_ = false;
};

}  // namespace

VerbEntry BackupEntry() {
  return {.text = {.names = {"backup"},
                   .section = "Back up, browse and restore",
                   .summary = "back up sources, one snapshot each",
                   .examples = "  holdfast-agent backup\n"
                               "  holdfast-agent backup etcd/main 'files/*' --note \"before 3.6\"\n"
                               "  holdfast-agent backup files/app --rehash\n"},
          .make = MakeVerb<BackupVerb>};
}

}  // namespace holdfast::cli
