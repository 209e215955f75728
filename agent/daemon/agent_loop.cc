#include "agent/daemon/agent_loop.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/base/format.h"
#include "common/base/log.h"

namespace holdfast::agent {
namespace {

constexpr int kMessagesAtOnce = 64;
constexpr std::chrono::milliseconds kWaitMax{10'000};

std::int64_t Milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

bus::CurvePublicKey KeyOf(ByteView bytes) {
  bus::CurvePublicKey key{};
  HF_CHECK(bytes.size() == key.size());
  std::ranges::copy(bytes, key.begin());
  return key;
}

}  // namespace

bus::ServerKeys ServerKeysOf(ByteView key, ByteView former) {
  bus::ServerKeys keys{.key = KeyOf(key), .former = {}};
  if (!former.empty()) keys.former = KeyOf(former);
  return keys;
}

std::string RefusalText(const bus::BusEvent& refused, std::string_view node) {
  std::string text =
      fmt::format("the controller refuses this agent: {}; next attempt in {} s", refused.reason,
                  std::chrono::duration_cast<std::chrono::seconds>(refused.retry_in).count());
  // The reason is only text, because the bus does not know the agent's commands.
  if (refused.reason.contains("bus key may differ")) {
    text +=
        " (hint: if the bus key was rotated while this node was offline, stop the agent and give "
        "it the root documents that it missed: holdfast-agent trust pin FILE...)";
  } else if (refused.reason.contains("does not accept this key")) {
    text += fmt::format(
        " (hint: if the node should stay in the cluster, join again: holdfast agent token {} "
        "--rejoin, then as root: holdfast-agent join --token-file FILE)",
        node);
  }
  return text;
}

AgentLoop::AgentLoop(Options options, const Loaded& loaded, Journal& journal, Trust& trust,
                     bus::BusClient& bus, TaskRunnerOptions runner, Random& random,
                     const Clock& clock)
    : node_(loaded.identity.node),
      journal_(journal),
      bus_(bus),
      clock_(clock),
      core_(std::make_unique<AgentCore>(options, loaded, trust, random)),
      runner_(std::make_unique<TaskRunner>(std::move(runner),
                                           [this](Event event) { Post(std::move(event)); })) {}

AgentLoop::~AgentLoop() { runner_.reset(); }

Time AgentLoop::Now() const {
  return {Milliseconds(clock_.Now().time_since_epoch()),
          Milliseconds(clock_.Boot().time_since_epoch())};
}

void AgentLoop::Post(Event event) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(event));
  }
  bus_.Wake();
}

void AgentLoop::Feed(const Event& event) {
  Effects effects = core_->Step(Now(), event);
  std::ranges::move(effects.changes, std::back_inserter(changes_));
  std::ranges::move(effects.actions, std::back_inserter(actions_));
}

Result<void> AgentLoop::Run(const std::stop_token& stop, const Notifier& notifier) {
  const std::stop_callback wake(stop, [this] { bus_.Wake(); });
  Feed(event::Started{});
  HF_TRY(Commit());
  while (!stop.stop_requested()) {
    HF_TRY(Hear(NextDeadline(notifier)));
    std::deque<Event> posted;
    {
      std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    for (const Event& event : posted) Feed(event);
    if (core_->NextWake() <= Now().boot_ms) Feed(event::TimePassed{});
    HF_TRY(Commit());
    if (notifier.watchdog_interval()) {
      Result<void> notified = notifier.Watchdog();
      if (!notified) Log(LogLevel::kWarning, "{}", notified.error().Text());
    }
  }
  return {};
}

Instant AgentLoop::NextDeadline(const Notifier& notifier) const {
  std::chrono::milliseconds most = kWaitMax;
  if (notifier.watchdog_interval()) {
    most = std::min(
        most, std::chrono::duration_cast<std::chrono::milliseconds>(*notifier.watchdog_interval()));
  }
  const std::chrono::milliseconds until_wake(core_->NextWake() - Now().boot_ms);
  return clock_.Monotonic() + std::clamp(until_wake, std::chrono::milliseconds(0), most);
}

// Waits for the first event, then takes further ones that are available.
Result<void> AgentLoop::Hear(Instant deadline) {
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    HF_ASSIGN(std::optional<bus::BusEvent> event, bus_.Receive(i == 0 ? deadline : Instant{}));
    if (!event) return {};
    switch (event->kind) {
      case bus::BusEvent::Kind::kConnected:
        Log(LogLevel::kInfo, "connected to the controller{}",
            event->is_former_key ? ", which still has the former bus key" : "");
        Feed(event::Connected{event->is_former_key});
        break;
      case bus::BusEvent::Kind::kMessage:
        Feed(event::MessageReceived{std::move(event->bytes)});
        break;
      case bus::BusEvent::Kind::kDisconnected:
        Log(LogLevel::kWarning, "lost the connection to the controller");
        break;
      case bus::BusEvent::Kind::kRefused:
        Log(LogLevel::kWarning, "{}", RefusalText(*event, node_));
        break;
    }
  }
  return {};
}

Result<void> AgentLoop::Commit() {
  const std::vector<Change> changes = std::exchange(changes_, {});
  const std::vector<Action> actions = std::exchange(actions_, {});
  if (!changes.empty()) {
    Result<void> applied = journal_.Apply(changes);
    if (!applied) return Fail(std::move(applied).error().While("write the agent's journal"));
  }
  for (const Action& action : actions) Perform(action);
  return {};
}

void AgentLoop::Perform(const Action& action) {
  if (const auto* send = std::get_if<action::Send>(&action)) {
    (void)bus_.Send(send->message);  // may be lost: important messages are repeated until answered
  } else if (const auto* note = std::get_if<action::Note>(&action)) {
    Log(note->warning ? LogLevel::kWarning : LogLevel::kInfo, "{}", note->text);
  } else if (const auto* keys = std::get_if<action::UseBusKeys>(&action)) {
    bus_.SetServerKeys(ServerKeysOf(keys->key, keys->former));
  } else if (const auto* load = std::get_if<action::LoadReports>(&action)) {
    Result<std::vector<ReportRecord>> reports = journal_.Reports(load->first, load->limit);
    if (!reports) Log(LogLevel::kError, "{}", reports.error().Text());
    Post(event::ReportsLoaded{reports ? *std::move(reports) : std::vector<ReportRecord>{}});
  } else {
    std::visit(
        [this](const auto& one) {
          using One = std::decay_t<decltype(one)>;
          constexpr bool is_done_above =
              std::is_same_v<One, action::Send> || std::is_same_v<One, action::Note> ||
              std::is_same_v<One, action::UseBusKeys> || std::is_same_v<One, action::LoadReports>;
          if constexpr (!is_done_above) runner_->Perform(one);
        },
        action);
  }
}

}  // namespace holdfast::agent
