// Runs the whole operators' program against a fake controller on a real UNIX socket.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/io/atomic_file.h"
#include "common/io/local_socket.h"
#include "common/trust/key_file.h"
#include "controller/cli/program.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "tests/support/captured_run.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::cli::testing {

using holdfast::testing::kTrustNowMs;
using holdfast::testing::Outcome;
using holdfast::testing::TrustFixture;
using holdfast::testing::TrustNow;
using holdfast::testing::Unwrap;

inline constexpr const char* kRun = "01HF7ZZZZZZZZZZZZZZZZZZZZA";
inline constexpr const char* kCluster = "01HF0000000000000000000000";

// Wall time is constant; deadlines are real.
class FixedWallClock final : public Clock {
 public:
  WallTime Now() const override { return TrustNow(); }
  Instant Monotonic() const override { return SystemClock().Monotonic(); }
};

class FakePrompt final : public Prompt {
 public:
  bool is_there() const override { return is_anybody_there; }
  Result<std::string> AskLine(std::string_view question) override {
    asked.emplace_back(question);
    return Next();
  }
  Result<Secret> AskSecret(std::string_view question) override {
    asked.emplace_back(question);
    HF_ASSIGN(std::string answer, Next());
    return Secret(std::move(answer));
  }

  bool is_anybody_there = true;
  std::deque<std::string> answers;
  std::vector<std::string> asked;

 private:
  Result<std::string> Next() {
    if (answers.empty()) return Fail(ErrorCode::kNotFound, "the terminal was closed");
    std::string answer = answers.front();
    answers.pop_front();
    return answer;
  }
};

// The controller's answer to one request.
struct Script {
  std::vector<v1::AdminReply> replies;
  bool is_complete = true;  // the last reply is marked as complete
  bool hangs_up = false;    // after the replies
};

inline Script Reply(v1::AdminReply reply) { return {{std::move(reply)}}; }
inline Script Refuse(ErrorCode code, const std::string& message) {
  v1::AdminReply reply;
  reply.mutable_error()->set_code(std::string(ErrorCodeName(code)));
  reply.mutable_error()->set_message(message);
  reply.mutable_error()->set_hint("what to do");
  return Reply(std::move(reply));
}

class FakeController {
 public:
  using Answer = std::function<Script(const v1::AdminRequest&)>;

  explicit FakeController(std::string path) : path_(std::move(path)) { Start(); }
  ~FakeController() { Stop(); }

  void Start() {
    std::lock_guard lock(server_mutex_);
    LocalServerOptions options;
    options.path = path_;
    server_ = Unwrap(
        LocalServer::Listen(options, {[this](LocalServer::ConnectionId connection, const LocalPeer&,
                                             Bytes message) { Handle(connection, message); },
                                      [](LocalServer::ConnectionId) {}}));
  }
  void Stop() {
    std::unique_ptr<LocalServer> gone;
    {
      std::lock_guard lock(server_mutex_);
      gone = std::move(server_);
    }
  }

  void On(v1::AdminRequest::RequestCase request, Answer answer) {
    std::lock_guard lock(mutex_);
    answers_[request] = std::move(answer);
  }
  // The requests of one kind, in order.
  std::vector<v1::AdminRequest> Got(v1::AdminRequest::RequestCase request) {
    std::lock_guard lock(mutex_);
    std::vector<v1::AdminRequest> got;
    for (const v1::AdminRequest& one : requests_) {
      if (one.request_case() == request) got.push_back(one);
    }
    return got;
  }

  // The answer to a serialised request; also for transports other than the socket.
  Script ScriptFor(const Bytes& message) {
    v1::AdminRequest request;
    const bool is_request =
        request.ParseFromArray(message.data(), static_cast<int>(message.size()));
    Answer answer;
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(request);
      if (auto found = answers_.find(request.request_case()); found != answers_.end()) {
        answer = found->second;
      }
    }
    Script script = is_request && answer
                        ? answer(request)
                        : Refuse(ErrorCode::kUnsupported, "the test has no answer to that");
    for (std::size_t i = 0; i < script.replies.size(); ++i) {
      script.replies[i].set_id(request.id());
      script.replies[i].set_last(script.is_complete && i + 1 == script.replies.size());
    }
    return script;
  }

 private:
  void Handle(LocalServer::ConnectionId connection, const Bytes& message) {
    const Script script = ScriptFor(message);
    std::lock_guard lock(server_mutex_);
    if (!server_) return;
    for (const v1::AdminReply& reply : script.replies) {
      server_->Send(connection, AsBytes(reply.SerializeAsString()));
    }
    if (script.hangs_up) server_->Close(connection);
  }

  const std::string path_;
  std::mutex mutex_;
  std::map<v1::AdminRequest::RequestCase, Answer> answers_;
  std::vector<v1::AdminRequest> requests_;
  std::mutex server_mutex_;
  std::unique_ptr<LocalServer> server_;
};

inline v1::AdminReply RunReply(const std::string& state, v1::TaskState task = v1::TASK_STATE_SAVING,
                               v1::OrderKind kind = v1::ORDER_KIND_BACKUP) {
  v1::AdminReply reply;
  v1::RunView& run = *reply.mutable_run();
  run.set_run(kRun);
  run.set_kind(kind);
  run.set_state(state);
  run.set_requester("operator:anna");
  run.set_created_ms(kTrustNowMs);
  run.set_started_ms(kTrustNowMs);
  v1::TaskView& view = *run.add_tasks();
  view.set_kind(kind);
  view.set_node("db-1");
  view.set_source("etcd/main");
  view.set_repository("main");
  view.mutable_progress()->set_state(task);
  view.mutable_progress()->set_items(3);
  view.mutable_progress()->set_bytes(4096);
  if (state != "running") run.set_ended_ms(kTrustNowMs + 2'000);
  return reply;
}

struct OperatorFixture {
  OperatorFixture() {
    Unwrap(trust::CreateSigningKeyFile(Path("operator.key"), keys.anna, {}, keys.random));
    Unwrap(WriteFileAtomic(Path("root.holdfast"), root.envelope(), 0644));
    WriteSettings("");
    controller.On(v1::AdminRequest::kTrustShow, [this](const v1::AdminRequest&) {
      v1::AdminReply reply;
      reply.mutable_trust()->set_root(std::string(AsText(root.envelope())));
      return Reply(reply);
    });
    context.clock = &clock;
    context.random = &keys.random;
    context.prompt = &prompt;
    context.host = "admin-1";
    context.stop = stop.get_token();
    context.follow.wait = [this](std::chrono::milliseconds) {
      if (while_waiting) while_waiting();
    };
  }

  std::string Path(const std::string& name) { return directory.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    Unwrap(WriteFileAtomic(Path(name), AsBytes(text), 0600));
  }
  void WriteSettings(const std::string& more) {
    Write("cli.yaml", "controller: " + Path("socket") + "\nroot_file: root.holdfast" +
                          "\noperator_key_file: operator.key\n" + more);
  }

  // Replaces the document in force, and the pinned one.
  void SetRoot(const v1::RootDocument& document) {
    root = keys.Root(document);
    Unwrap(WriteFileAtomic(Path("root.holdfast"), root.envelope(), 0644));
  }

  // Runs the program with `argv`, `more` and --config.
  Outcome Run(std::vector<std::string> argv, const std::vector<std::string>& more = {}) {
    argv.insert(argv.end(), more.begin(), more.end());
    argv.emplace_back("--config");
    argv.push_back(Path("cli.yaml"));
    return RunBare(argv);
  }
  Outcome RunBare(const std::vector<std::string>& argv) {
    return holdfast::testing::CaptureRun(directory.path(), [&](Terminal& terminal) {
      context.terminal = &terminal;
      return RunOperator(argv, context);
    });
  }

  // Answers requests to start runs, and to follow them until this final state.
  void AnswerRuns(const std::string& state, v1::TaskState task,
                  v1::OrderKind kind = v1::ORDER_KIND_BACKUP) {
    controller.On(v1::AdminRequest::kRun, [](const v1::AdminRequest&) {
      v1::AdminReply reply;
      reply.mutable_runs_made()->add_runs(kRun);
      return Reply(reply);
    });
    controller.On(v1::AdminRequest::kRunShow, [=](const v1::AdminRequest& request) {
      if (!request.run_show().watch()) return Reply(RunReply(state, task, kind));
      return Script{
          {RunReply("running", v1::TASK_STATE_SAVING, kind), RunReply(state, task, kind)}};
    });
  }

  TempDir directory = Unwrap(TempDir::Create("operator"));
  TrustFixture keys;
  trust::RootDocument root = keys.Root();  // in force, and pinned
  FixedWallClock clock;
  FakePrompt prompt;
  std::stop_source stop;
  config::Environment environment;
  OperatorContext context;
  std::function<void()> while_waiting;
  FakeController controller{Path("socket")};
};

}  // namespace holdfast::cli::testing
