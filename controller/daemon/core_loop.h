// The only thread that decides. It receives messages of agents, joining nodes and operators, lets
// the core decide, makes the decisions durable, and only then sends messages.
//
// Events that arrive together share one transaction, so the cost of commits does not grow with the
// number of agents. If the catalog refuses a transaction (a full disk), nothing of it has happened:
// the requesters get the error, and the core is discarded. Every few seconds the loop tries to
// continue from what is durable.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/bus/bus_server.h"
#include "common/bus/join_server.h"
#include "common/io/fd.h"
#include "common/service/notify.h"
#include "controller/catalog/catalog.h"
#include "controller/core/controller_core.h"
#include "controller/core/events.h"
#include "controller/daemon/agent_keys.h"
#include "controller/daemon/controller_trust.h"
#include "controller/daemon/roster.h"

namespace holdfast::controller {

struct CoreLoopOptions {
  Options core;
  std::string version;                           // of this program
  std::string bus_endpoint;                      // as agents reach it
  std::chrono::milliseconds retry_every{5'000};  // after the catalog refused
};

class CoreLoop {
 public:
  // All references must outlive the loop. Only Ask(), Look() and ChangeRoot() may be called from
  // threads other than the one that calls Start() and Run().
  CoreLoop(CoreLoopOptions options, Catalog& catalog, Roster& roster, ControllerTrust& trust,
           AgentKeys& keys, bus::BusServer& bus, bus::JoinServer& join, Random& random,
           const Clock& clock);
  ~CoreLoop();
  // From now on, and for all waiting calls, the answer is kCancelled. Call it before destroying
  // callers, and before the loop is destroyed.
  void Close();

  // Loads what is durable and starts from it. Errors of the catalog.
  Result<void> Start();
  // `callback` is called on the loop's thread after the end of each run is durable; it must not
  // wait. Call before Run().
  void OnRunEnded(std::function<void()> callback) { run_ended_ = std::move(callback); }
  // Runs until a stop is requested. Fails if it cannot continue: the bus failed, or a sync failed,
  // so that only a new process can read what is on the disk.
  Result<void> Run(const std::stop_token& stop, const Notifier& notifier);

  // Passes the event that `make` returns for a request's number, and waits for its reply, which
  // comes when all changes are durable. The catalog's error while the catalog refuses, kCancelled
  // after Close().
  Result<Answer> Ask(const std::function<Event(std::uint64_t request)>& make);
  // Runs `look` between two steps and waits for it. Errors as Ask().
  Result<void> Look(const std::function<void(const ControllerCore& core)>& look);
  // Accepts the next root document: first the verifier, then the core. Errors of both.
  Result<Answer> ChangeRoot(const Bytes& envelope, const std::string& actor);

 private:
  using Call = std::move_only_function<void()>;

  Result<void> Revive();
  void Post(Call call);
  bool Drain();
  void Feed(const Event& event);
  Result<void> Commit();
  void Degrade(const Error& error);
  void Perform(const Action& action);
  void Do(const action::Send& action);
  void Do(const action::Reply& action);
  void Do(const action::JoinReply& action);
  void Do(const action::RevokeAccess& action);
  void Do(const action::RunEnded& action);
  void Do(const action::Note& action);
  Result<void> Wait(bool is_idle, const Notifier& notifier);
  void TakeWake();
  void GiveUpRequests(const Error& error);
  Time Now() const;

  const CoreLoopOptions options_;
  Catalog& catalog_;
  Roster& roster_;
  ControllerTrust& trust_;
  AgentKeys& keys_;
  bus::BusServer& bus_;
  bus::JoinServer& join_;
  Random& random_;
  const Clock& clock_;

  std::function<void()> run_ended_;
  std::unique_ptr<ControllerCore> core_;  // null while the catalog refuses
  std::optional<Error> refused_;          // the reason
  Instant retry_at_{};
  std::vector<Change> changes_;
  std::vector<Action> actions_;
  std::map<std::uint64_t, std::promise<Result<Answer>>> requests_;
  std::uint64_t next_request_ = 1;
  std::optional<Error> broken_;

  Fd wake_;
  std::mutex mutex_;  // guards the members below
  std::deque<Call> calls_;
  bool is_over_ = false;
};

}  // namespace holdfast::controller
