#include "agent/daemon/restore_helper.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "agent/daemon/plan_spool.h"
#include "agent/daemon/restore_progress.h"
#include "agent/daemon/state_paths.h"
#include "agent/daemon/target_restore.h"
#include "agent/jobs/report_messages.h"
#include "agent/jobs/restore/restore_job.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/jobs/session/source_session.h"
#include "agent/journal/helper_directory.h"
#include "agent/journal/plan_log.h"
#include "agent/journal/restore_journal.h"
#include "agent/settings/policy.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/path.h"
#include "common/base/printable.h"
#include "common/base/ulid.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/trusted_path.h"
#include "common/service/privileges.h"
#include "common/trust/fresh.h"
#include "common/trust/orders.h"
#include "common/trust/plan_verifier.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

struct HelperIdentity {
  trust::AgentIdentity agent;
  trust::RootDocument root;
};

// Larger than the helper's identity.
constexpr std::size_t kHelperTrialBytes = 64U << 10;

std::string NodeFile(const std::string& directory) { return directory + "/node"; }
std::string RootFile(const std::string& directory) { return directory + "/root.holdfast"; }

Result<HelperIdentity> LoadHelperIdentity(const std::string& state_dir) {
  const std::string directory = HelperDirectory(state_dir);
  Result<Bytes> bytes = ReadWholeFile(NodeFile(directory), 4096);
  if (!bytes) {
    return Fail(std::move(bytes).error().WithHint(
        "run `holdfast-agent join` as root, which gives the helper the keys to trust"));
  }
  const std::string_view text = AsText(*bytes);
  const std::size_t end = text.find('\n');
  trust::AgentIdentity agent;
  agent.node = text.substr(0, end);
  if (end == std::string_view::npos || agent.node.empty() ||
      std::from_chars(text.data() + end + 1, text.data() + text.size(), agent.incarnation).ec !=
          std::errc()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} was changed after `join` wrote it, or is damaged",
                            Quote(NodeFile(directory))),
                "run `holdfast-agent join` again");
  }
  HF_ASSIGN(const Bytes envelope, ReadWholeFile(RootFile(directory)));
  HF_ASSIGN(trust::RootDocument root, trust::RootDocument::Load(envelope));
  return HelperIdentity{std::move(agent), std::move(root)};
}

v1::Report Failed(const Error& error, bool began = false, bool rolled_back = false) {
  v1::Report report;
  jobs::FillMessage(error, began, rolled_back, *report.mutable_failed());
  return report;
}

jobs::JobContext MakeContext(const AgentSettings& settings, const std::vector<SourceKind>& kinds,
                             const std::string& run, const std::stop_token& stop, Random& random,
                             const Clock& clock) {
  jobs::JobContext context;
  context.settings = &settings;
  context.kinds = &kinds;
  context.clock = &clock;
  context.random = &random;
  context.stop = stop;
  context.run = run;
  context.user = "holdfast";
  return context;
}

// Creates the restore root if it is missing. kDenied if another user could redirect its path.
Result<void> MakeRestoreRoot(const std::string& root) {
  HF_ASSIGN(const FileOwner owner, OwnerOnTheWay(ParentPath(root)));
  if (owner.uid != 0) {
    return Fail(
        ErrorCode::kDenied,
        fmt::format("restore root {}: a directory above it belongs to user {}, who could make root "
                    "write elsewhere",
                    Quote(root), UserFromId(owner.uid, owner.gid).name),
        "in policy.yaml, choose a restore root below directories that all belong to root");
  }
  return MakeDirectories(root, 0755);
}

// What to run if the helper's identity is not the one that the controller knows.
std::string JoinAsRoot(const std::string& node) {
  return fmt::format(
      "get a token with `holdfast agent token {} --rejoin`, and join as root, which gives the "
      "helper the new identity: holdfast-agent join --token-file FILE",
      node);
}

// Fails if there are journals of sources that are not configured: nothing recovers them.
Result<void> CheckNoOtherJournals(const AgentSettings& settings) {
  HF_ASSIGN(std::vector<std::string> names, RestoreJournals(settings.state_dir));
  std::erase_if(names, [&settings](const std::string& name) {
    return std::ranges::any_of(settings.sources, [&name](const SourceSettings& source) {
      return RestoreJournalName(source.kind, source.name) == name;
    });
  });
  if (names.empty()) return {};
  return Fail(
      ErrorCode::kNotFound,
      fmt::format(
          "these journals of interrupted restores belong to no source in {}: {}", settings.file,
          JoinTexts(names,
                    [&settings](const std::string& name) {
                      return Quote(RestoreJournalDirectory(settings.state_dir) + "/" + name);
                    })),
      fmt::format("a journal's name is KIND-NAME.json: put that source back into {} as it was, "
                  "then run `holdfast-agent restore-helper --recover` again",
                  settings.file));
}

class Helper {
 public:
  Helper(const AgentSettings& settings, const std::vector<SourceKind>& kinds,
         HelperIdentity identity, const Policy& policy, PlanLog log, FileOwner for_agent,
         const std::stop_token& stop, Random& random, const Clock& clock)
      : settings_(settings),
        kinds_(kinds),
        for_agent_(for_agent),
        identity_(std::move(identity)),
        policy_(policy),
        configured_(settings, policy),
        log_(std::move(log)),
        stop_(stop),
        random_(random),
        clock_(clock) {}

  // Executes the plans of the spool, the oldest first.
  Result<void> RunAll(const PlanSpool& spool) {
    HF_TRY(log_.Forget(clock_.Now()));
    while (!stop_.stop_requested()) {
      HF_ASSIGN(const std::optional<std::string> name, spool.Oldest());
      if (!name) break;
      HF_TRY(RunOne(spool, *name));
    }
    return {};
  }

 private:
  // Executes a plan. Its file is removed before the restore begins, so that it never runs twice.
  Result<void> RunOne(const PlanSpool& spool, const std::string& name) {
    Result<Bytes> bytes = spool.Read(name);
    if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return {};  // withdrawn
    Result<Bytes> plan_id = HexDecode(name.substr(0, name.rfind('.')));
    const bool is_named = plan_id && plan_id->size() == trust::kPlanIdBytes;
    v1::Report report =
        bytes ? Judge(spool, name, *bytes, is_named ? *plan_id : Bytes{}) : Failed(bytes.error());
    HF_TRY(spool.Remove(name));
    if (!is_named) {
      Log(LogLevel::kWarning, "removed {}: its name is not that of a plan",
          Printable(spool.PathOf(name)));
      return {};
    }
    (void)::unlink(ProgressPath(settings_.state_dir, *plan_id).c_str());
    return WriteFileAtomic(OutcomePath(settings_.state_dir, *plan_id),
                           AsBytes(report.SerializeAsString()), 0640, for_agent_);
  }

  v1::Report Judge(const PlanSpool& spool, const std::string& name, const Bytes& bytes,
                   const Bytes& plan_id) {
    v1::RestoreTicket ticket;
    if (!ticket.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return Failed(Error(ErrorCode::kCorrupt, "the ticket cannot be read"));
    }
    if (Result<void> taken = TakeRoots(ticket); !taken) return Failed(taken.error());
    trust::CheckedPlan checked = Check(ticket);
    if (checked.refusal) {
      Log(LogLevel::kWarning, "refused by {}: {}", checked.refusal->check,
          checked.refusal->message);
      return Failed(
          Error(ErrorCode::kDenied, fmt::format("the restore helper refuses ({}): {}",
                                                checked.refusal->check, checked.refusal->message))
              .WithHint(HintOf(checked)));
    }
    if (!checked.plan.has_restore()) {
      return Failed(Error(ErrorCode::kDenied, "the restore helper only carries out restores"));
    }
    if (AsBytes(checked.plan.plan_id()).size() != plan_id.size() ||
        !std::ranges::equal(AsBytes(checked.plan.plan_id()), plan_id)) {
      return Failed(Error(ErrorCode::kDenied, "the ticket has the name of another plan"));
    }
    const LogRun scope(checked.plan.run());
    if (checked.is_known) return Again(plan_id, checked.plan);
    if (Result<void> accepted = Accept(checked); !accepted) return Failed(accepted.error());
    (void)spool.Remove(name);  // from now on it cannot be withdrawn
    return Finished(plan_id, Restore(checked.plan));
  }

  // The agent runs the same check, but for the agent, a later incarnation means something else. So
  // the hint is replaced here.
  std::string HintOf(const trust::CheckedPlan& checked) const {
    const bool is_later = checked.refusal->check == "incarnation" &&
                          checked.plan.incarnation() > identity_.agent.incarnation;
    return is_later ? JoinAsRoot(identity_.agent.node) : std::string(checked.refusal->hint);
  }

  // Takes later root documents from the ticket. Each must be the successor of the one before.
  Result<void> TakeRoots(const v1::RestoreTicket& ticket) {
    bool is_new = false;
    for (const std::string& envelope : ticket.roots()) {
      Result<trust::RootDocument> offered = trust::RootDocument::Load(AsBytes(envelope));
      if (!offered || offered->version() <= identity_.root.version()) continue;
      Result<trust::RootDocument> next = identity_.root.VerifyNext(AsBytes(envelope), clock_.Now());
      if (!next) return Fail(NotNext(*offered, next.error()));
      identity_.root = *std::move(next);
      is_new = true;
    }
    if (!is_new) return {};
    return WriteFileAtomic(RootFile(HelperDirectory(settings_.state_dir)),
                           identity_.root.envelope(), 0600);
  }

  // The agent has only the versions since it last joined. If that was not done as root, the
  // versions between the helper's and those are missing.
  Error NotNext(const trust::RootDocument& offered, const Error& error) const {
    const bool is_gap = offered.version() > identity_.root.version() + 1;
    return Error(error.code(),
                 fmt::format("the restore helper has version {} of the root document: {}",
                             identity_.root.version(), error.message()),
                 is_gap ? JoinAsRoot(identity_.agent.node) : error.hint());
  }

  trust::CheckedPlan Check(const v1::RestoreTicket& ticket) {
    const WallTime now = clock_.Now();
    trust::Freshness freshness;
    Result<v1::Fresh> fresh =
        trust::VerifyFresh(AsBytes(ticket.fresh()), identity_.root, identity_.agent, {}, now);
    // By wall clock: the agent sent the Hello, and its boot clock cannot be trusted here.
    if (fresh) freshness = trust::FreshnessOf(*fresh, now);
    const trust::PlanContext context{.root = identity_.root,
                                     .agent = identity_.agent,
                                     .epoch_highest = identity_.root.epoch(),
                                     .now = now,
                                     .freshness = freshness,
                                     .guard = log_,
                                     .policy = configured_};
    return trust::CheckPlan(AsBytes(ticket.plan()), context);
  }

  Result<void> Accept(const trust::CheckedPlan& checked) {
    return log_.Accept({.controller_key = checked.controller_key,
                        .plan_id = checked.plan.plan_id(),
                        .sequence = checked.plan.sequence(),
                        .hash = *checked.hash,
                        .expires_at_ms = checked.plan.expires_at_ms()});
  }

  // A plan that was accepted before: returns its recorded outcome, or recovers the restore that a
  // crash interrupted.
  v1::Report Again(const Bytes& plan_id, const v1::Plan& plan) {
    Result<std::optional<Bytes>> outcome = log_.OutcomeOf(plan_id);
    if (!outcome) return Failed(outcome.error());
    v1::Report report;
    if (*outcome) {
      if (report.ParseFromArray((*outcome)->data(), static_cast<int>((*outcome)->size()))) {
        return report;
      }
      return Failed(
          Error(ErrorCode::kCorrupt, "the record of how this restore ended cannot be read"));
    }
    return Finished(plan_id, Interrupted(plan));
  }

  v1::Report Interrupted(const v1::Plan& plan) {
    const v1::RestoreOrder& order = plan.restore();
    const Error error = Error(ErrorCode::kUnavailable, "the restore was interrupted")
                            .WithHint("order it again; if it was to a directory, use another one");
    // A dry run has changed nothing, and must not complete another interrupted restore.
    if (order.in_place().dry_run()) return Failed(error);
    if (!order.has_in_place()) return Failed(error, true);
    const std::size_t slash = order.source().find('/');
    const SourceSettings* settings =
        settings_.FindSource(order.source().substr(0, slash), order.source().substr(slash + 1));
    if (settings == nullptr) return Failed(error, true);
    // Opening the source finishes or undoes the interrupted restore.
    const auto session = jobs::SourceSession::Open(Context(""), *settings, "restore");
    if (!session) return Failed(session.error(), true);
    const filetree::Recovery& recovered = (*session)->recovered();
    // The journal exists only while the restore changes something. Without it, the restore never
    // began, is complete, or was recovered by another task. A journal of another run says nothing
    // about this restore.
    if ((*session)->recovered_run() != plan.run()) {
      return Failed(
          Error(ErrorCode::kUnavailable,
                fmt::format("the restore was interrupted and left no journal: it either never "
                            "changed the live state, or was completed or undone{}{}",
                            recovered.text.empty() ? "" : "; another restore was recovered: ",
                            recovered.text))
              .WithHint("inspect the service; order the restore again only if the live state is "
                        "still the old one"),
          true);
    }
    return Failed(
        Error(ErrorCode::kUnavailable, "the restore was interrupted: " + recovered.text)
            .WithHint(recovered.is_finished
                          ? "the restore is complete: inspect the service, and do not order "
                            "the restore again"
                          : "inspect the service, then order it again"),
        true, !recovered.is_finished);
  }

  // Makes the outcome durable before it is published.
  v1::Report Finished(const Bytes& plan_id, v1::Report report) {
    const std::string bytes = report.SerializeAsString();
    Result<void> kept = log_.Finish(plan_id, AsBytes(bytes));
    if (!kept) Log(LogLevel::kError, "{}", kept.error().Text());
    return report;
  }

  jobs::JobContext Context(const std::string& run) const {
    return MakeContext(settings_, kinds_, run, stop_, random_, clock_);
  }

  v1::Report Restore(const v1::Plan& plan) {
    const v1::RestoreOrder& order = plan.restore();
    const RepositorySettings* repository = settings_.FindRepository(order.repository());
    HF_CHECK(repository != nullptr);  // verified by the checks
    jobs::RestoreOptions options = OptionsOfOrder(plan);
    if (order.has_named()) {
      const RestoreTargetSettings* target = policy_.FindTarget(order.named().name());
      HF_CHECK(target != nullptr);  // likewise
      if (!target->as_root) {
        return Failed(
            Error(ErrorCode::kDenied,
                  fmt::format("restore target {} is run by the agent, not by the restore helper",
                              Quote(order.named().name())))
                .WithHint("set \"as_root\" of the target in policy.yaml to let the helper run it"));
      }
      options = TargetRestoreOptions(plan, *target);
    } else if (order.has_in_place()) {
      options.mode = jobs::RestoreMode::kInPlace;
      options.safety_snapshot = order.in_place().safety_snapshot();
      options.allow_invalid = order.in_place().allow_invalid();
      options.path = order.in_place().path();
      options.dry_run = order.in_place().dry_run();
    } else {
      options.mode = jobs::RestoreMode::kStaging;
      options.root = policy_.restore_roots.find(order.staging().root())->second;
      options.directory = order.staging().directory();
      options.path = order.staging().path();
      if (Result<void> made = MakeRestoreRoot(options.root); !made) return Failed(made.error());
    }
    RestoreProgressWriter progress(ProgressPath(settings_.state_dir, AsBytes(plan.plan_id())));
    jobs::JobContext context = Context(plan.run());
    context.observer = &progress;
    const jobs::RestoreReport done =
        jobs::RunRestore(context, {jobs::AddressOf(*repository)}, options);
    if (done.error && done.state != jobs::TaskOutcome::kPartlyDone) {
      return Failed(*done.error, done.began, done.rolled_back);
    }
    v1::Report report;
    jobs::FillMessage(done, *report.mutable_restored(),
                      order.has_named() || order.in_place().dry_run());
    return report;
  }

  const AgentSettings& settings_;
  const std::vector<SourceKind>& kinds_;
  const FileOwner for_agent_;  // of outcomes, which may quote configuration files
  HelperIdentity identity_;
  const Policy& policy_;
  const ConfiguredPolicy configured_;
  PlanLog log_;
  const std::stop_token& stop_;
  Random& random_;
  const Clock& clock_;
};

}  // namespace

Result<void> PrepareHelperDirectory(const AgentSettings& settings) {
  std::vector<std::string> labels;
  for (const SourceSettings& source : settings.sources) labels.push_back(source.label());
  return MakeSourceLocks(settings.state_dir, labels);
}

Result<void> CheckHelperIdentityCanBeSaved(const AgentSettings& settings) {
  HF_TRY(PrepareHelperDirectory(settings));
  // In the directory itself, because that is where the files will be.
  const std::string trial = HelperDirectory(settings.state_dir) + "/trial";
  HF_TRY(WriteFileAtomic(trial, Bytes(kHelperTrialBytes), 0600));
  return RemoveFile(trial);
}

Result<void> SaveHelperIdentity(const AgentSettings& settings, const std::string& node,
                                std::uint64_t incarnation, ByteView root) {
  HF_TRY(PrepareHelperDirectory(settings));
  const std::string directory = HelperDirectory(settings.state_dir);
  HF_TRY(WriteFileAtomic(RootFile(directory), root, 0600));
  return WriteFileAtomic(NodeFile(directory), AsBytes(fmt::format("{}\n{}\n", node, incarnation)),
                         0600);
}

Result<void> RunRestoreHelper(const AgentSettings& configured, const std::vector<SourceKind>& kinds,
                              const std::stop_token& stop, Random& random, const Clock& clock) {
  HF_TRY(PrepareHelperDirectory(configured));
  HF_ASSIGN(const std::optional<PlanSpool> spool, PlanSpool::Open(configured.state_dir));
  // Root keeps its state in its own directory, never in the agent's.
  AgentSettings settings = configured;
  settings.state_dir = HelperDirectory(configured.state_dir);
  HF_ASSIGN(HelperIdentity identity, LoadHelperIdentity(settings.state_dir));
  settings.cluster = identity.root.cluster();  // recorded in every safety snapshot
  HF_ASSIGN(const Policy policy, LoadPolicy(PolicyPath(settings), jobs::TargetMethodsOf(kinds)));
  HF_ASSIGN(PlanLog log, PlanLog::Open(settings.state_dir + "/plans.db"));
  Helper helper(settings, kinds, std::move(identity), policy, std::move(log),
                OwnerForAgent(configured.state_dir), stop, random, clock);
  return spool ? helper.RunAll(*spool) : Result<void>();
}

Result<std::vector<std::string>> RecoverRestores(const AgentSettings& configured,
                                                 const std::vector<SourceKind>& kinds,
                                                 const std::stop_token& stop, Random& random,
                                                 const Clock& clock) {
  HF_TRY(PrepareHelperDirectory(configured));
  AgentSettings settings = configured;
  settings.state_dir = HelperDirectory(configured.state_dir);
  const jobs::JobContext context =
      MakeContext(settings, kinds, MakeUlid(clock, random), stop, random, clock);
  std::vector<std::string> lines;
  // One source that cannot be recovered must not keep the others from it.
  std::optional<Error> failed;
  const auto recover = [&](const SourceSettings& source) -> Result<void> {
    HF_ASSIGN(const std::optional<UnfinishedRestore> unfinished,
              ReadRestoreJournal(settings.state_dir, source.kind, source.name));
    if (!unfinished) return {};
    HF_ASSIGN(const std::unique_ptr<jobs::SourceSession> session,
              jobs::SourceSession::Open(context, source, "restore-helper"));
    lines.push_back(fmt::format("{}: {}", source.label(), session->recovered().text));
    return {};
  };
  const auto note = [&failed](const Result<void>& done) {
    if (done) return;
    if (failed) {
      Log(LogLevel::kError, "{}", done.error().Text());
    } else {
      failed = done.error();
    }
  };
  for (const SourceSettings& source : settings.sources) note(recover(source));
  note(CheckNoOtherJournals(configured));
  for (const std::string& line : lines) {
    if (failed) Log(LogLevel::kInfo, "{}", line);
  }
  if (failed) return Fail(*std::move(failed));
  return lines;
}

}  // namespace holdfast::agent
