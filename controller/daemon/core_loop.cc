#include "controller/daemon/core_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/base/log.h"

namespace holdfast::controller {
namespace {

// How many messages of agents share a transaction at most, so that operators are served.
constexpr int kMessagesAtOnce = 256;
constexpr int kJoinsAtOnce = 16;
constexpr std::chrono::milliseconds kWaitMax{10'000};

Error Over() { return {ErrorCode::kCancelled, "the controller is stopping"}; }

// A dropped call breaks its promise.
template <typename T>
Result<T> Await(std::future<Result<T>> future) {
  future.wait();
  try {
    return future.get();
  } catch (const std::future_error&) {
    return Fail(Over());
  }
}

std::int64_t Milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

CoreLoop::CoreLoop(CoreLoopOptions options, Catalog& catalog, Roster& roster,
                   ControllerTrust& trust, AgentKeys& keys, bus::BusServer& bus,
                   bus::JoinServer& join, Random& random, const Clock& clock)
    : options_(std::move(options)),
      catalog_(catalog),
      roster_(roster),
      trust_(trust),
      keys_(keys),
      bus_(bus),
      join_(join),
      random_(random),
      clock_(clock),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  HF_CHECK(wake_.is_open());
}

CoreLoop::~CoreLoop() { Close(); }

void CoreLoop::Close() {
  std::deque<Call> calls;
  {
    std::lock_guard lock(mutex_);
    is_over_ = true;
    calls.swap(calls_);
  }
  core_.reset();
  refused_ = Over();
  for (Call& call : calls) call();  // each finds no core and fails
  GiveUpRequests(Over());
}

Time CoreLoop::Now() const {
  return {Milliseconds(clock_.Now().time_since_epoch()),
          Milliseconds(clock_.Monotonic().time_since_epoch())};
}

Result<void> CoreLoop::Start() {
  HF_TRY(Revive());
  return Commit();
}

// Creates a core from what is durable; its first step is not committed yet.
Result<void> CoreLoop::Revive() {
  HF_ASSIGN(const Loaded loaded, catalog_.Load());
  HF_CHECK(loaded.cluster.has_value());
  HF_TRY(roster_.Keep(loaded));  // what a crash or a full disk prevented
  // The verifier may have accepted a document that the catalog then refused.
  HF_ASSIGN(trust::RootDocument root, trust::RootDocument::Load(loaded.cluster->root));
  trust_.Restore(std::move(root));
  for (const AgentRecord& agent : loaded.agents) {
    if (agent.revoked) {
      keys_.Remove(agent.node);
      bus_.Drop(agent.node);  // it may have been revoked by a step that was not performed
    } else {
      keys_.Set(agent.node, agent.curve_key);
    }
  }
  core_ = std::make_unique<ControllerCore>(options_.core, loaded, trust_, random_);
  refused_.reset();
  Feed(event::Started{options_.version});
  return {};
}

Result<void> CoreLoop::Run(const std::stop_token& stop, const Notifier& notifier) {
  const std::stop_callback wake(stop, [this] { Post([] {}); });
  while (!stop.stop_requested()) {
    if (!core_ && clock_.Monotonic() >= retry_at_) {
      Result<void> revived = Revive();
      if (!revived) Degrade(revived.error());
    }
    const bool is_idle = Drain();
    if (core_ && core_->NextWake() <= Now().mono_ms) Feed(event::TimePassed{});
    Result<void> committed = Commit();
    if (!committed) {
      Degrade(committed.error());
      if (catalog_.is_broken()) return Fail(std::move(committed).error());
    }
    if (broken_) return Fail(*broken_);
    HF_TRY(Wait(is_idle, notifier));
  }
  return {};
}

// Feeds what has arrived. Returns whether nothing is left.
bool CoreLoop::Drain() {
  std::deque<Call> calls;
  {
    std::lock_guard lock(mutex_);
    calls.swap(calls_);
  }
  for (Call& call : calls) call();

  bool is_idle = false;
  for (int i = 0; i < kMessagesAtOnce && !is_idle; ++i) {
    Result<std::optional<bus::BusMessage>> message = bus_.Receive(Instant{});
    if (!message) {
      broken_ = std::move(message).error().While("listen on the bus");
      return true;
    }
    is_idle = !*message;
    if (*message)
      Feed(event::MessageReceived{std::move((*message)->node), std::move((*message)->bytes)});
  }
  if (is_idle) {
    for (std::string& node : bus_.TakeClosed()) Feed(event::ConnectionClosed{std::move(node)});
  }
  bool is_join_idle = false;
  for (int i = 0; i < kJoinsAtOnce && !is_join_idle; ++i) {
    Result<std::optional<bus::JoinCall>> call = join_.Receive(Instant{});
    if (!call) {
      broken_ = std::move(call).error().While("listen at the join socket");
      return true;
    }
    is_join_idle = !*call;
    if (*call)
      Feed(event::JoinReceived{std::move((*call)->connection), std::move((*call)->message)});
  }
  return is_idle && is_join_idle;
}

// Without a core, messages of agents are dropped; they send them again.
void CoreLoop::Feed(const Event& event) {
  if (!core_) return;
  Effects effects = core_->Step(Now(), event);
  std::ranges::move(effects.changes, std::back_inserter(changes_));
  std::ranges::move(effects.actions, std::back_inserter(actions_));
}

Result<void> CoreLoop::Commit() {
  const std::vector<Change> changes = std::exchange(changes_, {});
  const std::vector<Action> actions = std::exchange(actions_, {});
  if (!changes.empty()) {
    HF_TRY(catalog_.Apply(changes));
    // A join or a revocation that was confirmed must hold, whatever happens to the catalog.
    HF_TRY(roster_.Keep(changes));
  }
  for (const Action& action : actions) Perform(action);
  return {};
}

void CoreLoop::Degrade(const Error& error) {
  // Logged once, not every few seconds.
  if (!refused_ || refused_->Text() != error.Text()) {
    Log(LogLevel::kError,
        "catalog: {}; the controller starts nothing until the catalog accepts changes again",
        error.Text());
  }
  core_.reset();
  changes_.clear();
  actions_.clear();
  refused_ = error;
  retry_at_ = clock_.Monotonic() + options_.retry_every;
  GiveUpRequests(error);
}

void CoreLoop::GiveUpRequests(const Error& error) {
  for (auto& [number, promise] : std::exchange(requests_, {})) promise.set_value(Fail(error));
}

void CoreLoop::Perform(const Action& action) {
  std::visit([this](const auto& one) { Do(one); }, action);
}

// What cannot be sent is lost, as anything on the bus may be. It is sent again if it matters.
void CoreLoop::Do(const action::Send& action) { (void)bus_.Send(action.node, action.message); }

void CoreLoop::Do(const action::Reply& action) {
  const auto found = requests_.find(action.request);
  HF_CHECK(found != requests_.end());
  found->second.set_value(action.answer);
  requests_.erase(found);
}

void CoreLoop::Do(const action::JoinReply& action) {
  bus::JoinAnswer answer;
  answer.refused = action.refused;
  if (action.refused.empty()) {
    keys_.Set(action.node, action.curve_key);
    bus_.Drop(action.node);  // its former connection
    answer.incarnation = action.incarnation;
    answer.root = action.root;
    answer.endpoint = options_.bus_endpoint;
    Log(LogLevel::kInfo, "node {} has joined, incarnation {}", action.node, action.incarnation);
  } else {
    Log(LogLevel::kWarning, "refused a node that tried to join: {}", action.refused);
  }
  Result<void> answered = join_.Answer(action.connection, answer);
  if (!answered) Log(LogLevel::kWarning, "{}", answered.error().Text());
}

void CoreLoop::Do(const action::RevokeAccess& action) {
  keys_.Remove(action.node);
  bus_.Drop(action.node);
}

void CoreLoop::Do(const action::RunEnded& action) {
  const LogRun scope(action.run);
  Log(LogLevel::kInfo, "run ended: {}", RunStateName(action.state));
  if (run_ended_) run_ended_();
}

void CoreLoop::Do(const action::Note& action) {
  Log(action.warning ? LogLevel::kWarning : LogLevel::kInfo, "{}", action.text);
}

Result<void> CoreLoop::Wait(bool is_idle, const Notifier& notifier) {
  if (notifier.is_connected() && notifier.watchdog_interval()) {
    Result<void> notified = notifier.Watchdog();
    if (!notified) Log(LogLevel::kWarning, "{}", notified.error().Text());
  }
  std::chrono::milliseconds most = is_idle ? kWaitMax : std::chrono::milliseconds(0);
  if (notifier.watchdog_interval()) {
    most = std::min(
        most, std::chrono::duration_cast<std::chrono::milliseconds>(*notifier.watchdog_interval()));
  }
  if (core_) {
    const std::int64_t until_wake = core_->NextWake() - Now().mono_ms;
    most = std::clamp(std::chrono::milliseconds(until_wake), std::chrono::milliseconds(0), most);
  } else {
    most = std::min(most, std::chrono::ceil<std::chrono::milliseconds>(std::max(
                              retry_at_ - clock_.Monotonic(), std::chrono::nanoseconds(0))));
  }
  std::array<pollfd, 3> polled = {pollfd{bus_.fd(), POLLIN, 0}, pollfd{join_.fd(), POLLIN, 0},
                                  pollfd{wake_.get(), POLLIN, 0}};
  const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(most.count()));
  if (ready < 0 && errno != EINTR) return Fail(ErrnoError(errno, "wait for the bus"));
  if (polled[2].revents != 0) TakeWake();
  return {};
}

void CoreLoop::TakeWake() {
  std::uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof(count));
}

void CoreLoop::Post(Call call) {
  {
    std::lock_guard lock(mutex_);
    if (!is_over_) {
      calls_.push_back(std::move(call));
      call = nullptr;
    }
  }
  if (call) return;  // dropped: its promise breaks
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof(one));
}

Result<Answer> CoreLoop::Ask(const std::function<Event(std::uint64_t request)>& make) {
  std::promise<Result<Answer>> promise;
  std::future<Result<Answer>> future = promise.get_future();
  Post([this, &make, promise = std::move(promise)]() mutable {
    if (!core_) return promise.set_value(Fail(*refused_));
    const std::uint64_t request = next_request_++;
    requests_.emplace(request, std::move(promise));
    Feed(make(request));
  });
  return Await(std::move(future));
}

Result<void> CoreLoop::Look(const std::function<void(const ControllerCore& core)>& look) {
  std::promise<Result<void>> promise;
  std::future<Result<void>> future = promise.get_future();
  Post([this, &look, promise = std::move(promise)]() mutable {
    if (!core_) return promise.set_value(Fail(*refused_));
    look(*core_);
    promise.set_value({});
  });
  return Await(std::move(future));
}

Result<Answer> CoreLoop::ChangeRoot(const Bytes& envelope, const std::string& actor) {
  std::promise<Result<Answer>> promise;
  std::future<Result<Answer>> future = promise.get_future();
  Post([this, &envelope, &actor, promise = std::move(promise)]() mutable {
    if (!core_) return promise.set_value(Fail(*refused_));
    Result<void> taken = trust_.TakeRoot(envelope);
    if (!taken) return promise.set_value(Fail(taken.error()));
    const std::uint64_t request = next_request_++;
    requests_.emplace(request, std::move(promise));
    const trust::RootDocument& root = trust_.root();
    Feed(event::RootChanged{request, root.version(), root.epoch(), envelope, actor});
  });
  return Await(std::move(future));
}

}  // namespace holdfast::controller
