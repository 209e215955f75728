#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/forget_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"
#include "common/repository/snapshot/retention.h"

namespace holdfast::cli {
namespace {

std::string ForgetText(const jobs::ForgetReport& report, Screen screen) {
  std::string text;
  std::size_t kept = 0;
  for (const jobs::ForgetReport::Group& group : report.groups) {
    Rows rows;
    for (const repository::RetentionVerdict& verdict : group.verdicts) {
      if (verdict.keep) ++kept;
      const repository::SnapshotInfo& snapshot = *verdict.snapshot;
      rows.push_back({verdict.keep ? "keep" : "forget", ShortId(snapshot.id.Hex()),
                      FormatTime(snapshot.time.seconds, 0), SourceLabel(snapshot), snapshot.host,
                      fmt::format("{}", fmt::join(verdict.reasons, ", "))});
    }
    if (rows.empty()) continue;
    text += FormatTable({{.title = ""},
                         {.title = "ID"},
                         {.title = "TIME", .drop_rank = 2},
                         {.title = "SOURCE", .is_flexible = true},
                         {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                         {.title = "WHY", .is_flexible = true, .drop_rank = 1}},
                        rows, screen);
    text += "\n";
  }
  if (!report.safety.empty()) {
    const auto stay = static_cast<std::size_t>(
        std::ranges::count(report.safety, true, &repository::RetentionVerdict::keep));
    text +=
        fmt::format("safety snapshots: {} kept, {} {}forgotten\n", FormatCount(stay),
                    FormatCount(report.safety.size() - stay), report.dry_run ? "would be " : "");
    kept += stay;
  }
  text += fmt::format("{}: {} {}forgotten, {} kept\n", Printable(report.repository),
                      FormatCount(report.forgotten, "snapshot"), report.dry_run ? "would be " : "",
                      kept);
  if (report.kept_by_floor > 0) {
    text += fmt::format("  {} of these kept only as one of the newest good snapshots of a source\n",
                        report.kept_by_floor);
  }
  if (report.forgotten > 0 && !report.dry_run)
    text += "  their data stays until the next `prune`\n";
  return text;
}

std::string ForgetJson(const jobs::ForgetReport& report, int exit_code) {
  Json document = Document("repository forget", exit_code);
  document["repository"] = report.repository;
  document["dry_run"] = report.dry_run;
  document["forgotten"] = report.forgotten;
  document["kept_by_floor"] = report.kept_by_floor;
  document["groups"] = Json::array();
  for (const jobs::ForgetReport::Group& group : report.groups) {
    Json keep = Json::array();
    Json forget = Json::array();
    for (const repository::RetentionVerdict& verdict : group.verdicts) {
      Json snapshot = SnapshotObject(*verdict.snapshot);
      if (verdict.keep) snapshot["reasons"] = List(verdict.reasons);
      (verdict.keep ? keep : forget).push_back(std::move(snapshot));
    }
    document["groups"].push_back({{"host", OrNull(group.host)},
                                  {"paths", List(group.paths)},
                                  {"tags", List(group.tags)},
                                  {"keep", std::move(keep)},
                                  {"forget", std::move(forget)}});
  }
  document["safety"] = Json::array();
  for (const repository::RetentionVerdict& verdict : report.safety) {
    Json snapshot = SnapshotObject(*verdict.snapshot);
    snapshot["keep"] = verdict.keep;
    snapshot["reasons"] = List(verdict.reasons);
    document["safety"].push_back(std::move(snapshot));
  }
  document["error"] = ErrorOrNull(report.error);
  return Dump(document);
}

// Parses a number or "unlimited".
ParseValue KeepInto(int& count) {
  return [&count](const std::string& text) -> Result<void> {
    if (text == "unlimited") {
      count = repository::kKeepAll;
      return {};
    }
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, count);
    if (error == std::errc() && end == last && count >= 0) return {};
    return WrongOptions(fmt::format("{}; expected a number, or \"unlimited\"", Quote(text)));
  };
}

ParseValue PeriodInto(std::optional<repository::CalendarPeriod>& period) {
  return [&period](const std::string& text) -> Result<void> {
    HF_ASSIGN(period, repository::ParseCalendarPeriod(text));
    return {};
  };
}

class ForgetVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "snapshot",
                 .metavar = "SNAPSHOT",
                 .help = "as `restore` takes it; or a policy instead",
                 .value = &snapshots_});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    options
        .Add(
            {.names = "--min-keep",
             .metavar = "N",
             .help = "how many of the newest good snapshots of each source always stay; default: "
                     "the repository's min_keep in agent.yaml, or 7",
             .value =
                 [this](const std::string& text) { return NumberInto(min_keep_.emplace())(text); }})
        .Add({.names = "--allow-below-floor",
              .help = "ignore --min-keep and min_keep",
              .value = &allow_below_floor_})
        .Add({.names = "--dry-run,-n", .help = "only show what would be done", .value = &dry_run_});
    AddRetryLock(options);
    AddPolicy(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.RepositoryOf(snapshots_));
    HF_ASSIGN(const jobs::ForgetReport report,
              jobs::RunForget(program.job(), repository,
                              {.snapshots = snapshots_,
                               .policy = policy_,
                               .grouping = grouping_.value_or(repository::SnapshotGrouping()),
                               .selector = source_filter_,
                               .dry_run = dry_run_,
                               .min_keep = min_keep_,
                               .allow_below_floor = allow_below_floor_}));
    if (report.error) program.ShowError(*report.error);
    const int code = report.error ? ExitCodeOf(*report.error, report.forgotten > 0) : kExitDone;
    return program.Finish(
        code, [&] { return ForgetText(report, program.screen()); },
        [&] { return ForgetJson(report, code); });
  }

 protected:
  Result<void> CheckOptions() override {
    for (const std::string& text : keep_tags_) {
      std::vector<std::string>& tags = policy_.tags.emplace_back();
      for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        tags.push_back(text.substr(at, comma - at));
        at = comma + 1;
      }
    }
    // "--keep-last 0" alone keeps nothing, so it is not a policy.
    const bool has_policy = !policy_.empty();
    if (snapshots_.empty() == !has_policy) {
      return WrongOptions(has_policy
                              ? "snapshots and a policy exclude each other"
                              : "nothing to forget; expected SNAPSHOT or a policy, --keep-...");
    }
    if (!has_policy && (grouping_ || !source_filter_.empty())) {
      return WrongOptions("--group-by and --source require a policy");
    }
    return CheckSourceFilter();
  }

 private:
  void AddPolicy(OptionList& options) {
    options.BeginGroup("Policy");
    const std::tuple<const char*, int*, const char*> counts[] = {
        {"--keep-last", &policy_.last, "the newest N"},
        {"--keep-hourly", &policy_.hourly, "the newest of each of the last N hours that have one"},
        {"--keep-daily", &policy_.daily, "the same for days"},
        {"--keep-weekly", &policy_.weekly, "the same for weeks"},
        {"--keep-monthly", &policy_.monthly, "the same for months"},
        {"--keep-yearly", &policy_.yearly, "the same for years"}};
    for (const auto& [flag, count, help] : counts) {
      options.Add(
          {.names = flag, .metavar = "N|unlimited", .help = help, .value = KeepInto(*count)});
    }
    const std::tuple<const char*, std::optional<repository::CalendarPeriod>*, const char*>
        periods[] = {
            {"--keep-within", &policy_.within, "all of a period before the newest: 1y5m7d2h"},
            {"--keep-within-hourly", &policy_.within_hourly, "the newest of each hour in PERIOD"},
            {"--keep-within-daily", &policy_.within_daily, "the same for days"},
            {"--keep-within-weekly", &policy_.within_weekly, "the same for weeks"},
            {"--keep-within-monthly", &policy_.within_monthly, "the same for months"},
            {"--keep-within-yearly", &policy_.within_yearly, "the same for years"}};
    for (const auto& [flag, period, help] : periods) {
      options.Add({.names = flag, .metavar = "PERIOD", .help = help, .value = PeriodInto(*period)});
    }
    options
        .Add({.names = "--keep-tag",
              .metavar = "TAG[,TAG...]",
              .help = "snapshots with all of these tags; may be repeated",
              .value = &keep_tags_})
        .Add({.names = "--group-by",
              .metavar = "host,paths,tags",
              .help = "apply the policy to each group of snapshots with equal values of these; "
                      "default: host,paths",
              .value = [this](const std::string& text) -> Result<void> {
                HF_ASSIGN(grouping_, repository::ParseGrouping(text));
                return {};
              }});
    AddSourceFilter(options, "apply the policy only to these");
  }

  std::vector<std::string> snapshots_;
  repository::RetentionPolicy policy_;
  std::vector<std::string> keep_tags_;
  std::optional<repository::SnapshotGrouping> grouping_;
  std::optional<std::uint32_t> min_keep_;
  bool allow_below_floor_ = false;
  bool dry_run_ = false;
};

}  // namespace

VerbEntry ForgetEntry() {
  return {
      .text = {.names = {"forget", "repository forget"},
               .section = "Repository",
               .summary = "remove snapshots, either by id or by a policy",
               .examples = "  holdfast-agent forget 3fa2b1c4\n"
                           "  holdfast-agent forget --keep-daily 14 --keep-monthly 12 --dry-run\n"
                           "  holdfast-agent forget --keep-within 30d --source 'etcd/*'\n",
               .json_name = "repository forget"},
      .make = MakeVerb<ForgetVerb>};
}

}  // namespace holdfast::cli
