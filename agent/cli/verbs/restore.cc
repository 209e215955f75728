#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/restore/restore_job.h"
#include "agent/sources/restore_method.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/method_options.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"
#include "common/repository/tree/path_filter.h"

namespace holdfast::cli {
namespace {

std::string PlanText(const std::vector<PlannedChange>& plan, Screen screen) {
  if (plan.empty()) return "";
  Rows rows;
  for (const PlannedChange& change : plan) {
    rows.push_back({change.what, Printable(change.name), Printable(change.target),
                    FormatCount(change.parts), FormatCount(change.items), FormatBytes(change.bytes),
                    Printable(change.there), Printable(change.action)});
  }
  return FormatTable({{.title = "WHAT"},
                      {.title = "NAME", .is_flexible = true},
                      {.title = "TO", .is_flexible = true, .drop_rank = 2},
                      {.title = "PARTS", .is_right = true, .drop_rank = 6},
                      {.title = "ITEMS", .is_right = true, .drop_rank = 5},
                      {.title = "SIZE", .is_right = true, .drop_rank = 4},
                      {.title = "THERE NOW", .is_flexible = true, .drop_rank = 3},
                      {.title = "WOULD BE", .is_flexible = true, .drop_rank = 1}},
                     rows, screen);
}

// E.g. ": 12 items (3 unchanged), 4 KiB; 1 removed"; empty if there is nothing to report.
std::string RestoreCounts(const jobs::RestoreReport& report) {
  std::string text;
  if (report.items > 0) text = ": " + FormatCount(report.items, "item");
  if (report.unchanged > 0) {
    text += fmt::format(" ({} unchanged)", FormatCount(report.unchanged));
  }
  if (report.items > 0) text += ", " + FormatBytes(report.bytes);
  if (report.skipped > 0) {
    text += fmt::format("; {} not replaced", FormatCount(report.skipped));
  }
  if (report.removed > 0) text += fmt::format("; {} removed", FormatCount(report.removed));
  return text;
}

std::string RestoreText(const jobs::RestoreReport& report, Screen screen) {
  std::string text;
  if (!report.recovered.empty()) AddLines(text, "recovered first", {report.recovered});
  if (report.safety_snapshot && !report.safety_snapshot->snapshot.empty()) {
    text += fmt::format("  safety snapshot of the state before: {}\n",
                        ShortId(report.safety_snapshot->snapshot));
  }
  AddLines(text, "changed", report.changes);
  AddLines(text, "warnings", report.warnings);
  std::string source =
      report.kind.empty() ? "" : fmt::format(" of {}/{}", report.kind, report.name);
  std::string what =
      report.directory.empty() ? " in place" : fmt::format(" to {}", Printable(report.directory));
  // The method's lines describe the destination.
  if (!report.lines.empty() || !report.plan.empty()) what.clear();
  const std::string counts = RestoreCounts(report);
  const bool is_partly_done = report.state == jobs::TaskOutcome::kPartlyDone;
  if (report.error && !is_partly_done) {
    if (text.empty()) return "";
    return fmt::format("restore of snapshot {}{} failed\n{}", ShortId(report.snapshot),
                       Printable(source), text);
  }
  std::string head = fmt::format("{} snapshot {}{}{}{} in {}\n",
                                 report.dry_run   ? "would restore"
                                 : is_partly_done ? "restored part of"
                                 : report.resumed ? "resumed, and restored"
                                                  : "restored",
                                 ShortId(report.snapshot), Printable(source), what, counts,
                                 Duration(report.seconds));
  for (const std::string& line : report.lines) text += Printable(line) + "\n";
  if (report.plan_count > report.plan.size()) {
    text = fmt::format("and {} more\n", FormatCount(report.plan_count - report.plan.size())) + text;
  }
  return head + PlanText(report.plan, screen) + text;
}

std::string RestoreJson(const jobs::RestoreReport& report, int exit_code) {
  Json document = Document("restore", exit_code);
  document["run"] = report.run;
  document["state"] = jobs::TaskOutcomeName(report.state);
  document["repository"] = OrNull(report.repository);
  document["snapshot"] = OrNull(report.snapshot);
  document["kind"] = OrNull(report.kind);
  document["name"] = OrNull(report.name);
  document["directory"] = OrNull(report.directory);
  document["dry_run"] = report.dry_run;
  document["resumed"] = report.resumed;
  document["items"] = report.items;
  document["unchanged"] = report.unchanged;
  document["skipped"] = report.skipped;
  document["removed"] = report.removed;
  document["bytes"] = report.bytes;
  document["seconds"] = Object(report.seconds);
  document["warnings"] = List(report.warnings);
  document["changes"] = List(report.changes);
  document["lines"] = List(report.lines);
  document["plan"] = Json::array();
  for (const PlannedChange& change : report.plan) {
    document["plan"].push_back({{"what", change.what},
                                {"name", change.name},
                                {"target", change.target},
                                {"parts", change.parts},
                                {"items", change.items},
                                {"bytes", change.bytes},
                                {"there", change.there},
                                {"action", change.action}});
  }
  document["plan_count"] = report.plan_count;
  document["safety_snapshot"] =
      report.safety_snapshot ? BackupTask(*report.safety_snapshot) : Json(nullptr);
  document["rolled_back"] = report.rolled_back;
  document["recovered"] = OrNull(report.recovered);
  document["error"] = ErrorOrNull(report.error);
  return Dump(document);
}

std::string ExtractChangeText(const ExtractChange& change) {
  return fmt::format("{} {}{}", change.change, Printable(change.path),
                     change.is_directory ? "/" : "");
}

std::string ExtractChangeJson(const ExtractChange& change) {
  return DumpLine({{"path", fmt::format("{}{}", change.path, change.is_directory ? "/" : "")},
                   {"change", std::string(1, change.change)}});
}

Result<Overwrite> ParseOverwrite(const std::string& text) {
  if (text == "always") return Overwrite::kAlways;
  if (text == "if-changed") return Overwrite::kIfChanged;
  if (text == "if-newer") return Overwrite::kIfNewer;
  if (text == "never") return Overwrite::kNever;
  return WrongOptions(
      fmt::format("{}; expected always, if-changed, if-newer or never", Quote(text)));
}

class RestoreVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    AddSnapshot(options, snapshot_, "; with --undo: KIND/NAME or a safety snapshot");
    AddRepositoryChoice(options);
    options
        .Add({.names = "--to",
              .metavar = "DIR",
              .help = "the directory to restore to: new, empty, or see --overwrite",
              .value = &to_})
        .Add({.names = "--path",
              .metavar = "SUBPATH",
              .help = "only this path, as `ls` shows it, or the absolute path that was backed up",
              .value = &path_})
        .Add(
            {.names = "--include",
             .metavar = "PATTERN",
             .help =
                 "with --to: only what the pattern matches, e.g. /etc or '*.conf'; may be repeated",
             .value = &include_})
        .Add({.names = "--exclude",
              .metavar = "PATTERN",
              .help = "with --to: all but what the pattern matches; may be repeated",
              .value = &exclude_})
        .Add({.names = "--overwrite",
              .metavar = "MODE",
              .help =
                  "with --to: replace existing files always (contents are compared), if-changed "
                  "(size or time differs), if-newer (the snapshot's is newer) or never",
              .value = [this](const std::string& text) -> Result<void> {
                HF_ASSIGN(overwrite_, ParseOverwrite(text));
                return {};
              }})
        .Add({.names = "--delete",
              .help = "with --overwrite: remove what exists and is not in the snapshot",
              .value = &remove_others_})
        .Add({.names = "--strip",
              .metavar = "N",
              .help = "with --to: leave out the first N directories of each path",
              .value = NumberInto(strip_, 1000)})
        .Add({.names = "--dry-run,-n",
              .help = "list what would change, and "
                      "change nothing",
              .value = &dry_run_})
        .Add({.names = "--in-place",
              .help = "replace the live source; the old state can be put back",
              .value = &in_place_})
        .Add({.names = "--undo",
              .help = "put back what the last restore in place replaced",
              .value = &undo_});
    AddLatestRule(options,
                  "; in place: restore what the service's own checker refuses, with a warning");
    options.Add(
        {.names = "--no-safety-snapshot",
         .help =
             "do not take a safety snapshot of what --in-place, or an option of one kind, replaces",
         .value = &no_safety_snapshot_});
    AddRetryLock(options);
    AddKindOptions(options);
  }

  bool stays_root() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const std::vector<jobs::RepositoryAddress> repositories, program.Repositories());
    jobs::RestoreOptions options;
    options.selector = snapshot_;
    options.path = path_;
    options.include = include_;
    options.exclude = exclude_;
    options.overwrite = overwrite_;
    options.delete_extraneous = remove_others_;
    options.strip = strip_;
    options.dry_run = dry_run_;
    options.safety_snapshot = !no_safety_snapshot_;
    options.undo = undo_;
    options.allow_invalid = latest().allow_invalid;
    options.kind_options = kind_options_.Given();
    HF_ASSIGN(options.working_directory, WorkingDirectory());
    if (!to_.empty()) {
      options.mode = jobs::RestoreMode::kDirectory;
      HF_ASSIGN(options.directory, AbsolutePath(to_));
    } else {
      options.mode = in_place_ ? jobs::RestoreMode::kInPlace : jobs::RestoreMode::kMethod;
    }
    if (dry_run_ && options.mode == jobs::RestoreMode::kDirectory) {
      return DryRun(program, repositories, std::move(options));
    }
    const jobs::RestoreReport report = jobs::RunRestore(program.job(), repositories, options);
    if (report.error) program.ShowError(*report.error);
    int code = report.error ? ExitCodeOf(*report.error, report.began) : kExitDone;
    if (report.state == jobs::TaskOutcome::kPartlyDone) code = kExitPartlyDone;
    const auto text = [&] { return RestoreText(report, program.screen()); };
    const auto json = [&] { return RestoreJson(report, code); };
    // The lines of a method may be commands to copy.
    const bool has_commands = !report.lines.empty() && !in_place_;
    if (has_commands) return program.FinishVerbatim(code, text, json);
    return program.Finish(code, text, json);
  }

 protected:
  Result<void> CheckOptions() override {
    const bool has_to = !to_.empty();
    const bool has_kind_option = !kind_options_.Given().empty();
    if (undo_ && (has_to || has_kind_option)) {
      return WrongOptions("--undo restores in place and excludes other ways to restore");
    }
    in_place_ = in_place_ || undo_;
    if (has_to && in_place_) return WrongOptions("--to and --in-place exclude each other");
    if (!has_to && !in_place_ && !has_kind_option) {
      return WrongOptions("no target; expected --to DIR, --in-place or --undo");
    }
    HF_TRY(CheckGoesWithTo(has_to));
    HF_TRY(repository::PathFilter::Parse(include_, exclude_));
    if (remove_others_ && !overwrite_) {
      return WrongOptions("--delete requires --overwrite");
    }
    if (no_safety_snapshot_ && has_to) {
      return WrongOptions("--no-safety-snapshot requires --in-place");
    }
    if (in_place_ && !repository_url().empty()) {
      return WrongOptions(
          "--in-place needs the source's configuration; expected --config, not --repository-url");
    }
    return {};
  }

 private:
  Result<void> CheckGoesWithTo(bool has_to) const {
    const std::pair<bool, std::string_view> given[] = {
        {!include_.empty(), "--include"},
        {!exclude_.empty(), "--exclude"},
        {overwrite_.has_value(), "--overwrite"},
        {remove_others_, "--delete"},
        {strip_ > 0, "--strip"},
    };
    if (!path_.empty() && !has_to && !in_place_) {
      return WrongOptions("--path requires --to or --in-place");
    }
    for (const auto& [is_given, flag] : given) {
      if (is_given && !has_to) return WrongOptions(fmt::format("{} requires --to", flag));
    }
    return {};
  }

  void AddKindOptions(OptionList& options) {
    for (const SourceKind& kind : kinds()) {
      for (const RestoreMethod& method : kind.restore_methods) {
        kind_options_.AddGroup(
            options, fmt::format("{} snapshots, --{}: {}", kind.kind, method.name, method.summary),
            method.options);
      }
    }
  }

  Result<int> DryRun(AgentProgram& program,
                     const std::vector<jobs::RepositoryAddress>& repositories,
                     jobs::RestoreOptions options) const {
    return program.FinishList("would_change", [&](ListOutput& out) -> Result<std::string> {
      options.on_change = [&](const ExtractChange& change) {
        return out.Add(out.is_json() ? ExtractChangeJson(change) : ExtractChangeText(change));
      };
      const jobs::RestoreReport report = jobs::RunRestore(program.job(), repositories, options);
      if (report.error) return Fail(*report.error);
      return out.is_json() ? RestoreJson(report, kExitDone) : RestoreText(report, program.screen());
    });
  }

  std::string snapshot_;
  std::string to_;
  std::string path_;
  std::vector<std::string> include_;
  std::vector<std::string> exclude_;
  std::optional<Overwrite> overwrite_;
  bool remove_others_ = false;
  std::uint32_t strip_ = 0;
  bool dry_run_ = false;
  bool in_place_ = false;
  bool undo_ = false;
  bool no_safety_snapshot_ = false;
  MethodOptions kind_options_;
};

}  // namespace

VerbEntry RestoreEntry() {
  return {
      .text =
          {.names = {"restore"},
           .section = "Back up, browse and restore",
           .summary = "restore a snapshot to a directory, in place, or by a method of its kind",
           .examples =
               "  holdfast-agent restore latest:files/app --to /tmp/app\n"
               "  holdfast-agent restore 3fa2b1c4 --to /tmp/hosts --path /etc/hosts --strip 2\n"
               "  holdfast-agent restore latest:files/app --to /srv/app --overwrite if-changed \\\n"
               "      --delete --dry-run\n"
               "  holdfast-agent restore latest:files/app --to /tmp/app --include '*.conf'\n"
               "  holdfast-agent restore latest:haproxy/edge --in-place\n"
               "  holdfast-agent restore haproxy/edge --undo\n"
               "  holdfast-agent restore latest:files/app --to /tmp/app \\\n"
               "      --repository-url file:/srv/backup/main --password-file p\n"},
      .make = MakeVerb<RestoreVerb>};
}

}  // namespace holdfast::cli
