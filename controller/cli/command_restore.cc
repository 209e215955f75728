// Orders that carry an operator's signature: `restore`, `approve`, `approval ...`.
//
// Nothing that the controller says is taken for granted here: the bytes that are signed are decoded
// and compared by this program, on the operator's machine, with what the operator asked for.
#include <fcntl.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"
#include "controller/cli/draft_check.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

// What signing needs, looked at before anything is asked for.
Result<const CliSettings*> SettingsToSign(Session& session) {
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  const std::string where = settings->file.empty() ? "~/.config/holdfast/cli.yaml" : settings->file;
  if (settings->operator_key_file.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("no operator's key: {} needs one to sign with", session.command()),
                "name it as operator_key_file in " + where);
  }
  if (settings->cluster_id.empty()) {
    return Fail(
        ErrorCode::kInvalidArgument,
        "no cluster_id: what is signed must be known to be for the right cluster",
        fmt::format("name it in {}; `holdfast status` shows it, `holdfast init` wrote it", where));
  }
  Result<Fd> key = OpenFile(settings->operator_key_file, O_RDONLY);
  if (!key) return Fail(std::move(key).error().While("open the operator's key"));
  HF_TRY(session.CheckCanAsk());
  return settings;
}

Result<v1::SnapshotView> FindSnapshot(Session& session, const std::string& name) {
  const OperatorLine& line = session.line();
  v1::AdminRequest request;
  v1::SnapshotShowRequest& show = *request.mutable_snapshot_show();
  show.set_snapshot(name);
  show.set_allow_partial(line.allow_partial);
  show.set_allow_invalid(line.allow_invalid);
  show.set_undo(line.undo);
  show.set_node(line.node);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kSnapshot));
  return std::move(*reply.mutable_snapshot());
}

// ULIDs are the same in either case.
bool IsBeginningOf(std::string_view typed, std::string_view ulid) {
  return typed.size() <= ulid.size() &&
         std::ranges::equal(typed, ulid.substr(0, typed.size()), [](char a, char b) {
           return a == b || (a >= 'a' && a <= 'z' && a - 'a' + 'A' == b);
         });
}

Result<v1::DraftView> FindDraft(Session& session, const std::string& name) {
  v1::AdminRequest request;
  request.mutable_approval_show()->set_draft(name);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kDraft));
  if (!IsBeginningOf(name, reply.draft().draft())) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the controller shows draft {} where {} was asked for",
                            Quote(reply.draft().draft()), Quote(name)));
  }
  return std::move(*reply.mutable_draft());
}

Result<v1::DraftView> DenyDraft(Session& session, const std::string& draft) {
  v1::AdminRequest request;
  request.mutable_deny()->set_draft(draft);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kDraft));
  return std::move(*reply.mutable_draft());
}

// A draft that its own maker did not want must not wait for somebody else to sign it.
std::unexpected<Error> Withdraw(Session& session, const std::string& draft, Error why) {
  if (Result<v1::DraftView> denied = DenyDraft(session, draft); !denied) {
    session.Tell(
        fmt::format("draft {} could not be withdrawn: {}", draft, denied.error().message()));
  }
  return Fail(std::move(why));
}

v1::AdminRequest RestoreOrderOf(const OperatorLine& line, const v1::SnapshotView& snapshot) {
  v1::AdminRequest request;
  v1::RestoreRequest& restore = *request.mutable_restore();
  // By its id, so that "latest" means the same in the draft as it did here.
  restore.set_snapshot(Hex(snapshot.id()));
  restore.set_node(line.node);
  restore.set_note(line.note);
  if (line.target.in_place) {
    restore.mutable_in_place()->set_safety_snapshot(line.target.safety_snapshot);
    restore.mutable_in_place()->set_allow_invalid(line.target.allow_invalid);
    restore.mutable_in_place()->set_path(line.target.path);
    restore.mutable_in_place()->set_dry_run(line.target.dry_run);
  } else if (!line.target.named.empty()) {
    v1::NamedTarget& target = *restore.mutable_named();
    target.set_name(line.target.named);
    for (const auto& [name, values] : line.target.options) {
      v1::TargetOption& option = *target.add_options();
      option.set_name(name);
      option.mutable_values()->Assign(values.begin(), values.end());
    }
    target.set_dry_run(line.target.dry_run);
    target.set_safety_snapshot(line.target.safety_snapshot);
  } else {
    restore.mutable_staging()->set_root(line.target.root);
    restore.mutable_staging()->set_directory(line.target.directory);
    restore.mutable_staging()->set_path(line.target.path);
  }
  return request;
}

// Shows the order, asks, signs its bytes and hands the signature over.
Result<v1::DraftView> SignAndSend(Session& session, const CliSettings& settings,
                                  const v1::DraftView& draft, const v1::Plan& plan) {
  session.Tell("this order will carry your signature:\n" + PlanText(plan));
  HF_TRY(session.Confirm("Sign it?", fmt::format("draft {} was not signed", draft.draft())));
  HF_ASSIGN(const crypto::SigningKey key, session.ReadKey(settings.operator_key_file));
  const trust::Signature signature =
      trust::MakeSignature(trust::PayloadType::kPlan, AsBytes(draft.payload()), key);
  v1::AdminRequest request;
  v1::ApproveRequest& approve = *request.mutable_approve();
  approve.set_draft(draft.draft());
  approve.mutable_signature()->set_key_id(signature.key_id.data(), signature.key_id.size());
  approve.mutable_signature()->set_signature(signature.bytes.data(), signature.bytes.size());
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kDraft));
  return std::move(*reply.mutable_draft());
}

// After the signature: the run is followed, or others have to sign first.
Result<int> GoOn(Session& session, const v1::DraftView& draft, int code_when_waiting) {
  if (draft.state() != "sent") {
    const unsigned given = static_cast<unsigned>(draft.persons_size());
    const unsigned lacking = draft.operators() > given ? draft.operators() - given : 0;
    return session.Finish(
        code_when_waiting,
        [&] {
          return fmt::format(
              "draft {0} is signed by {1} of {2} operators and waits for {3} more, "
              "until {4}:\nholdfast approve {0}\n",
              draft.draft(), given, draft.operators(), lacking, TimeText(draft.expires_ms()));
        },
        [&] {
          return DraftJson(session.command(), draft, std::nullopt, std::nullopt, code_when_waiting);
        });
  }
  if (session.line().no_wait) {
    return session.Finish(
        kExitDone,
        [&] {
          return fmt::format("the order was sent; to follow it: holdfast run watch {}\n",
                             draft.draft());
        },
        [&] { return DraftJson(session.command(), draft, std::nullopt, std::nullopt, kExitDone); });
  }
  HF_ASSIGN(const Session::RunsOutcome outcome, session.Follow({draft.draft()}));
  const v1::RunView& run = outcome.runs.front();
  return session.Finish(
      outcome.code, [&] { return RunDetailsText(run, session.screen()); },
      [&] { return DraftJson(session.command(), draft, run, outcome.left, outcome.code); });
}

// The node would refuse it later, after somebody has signed.
Result<void> CheckValidity(const OperatorLine& line, const v1::SnapshotView& snapshot) {
  if (!line.target.in_place || !snapshot.invalid() || line.target.allow_invalid) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("snapshot {} is invalid: its service's own checker refuses the content",
                          ShortHex(snapshot.id())),
              "--allow-invalid restores it all the same");
}

}  // namespace

void TellPassedOver(Session& session, const v1::SnapshotView& snapshot) {
  if (snapshot.passed_over().empty()) return;
  std::string text;
  for (const std::string& one : snapshot.passed_over()) {
    text += (text.empty() ? "" : ", ") + one;
  }
  session.Tell("passed over newer snapshots: " + text);
}

Result<int> RunRestore(Session& session) {
  const OperatorLine& line = session.line();
  HF_ASSIGN(const CliSettings* settings, SettingsToSign(session));
  HF_ASSIGN(const v1::SnapshotView snapshot, FindSnapshot(session, line.name));
  HF_TRY(CheckValidity(line, snapshot));
  TellPassedOver(session, snapshot);
  HF_ASSIGN(v1::AdminReply reply,
            session.Ask(RestoreOrderOf(line, snapshot), v1::AdminReply::kDraft));
  const v1::DraftView& draft = reply.draft();
  ExpectedRestore expected;
  expected.cluster_id = settings->cluster_id;
  expected.run = draft.draft();
  expected.node = line.node;
  expected.target = line.target;
  expected.snapshot_selector = line.name;
  expected.undo = line.undo;
  expected.view = snapshot;
  expected.note = line.note;
  Result<v1::Plan> plan = CheckDraft(draft, expected, session.now());
  if (!plan) return Withdraw(session, draft.draft(), std::move(plan).error());
  if (snapshot.partial()) session.Tell("this snapshot is partial: something is missing in it");
  Result<v1::DraftView> sent = SignAndSend(session, *settings, draft, *plan);
  if (!sent) return Withdraw(session, draft.draft(), std::move(sent).error());
  // What was asked for has not been done when others must sign first.
  return GoOn(session, *sent, kExitPartlyDone);
}

Result<int> RunApprove(Session& session) {
  HF_ASSIGN(const CliSettings* settings, SettingsToSign(session));
  HF_ASSIGN(const v1::DraftView draft, FindDraft(session, session.line().name));
  if (draft.state() != "open") {
    return Fail(ErrorCode::kDenied, fmt::format("draft {} is {}, and takes no more signatures",
                                                draft.draft(), draft.state()));
  }
  ExpectedRestore expected;
  expected.cluster_id = settings->cluster_id;
  expected.run = draft.draft();
  HF_ASSIGN(const v1::Plan shown, ReadDraft(draft));
  if (shown.has_restore()) {
    Result<v1::SnapshotView> view = FindSnapshot(session, Hex(shown.restore().snapshot()));
    if (view) {
      expected.view = *std::move(view);
    } else if (view.error().code() == ErrorCode::kNotFound) {
      session.Tell("the controller's catalog does not know this snapshot");
    } else {
      return Fail(std::move(view).error());
    }
  }
  HF_ASSIGN(const v1::Plan plan, CheckDraft(draft, expected, session.now()));
  HF_ASSIGN(const v1::DraftView sent, SignAndSend(session, *settings, draft, plan));
  return GoOn(session, sent, kExitDone);
}

Result<int> RunApprovalList(Session& session) {
  const std::uint32_t limit = session.line().limit;
  std::vector<v1::DraftView> drafts;
  bool more = true;
  while (more && (limit == 0 || drafts.size() < limit)) {
    v1::AdminRequest request;
    v1::ApprovalListRequest& list = *request.mutable_approval_list();
    list.set_before(drafts.empty() ? "" : drafts.back().draft());
    list.set_limit(limit == 0 ? 0 : limit - static_cast<std::uint32_t>(drafts.size()));
    HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kDrafts));
    drafts.insert(drafts.end(), reply.drafts().drafts().begin(), reply.drafts().drafts().end());
    more = reply.drafts().more();
    if (reply.drafts().drafts_size() == 0) break;  // nothing names where the next page begins
  }
  return session.Finish(
      kExitDone, [&] { return DraftsText(drafts, more, session.screen()); },
      [&] { return DraftsJson(drafts, more); });
}

Result<int> RunApprovalShow(Session& session) {
  HF_ASSIGN(const v1::DraftView draft, FindDraft(session, session.line().name));
  HF_ASSIGN(const v1::Plan plan, ReadDraft(draft));
  return session.Finish(
      kExitDone, [&] { return DraftText(draft, plan); },
      [&] { return DraftJson(session.command(), draft, std::nullopt, std::nullopt, kExitDone); });
}

Result<int> RunApprovalDeny(Session& session) {
  HF_ASSIGN(const v1::DraftView draft, FindDraft(session, session.line().name));
  HF_ASSIGN(const v1::Plan plan, ReadDraft(draft));
  session.Tell("this order:\n" + PlanText(plan));
  HF_TRY(session.Confirm("Deny it, for everybody?",
                         fmt::format("draft {} was not denied", draft.draft())));
  HF_ASSIGN(const v1::DraftView denied, DenyDraft(session, draft.draft()));
  return session.Finish(
      kExitDone, [&] { return fmt::format("draft {} is {}\n", denied.draft(), denied.state()); },
      [&] { return DraftJson(session.command(), denied, std::nullopt, std::nullopt, kExitDone); });
}

}  // namespace holdfast::cli
