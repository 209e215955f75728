#include "agent/cli/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "agent/cli/arguments.h"
#include "agent/cli/list_output.h"
#include "agent/cli/progress_printer.h"
#include "agent/cli/report_json.h"
#include "agent/cli/report_text.h"
#include "agent/daemon/agent_daemon.h"
#include "agent/daemon/join_cluster.h"
#include "agent/daemon/restore_helper.h"
#include "agent/daemon/service_owner.h"
#include "agent/jobs/bandwidth.h"
#include "agent/jobs/discover_job.h"
#include "agent/jobs/source_session.h"
#include "agent/settings/policy.h"
#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/base/log.h"
#include "common/base/ulid.h"
#include "common/cli/exit_code.h"
#include "common/io/fd.h"
#include "common/repository/lock.h"
#include "common/service/notify.h"
#include "common/service/privileges.h"

namespace holdfast::cli {
namespace {

int ExitCodeOfBackup(const jobs::BackupReport& report) {
  std::vector<int> codes;
  for (const jobs::BackupTaskReport& task : report.tasks) {
    if (task.error) {
      codes.push_back(ExitCodeOf(*task.error, task.began));
    } else {
      codes.push_back(task.state == jobs::TaskState::kDone ? kExitDone : kExitPartlyDone);
    }
  }
  return CombineExitCodes(codes);
}

// Verbs that read a file system of somebody else's making name a repository so; its place in
// messages is the flag.
constexpr const char* kPasswordFlag = "--password-file";
// Where systemd puts the credentials of the agent's unit.
constexpr std::string_view kUnitCredentials = "/run/credentials/holdfast-agent.service";

// One verb with everything set up.
class Program {
 public:
  Program(const ProgramContext& context, Arguments arguments)
      : context_(context), arguments_(std::move(arguments)), terminal_(*context.terminal) {}

  int Run() {
    SetUpLog();
    std::string run = MakeUlid(*context_.clock, *context_.random);
    // The daemons' lines carry the runs that they are about.
    std::optional<LogRun> scope;
    if (!IsDaemon()) scope.emplace(run);
    Result<int> code = Start(run);
    if (code) return *code;
    int exit_code = ExitCodeOf(code.error());
    ShowError(code.error());
    if (arguments_.json) {
      (void)Output(ErrorJson(VerbName(arguments_.verb), code.error(), exit_code));
    }
    return exit_code;
  }

 private:
  bool IsDaemon() const {
    return arguments_.verb == Verb::kRun || arguments_.verb == Verb::kRestoreHelper;
  }

  // `config check` works outside the unit, where systemd sets no directory of credentials.
  config::Environment ConfigEnvironment() const {
    config::Environment environment = context_.environment;
    if (arguments_.verb == Verb::kConfigCheck) {
      environment.emplace("CREDENTIALS_DIRECTORY", kUnitCredentials);
    }
    return environment;
  }

  // These verbs write files of other users, or files that the caller names.
  bool StaysRoot() const {
    switch (arguments_.verb) {
      case Verb::kRestore:
      case Verb::kRestoreHelper:
      case Verb::kExport:
      case Verb::kJoin:
      case Verb::kRepositoryInit:
      case Verb::kRepositoryKeyAdd:
      case Verb::kRepositoryKeyPasswd:
        return true;
      case Verb::kRepositoryDump:
        return !arguments_.to.empty();
      case Verb::kConfigCheck:
        return !arguments_.as_user.empty();  // which it becomes later
      default:
        return false;
    }
  }

  // The agent must be able to open what root has created.
  void GiveToService() {
    const Result<void> given = agent::GiveToOwnerOfState(*settings_);
    if (!given) Log(LogLevel::kWarning, "{}", given.error().Text());
  }

  // What there is to save may be asked for before there is any configuration.
  bool IsBeforeConfiguration() const {
    return arguments_.discover && ::access(arguments_.config.c_str(), F_OK) != 0 && errno == ENOENT;
  }

  void SetUpLog() {
    LogOptions options;
    options.target = arguments_.log_target;
    options.program = "holdfast-agent";
    if (auto stream = context_.environment.find("JOURNAL_STREAM");
        stream != context_.environment.end()) {
      options.journal_stream = stream->second;
    }
    options.write_line = [this](std::string_view line) { terminal_.WriteErrorLine(line); };
    options.level = arguments_.log_level.value_or(LogLevel::kWarning);
    is_journal_ = SetUpLogging(options, *context_.clock) == LogTarget::kJournald;
    if ((is_journal_ || IsDaemon()) && !arguments_.log_level) {
      // Nobody watches a unit: what it did must stand in the journal.
      options.level = LogLevel::kInfo;
      options.target = is_journal_ ? LogTarget::kJournald : LogTarget::kStderr;
      (void)SetUpLogging(options, *context_.clock);
    }
  }

  Result<int> Start(const std::string& run) {
    schemas_ = jobs::SchemasOf(*context_.kinds);
    if (arguments_.repository_url.empty() && !IsBeforeConfiguration()) {
      HF_ASSIGN(settings_, LoadSettings(arguments_.config, ConfigEnvironment(), schemas_));
      for (const std::string& warning : settings_->warnings) {
        Log(LogLevel::kWarning, "{}", warning);
      }
      if (!StaysRoot()) HF_TRY(agent::BecomeOwnerOfState(settings_->state_dir));
    }
    job_.settings = settings_ ? &*settings_ : nullptr;
    if (settings_) bandwidth_ = jobs::Bandwidth(*settings_, *context_.clock);
    job_.bandwidth = &bandwidth_;
    job_.kinds = context_.kinds;
    job_.clock = context_.clock;
    job_.random = context_.random;
    job_.stop = context_.stop;
    job_.run = run;
    job_.user = context_.lock_options.holder.user;
    job_.open_storage = context_.open_storage;
    job_.lock_options = context_.lock_options;
    job_.retry_lock = arguments_.retry_lock;
    job_.latest = arguments_.latest;
    printer_.emplace(Style(), terminal_, *context_.clock);
    job_.observer = &*printer_;
    Log(LogLevel::kInfo, "{} begins", VerbName(arguments_.verb));
    Result<int> code = RunVerb();
    printer_.reset();
    if (settings_ && StaysRoot()) GiveToService();
    if (code) Log(LogLevel::kInfo, "{} ends with exit code {}", VerbName(arguments_.verb), *code);
    return code;
  }

  ProgressStyle Style() const {
    if (arguments_.json) return ProgressStyle::kJson;
    if (is_journal_) return ProgressStyle::kLog;
    return terminal_.errors_are_live() ? ProgressStyle::kLive : ProgressStyle::kPlain;
  }

  Result<int> RunVerb() {
    switch (arguments_.verb) {
      case Verb::kRepositoryInit:
        return RepositoryInit();
      case Verb::kRepositoryForget:
        return RepositoryForget();
      case Verb::kRepositoryLockList:
        return RepositoryLockList();
      case Verb::kRepositoryUnlock:
        return RepositoryUnlock();
      case Verb::kRepositoryKeyList:
        return RepositoryKeyList();
      case Verb::kRepositoryKeyAdd:
      case Verb::kRepositoryKeyPasswd:
      case Verb::kRepositoryKeyRemove:
        return RepositoryKeyChange();
      case Verb::kRepositoryInfo:
        return RepositoryInfo();
      case Verb::kRepositoryStats:
        return RepositoryStats();
      case Verb::kRepositoryLs:
        return RepositoryLs();
      case Verb::kRepositoryDump:
        return RepositoryDump();
      case Verb::kRepositoryFind:
        return RepositoryFind();
      case Verb::kRepositoryDiff:
        return RepositoryDiff();
      case Verb::kRepositoryRepairIndex:
        return RepositoryRepairIndex();
      case Verb::kRepositoryRepairPacks:
        return RepositoryRepairPacks();
      case Verb::kRepositoryPrune:
        return RepositoryPrune();
      case Verb::kRepositoryCopy:
        return RepositoryCopy();
      case Verb::kSourceList:
        return SourceList();
      case Verb::kBackup:
        return Backup();
      case Verb::kList:
        return List();
      case Verb::kRestore:
        return Restore();
      case Verb::kExport:
        return Export();
      case Verb::kImport:
        return Import();
      case Verb::kCheck:
        return Check();
      case Verb::kConfigCheck:
        return ConfigCheck();
      case Verb::kConfigShow:
        return Finish(
            0, [&] { return ConfigShowText(*settings_, schemas_); },
            [&] { return ConfigShowJson(*settings_, schemas_); });
      case Verb::kJoin:
        return Join();
      case Verb::kRun:
        return RunDaemon();
      case Verb::kRestoreHelper:
        HF_TRY(agent::RunRestoreHelper(*settings_, *context_.kinds, context_.stop, *context_.random,
                                       *context_.clock));
        return kExitDone;
    }
    return kExitUsage;
  }

  Result<int> Join() {
    constexpr std::chrono::seconds kTimeout{30};
    // A pipe gives it, so that it need not lie in any file.
    const std::string file = arguments_.token_file == "-" ? "/dev/stdin" : arguments_.token_file;
    HF_ASSIGN(const Bytes token, ReadWholeFile(file, 64U << 10));
    HF_ASSIGN(
        const agent::JoinReport report,
        agent::JoinCluster(*settings_, AsText(token), kTimeout, *context_.random, *context_.clock));
    return Finish(
        0, [&] { return JoinText(report); }, [&] { return JoinJson(report); });
  }

  Result<int> RunDaemon() {
    HF_ASSIGN(const Notifier notifier, Notifier::Create(NotifyEnvironment::OfThisProcess()));
    HF_TRY(agent::RunAgentDaemon(*settings_, *context_.kinds, notifier, context_.stop,
                                 *context_.random, *context_.clock));
    return kExitDone;
  }

  Result<int> RepositoryInit() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(jobs::InitReport report, jobs::RunInit(job_, repository));
    if (settings_) {
      HF_TRY(agent::GiveNewRepository(*settings_, repository.url,
                                      report.password_made ? repository.password_file : ""));
    }
    return Finish(
        0, [&] { return InitText(report); }, [&] { return InitJson(report); });
  }

  Result<int> RepositoryForget() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::ForgetReport report,
              jobs::RunForget(job_, repository,
                              {.snapshots = arguments_.snapshots,
                               .policy = arguments_.policy,
                               .grouping = arguments_.grouping,
                               .selector = arguments_.source,
                               .dry_run = arguments_.dry_run,
                               .min_keep = arguments_.min_keep,
                               .allow_below_floor = arguments_.allow_below_floor}));
    if (report.error) ShowError(*report.error);
    const int code = report.error ? ExitCodeOf(*report.error, report.forgotten > 0) : kExitDone;
    return Finish(
        code, [&] { return ForgetText(report, terminal_.screen()); },
        [&] { return ForgetJson(report, code); });
  }

  Result<int> RepositoryLockList() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::LockListReport report, jobs::RunLockList(job_, repository));
    return Finish(
        0, [&] { return LockListText(report, terminal_.screen()); },
        [&] { return LockListJson(report); });
  }

  Result<int> RepositoryUnlock() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::UnlockReport report,
              jobs::RunUnlock(job_, repository, arguments_.remove_all));
    return Finish(
        0, [&] { return UnlockText(report); }, [&] { return UnlockJson(report); });
  }

  Result<int> RepositoryKeyList() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::KeyListReport report, jobs::RunKeyList(job_, repository));
    return Finish(
        0, [&] { return KeyListText(report, terminal_.screen()); },
        [&] { return KeyListJson(report); });
  }

  Result<int> RepositoryKeyChange() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    std::string file = arguments_.new_password_file;
    if (!file.empty()) {
      HF_ASSIGN(file, AbsolutePath(file));
    }
    const auto change = [&]() -> Result<jobs::KeyChangeReport> {
      switch (arguments_.verb) {
        case Verb::kRepositoryKeyAdd:
          return jobs::RunKeyAdd(job_, repository, file);
        case Verb::kRepositoryKeyPasswd:
          return jobs::RunKeyPasswd(job_, repository, file);
        default:
          return jobs::RunKeyRemove(job_, repository, arguments_.key);
      }
    };
    HF_ASSIGN(const jobs::KeyChangeReport report, change());
    return Finish(
        0, [&] { return KeyChangeText(report); },
        [&] { return KeyChangeJson(report, VerbName(arguments_.verb)); });
  }

  Result<int> RepositoryInfo() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::InfoReport report, jobs::RunInfo(job_, repository));
    return Finish(
        0, [&] { return InfoText(report); }, [&] { return InfoJson(report); });
  }

  Result<int> RepositoryStats() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::StatsReport report,
              jobs::RunStats(job_, repository, arguments_.snapshots, arguments_.stats_mode));
    return Finish(
        0, [&] { return StatsText(report); }, [&] { return StatsJson(report); });
  }

  Result<int> RepositoryLs() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    std::optional<repository::SnapshotInfo> snapshot;
    return Listing("entries", [&](ListOutput& out) -> Result<std::string> {
      const jobs::LsVisitor visitor = {
          .begin = [&](const repository::SnapshotInfo& found) -> Result<void> {
            snapshot = found;
            return {};
          },
          .entry =
              [&](const jobs::ListedEntry& entry) {
                return out.Add(out.is_json() ? LsEntryJson(entry) : LsEntryText(entry));
              }};
      HF_TRY(jobs::RunLs(job_, repository,
                         {.snapshot = arguments_.snapshot,
                          .path = arguments_.path,
                          .recursive = arguments_.recursive},
                         visitor));
      return out.is_json() ? LsJson(repository.label(), *snapshot) : "";
    });
  }

  Result<int> RepositoryFind() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    return Listing("matches", [&](ListOutput& out) -> Result<std::string> {
      HF_ASSIGN(
          const jobs::FindReport report,
          jobs::RunFind(job_, repository, arguments_.wanted, [&](const jobs::FoundEntry& entry) {
            return out.Add(out.is_json() ? FindEntryJson(entry) : FindEntryText(entry));
          }));
      return out.is_json() ? FindJson(repository.label(), report) : FindText(report);
    });
  }

  Result<int> RepositoryDiff() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    return Listing("changes", [&](ListOutput& out) -> Result<std::string> {
      HF_ASSIGN(
          const jobs::SnapshotDiff diff,
          jobs::RunDiff(job_, repository,
                        {.first = arguments_.snapshots.at(0),
                         .second = arguments_.snapshots.at(1),
                         .with_attributes = arguments_.with_attributes},
                        [&](const repository::TreeChange& change) {
                          return out.Add(out.is_json() ? ChangeJson(change) : ChangeText(change));
                        }));
      return out.is_json() ? DiffJson(repository.label(), diff) : DiffText(diff);
    });
  }

  Result<int> RepositoryRepairIndex() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::RepairIndexReport report,
              jobs::RunRepairIndex(job_, repository, arguments_.read_all_packs));
    const int code = report.index.damage.empty() ? kExitDone : kExitPartlyDone;
    return Finish(
        code, [&] { return RepairIndexText(report); },
        [&] { return RepairIndexJson(report, code); });
  }

  Result<int> RepositoryRepairPacks() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::RepairPacksReport report,
              jobs::RunRepairPacks(job_, repository, arguments_.packs));
    const int code = report.packs.blobs_lost == 0 ? kExitDone : kExitPartlyDone;
    return Finish(
        code, [&] { return RepairPacksText(report); },
        [&] { return RepairPacksJson(report, code); });
  }

  Result<int> RepositoryPrune() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const jobs::PruneReport report, jobs::RunPrune(job_, repository, arguments_.prune));
    return Finish(
        kExitDone, [&] { return PruneText(report); }, [&] { return PruneJson(report); });
  }

  Result<int> RepositoryCopy() {
    HF_ASSIGN(const jobs::RepositoryAddress to, OtherRepository());
    HF_ASSIGN(const jobs::RepositoryAddress from, OneRepository(to.name));
    HF_ASSIGN(const jobs::CopyJobReport report, jobs::RunCopy(job_, from, to,
                                                              {.snapshots = arguments_.snapshots,
                                                               .selector = arguments_.source,
                                                               .dry_run = arguments_.dry_run}));
    std::vector<int> codes;
    for (const repository::SnapshotCopy& copy : report.copy.snapshots) {
      if (copy.error) ShowError(CopyErrorOf(copy));
      codes.push_back(copy.error ? ExitCodeOf(*copy.error, true) : kExitDone);
    }
    int code = CombineExitCodes(codes);
    if (report.copy.error) {
      ShowError(*report.copy.error);
      code = ExitCodeOf(*report.copy.error,
                        report.CountOf(repository::SnapshotCopy::State::kCopied) > 0);
    }
    return Finish(
        code, [&] { return CopyText(report); }, [&] { return CopyJson(report, code); });
  }

  static Error CopyErrorOf(const repository::SnapshotCopy& copy) {
    return Error(*copy.error)
        .While(fmt::format("copy snapshot {}", copy.snapshot.id.Hex().substr(0, 8)));
  }

  Result<int> RepositoryDump() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    const auto dump = [&](const std::function<Result<void>(ByteView)>& write) {
      return jobs::RunDump(job_, repository, arguments_.snapshot, arguments_.path, write);
    };
    if (arguments_.to.empty()) {
      HF_TRY(dump([&](ByteView piece) { return Output(AsText(piece)); }));
      return kExitDone;
    }
    const std::string& file = arguments_.to;
    HF_ASSIGN(const Fd fd, OpenFile(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    Result<jobs::DumpReport> report =
        dump([&](ByteView piece) { return WriteAll(fd.get(), piece, file); });
    Result<void> synced = report ? SyncFile(fd.get(), file) : Result<void>{};
    if (!report || !synced) {
      (void)::unlink(file.c_str());  // half of it is of no use; what stays is seen to be short
      return Fail(report ? std::move(synced).error() : std::move(report).error());
    }
    return Finish(
        0, [&] { return DumpText(*report, file); },
        [&] { return DumpJson(repository.label(), *report, file); });
  }

  // A verb whose result begins with a list that goes out while `run` makes it; `run` returns what
  // comes after it.
  Result<int> Listing(const std::string& list,
                      const std::function<Result<std::string>(ListOutput&)>& run) {
    ListOutput out(terminal_, arguments_.json, list);
    Result<std::string> rest = run(out);
    printer_.reset();
    if (!rest && !out.has_entries()) return Fail(std::move(rest).error());
    int code = kExitDone;
    if (!rest) {
      ShowError(rest.error());
      code = ExitCodeOf(rest.error(), true);
      rest = arguments_.json ? ErrorJson(VerbName(arguments_.verb), rest.error(), code) : "";
    }
    const Result<void> written = out.End(*rest);
    if (written) return code;
    if (code == kExitDone) ShowError(written.error());
    return code == kExitDone ? kExitFailed : code;
  }

  Result<int> SourceDiscover() {
    HF_ASSIGN(const jobs::DiscoveryReport report, jobs::RunDiscovery(job_, context_.places));
    return Finish(
        kExitDone, [&] { return DiscoveryText(report, arguments_.config, terminal_.screen()); },
        [&] { return DiscoveryJson(report); });
  }

  Result<int> SourceList() {
    if (arguments_.discover) return SourceDiscover();
    HF_ASSIGN(auto sources, SelectSources(*settings_, arguments_.selectors));
    std::vector<jobs::ProbeReport> reports = jobs::RunProbe(job_, sources);
    std::vector<int> codes;
    for (const jobs::ProbeReport& report : reports) {
      codes.push_back(report.error ? ExitCodeOf(*report.error) : kExitDone);
    }
    int code = CombineExitCodes(codes);
    return Finish(
        code, [&] { return ProbeText(reports, terminal_.screen()); },
        [&] { return ProbeJson(reports, code); });
  }

  Result<int> Backup() {
    HF_ASSIGN(auto sources, SelectSources(*settings_, arguments_.selectors));
    if (sources.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("no sources in {}; expected at least one", Quote(settings_->file)));
    }
    jobs::BackupReport report = jobs::RunBackup(job_, sources, arguments_.note, arguments_.rehash);
    for (const jobs::BackupTaskReport& task : report.tasks) {
      if (task.error) {
        ShowError(Error(*task.error).While(task.label()));
      } else {
        Log(LogLevel::kInfo, "{}: {}, snapshot {}", task.label(), jobs::TaskStateName(task.state),
            task.snapshot);
      }
    }
    int code = ExitCodeOfBackup(report);
    return Finish(
        code, [&] { return BackupText(report, terminal_.screen()); },
        [&] { return BackupJson(report, code); });
  }

  Result<int> List() {
    HF_ASSIGN(std::vector<jobs::RepositoryAddress> repositories, Repositories());
    std::string selector = arguments_.selectors.empty() ? "" : arguments_.selectors.front();
    if (!selector.empty() && selector.find('/') == std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("source {}; expected kind/name, `*` allowed", Quote(selector)));
    }
    std::vector<jobs::RepositoryListing> listings =
        jobs::ListRepositories(job_, repositories, selector, arguments_.with_safety);
    std::vector<int> codes;
    for (const jobs::RepositoryListing& listing : listings) {
      codes.push_back(listing.error ? ExitCodeOf(*listing.error) : kExitDone);
      if (listing.error) ShowError(*listing.error);
    }
    int code = CombineExitCodes(codes);
    return Finish(
        code, [&] { return ListText(listings, terminal_.screen()); },
        [&] { return ListJson(listings, code); });
  }

  Result<int> Restore() {
    HF_ASSIGN(std::vector<jobs::RepositoryAddress> repositories, Repositories());
    jobs::RestoreOptions options;
    options.selector = arguments_.snapshot;
    options.path = arguments_.path;
    options.include = arguments_.include;
    options.exclude = arguments_.exclude;
    options.overwrite = arguments_.overwrite;
    options.remove_others = arguments_.remove_others;
    options.dry_run = arguments_.dry_run;
    options.safety_snapshot = arguments_.safety_snapshot;
    options.undo = arguments_.undo;
    options.allow_invalid = arguments_.latest.allow_invalid;
    options.kind_options = arguments_.kind_options;
    HF_ASSIGN(options.working_directory, WorkingDirectory());
    if (!arguments_.to.empty()) {
      options.mode = jobs::RestoreMode::kDirectory;
      HF_ASSIGN(options.directory, AbsolutePath(arguments_.to));
    } else {
      options.mode = arguments_.in_place ? jobs::RestoreMode::kInPlace : jobs::RestoreMode::kMethod;
    }
    if (options.dry_run && options.mode == jobs::RestoreMode::kDirectory)
      return DryRestore(repositories, std::move(options));
    jobs::RestoreReport report = jobs::RunRestore(job_, repositories, options);
    if (report.error) ShowError(*report.error);
    int code = report.error ? ExitCodeOf(*report.error, report.began) : kExitDone;
    if (report.state == jobs::TaskState::kPartlyDone) code = kExitPartlyDone;
    return Finish(
        code, [&] { return RestoreText(report, terminal_.screen()); },
        [&] { return RestoreJson(report, code); });
  }

  Result<int> DryRestore(const std::vector<jobs::RepositoryAddress>& repositories,
                         jobs::RestoreOptions options) {
    return Listing("would_change", [&](ListOutput& out) -> Result<std::string> {
      options.on_change = [&](const ExtractChange& change) {
        return out.Add(out.is_json() ? ExtractChangeJson(change) : ExtractChangeText(change));
      };
      const jobs::RestoreReport report = jobs::RunRestore(job_, repositories, options);
      if (report.error) return Fail(*report.error);
      return out.is_json() ? RestoreJson(report, kExitDone)
                           : RestoreText(report, terminal_.screen());
    });
  }

  Result<int> Export() {
    HF_ASSIGN(const std::vector<jobs::RepositoryAddress> repositories, Repositories());
    HF_ASSIGN(const std::string directory, AbsolutePath(arguments_.to));
    HF_ASSIGN(const jobs::ExportJobReport report,
              jobs::RunExport(job_, repositories, arguments_.snapshot, directory));
    return Finish(
        kExitDone, [&] { return ExportText(report); }, [&] { return ExportJson(report); });
  }

  Result<int> Import() {
    HF_ASSIGN(const jobs::RepositoryAddress repository, OneRepository());
    HF_ASSIGN(const std::string file, AbsolutePath(arguments_.file));
    HF_ASSIGN(const jobs::ImportJobReport report, jobs::RunImport(job_, repository, file));
    return Finish(
        kExitDone, [&] { return ImportText(report); }, [&] { return ImportJson(report); });
  }

  Result<int> Check() {
    HF_ASSIGN(std::vector<jobs::RepositoryAddress> repositories, Repositories());
    // There may be very many findings: as JSON each goes out as it is found.
    ListOutput out(terminal_, arguments_.json, "findings");
    jobs::CheckVisitor visit;
    if (arguments_.json) {
      visit = [&](const jobs::RepositoryAddress& repository,
                  const repository::CheckFinding& finding) {
        return out.Add(CheckFindingJson(repository.name, repository.url, finding));
      };
    }
    const std::vector<jobs::CheckTaskReport> reports = jobs::RunCheck(
        job_, repositories, {.read_data = arguments_.read_data, .subset = arguments_.read_subset},
        visit);
    printer_.reset();
    std::vector<int> codes;
    for (const jobs::CheckTaskReport& report : reports) {
      if (report.error) ShowError(*report.error);
      codes.push_back(report.error ? ExitCodeOf(*report.error)
                                   : (report.is_sound() ? kExitDone : kExitFailed));
    }
    // Damage in one repository is a failure, however sound the others are.
    int code = CombineExitCodes(codes);
    if (code == kExitPartlyDone) code = kExitFailed;
    const Result<void> written =
        out.End(arguments_.json ? CheckJson(reports, code) : CheckText(reports));
    if (!written && code == kExitDone) {
      ShowError(written.error());
      code = kExitFailed;
    }
    return code;
  }

  Result<int> ConfigCheck() {
    if (!arguments_.as_user.empty()) {
      HF_ASSIGN(const ServiceUser user, FindUser(arguments_.as_user));
      HF_TRY(BecomeUser(user, KeptRights::kReadAllFiles));
    }
    std::vector<Error> errors;
    for (const RepositorySettings& repository : settings_->repositories) {
      CheckRepository(repository, errors);
    }
    for (const SourceSettings& source : settings_->sources) {
      const auto opened =
          jobs::OpenSource(job_, *job_.FindKind(source.kind), source.name, source.values);
      if (!opened) errors.push_back(opened.error());
    }
    CheckStateDirectory(errors);
    CheckPolicy(errors);
    if (!errors.empty()) {
      // The last error ends the verb, and is shown there.
      for (std::size_t i = 0; i + 1 < errors.size(); ++i) ShowError(errors[i]);
      return Fail(std::move(errors.back()));
    }
    return Finish(
        0, [&] { return ConfigCheckText(*settings_); },
        [&] { return ConfigCheckJson(*settings_); });
  }

  // Of verbs that are about one and no more; where none is named, not about `other`.
  Result<jobs::RepositoryAddress> OneRepository(const std::string& other = "") {
    HF_ASSIGN(std::vector<jobs::RepositoryAddress> repositories, Repositories());
    if (repositories.size() > 1) {
      std::erase_if(repositories, [&](const auto& one) { return one.name == other; });
    }
    if (repositories.size() == 1) return std::move(repositories.front());
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} repositories; expected --repository NAME",
                            Quote(settings_->file), settings_->repositories.size()),
                fmt::format("there are: {}", RepositoryNames()));
  }

  void CheckRepository(const RepositorySettings& repository, std::vector<Error>& errors) {
    if (repository.password_file.starts_with(kUnitCredentials)) {
      settings_->warnings.push_back(
          fmt::format("{} is a systemd credential: it cannot be checked outside the unit",
                      Quote(repository.password_file)));
    } else if (const auto password = jobs::ReadPassword(jobs::AddressOf(repository)); !password) {
      errors.push_back(password.error());
    }
    const auto storage = context_.open_storage({repository.url, repository.s3});
    if (!storage) {
      errors.push_back(
          std::move(repository.values.Invalid("url", storage.error().message())).error());
    }
    if (const Result<void> files = CheckFilesOf(repository); !files) {
      errors.push_back(files.error());
    }
    const std::string path = repository.url.substr(repository.url.find(':') + 1);
    if (repository.url.starts_with("file:") && ::access(path.c_str(), F_OK) == 0 &&
        ::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
      errors.push_back(ErrnoError(errno, "write to repository " + Quote(repository.url)));
    }
  }

  void CheckStateDirectory(std::vector<Error>& errors) const {
    const std::string& path = settings_->state_dir;
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return;  // the first run makes it
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
      errors.push_back(ErrnoError(errno, "write to the state directory " + Quote(path)));
    }
  }

  void CheckPolicy(std::vector<Error>& errors) const {
    const auto policy = LoadPolicy(PolicyPath(*settings_), jobs::TargetMethodsOf(*context_.kinds));
    if (!policy) errors.push_back(policy.error());
  }

  // The files that a repository's options name are there and may be read.
  static Result<void> CheckFilesOf(const RepositorySettings& repository) {
    for (const config::OptionSpec& option : S3Options()) {
      if (option.type != config::OptionType::kPath || !repository.values.Has(option.name)) continue;
      Result<Fd> file = OpenFile(repository.values.Text(option.name), O_RDONLY);
      if (!file) return repository.values.Invalid(option.name, file.error().message());
    }
    return {};
  }

  // The repositories that the verb is about; all where none is named.
  Result<std::vector<jobs::RepositoryAddress>> Repositories() {
    std::vector<jobs::RepositoryAddress> addresses;
    if (!settings_) {
      HF_ASSIGN(jobs::RepositoryAddress address,
                AddressOfUrl(arguments_.repository_url, arguments_.password_file, kPasswordFlag));
      addresses.push_back(std::move(address));
      return addresses;
    }
    for (const RepositorySettings& repository : settings_->repositories) {
      if (!arguments_.repository.empty() && repository.name != arguments_.repository) continue;
      addresses.push_back(jobs::AddressOf(repository));
    }
    if (!addresses.empty()) return addresses;
    if (arguments_.repository.empty()) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("no repositories in {}; expected at least one", Quote(settings_->file)));
    }
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("no repository {} in {}", Quote(arguments_.repository), Quote(settings_->file)),
        fmt::format("there are: {}", RepositoryNames()));
  }

  // A repository of which only this is known.
  Result<jobs::RepositoryAddress> AddressOfUrl(const std::string& url,
                                               const std::string& password_file,
                                               const char* password_flag) const {
    jobs::RepositoryAddress address;
    address.url = url;
    HF_ASSIGN(std::string directory, WorkingDirectory());
    if (address.url.starts_with("file:") && !address.url.starts_with("file:/")) {
      address.url = fmt::format("file:{}/{}", directory, address.url.substr(5));
    }
    address.s3.credentials.variables = S3Variables(context_.environment);
    address.password_file = password_file;
    address.password_place = password_flag;
    return address;
  }

  // That --to or --to-url names.
  Result<jobs::RepositoryAddress> OtherRepository() {
    if (arguments_.to.empty()) {
      return AddressOfUrl(arguments_.to_url, arguments_.to_password_file, "--to-password-file");
    }
    const RepositorySettings* found = settings_->FindRepository(arguments_.to);
    if (found != nullptr) return jobs::AddressOf(*found);
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("no repository {} in {}", Quote(arguments_.to), Quote(settings_->file)),
                fmt::format("there are: {}", RepositoryNames()));
  }

  std::string RepositoryNames() const {
    std::string names;
    for (const RepositorySettings& repository : settings_->repositories) {
      names += (names.empty() ? "" : ", ") + repository.name;
    }
    return names.empty() ? "none" : names;
  }

  static Result<std::string> WorkingDirectory() {
    std::error_code failure;
    std::filesystem::path directory = std::filesystem::current_path(failure);
    if (failure) return Fail(ErrnoError(failure.value(), "find the working directory"));
    return directory.string();
  }

  static Result<std::string> AbsolutePath(const std::string& path) {
    HF_ASSIGN(const std::string directory, WorkingDirectory());
    return (std::filesystem::path(directory) / path).lexically_normal().string();
  }

  // Prints the report in the form that was asked for. A report that nobody got is a failure.
  template <typename Text, typename Json>
  Result<int> Finish(int code, Text text, Json json) {
    printer_.reset();  // no progress below the result
    Result<void> written = Output(arguments_.json ? json() : text());
    if (written) return code;
    ShowError(written.error());
    return code == kExitDone ? kExitFailed : code;
  }

  Result<void> Output(std::string_view text) { return terminal_.WriteOut(text); }

  void ShowError(const Error& error) {
    if (is_journal_) return LogText(LogLevel::kError, error.Text());
    terminal_.WriteErrorLine("holdfast-agent: " + Printable(error.message()));
    if (!error.hint().empty()) terminal_.WriteErrorLine("hint: " + Printable(error.hint()));
  }

  const ProgramContext& context_;
  Arguments arguments_;
  Terminal& terminal_;
  bool is_journal_ = false;
  KindSchemas schemas_;
  std::optional<Settings> settings_;
  jobs::Bandwidth bandwidth_;
  std::optional<ProgressPrinter> printer_;
  jobs::JobContext job_;
};

}  // namespace

int RunAgent(const std::vector<std::string>& argv, const ProgramContext& context) {
  ParsedArguments parsed = ParseArguments(argv, *context.kinds);
  if (parsed.arguments) return Program(context, *std::move(parsed.arguments)).Run();
  if (!parsed.mistake) {
    return context.terminal->WriteOut(parsed.out) ? kExitDone : kExitFailed;
  }
  context.terminal->WriteErrorLine("holdfast-agent: " + Printable(parsed.mistake->message()));
  if (!parsed.mistake->hint().empty()) {
    context.terminal->WriteErrorLine("hint: " + Printable(parsed.mistake->hint()));
  }
  if (parsed.json) {
    (void)context.terminal->WriteOut(ErrorJson(parsed.verb, *parsed.mistake, kExitUsage));
  }
  return kExitUsage;
}

}  // namespace holdfast::cli
