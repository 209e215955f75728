#include "agent/sources/alertmanager/restore.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "agent/sources/alertmanager/backup.h"
#include "agent/sources/alertmanager/survey.h"
#include "agent/sources/member/text_item.h"
#include "agent/sources/restore_method.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"

namespace holdfast::alertmanager {
namespace {

constexpr std::size_t kSilencesBytesMax = 256U << 20;
constexpr std::size_t kShownFailures = 5;

std::vector<Matcher> Sorted(std::vector<Matcher> matchers) {
  std::ranges::sort(matchers);
  return matchers;
}

bool IsSame(const Silence& one, const Silence& other) {
  return std::tie(one.ends, one.created_by, one.comment) ==
             std::tie(other.ends, other.created_by, other.comment) &&
         Sorted(one.matchers) == Sorted(other.matchers);
}

std::string MatcherText(const Silence& silence) {
  std::string text;
  for (const Matcher& matcher : silence.matchers)
    text += fmt::format("{}{}{}{}{}", text.empty() ? "" : ", ", matcher.name,
                        matcher.is_equal ? "=" : "!",
                        matcher.is_regex   ? "~"
                        : matcher.is_equal ? ""
                                           : "=",
                        Quote(matcher.value));
  return "{" + text + "}";
}

struct Target {
  std::string url;
  HttpAccessSettings access;
};

// The source's credentials are sent only to its own endpoints.
Result<Target> ReadTarget(const config::Values& options, const Settings& settings) {
  Target target;
  HF_ASSIGN(target.url, ReadServerUrl(options, "to_api", "http://127.0.0.1:9093",
                                      options.Text("to_api"), true));
  config::Values own;
  bool is_said = false;
  for (const char* name : {"ca", "cert", "key", "user", "password_file"}) {
    const std::string option = std::string("target_") + name;
    if (!options.Has(option)) continue;
    own.Set(name, options.Text(option), options.LocationOf(option));
    is_said = true;
  }
  const bool is_own = std::ranges::find(settings.endpoints, target.url) != settings.endpoints.end();
  if (is_own && !is_said) {
    target.access = settings;
    return target;
  }
  HF_TRY(ReadHttpAccess(own, {target.url}, target.access));
  return target;
}

// nullopt if the snapshot does not have the file.
Result<std::optional<std::string>> ReadWhole(SnapshotView& snapshot, const std::string& path) {
  HF_ASSIGN(const auto there, snapshot.Stat(path));
  if (!there) return std::nullopt;
  HF_ASSIGN(std::string text, ReadText(snapshot, path, kSilencesBytesMax));
  return text;
}

struct Saved {
  std::vector<Silence> silences;
  bool is_cold = false;  // from the files of a stopped Alertmanager
};

Result<Saved> ReadSaved(SnapshotView& snapshot) {
  const std::string answer(kSilencesPath);
  const std::string file = fmt::format("{}/silences", kStoragePath);
  HF_ASSIGN(const auto text, ReadWhole(snapshot, answer));
  if (text) {
    auto silences = ParseSilences(*text);
    if (!silences) return Fail(std::move(silences).error().While(Quote(answer)));
    return Saved{*std::move(silences)};
  }
  HF_ASSIGN(const auto storage, ReadWhole(snapshot, file));
  if (!storage)
    return Fail(ErrorCode::kNotFound,
                fmt::format("the snapshot has no silences, neither {} nor {}: the Alertmanager did "
                            "not run and had not written any",
                            Quote(answer), Quote(file)),
                "use a snapshot that was taken while it ran");
  auto silences = DecodeStorage(AsBytes(*storage));
  if (!silences) return Fail(std::move(silences).error().While(Quote(file)));
  return Saved{*std::move(silences), true};
}

std::string ThereText(const SilencePlan& plan) {
  switch (plan.action) {
    case SilencePlan::Action::kMake:
      return "missing";
    case SilencePlan::Action::kPresent:
      return "there";
    case SilencePlan::Action::kChanged:
      return "exists, and was changed since";
    case SilencePlan::Action::kExpired:
      return "not asked for";
  }
  return "";
}

std::string ActionText(const SilencePlan& plan) {
  switch (plan.action) {
    case SilencePlan::Action::kMake:
      return "created";
    case SilencePlan::Action::kPresent:
    case SilencePlan::Action::kChanged:
      return "left as it is";
    case SilencePlan::Action::kExpired:
      return "left out: it has expired";
  }
  return "";
}

// Executes a plan.
class Restorer {
 public:
  Restorer(HttpApi& api, const std::vector<Silence>& saved) : api_(api), saved_(saved) {}

  // Stops at an error that would affect every silence: no answer, or a refused login.
  Result<void> Run(std::vector<SilencePlan>& plans, Progress& progress,
                   const std::stop_token& stop) {
    for (SilencePlan& plan : plans) {
      if (stop.stop_requested())
        return Fail(ErrorCode::kCancelled, "stopped by request",
                    "the same command continues with the rest");
      if (plan.action == SilencePlan::Action::kMake) HF_TRY(Make(plan, stop));
      ++progress.items;
    }
    return {};
  }

  std::size_t made() const { return made_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  Result<void> Make(SilencePlan& plan, const std::stop_token& stop) {
    const Silence& silence = saved_[plan.index];
    auto answer = api_.Post("/api/v2/silences", EncodeNewSilence(silence), stop);
    auto id = answer ? ParseSilenceId(*answer) : Fail(std::move(answer).error());
    if (id) {
      plan.target = *std::move(id);
      ++made_;
      CrashPoint("alertmanager.silence.after_make");
      return {};
    }
    if (id.error().code() != ErrorCode::kInvalidArgument)
      return Fail(std::move(id).error().While(
          fmt::format("create silence {}, after {}", silence.id, FormatCount(made_, "other"))));
    failures_.push_back(
        fmt::format("silence {} {}: {}", silence.id, MatcherText(silence), id.error().message()));
    return {};
  }

  HttpApi& api_;
  const std::vector<Silence>& saved_;
  std::size_t made_ = 0;
  std::vector<std::string> failures_;
};

std::size_t CountOf(const std::vector<SilencePlan>& plans, SilencePlan::Action action) {
  return static_cast<std::size_t>(std::ranges::count(plans, action, &SilencePlan::action));
}

std::vector<config::OptionSpec> RestoreOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{.name = "to_api",
                 .required = true,
                 .help = "URL of the Alertmanager that receives the silences that have not ended"},
      OptionSpec{.name = "target_ca",
                 .type = OptionType::kPath,
                 .help = "PEM file of the CA that signed the target's certificate; the TLS options "
                         "of the source apply only to its own endpoints"},
      OptionSpec{.name = "target_cert",
                 .type = OptionType::kPath,
                 .help = "PEM file of a client certificate for the target"},
      OptionSpec{.name = "target_key",
                 .type = OptionType::kPath,
                 .help = "PEM file of the client certificate's private key"},
      OptionSpec{.name = "target_user", .help = "user name for the target"},
      OptionSpec{.name = "target_password_file",
                 .type = OptionType::kPath,
                 .help = "file whose first line is the password of the user"},
  };
}

}  // namespace

RestoreMethod ToApiMethod() {
  return {.name = "to-api",
          .summary = "create silences in a running Alertmanager",
          .options = {RestoreOptions()},
          .has_dry_run = true,
          .open = OneShotRestore{[](const SourceContext& context, const config::Values& values,
                                    const RestoreSpec& spec, Progress& progress,
                                    std::stop_token stop) -> Result<MethodOutcome> {
            HF_ASSIGN(const Settings settings, ReadSettings(values));
            return RestoreSilences(context, settings, spec, progress, std::move(stop));
          }}};
}

std::vector<SilencePlan> PlanSilences(std::span<const Silence> saved,
                                      std::span<const Silence> target, UnixTime now) {
  std::vector<SilencePlan> plans;
  std::vector<bool> is_taken(target.size(), false);
  for (std::size_t i = 0; i < saved.size(); ++i) {
    SilencePlan& plan = plans.emplace_back();
    plan.index = i;
    if (saved[i].ends <= now || saved[i].state == "expired")
      plan.action = SilencePlan::Action::kExpired;
  }
  // Match by id first, so that an existing silence is not matched with another one.
  for (SilencePlan& plan : plans) {
    if (plan.action != SilencePlan::Action::kMake) continue;
    const Silence& silence = saved[plan.index];
    for (std::size_t k = 0; k < target.size(); ++k) {
      if (is_taken[k] || target[k].id != silence.id || target[k].state == "expired") continue;
      plan.action = IsSame(silence, target[k]) ? SilencePlan::Action::kPresent
                                               : SilencePlan::Action::kChanged;
      plan.target = target[k].id;
      is_taken[k] = true;
    }
  }
  // Then match equal silences, first those with the same start.
  for (const bool is_exact : {true, false}) {
    for (SilencePlan& plan : plans) {
      if (plan.action != SilencePlan::Action::kMake) continue;
      const Silence& silence = saved[plan.index];
      for (std::size_t k = 0; k < target.size(); ++k) {
        if (is_taken[k] || target[k].state == "expired" || !IsSame(silence, target[k])) continue;
        if (is_exact && target[k].starts != silence.starts) continue;
        plan.action = SilencePlan::Action::kPresent;
        plan.target = target[k].id;
        is_taken[k] = true;
        break;
      }
    }
  }
  return plans;
}

Result<MethodOutcome> RestoreSilences(const SourceContext& context, const Settings& settings,
                                      const RestoreSpec& spec, Progress& progress,
                                      std::stop_token stop) {
  HF_ASSIGN(const Target target, ReadTarget(spec.options, settings));
  HF_ASSIGN(const Saved read, ReadSaved(*spec.snapshot));
  const std::vector<Silence>& saved = read.silences;
  HF_ASSIGN(const HttpAccess access, OpenHttpAccess(target.access));
  HF_ASSIGN(auto api, HttpApi::Open(target.url, access));
  HF_ASSIGN(const std::string answer, api.Get("/api/v2/silences", stop));
  auto there = ParseSilences(answer);
  if (!there) return Fail(std::move(there).error().While(Quote(target.url)));
  auto plans = PlanSilences(saved, *there, ToUnixTime(context.clock->Now()));
  progress.items_total = plans.size();

  MethodOutcome outcome;
  if (read.is_cold)
    outcome.warnings.emplace_back(
        "the snapshot is of an Alertmanager that did not run: silences that it had not yet written "
        "to its file are missing");
  Restorer restorer(api, saved);
  if (!spec.dry_run) HF_TRY(restorer.Run(plans, progress, stop));
  using Action = SilencePlan::Action;
  if (spec.dry_run) {
    for (const SilencePlan& plan : plans)
      outcome.plan.push_back({.what = "silence",
                              .name = saved[plan.index].id,
                              .target = plan.target,
                              .items = 1,
                              .there = ThereText(plan),
                              .action = ActionText(plan)});
    return outcome;
  }
  outcome.resumed = restorer.made() > 0 && CountOf(plans, Action::kPresent) > 0;
  outcome.lines.push_back(fmt::format(
      "{}: {} created, {} already existed, {} left because they changed since, {} expired and left "
      "out",
      target.url, FormatCount(restorer.made(), "silence"), CountOf(plans, Action::kPresent),
      CountOf(plans, Action::kChanged), CountOf(plans, Action::kExpired)));
  for (const SilencePlan& plan : plans)
    if (!plan.target.empty() && plan.target != saved[plan.index].id)
      outcome.lines.push_back(fmt::format("{} is {} {}", saved[plan.index].id, plan.target,
                                          MatcherText(saved[plan.index])));
  if (!restorer.failures().empty()) {
    const auto& failures = restorer.failures();
    for (std::size_t i = 0; i < std::min(failures.size(), kShownFailures); ++i)
      outcome.warnings.push_back(failures[i]);
    outcome.partly = Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} refused: {}", FormatCount(failures.size(), "silence"), failures.front()));
  }
  return outcome;
}

}  // namespace holdfast::alertmanager
