#include "common/trust/plan_checks.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "common/trust/orders.h"

namespace holdfast::trust {
namespace {

constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kComponentBytesMax = 255;

std::unexpected<Error> Refuse(std::string message, std::string hint = "") {
  return Fail(ErrorCode::kDenied, std::move(message), std::move(hint));
}

Result<void> CheckSize(Examination& examination) {
  return CheckEnvelopeSize(PayloadType::kPlan, examination.bytes());
}

Result<void> CheckEnvelope(Examination& examination) { return examination.EnvelopeForm(); }

Result<void> CheckType(Examination& examination) {
  return CheckEnvelopeType(PayloadType::kPlan, examination.envelope());
}

// Checks a signature, unless it is an operator's: CheckOperators() checks those.
Result<void> CheckControllerSignature(Examination& examination, const Signature& signature) {
  const RootDocument& root = examination.context().root;
  const Envelope& envelope = examination.envelope();
  const RoleKey* known = root.FindKey(signature.key_id);
  if (known != nullptr && known->role == v1::ROLE_OPERATOR) return {};
  HF_ASSIGN(const bool is_ignored, root.IsInUnknownRole(signature, envelope));
  if (is_ignored) return {};
  HF_ASSIGN(const RoleKey* key,
            root.VerifySignature(signature, v1::ROLE_CONTROLLER, examination.context().now,
                                 envelope.payload_type, envelope.payload));
  if (!examination.controller_key) examination.controller_key = key->id;
  return {};
}

Result<void> CheckController(Examination& examination) {
  for (const Signature& signature : examination.envelope().signatures) {
    HF_TRY(CheckControllerSignature(examination, signature));
  }
  if (examination.controller_key) return {};
  return Refuse("the plan is not signed by a controller");
}

Result<void> CheckOrder(Examination& examination) { return CheckOrderName(examination.plan()); }

Result<void> CheckDecode(Examination& examination) { return examination.PlanForm(); }

Result<void> CheckCluster(Examination& examination) {
  const std::string& cluster_id = examination.plan().cluster_id();
  const std::string& ours = examination.context().root.cluster_id();
  if (cluster_id == ours) return {};
  return Refuse(fmt::format("the plan is for cluster {}, but this node belongs to {}",
                            Quote(cluster_id), Quote(ours)));
}

Result<void> CheckNode(Examination& examination) {
  const std::string& node = examination.plan().node();
  const std::string& ours = examination.context().agent.node;
  if (node == ours) return {};
  return Refuse(fmt::format("the plan is for node {}, but this is {}", Quote(node), Quote(ours)));
}

Result<void> CheckIncarnation(Examination& examination) {
  const std::uint64_t incarnation = examination.plan().incarnation();
  const std::uint64_t ours = examination.context().agent.incarnation;
  if (incarnation == ours) return {};
  return Refuse(
      fmt::format("the plan is for incarnation {} of this node, but the current one is {}",
                  incarnation, ours),
      incarnation > ours ? "the node has joined again on another machine; only one may run" : "");
}

Result<void> CheckEpoch(Examination& examination) {
  const PlanContext& context = examination.context();
  const std::uint64_t lowest = std::max(context.epoch_highest, context.root.epoch());
  const std::uint64_t epoch = examination.plan().controller_epoch();
  if (epoch >= lowest) return {};
  return Refuse(fmt::format("the plan is from a controller of epoch {}, but epoch {} has begun",
                            epoch, lowest),
                "another controller has taken over; stop the old one");
}

Result<void> CheckTime(Examination& examination) {
  const v1::Plan& plan = examination.plan();
  const std::int64_t now_ms = UnixMilliseconds(examination.context().now);
  const std::int64_t allowance_ms = kClockAllowance.count();
  // Check order and bounds first: the rest cannot overflow, and a plan's life cannot begin before
  // its issue.
  if (plan.issued_at_ms() < 0 || plan.not_before_ms() < plan.issued_at_ms() ||
      plan.expires_at_ms() <= plan.not_before_ms() || plan.expires_at_ms() > protocol::kTimeMsMax) {
    return Refuse("the plan's times are out of order");
  }
  if (plan.expires_at_ms() - plan.issued_at_ms() > kPlanLifeMax.count()) {
    return Refuse(fmt::format(
        "the plan is valid for {}; expected at most {}",
        FormatDuration(std::chrono::milliseconds(plan.expires_at_ms() - plan.issued_at_ms())),
        FormatDuration(kPlanLifeMax)));
  }
  auto text = [](std::int64_t unix_ms) {
    return FormatShortTime(WallTime(std::chrono::milliseconds(unix_ms)));
  };
  if (now_ms + allowance_ms < plan.not_before_ms()) {
    return Refuse(fmt::format("the plan is not valid before {}, but the clock says {}",
                              text(plan.not_before_ms()), text(now_ms)),
                  "compare the clocks of agent and controller");
  }
  if (now_ms - allowance_ms > plan.expires_at_ms()) {
    return Refuse(fmt::format("the plan expired at {}; the clock says {}",
                              text(plan.expires_at_ms()), text(now_ms)),
                  "order it again; if it was new, compare the clocks of agent and controller");
  }
  return {};
}

Result<void> CheckOperators(Examination& examination) {
  const PlanContext& context = examination.context();
  const Envelope& envelope = examination.envelope();
  std::set<std::string> persons;
  std::string not_counted;
  for (const Signature& signature : envelope.signatures) {
    const RoleKey* key = context.root.FindKey(signature.key_id);
    if (key == nullptr || key->role != v1::ROLE_OPERATOR) continue;
    if (!IsValid(signature, envelope.payload_type, envelope.payload, key->public_key)) {
      return Refuse(fmt::format("the signature of operator {} is wrong", Quote(key->person)));
    }
    auto valid = context.root.KeyFor(signature.key_id, v1::ROLE_OPERATOR, context.now);
    if (valid) {
      persons.insert(key->person);
    } else {
      not_counted = fmt::format("; that of {} does not count: {}", Quote(key->person),
                                valid.error().message());
    }
  }
  examination.operators.assign(persons.begin(), persons.end());
  const unsigned needed = context.root.OperatorsNeeded(examination.kind());
  if (persons.size() >= needed) return {};
  return Refuse(fmt::format("a plan to {} is signed by {} of the {} operators it needs{}",
                            OrderKindText(examination.kind()), persons.size(), needed, not_counted),
                "operators sign with their own keys: `holdfast restore` or `holdfast approve`");
}

Result<void> CheckFreshness(Examination& examination) {
  if (!IsRestore(examination.kind())) return {};
  const Freshness& freshness = examination.context().freshness;
  if (freshness.is_clock_suspect) {
    return Refuse("this machine's clock is earlier than a time that it has seen before",
                  "correct the clock; backups continue");
  }
  if (freshness.age && *freshness.age <= kFreshAgeMax) return {};
  examination.fresh_answer_helps = true;
  return Refuse(freshness.age ? fmt::format("the controller's last answer is {} old",
                                            FormatDuration(*freshness.age))
                              : "the controller has not answered yet",
                "a restore needs a controller that answers the agent now");
}

Result<void> CheckReplay(Examination& examination) {
  switch (examination.Replay()) {
    case ReplayVerdict::kNew:
    case ReplayVerdict::kKnown:
      return {};
    case ReplayVerdict::kOtherBytes:
      return Refuse("the plan has the id or the sequence number of another plan",
                    "two controllers use one key; stop one, and give the other a new key");
    case ReplayVerdict::kBelowFloor:
      break;
  }
  return Refuse(fmt::format("the plan's sequence {} is at or below the replay floor",
                            examination.plan().sequence()),
                "the controller's catalog may have been restored from a copy; order it again");
}

// A restore to a directory or to a named target may use any snapshot; one in place only those of
// the source itself.
bool AllowsAnySnapshot(Examination& examination) {
  return examination.kind() == v1::ORDER_KIND_RESTORE || examination.plan().restore().has_named();
}

// Whether the order asks for the newest snapshot of one of the node's own sources. That snapshot is
// in the source's repository; another repository may have only older copies.
bool IsNewestOfOwnSource(Examination& examination) {
  const v1::RestoreOrder& order = examination.plan().restore();
  const PlanContext& context = examination.context();
  return order.has_newest() &&
         (order.host() == context.agent.node || order.host() == context.root.cluster());
}

Result<void> CheckSource(Examination& examination) {
  if (AllowsAnySnapshot(examination)) return {};
  for (const OrderedSource& ordered : SourcesOf(examination.plan())) {
    if (examination.context().policy.RepositoryOf(ordered.source)) continue;
    return Refuse(fmt::format("source {} is not configured on this node", Quote(ordered.source)),
                  "agent.yaml names the node's sources");
  }
  return {};
}

Result<void> CheckConfiguredRepository(const LocalPolicy& policy, const std::string& repository) {
  if (policy.HasRepository(repository)) return {};
  return Refuse(fmt::format("repository {} is not configured on this node", Quote(repository)),
                "agent.yaml names the node's repositories");
}

Result<void> CheckRepository(Examination& examination) {
  const LocalPolicy& policy = examination.context().policy;
  const v1::OrderKind kind = examination.kind();
  if (kind == v1::ORDER_KIND_VERIFY || kind == v1::ORDER_KIND_INVENTORY) {
    return CheckConfiguredRepository(policy, RepositoryAlone(examination.plan()));
  }
  if (kind == v1::ORDER_KIND_PROBE) return {};  // reads no repository
  for (const OrderedSource& ordered : SourcesOf(examination.plan())) {
    HF_TRY(CheckConfiguredRepository(policy, ordered.repository));
    if (AllowsAnySnapshot(examination) && !IsNewestOfOwnSource(examination)) continue;
    const std::optional<std::string> own = policy.RepositoryOf(ordered.source);
    if (own && *own != ordered.repository) {
      return Refuse(fmt::format("repository {} is not the repository of source {}, which is {}",
                                Quote(ordered.repository), Quote(ordered.source), Quote(*own)),
                    "agent.yaml sets the repository of each source");
    }
  }
  return {};
}

Result<void> CheckPolicy(Examination& examination) {
  if (!IsRestore(examination.kind())) return {};
  const RestoreRight right = examination.context().policy.restore();
  const std::string file = examination.context().policy.file();
  const auto hint = [&](std::string_view value) {
    return fmt::format(
        "set \"restore: {}\" in {} on the node, then restart its agent: systemctl "
        "restart holdfast-agent",
        value, file);
  };
  if (right == RestoreRight::kNever) {
    const bool in_place = examination.kind() == v1::ORDER_KIND_RESTORE_IN_PLACE;
    return Refuse("the node's policy allows no restore", hint(in_place ? "in-place" : "staging"));
  }
  if (examination.kind() == v1::ORDER_KIND_RESTORE_IN_PLACE && right != RestoreRight::kInPlace) {
    return Refuse("the node's policy allows restores to a staging directory only",
                  hint("in-place"));
  }
  return {};
}

Result<void> CheckRestoreRoot(Examination& examination) {
  if (examination.kind() != v1::ORDER_KIND_RESTORE) return {};
  const std::string& root = examination.plan().restore().staging().root();
  if (examination.context().policy.HasRestoreRoot(root)) return {};
  return Refuse(
      fmt::format("restore root {} is not in the node's policy", Quote(root)),
      fmt::format("add it to \"restore_roots\" in {} on the node, then restart its agent: "
                  "systemctl restart holdfast-agent",
                  examination.context().policy.file()));
}

Result<void> CheckRestoreTarget(Examination& examination) {
  const v1::RestoreOrder& order = examination.plan().restore();
  if (!order.has_named()) return {};
  std::vector<std::string> options;
  for (const v1::TargetOption& option : order.named().options()) {
    if (std::ranges::find(options, option.name()) != options.end()) {
      return Refuse(fmt::format("option {} is given twice", Quote(option.name())));
    }
    if (option.values().empty()) {
      return Refuse(fmt::format("option {} has no value", Quote(option.name())));
    }
    options.push_back(option.name());
  }
  const std::string_view source = order.source();
  return examination.context().policy.CheckRestoreTarget(
      order.named().name(), source.substr(0, source.find('/')), options);
}

// One component of a path, which leads nowhere but down.
bool IsComponent(std::string_view name) {
  return !name.empty() && name.size() <= kComponentBytesMax && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

std::unexpected<Error> RefusePath(std::string_view what, std::string_view path) {
  return Refuse(fmt::format("{} {} is not a plain relative path", what, Quote(path)),
                R"(no leading "/", no empty part, no "." and no "..")");
}

Result<void> CheckPath(Examination& examination) {
  const v1::Plan& plan = examination.plan();
  if (plan.has_restore() && plan.restore().has_staging()) {
    const v1::StagingTarget& target = plan.restore().staging();
    if (!IsPlainRelativePath(target.directory()))
      return RefusePath("directory", target.directory());
    if (!target.path().empty() && !IsPlainRelativePath(target.path())) {
      return RefusePath("path", target.path());
    }
  }
  if (plan.has_restore() && plan.restore().has_in_place()) {
    const std::string& path = plan.restore().in_place().path();
    if (!path.empty() && !IsPlainRelativePath(path)) return RefusePath("path", path);
  }
  if (plan.has_compose()) {
    // A part's node is a directory name in the snapshot.
    for (const v1::PartReference& part : plan.compose().parts()) {
      if (!IsComponent(part.node())) return RefusePath("node", part.node());
    }
  }
  return {};
}

// docs/protocol.md#order-of-checks has the same rows; a test compares them.
constexpr std::string_view kNodeCheck = "node";
constexpr std::array<PlanCheck, 20> kChecks = {{
    {"size", CheckSize},
    {"envelope", CheckEnvelope},
    {"type", CheckType},
    {"controller", CheckController},
    {"order", CheckOrder},
    {"decode", CheckDecode},
    {"cluster", CheckCluster},
    {kNodeCheck, CheckNode},
    {"incarnation", CheckIncarnation},
    {"epoch", CheckEpoch},
    {"time", CheckTime},
    {"operators", CheckOperators},
    {"freshness", CheckFreshness},
    {"replay", CheckReplay},
    {"source", CheckSource},
    {"repository", CheckRepository},
    {"policy", CheckPolicy},
    {"restore_root", CheckRestoreRoot},
    {"restore_target", CheckRestoreTarget},
    {"path", CheckPath},
}};

}  // namespace

bool IsPlainRelativePath(std::string_view path) {
  if (path.size() > kPathBytesMax) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (!IsComponent(path.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

const Envelope& Examination::envelope() {
  if (!envelope_) {
    envelope_.emplace();
    envelope_form_ = ParseEnvelope(bytes_, *envelope_);
  }
  return *envelope_;
}

Result<void> Examination::EnvelopeForm() {
  (void)envelope();  // parses it
  return envelope_form_;
}

const v1::Plan& Examination::plan() {
  if (!plan_) {
    plan_.emplace();
    plan_form_ = ParsePlan(envelope().payload, *plan_);
  }
  return *plan_;
}

Result<void> Examination::PlanForm() {
  (void)plan();  // parses it
  return plan_form_;
}

const crypto::Digest& Examination::hash() {
  if (!hash_) hash_ = crypto::Sha256Of(envelope().payload);
  return *hash_;
}

ReplayVerdict Examination::Replay() {
  return context_.guard.Judge(controller_key.value_or(crypto::KeyId{}), AsBytes(plan().plan_id()),
                              plan().sequence(), hash());
}

CheckedPlan Examination::Describe() {
  CheckedPlan checked;
  if (envelope_ && !envelope_->payload.empty()) {
    checked.hash = hash();
    checked.payload = envelope_->payload;
  }
  if (plan_) {
    checked.kind = KindOf(*plan_);
    checked.plan = std::move(*plan_);
  }
  checked.controller_key = controller_key.value_or(crypto::KeyId{});
  checked.operators = operators;
  return checked;
}

std::span<const PlanCheck> PlanChecks() { return kChecks; }

CheckedPlan RunPlanChecks(std::span<const PlanCheck> checks, ByteView envelope,
                          const PlanContext& context) {
  Examination examination(envelope, context);
  std::optional<Refusal> refusal;
  bool is_read = false;  // the plan was parsed, after a controller's signature was verified
  bool is_authentic = false;
  for (const PlanCheck& check : checks) {
    Result<void> passed = check.examine(examination);
    if (!passed) {
      refusal = Refusal{std::string(check.name), passed.error().message(), passed.error().hint(),
                        examination.fresh_answer_helps};
      break;
    }
    is_read |= check.examine == CheckDecode;
    is_authentic |= check.name == kNodeCheck;
  }
  const bool is_known = is_read && examination.Replay() == ReplayVerdict::kKnown;
  CheckedPlan checked = examination.Describe();
  checked.is_authentic = is_authentic;
  checked.is_known = is_known;
  // A known plan is answered with its outcome, however old it is.
  if (!is_known) checked.refusal = std::move(refusal);
  return checked;
}

CheckedPlan CheckPlan(ByteView envelope, const PlanContext& context) {
  return RunPlanChecks(kChecks, envelope, context);
}

}  // namespace holdfast::trust
