#include "controller/cli/signing.h"

#include <fcntl.h>

#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli::cluster {
namespace {

// Helps to decide, but is not part of the order. The controller may lie about it.
std::string UnsignedText(const v1::SnapshotView& snapshot) {
  std::vector<std::pair<std::string, std::string>> words = {
      {"size", ContentText(snapshot)},
      {"state", SnapshotMarks(snapshot)},
      {"note", snapshot.note()},
  };
  std::erase_if(words, [](const auto& pair) { return pair.second.empty(); });
  return "\nfrom the controller, not part of the signature:\n" + Aligned(words);
}

Json PlanObject(const v1::Plan& plan) {
  Json object = {{"plan_id", IdOrNull(plan.plan_id())},
                 {"order", trust::OrderKindText(trust::KindOf(plan))},
                 {"cluster_id", plan.cluster_id()},
                 {"node", plan.node()},
                 {"incarnation", plan.incarnation()},
                 {"run", plan.run()},
                 {"requester", plan.requester()},
                 {"note", OrNull(plan.reason())},
                 {"not_before", TimeOrNull(plan.not_before_ms())},
                 {"expires", TimeOrNull(plan.expires_at_ms())}};
  if (!plan.has_restore()) return object;
  const v1::RestoreOrder& order = plan.restore();
  object["source"] = order.source();
  object["snapshot"] = IdOrNull(order.snapshot());
  object["repository"] = order.repository();
  object["host"] = order.host();
  object["snapshot_run"] = OrNull(order.run());
  object["snapshot_time"] = TimeOrNull(order.time_ms());
  object["safety"] = order.safety();
  object["newest"] = nullptr;
  if (order.has_newest()) {
    object["newest"] = {{"allow_partial", order.newest().allow_partial()},
                        {"allow_invalid", order.newest().allow_invalid()}};
  }
  if (order.has_staging()) {
    object["into"] = order.staging().root() + "/" + order.staging().directory();
    object["path"] = OrNull(order.staging().path());
  } else if (order.has_named()) {
    const v1::NamedTarget& named = order.named();
    object["into"] = nullptr;
    object["target"] = named.name();
    object["options"] = Json::object();
    for (const v1::TargetOption& option : named.options()) {
      object["options"][option.name()] = List(option.values());
    }
    object["dry_run"] = named.dry_run();
    object["safety_snapshot"] = named.safety_snapshot();
  } else {
    object["into"] = nullptr;
    object["safety_snapshot"] = order.in_place().safety_snapshot();
    object["allow_invalid"] = order.in_place().allow_invalid();
    object["path"] = OrNull(order.in_place().path());
    object["dry_run"] = order.in_place().dry_run();
  }
  return object;
}

}  // namespace

Result<const CliSettings*> SettingsToSign(Session& session) {
  HF_ASSIGN(const CliSettings* settings, session.Settings());
  const std::string where = settings->file.empty() ? "~/.config/holdfast/cli.yaml" : settings->file;
  if (settings->operator_key_file.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("no operator's key: {} needs one for signing", session.verb_name()),
                "name it as operator_key_file in " + where);
  }
  Result<Fd> key = OpenFile(settings->operator_key_file, O_RDONLY);
  if (!key) return Fail(std::move(key).error().While("open the operator's key"));
  HF_TRY(session.CheckCanAsk());
  return settings;
}

Result<v1::SnapshotView> FindSnapshot(Session& session, v1::SnapshotShowRequest show) {
  v1::AdminRequest request;
  *request.mutable_snapshot_show() = std::move(show);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kSnapshot));
  return std::move(*reply.mutable_snapshot());
}

Result<v1::DraftView> FindDraft(Session& session, const std::string& name) {
  v1::AdminRequest request;
  request.mutable_approval_show()->set_draft(name);
  HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kDraft));
  if (!MatchesUlid(name, reply.draft().draft())) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the controller answers with draft {} instead of {}",
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

Result<v1::DraftView> SignAndSend(Session& session, const crypto::SigningKey& key,
                                  const v1::DraftView& draft, const v1::Plan& plan,
                                  const std::optional<v1::SnapshotView>& snapshot) {
  session.Tell("this order will carry your signature:\n" + PlanText(plan, session.now()) +
               (snapshot ? UnsignedText(*snapshot) : ""));
  HF_TRY(session.Confirm("Sign it?", fmt::format("draft {} was not signed", draft.draft()),
                         "answer yes to sign it"));
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

Result<int> GoOn(Session& session, const v1::DraftView& draft, int code_when_waiting,
                 bool no_wait) {
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
          return DraftJson(session.verb_name(), draft, std::nullopt, std::nullopt,
                           code_when_waiting);
        });
  }
  if (no_wait) {
    return session.Finish(
        kExitDone,
        [&] {
          return fmt::format("the order was sent; to follow it: holdfast run watch {}\n",
                             draft.draft());
        },
        [&] {
          return DraftJson(session.verb_name(), draft, std::nullopt, std::nullopt, kExitDone);
        });
  }
  HF_ASSIGN(const Session::RunsOutcome outcome, session.Follow({draft.draft()}));
  const v1::RunView& run = outcome.runs.front();
  return session.Finish(
      outcome.code, [&] { return RunDetailsText(run, session.screen()); },
      [&] { return DraftJson(session.verb_name(), draft, run, outcome.left, outcome.code); });
}

std::string PlanText(const v1::Plan& plan, WallTime now) { return Aligned(PlanFields(plan, now)); }

Json DraftObject(const v1::DraftView& draft) {
  Result<v1::Plan> plan = ReadDraft(draft);
  return {{"draft", draft.draft()},
          {"state", draft.state()},
          {"requester", OrNull(draft.requester())},
          {"created", TimeOrNull(draft.created_ms())},
          {"expires", TimeOrNull(draft.expires_ms())},
          {"operators", draft.operators()},
          {"persons", List(draft.persons())},
          {"denied_by", OrNull(draft.denied_by())},
          {"payload", Base64Encode(AsBytes(draft.payload()))},
          {"plan", plan ? PlanObject(*plan) : Json(nullptr)}};
}

std::string DraftJson(std::string_view verb, const v1::DraftView& draft,
                      const std::optional<v1::RunView>& run, const std::optional<Error>& error,
                      int exit_code) {
  Json document = Document(verb, exit_code);
  document["draft"] = DraftObject(draft);
  document["run"] = run ? RunObject(*run) : Json(nullptr);
  document["error"] = ErrorOrNull(error);
  return Dump(document);
}

}  // namespace holdfast::cli::cluster
