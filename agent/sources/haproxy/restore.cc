// Method "in-place": replaces HAProxy's files under a journal and makes the running process load
// them. A source without a way to reload is refused with kUnsupported, a snapshot of something else
// with kInvalidArgument. Recovery needs only the recorded state. It leaves either the former files
// or the new ones, and HAProxy running with them.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "agent/sources/haproxy/backup.h"
#include "agent/sources/haproxy/config_check.h"
#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/haproxy/live_handover.h"
#include "agent/sources/haproxy/process.h"
#include "agent/sources/haproxy/restore_plan.h"
#include "agent/sources/haproxy/survey.h"
#include "agent/sources/restore_method.h"
#include "agent/sources/source.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/path.h"
#include "common/base/random.h"
#include "common/filetree/swap_set.h"
#include "common/filetree/tree_writer.h"
#include "common/filetree/walker.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

constexpr int kStateFormat = 1;

// The current step. After a crash, it decides whether HAProxy must be reloaded.
constexpr std::string_view kStaging = "staging";
constexpr std::string_view kSwapping = "swapping";
constexpr std::string_view kCommitting = "committing";

std::string EncodeState(std::string_view step, std::string_view reload, bool was_running,
                        std::string_view swap, std::string_view live) {
  nlohmann::json record = {{"format", kStateFormat},     {"step", step}, {"reload", reload},
                           {"was_running", was_running}, {"swap", swap}, {"live", live}};
  return DumpJson(record);
}

// All alerts in one line.
std::string Alerts(const CheckVerdict& verdict) {
  std::string text;
  for (const std::string& alert : verdict.alerts) {
    if (!text.empty()) text += "; ";
    text += alert;
  }
  return text;
}

class InPlaceSession final : public RestoreSession {
 public:
  InPlaceSession(const SourceContext& context, Settings settings, RestoreScope scope,
                 const InPlaceSpec& spec)
      : context_(context),
        settings_(std::move(settings)),
        scope_(std::move(scope)),
        view_(*spec.snapshot),
        policy_(spec.policy),
        rule_(policy_),
        journal_(*spec.journal),
        process_(*settings_.reload, *context.clock),
        id_(RandomHex(*context.random, 6)),
        allow_invalid_(spec.allow_invalid),
        keep_others_(spec.keep_others),
        live_(context_, settings_, view_, scope_, rule_, id_),
        swap_([this](std::string_view state) { return Record(state); }) {}

  ~InPlaceSession() override {
    // What was exchanged is left to Rollback() or, after a crash, to InPlaceRestore::recover.
    if (step_ == kStaging && has_staged_) (void)swap_.Rollback();
  }

  Result<void> Preflight(std::stop_token stop) override {
    HF_ASSIGN(std::string version, AskVersion(settings_, stop));
    NoteVersion(version);
    HF_ASSIGN(before_, process_.Look(stop));
    if (!before_.is_running) {
      changes_.push_back(
          fmt::format("haproxy does not run ({}): nothing to reload", settings_.reload->Text()));
    }
    const Survey survey = TakeSurvey(settings_);
    rule_ = MakeRule(policy_, survey);
    HF_ASSIGN(plan_, PlanRestore(view_, survey, rule_,
                                 {.prefix = MemberPrefix(context_.node),
                                  .scope = scope_,
                                  .keep_others = keep_others_},
                                 stop));
    HF_TRY(CheckRoom(plan_, rule_, view_));
    HF_TRY(live_.Preflight(before_, changes_, stop));
    for (Target& target : plan_.targets) {
      if (target.action == Target::Action::kRemove) {
        HF_TRY(swap_.AddRemoval(target.path, id_));
      } else {
        HF_ASSIGN(target.staged, swap_.StagingPath(target.path, id_));
      }
    }
    return {};
  }

  Result<void> Stage(Progress& progress, std::stop_token stop) override {
    progress.SetPhase("stage");
    progress.items_total = plan_.targets.size();
    if (before_.is_running) live_.PrepareToKeep();
    has_staged_ = true;
    HF_TRY(swap_.BeginStaging());
    if (before_.is_running) HF_TRY(live_.Keep(stop));
    std::map<std::string, std::unique_ptr<filetree::TreeWriter>> writers;
    for (const Target& target : plan_.targets) {
      HF_TRY(CheckStop(stop));
      if (target.action != Target::Action::kAdd && !target.is_named) HF_TRY(KeepOld(target));
      if (target.action == Target::Action::kRemove) {
        // Nothing to stage.
      } else if (target.attributes.type == NodeType::kDirectory) {
        HF_ASSIGN(const Fd made, swap_.MakeDirectory(target.staged));
        HF_ASSIGN(auto writer, OpenWriter(target.staged, made.get()));
        HF_TRY(StageTarget(*writer, target, "", progress));
        HF_TRY(FinishWriter(*writer));
      } else {
        std::string parent = ParentPath(target.path);
        std::unique_ptr<filetree::TreeWriter>& writer = writers[parent];
        if (!writer) {
          HF_ASSIGN(writer, OpenWriter(parent, swap_.DirectoryOf(target.path)));
        }
        HF_TRY(StageTarget(*writer, target, std::string(BaseName(target.staged)), progress));
      }
      ++progress.items;
    }
    for (auto& [parent, writer] : writers) HF_TRY(FinishWriter(*writer));
    return {};
  }

  std::vector<std::string> StagedPaths() const override {
    std::vector<std::string> paths;
    for (const filetree::SwapSet::Entry& entry : swap_.entries()) paths.push_back(entry.staged);
    return paths;
  }

  Result<void> Validate(std::stop_token stop) override {
    HF_TRY(Check(plan_, std::move(stop)));
    return {};
  }

  // HAProxy checks copies of what would be staged.
  Result<std::vector<std::string>> Preview(const ChangeVisitor& visit,
                                           std::stop_token stop) override {
    HF_TRY(TellChanges(plan_, rule_, view_, visit));
    HF_ASSIGN(TempDir copies, TempDir::Create("holdfast-haproxy"));
    RestorePlan plan = plan_;
    HF_ASSIGN(auto writer, filetree::TreeWriter::Open(copies.path(), {.restore_owner = false}));
    Progress progress;
    std::size_t number = 0;
    for (Target& target : plan.targets) {
      if (target.action == Target::Action::kRemove) continue;
      const std::string name = std::to_string(number++);
      target.staged = copies.path() + "/" + name;
      HF_TRY(StageTarget(*writer, target, name, progress));
    }
    HF_ASSIGN(const bool is_accepted, Check(plan, std::move(stop)));
    std::vector<std::string> lines = plan_.left_alone.Lines(rule_);
    lines.insert(lines.end(), changes_.begin(), changes_.end());
    lines.push_back(LeftText());
    lines.emplace_back(is_accepted ? "haproxy accepts the configuration"
                                   : "haproxy refuses the configuration");
    return lines;
  }

  Result<void> Swap(std::stop_token stop) override {
    step_ = kSwapping;
    HF_TRY(swap_.Swap());
    // Checks again under the real names, to find what the first check could not see.
    HF_ASSIGN(CheckVerdict verdict, CheckLive(settings_, stop));
    HF_TRY(Judge(verdict, "haproxy refuses the restored configuration"));
    HF_ASSIGN(ProcessState now, process_.Look(stop));
    if (!now.is_running) return {};
    if (!verdict.is_accepted) {
      changes_.push_back(
          fmt::format("haproxy refuses the restored configuration ({}) and was not reloaded: it "
                      "runs with the former one until it is restarted",
                      Alerts(verdict)));
      return {};
    }
    before_ = std::move(now);
    live_.FindStateFiles(changes_);
    HF_TRY(Record(recorded_swap_));
    is_reloaded_ = true;
    HF_TRY(live_.BeforeReload());
    return process_.Reload(before_, std::move(stop));
  }

  Result<void> Verify(std::stop_token stop) override {
    if (!is_reloaded_) return {};
    HF_TRY(process_.AwaitReload(before_, stop));
    changes_.push_back(fmt::format("reloaded haproxy ({})", settings_.reload->Text()));
    return live_.AfterReload(before_, changes_, std::move(stop));
  }

  Result<void> Commit() override {
    step_ = kCommitting;
    HF_TRY(swap_.Commit());
    live_.Forget();
    return {};
  }

  Result<void> Rollback() override {
    const std::string record = live_.Record();
    // The files matter more than the state of the servers.
    Result<void> taken_back = RestoreStateFiles(record);
    HF_TRY(swap_.Rollback());
    HF_TRY(std::move(taken_back));
    has_staged_ = false;
    if (!is_reloaded_) {
      live_.Forget();
      return {};
    }
    Result<std::string> done = ReloadFormerConfig(process_, record, true, *context_.clock);
    if (!done) {
      return Fail(std::move(done).error().While(
          "the former files are back, but haproxy did not load them"));
    }
    is_reloaded_ = false;
    return {};
  }

  std::vector<std::string> Changes() const override {
    // First, because a report to the controller has only the first lines.
    std::vector<std::string> changes = plan_.left_alone.Lines(rule_);
    for (const Target& target : plan_.targets) {
      std::string_view verb = target.action == Target::Action::kReplace ? "replaced"
                              : target.action == Target::Action::kAdd   ? "added"
                                                                        : "removed";
      changes.push_back(fmt::format("{} {}", verb, target.path));
    }
    if (!plan_.unchanged.empty()) changes.push_back(LeftText());
    changes.insert(changes.end(), changes_.begin(), changes_.end());
    return changes;
  }

 private:
  std::string LeftText() const {
    return fmt::format("left {} unchanged", FormatCount(plan_.unchanged.size(), "file"));
  }

  // Whether HAProxy accepts the planned state. A refusal is an error unless it is allowed.
  Result<bool> Check(const RestorePlan& plan, std::stop_token stop) const {
    HF_ASSIGN(TempDir mirror, TempDir::Create("holdfast-haproxy"));
    HF_TRY(FillMirror(plan, rule_, view_, mirror.path()));
    HF_ASSIGN(CheckVerdict verdict,
              CheckMirror(settings_, mirror.path(), plan.removed, std::move(stop)));
    HF_TRY(Judge(verdict, "haproxy refuses the configuration of the snapshot"));
    if (before_.is_running && verdict.is_accepted) {
      HF_TRY(CheckListenAddresses(verdict.listens, before_));
    }
    return verdict.is_accepted;
  }

  Result<void> Record(std::string_view swap) {
    if (swap.data() != recorded_swap_.data()) recorded_swap_ = swap;
    return journal_.Record(
        EncodeState(step_, settings_.reload->Text(), before_.is_running, swap, live_.Record()));
  }

  void NoteVersion(const std::string& version) {
    const auto& identity = view_.manifest()->identity;
    auto saved = identity.find("server_version");
    if (saved == identity.end() || saved->second == version) return;
    changes_.push_back(
        fmt::format("the snapshot is of haproxy {}, but this is {}", saved->second, version));
  }

  Result<void> Judge(const CheckVerdict& verdict, std::string_view what) const {
    if (verdict.is_accepted || allow_invalid_) return {};
    std::string hint =
        "--allow-invalid restores it anyway; or restore it with --to, correct it, and copy it by "
        "hand";
    // What the configuration of the snapshot needs may be among what was left alone.
    if (!plan_.left_alone.empty()) {
      hint =
          fmt::format("{}; to restore it, {}; or {}", plan_.left_alone.first(), rule_.hint(), hint);
    }
    return Fail(ErrorCode::kUnsupported, fmt::format("{}: {}", what, Alerts(verdict)),
                std::move(hint));
  }

  static Result<std::unique_ptr<filetree::TreeWriter>> OpenWriter(const std::string& directory,
                                                                  int opened) {
    return filetree::TreeWriter::Open(directory,
                                      {.restore_owner = ::geteuid() == 0, .opened = opened});
  }

  Result<void> FinishWriter(filetree::TreeWriter& writer) {
    HF_TRY(writer.Finish());
    changes_.insert(changes_.end(), writer.warnings().begin(), writer.warnings().end());
    return {};
  }

  // Creates the target as `name` below the writer's directory, or as that directory if `name` is
  // empty.
  Result<void> StageTarget(filetree::TreeWriter& writer, const Target& target,
                           const std::string& name, Progress& progress) {
    return VisitTarget(plan_, rule_, view_, target,
                       [&](const std::string& path, const Attributes& attributes) -> Result<void> {
                         std::string staged = name + path.substr(target.path.size());
                         if (staged.empty()) {
                           writer.SetTop(attributes);
                           return {};
                         }
                         if (name.empty()) staged.erase(0, 1);
                         if (attributes.type == NodeType::kDirectory) {
                           return writer.AddDirectory(staged, attributes);
                         }
                         if (attributes.type == NodeType::kSymlink)
                           return writer.AddOther(staged, attributes);
                         HF_ASSIGN(std::unique_ptr<ByteReader> reader,
                                   view_.Open(plan_.prefix + path));
                         HF_TRY(writer.AddFile(staged, attributes, *reader));
                         progress.bytes += attributes.size;
                         return {};
                       });
  }

  // The live configuration does not name this file, so no safety snapshot has it. Keeps a copy.
  Result<void> KeepOld(const Target& target) {
    std::string copy = fmt::format("{}/kept-{}{}", context_.state_dir, id_, target.path);
    HF_TRY(MakeDirectories(ParentPath(copy), 0700));
    const int directory = swap_.DirectoryOf(target.path);
    const std::string name(BaseName(target.path));
    HF_ASSIGN(Attributes attributes, filetree::ReadAttributesAt(directory, name, target.path));
    if (attributes.type == NodeType::kSymlink) {
      if (::symlink(attributes.link_target.c_str(), copy.c_str()) != 0) {
        return Fail(ErrnoError(errno, fmt::format("link {}", Quote(copy))));
      }
    } else {
      // O_NONBLOCK, because the file's owner can replace it with a FIFO.
      HF_ASSIGN(Fd from,
                OpenFileAt(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, target.path));
      HF_TRY(StatRegularFile(from.get(), target.path));
      HF_ASSIGN(Fd to, OpenFile(copy, O_WRONLY | O_CREAT | O_EXCL, 0600));
      std::array<std::uint8_t, 65536> buffer{};
      for (;;) {
        HF_ASSIGN(std::size_t length, ReadSome(from.get(), buffer, target.path));
        if (length == 0) break;
        HF_TRY(WriteAll(to.get(), ByteView(buffer).first(length), copy));
      }
      HF_TRY(SyncFile(to.get(), copy));
    }
    HF_TRY(SyncDirectory(ParentPath(copy)));
    changes_.push_back(fmt::format(
        "kept the former {} as {}: the live configuration did not name it", target.path, copy));
    return {};
  }

  const SourceContext context_;
  const Settings settings_;
  const RestoreScope scope_;
  UntrustedView& view_;
  const InPlacePolicy policy_;
  InPlaceRule rule_;  // complete from Preflight() on
  SwapJournal& journal_;
  Process process_;
  const std::string id_;
  const bool allow_invalid_;
  const bool keep_others_;
  LiveHandover live_;
  filetree::SwapSet swap_;
  std::string recorded_swap_;  // the state of swap_ in the journal
  std::string_view step_ = kStaging;
  bool has_staged_ = false;
  bool is_reloaded_ = false;
  ProcessState before_;
  RestorePlan plan_;
  std::vector<std::string> changes_;
};

Result<std::unique_ptr<RestoreSession>> OpenSession(const SourceContext& context,
                                                    const config::Values& values,
                                                    const InPlaceSpec& spec) {
  HF_CHECK(spec.snapshot != nullptr && spec.journal != nullptr);
  HF_ASSIGN(Settings settings, ReadSettings(values));
  const std::optional<Manifest>& manifest = spec.snapshot->manifest();
  if (!manifest || manifest->kind != "haproxy") {
    return Fail(ErrorCode::kInvalidArgument, "the snapshot is not of HAProxy",
                "choose one from `holdfast-agent list`, or restore with --to");
  }
  if (!settings.reload) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("haproxy/{} cannot be restored in place: no way to reload it is configured",
                    context.name),
        "set the source's \"reload\", or restore with --to");
  }
  if (manifest->node != context.node) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the snapshot is of node {}, but this is {}", Quote(manifest->node),
                            Quote(context.node)),
                "restore it with --to, and copy what this node needs");
  }
  HF_ASSIGN(const std::vector<std::string> saved,
            spec.snapshot->DetailsOf(std::string(kConfigDetail)));
  if (!saved.empty() && saved != settings.config) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the snapshot's configuration is {}, but the source's is {}",
                            Quote(fmt::format("{}", fmt::join(saved, " "))),
                            Quote(fmt::format("{}", fmt::join(settings.config, " ")))),
                "set the source's \"config\" as it was, or restore with --to");
  }
  HF_ASSIGN(RestoreScope scope, RestoreScope::Of(spec.path, MemberPrefix(context.node)));
  return std::make_unique<InPlaceSession>(context, std::move(settings), std::move(scope), spec);
}

Result<filetree::Recovery> RecoverSwap(const SourceContext& context, std::string_view state) {
  nlohmann::json record = ParseJson(state);
  bool is_state = record.is_object() && record.contains("swap") && record["swap"].is_string() &&
                  record.contains("step") && record["step"].is_string() &&
                  record.contains("reload") && record["reload"].is_string() &&
                  record.contains("format");
  if (!is_state) {
    return Fail(ErrorCode::kCorrupt,
                "the record of an unfinished restore of HAProxy cannot be read",
                "look for names that begin with \".holdfast-\" next to HAProxy's files");
  }
  if (record["format"] != kStateFormat) {
    return Fail(ErrorCode::kUnsupported, "another version of Holdfast left a restore unfinished",
                "run that version once");
  }
  std::string step = record["step"];
  std::string reload = record["reload"];
  bool was_running = record.contains("was_running") && record["was_running"] == true;
  // Records of older versions do not have it.
  std::string live = record.contains("live") && record["live"].is_string() ? record["live"] : "";
  HF_ASSIGN(ReloadMethod method, ReloadMethod::Parse(reload));
  Result<void> taken_back = RestoreStateFiles(live);
  HF_ASSIGN(filetree::Recovery done,
            filetree::SwapSet::Recover(std::string(record["swap"]), [](std::string_view) {
              // The caller keeps the record until all is done. Repeating a step does no harm.
              return Result<void>{};
            }));
  HF_TRY(std::move(taken_back));
  if (step != kSwapping) {
    HF_TRY(ForgetKept(live));
    return done;
  }
  HF_ASSIGN(std::string outcome,
            ReloadFormerConfig(Process(method, *context.clock), live, was_running, *context.clock));
  done.text += "; " + outcome;
  return done;
}

}  // namespace

RestoreMethod InPlaceMethod() {
  return {.name = std::string(kInPlaceName),
          .summary = "replace the live configuration and the files that it names, then reload",
          .needs = {.source_settings = true, .safety_snapshot = true},
          .has_dry_run = true,
          .open = InPlaceRestore{.open = OpenSession, .recover = RecoverSwap}};
}

}  // namespace holdfast::haproxy
