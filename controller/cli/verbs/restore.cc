#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/method_options.h"
#include "common/trust/plan_verifier.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/kind_table.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/pinned_root.h"
#include "controller/cli/restore_checks.h"
#include "controller/cli/restore_target.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"
#include "controller/cli/signing.h"

namespace holdfast::cli::cluster {
namespace {

// The options of `method` that an order may give.
config::Schema OptionsToOrder(const config::MethodSchema& method) {
  config::Schema schema = method.options;
  std::erase_if(schema.options,
                [](const config::OptionSpec& option) { return !config::MayBeOrdered(option); });
  return schema;
}

// "kind/name", "kind/name@host"
bool IsSource(const std::string& name) {
  const std::size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < name.size() &&
         name.find(':') == std::string::npos;
}

// Another operator must not sign a draft that its requester rejected.
std::unexpected<Error> Withdraw(Session& session, const std::string& draft, Error why) {
  if (Result<v1::DraftView> denied = DenyDraft(session, draft); !denied) {
    session.Tell(
        fmt::format("draft {} could not be withdrawn: {}", draft, denied.error().message()));
  }
  return Fail(std::move(why));
}

// The node would refuse it later, after someone has signed.
Result<void> CheckValidity(const RestoreTarget& target, const v1::SnapshotView& snapshot) {
  if (!target.in_place || !snapshot.invalid() || target.allow_invalid) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("snapshot {} is invalid: its service's own checker refuses the content",
                          ShortHex(snapshot.id())),
              "--allow-invalid restores it anyway");
}

class RestoreVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddSnapshot(options, name_, "; with --undo: kind/name[@host], or a safety snapshot");
    options
        .Add({.names = "--node",
              .metavar = "NODE",
              .help = "the node that carries out the restore",
              .value = &node_,
              .is_required = true})
        .Add({.names = "--into",
              .metavar = "ROOT/DIR",
              .help = "into a directory below a restore root of the node's policy",
              .value = &into_})
        .Add({.names = "--path",
              .metavar = "SUBPATH",
              .help = "with --into and --in-place: only this path of the snapshot, or the absolute "
                      "path that was backed up",
              .value = &target_.path})
        .Add({.names = "--in-place",
              .help = "replace the live source; --undo restores the state before",
              .value = &target_.in_place})
        .Add({.names = "--undo",
              .help = "restore in place what the last restore in place replaced",
              .value = &undo_});
    latest_.Declare(options,
                    "; in place: restore what the service's own checker refuses, with a warning");
    options
        .Add({.names = "--to-target",
              .metavar = "NAME",
              .help = "to a target of the node's policy, with a restore method of the kind",
              .value = &target_.named})
        .Add({.names = "--option",
              .metavar = "NAME=VALUE",
              .help = "with --to-target: the same as --NAME VALUE, also for a kind that this "
                      "program does not know",
              .value = &target_options_})
        .Add({.names = "--dry-run",
              .help =
                  "with --in-place and --to-target: change nothing, and report what would change",
              .value = &target_.dry_run})
        .Add({.names = "--no-safety-snapshot",
              .help = "with --in-place and --to-target: do not take a safety snapshot of what the "
                      "restore replaces",
              .value = &no_safety_snapshot_});
    AddNote(options, "the reason, for the audit log");
    AddPassphraseFile(options);
    AddNoWait(options);
    AddMethodOptions(options);
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const CliSettings* settings, SettingsToSign(session));
    HF_ASSIGN(const trust::RootDocument pinned, PinnedRoot(*settings));
    HF_ASSIGN(const v1::SnapshotView snapshot, FindSnapshot(session, SnapshotToShow()));
    HF_TRY(CheckValidity(target_, snapshot));
    session.ReportSkippedSnapshots(snapshot);
    if (target_.in_place) HF_TRY(CheckInPlace(KindTable(), snapshot));
    HF_ASSIGN(target_.path, PathInSnapshot(KindTable(), target_.path, snapshot, node_));
    HF_TRY(CheckTargetOptions(KindTable(), target_, snapshot));
    // Before a draft is requested: a wrong passphrase must not leave one.
    HF_ASSIGN(const crypto::SigningKey key, session.ReadKey(settings->operator_key_file));
    HF_ASSIGN(v1::AdminReply reply, session.Ask(OrderOf(snapshot), v1::AdminReply::kDraft));
    const v1::DraftView& draft = reply.draft();
    ExpectedRestore expected;
    expected.cluster_id = pinned.cluster_id();
    expected.run = draft.draft();
    expected.node = node_;
    expected.target = target_;
    expected.snapshot_selector = name_;
    expected.undo = undo_;
    if (WantsNewest()) expected.newest = Newest();
    expected.is_just_requested = true;
    expected.view = snapshot;
    expected.note = note_;
    Result<v1::Plan> plan = CheckDraft(draft, expected, session.now());
    if (!plan) return Withdraw(session, draft.draft(), std::move(plan).error());
    if (snapshot.partial()) session.Tell("this snapshot is partial: something is missing in it");
    Result<v1::DraftView> sent = SignAndSend(session, key, draft, *plan, snapshot);
    if (!sent) return Withdraw(session, draft.draft(), std::move(sent).error());
    // If others must sign first, the request is not done yet.
    return GoOn(session, *sent, kExitPartlyDone, no_wait());
  }

 protected:
  Result<void> CheckOptions() override {
    if (!undo_ || !IsSource(name_)) HF_TRY(CheckSnapshotName(name_));
    if (undo_) {
      if (!into_.empty() || !target_.named.empty()) {
        return WrongUsage("--undo restores in place; it excludes --into and --to-target");
      }
      target_.in_place = true;
    }
    target_.allow_invalid = target_.in_place && latest_.allow_invalid;
    const int ways =
        (target_.in_place ? 1 : 0) + (into_.empty() ? 0 : 1) + (target_.named.empty() ? 0 : 1);
    if (ways != 1) {
      return WrongUsage(ways == 0 ? "no target; expected --into, --in-place or --to-target"
                                  : "--into, --in-place and --to-target exclude each other");
    }
    if (target_.dry_run && !into_.empty()) {
      return WrongUsage("--dry-run requires --in-place or --to-target");
    }
    if (target_.named.empty()) {
      if (!target_options_.empty()) return WrongUsage("--option requires --to-target");
      const config::OptionTexts given = method_options_.Given();
      if (!given.empty()) {
        return WrongUsage(config::FlagText(given.begin()->first) + " requires --to-target");
      }
    }
    if (!target_.path.empty() && !target_.named.empty()) {
      return WrongUsage("--path requires --into or --in-place");
    }
    while (target_.path.size() > 1 && target_.path.ends_with('/')) target_.path.pop_back();
    HF_TRY(CheckPath(target_.path));
    if (into_.empty()) {
      target_.safety_snapshot = !no_safety_snapshot_;
      return ReadTargetOptions();
    }
    if (no_safety_snapshot_) {
      return WrongUsage("--no-safety-snapshot requires --in-place or --to-target");
    }
    const std::size_t slash = into_.find('/');
    if (!trust::IsPlainRelativePath(into_) || slash == std::string::npos) {
      return WrongUsage(
          fmt::format("--into {}; expected ROOT/DIR: a restore root of the node's policy "
                      "and a directory below it, without \".\" and \"..\"",
                      Quote(into_)));
    }
    target_.root = into_.substr(0, slash);
    target_.directory = into_.substr(slash + 1);
    return {};
  }

 private:
  void AddMethodOptions(OptionList& options) {
    for (const config::SnapshotKind& kind : KindTable()) {
      for (const config::MethodSchema& method : kind.methods) {
        if (method.is_in_place) continue;
        method_options_.AddGroup(options,
                                 fmt::format("With --to-target, {} snapshots, method {}: {}",
                                             kind.kind, method.name, method.summary),
                                 OptionsToOrder(method));
      }
    }
  }

  static Result<void> CheckPath(const std::string& path) {
    if (path.empty() || trust::IsPlainRelativePath(path.substr(path.starts_with('/') ? 1 : 0)))
      return {};
    return WrongUsage(
        fmt::format("--path {}; expected a path inside the snapshot, e.g. data/etc/hosts, or the "
                    "absolute path that was backed up, e.g. /etc/hosts, without \".\" and "
                    "\"..\"",
                    Quote(path)));
  }

  void AddTargetOption(const std::string& name, const std::string& value) {
    auto& options = target_.options;
    auto found = std::ranges::find_if(options, [&](const auto& one) { return one.first == name; });
    if (found == options.end()) found = options.emplace(found, name, std::vector<std::string>());
    found->second.push_back(value);
  }

  Result<void> ReadTargetOptions() {
    for (const auto& [name, values] : method_options_.Given()) {
      for (const std::string& value : values) AddTargetOption(name, value);
    }
    for (const std::string& text : target_options_) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos || equals == 0) {
        return WrongUsage(fmt::format("--option {}; expected NAME=VALUE", Quote(text)));
      }
      std::string name = text.substr(0, equals);
      std::ranges::replace(name, '-', '_');  // as in files
      AddTargetOption(name, text.substr(equals + 1));
    }
    return {};
  }

  v1::SnapshotShowRequest SnapshotToShow() const {
    v1::SnapshotShowRequest show;
    show.set_snapshot(name_);
    show.set_allow_partial(latest_.allow_partial);
    show.set_allow_invalid(latest_.allow_invalid);
    show.set_undo(undo_);
    show.set_node(node_);
    return show;
  }

  // Whether the operator asked for the newest snapshot, instead of naming one.
  bool WantsNewest() const { return name_.starts_with("latest:") || (undo_ && IsSource(name_)); }
  v1::NewestRule Newest() const {
    v1::NewestRule rule;
    rule.set_allow_partial(latest_.allow_partial);
    rule.set_allow_invalid(latest_.allow_invalid);
    return rule;
  }

  v1::AdminRequest OrderOf(const v1::SnapshotView& snapshot) const {
    v1::AdminRequest request;
    v1::RestoreRequest& restore = *request.mutable_restore();
    // By id, so that "latest" is the same snapshot in the draft as here.
    restore.set_snapshot(Hex(snapshot.id()));
    restore.set_node(node_);
    restore.set_note(note_);
    if (WantsNewest()) *restore.mutable_newest() = Newest();
    if (target_.in_place) {
      restore.mutable_in_place()->set_safety_snapshot(target_.safety_snapshot);
      restore.mutable_in_place()->set_allow_invalid(target_.allow_invalid);
      restore.mutable_in_place()->set_path(target_.path);
      restore.mutable_in_place()->set_dry_run(target_.dry_run);
    } else if (!target_.named.empty()) {
      v1::NamedTarget& target = *restore.mutable_named();
      target.set_name(target_.named);
      for (const auto& [name, values] : target_.options) {
        v1::TargetOption& option = *target.add_options();
        option.set_name(name);
        option.mutable_values()->Assign(values.begin(), values.end());
      }
      target.set_dry_run(target_.dry_run);
      target.set_safety_snapshot(target_.safety_snapshot);
    } else {
      restore.mutable_staging()->set_root(target_.root);
      restore.mutable_staging()->set_directory(target_.directory);
      restore.mutable_staging()->set_path(target_.path);
    }
    return request;
  }

  std::string name_;
  std::string node_;
  std::string into_;
  RestoreTarget target_;
  bool undo_ = false;
  LatestOptions latest_;
  MethodOptions method_options_;
  std::vector<std::string> target_options_;
  bool no_safety_snapshot_ = false;
};

}  // namespace

OperatorVerbEntry RestoreEntry() {
  return {
      .text = {.names = {"restore"},
               .section = "Back up, browse and restore",
               .summary = "restore a snapshot; signed with your key",
               .examples =
                   "  holdfast restore latest:files/app --node web-1 --into staging/look\n"
                   "  holdfast restore 3fa2b1c4 --node web-1 --into staging/x --path /etc/hosts\n"
                   "  holdfast restore latest:haproxy/edge --node lb-1 --in-place\n"
                   "  holdfast restore latest:kafka/main --node kafka-1 --to-target dr --dry-run\n"
                   "  holdfast restore latest:kafka/main --node kafka-1 --to-target dr \\\n"
                   "      --topic orders --until 2026-01-02T03:04:05Z\n"},
      .make = MakeOperatorVerb<RestoreVerb>};
}

}  // namespace holdfast::cli::cluster
