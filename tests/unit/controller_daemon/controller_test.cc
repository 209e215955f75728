// The whole controller in this process, used through its sockets.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <stop_token>
#include <thread>

#include "common/base/format.h"
#include "common/base/log.h"
#include "common/bus/bus_client.h"
#include "common/bus/join_client.h"
#include "common/bus/join_token.h"
#include "common/crypto/ed25519.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/local_socket.h"
#include "common/trust/key_file.h"
#include "common/trust/orders.h"
#include "common/trust/rejoin.h"
#include "common/trust/root_document.h"
#include "controller/catalog/catalog.h"
#include "controller/cli/init_cluster.h"
#include "controller/daemon/admin_loop.h"
#include "controller/daemon/config_check.h"
#include "controller/daemon/controller_daemon.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "tests/support/catch.h"
#include "tests/support/messages.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::controller;
using holdfast::testing::Unwrap;
using namespace std::chrono_literals;

namespace {

// A port that was free a moment ago.
std::uint16_t FreePort() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  socklen_t size = sizeof(address);
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

struct Cluster {
  explicit Cluster(unsigned valid_days = 365) {
    SetUpLog(LogLevel::kError, [](LogLevel, std::string_view) {});
    cli::InitClusterOptions options;
    options.directory = directory.path() + "/cluster";
    options.cluster = "prod";
    options.host = "127.0.0.1";
    options.operators = {"anna"};
    options.valid_days = valid_days;
    report = Unwrap(cli::InitCluster(options, random, clock));
    const std::string file = report.controller_directory + "/controller.yaml";
    std::string text(AsText(Unwrap(ReadWholeFile(file))));
    for (const char* port : {"7733", "7734", "7735"}) {
      // With the quote: the digits of a port may be part of one that was already replaced.
      text = Replaced(text, ":" + std::string(port) + "\"", fmt::format(":{}\"", FreePort()));
    }
    text = Replaced(text, "admin:\n", "admin:\n  socket: \"" + directory.path() + "/socket\"\n");
    text += "\nstate_dir: " + directory.path() + "/state\n";
    REQUIRE_OK(WriteFileAtomic(file, AsBytes(text), 0644));
    settings = Unwrap(LoadControllerSettings(file, {}));
  }

  TempDir directory = Unwrap(TempDir::Create("controller"));
  SystemRandom random;
  SystemClock clock;
  cli::InitClusterReport report;
  ControllerSettings settings;
};

// Runs the controller while it lives.
class Running {
 public:
  explicit Running(Cluster& cluster) : cluster_(cluster) {
    const Notifier silent = Unwrap(Notifier::Create({}));
    thread_ =
        std::jthread([this, silent = Unwrap(Notifier::Create({}))](const std::stop_token& stop) {
          ended_.set_value(
              RunController(cluster_.settings, silent, stop, cluster_.random, cluster_.clock));
        });
    const Instant deadline = cluster.clock.Monotonic() + 30s;
    for (;;) {
      Result<LocalClient> client = LocalClient::Connect(cluster.settings.admin_socket);
      if (client) {
        client_.emplace(*std::move(client));
        break;
      }
      if (future_.wait_for(10ms) == std::future_status::ready) {
        FAIL(future_.get().error().Text());
      }
      REQUIRE(cluster.clock.Monotonic() < deadline);
    }
  }
  Result<void> Stop() {
    thread_.request_stop();
    return future_.get();
  }

  bool EndsWithin(std::chrono::milliseconds time) {
    return future_.wait_for(time) == std::future_status::ready;
  }

  // The next reply to a request.
  v1::AdminReply Ask(v1::AdminRequest request) {
    request.set_id(++id_);
    REQUIRE_OK(client_->Send(AsBytes(request.SerializeAsString())));
    return Next();
  }
  v1::AdminReply Next() {
    auto reply = testing::Parsed<v1::AdminReply>(Unwrap(client_->Receive(30s, cluster_.clock)));
    CHECK(reply.id() == id_);
    return reply;
  }
  v1::AdminReply Good(const v1::AdminRequest& request) {
    v1::AdminReply reply = Ask(request);
    INFO(reply.error().message());
    REQUIRE_FALSE(reply.has_error());
    CHECK(reply.last());
    return reply;
  }

 private:
  Cluster& cluster_;
  std::promise<Result<void>> ended_;
  std::future<Result<void>> future_ = ended_.get_future();
  std::optional<LocalClient> client_;
  std::uint64_t id_ = 0;
  std::jthread thread_;
};

v1::AdminRequest StatusRequest() {
  v1::AdminRequest request;
  request.mutable_status();
  return request;
}

bus::JoinToken TokenFor(Running& controller, const std::string& node) {
  v1::AdminRequest request;
  request.mutable_token()->set_node(node);
  return Unwrap(bus::DecodeJoinToken(controller.Good(request).token().token()));
}

// A token for a node that has joined before, with anna's permit to replace this incarnation.
bus::JoinToken RejoinTokenFor(Cluster& cluster, Running& controller, const std::string& node,
                              std::uint64_t incarnation) {
  v1::AdminRequest request;
  request.mutable_token()->set_node(node);
  request.mutable_token()->set_rejoin(true);
  bus::JoinToken token = Unwrap(bus::DecodeJoinToken(controller.Good(request).token().token()));
  const crypto::Digest hash = bus::JoinSecretHash(token.secret);
  v1::RejoinPermit permit;
  permit.set_cluster_id(cluster.report.cluster_id);
  permit.set_node(node);
  permit.set_incarnation(incarnation);
  permit.set_secret_hash(std::string(AsText(hash)));
  permit.set_expires_at_ms(token.expires_at_ms);
  token.permit = trust::SignRejoin(
      permit,
      Unwrap(trust::ReadSigningKeyFile(cluster.report.operators[0].directory + "/operator.key")));
  return token;
}

// An agent that only says Hello.
struct Agent {
  Agent(Cluster& cluster, const bus::JoinToken& token)
      : signing(crypto::SigningKey::Generate(cluster.random)),
        keys(bus::GenerateCurveKeys(cluster.random)) {
    answer = Unwrap(bus::Join(token, signing.public_key(), keys, cluster.clock.Monotonic() + 30s));
    bus::BusClientOptions options;
    options.endpoint = answer.endpoint;
    options.keys = keys;
    options.server.key = Unwrap(trust::RootDocument::Load(answer.root)).bus_key();
    client = Unwrap(bus::BusClient::Open(options, cluster.random));
    node = token.node;
    deadline = cluster.clock.Monotonic() + 30s;
  }
  v1::ControllerMessage SayHello() {
    v1::AgentMessage message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_node(node);
    hello.set_incarnation(answer.incarnation);
    hello.set_boot_id("boot");
    hello.set_process_id(std::string(16, 'p'));
    hello.set_nonce(std::string(16, 'n'));
    hello.set_root_version(1);
    hello.set_version("test");
    v1::ConfiguredSource& source = *hello.add_sources();
    source.set_source("files/app");
    source.set_repository("main");
    source.set_topology("local");
    hello.add_repositories("main");
    for (const std::string_view order : trust::OrderNames())
      hello.add_capabilities(std::string(order));
    for (;;) {
      if (client->is_connected()) (void)client->Send(AsBytes(message.SerializeAsString()));
      for (;;) {
        auto event = Unwrap(client->Receive(deadline));
        if (event && event->kind == bus::BusEvent::Kind::kConnected) break;
        if (!event || event->kind != bus::BusEvent::Kind::kMessage) continue;
        return testing::Parsed<v1::ControllerMessage>(event->bytes);
      }
    }
  }
  crypto::SigningKey signing;
  bus::CurveKeys keys;
  bus::JoinAnswer answer;
  std::unique_ptr<bus::BusClient> client;
  std::string node;
  Instant deadline;
};

}  // namespace

TEST_CASE("controller: it starts, reports its status, and stops") {
  Cluster cluster;
  Running controller(cluster);

  const v1::StatusReply status = controller.Good(StatusRequest()).status();

  CHECK(status.cluster() == "prod");
  CHECK(status.cluster_id() == cluster.report.cluster_id);
  CHECK(status.root_version() == 1);
  CHECK(status.agents() == 0);
  REQUIRE_OK(controller.Stop());
  CHECK_FALSE(std::filesystem::exists(cluster.settings.admin_socket));
}

TEST_CASE("controller: the problem of a root document that expires soon has a complete command") {
  Cluster cluster(30);
  Running controller(cluster);

  const v1::StatusReply status = controller.Good(StatusRequest()).status();

  REQUIRE(status.problems_size() == 1);
  CHECK(status.problems(0).condition() == "trust_expires");
  CHECK(status.problems(0).hint() == "holdfast trust rotate --root-key FILE --send");
}

TEST_CASE("controller: a node joins with its token once, and is known after a restart") {
  Cluster cluster;
  {
    Running controller(cluster);
    const bus::JoinToken token = TokenFor(controller, "db-1");
    Agent agent(cluster, token);
    CHECK(agent.answer.incarnation == 1);
    REQUIRE_OK(trust::RootDocument::VerifyFirst(agent.answer.root, token.root_hash));

    const v1::ControllerMessage received = agent.SayHello();

    REQUIRE(received.has_hello_answer());
    CHECK(received.hello_answer().heartbeat_ms() > 0);
    const crypto::SigningKey other = crypto::SigningKey::Generate(cluster.random);
    const Result<bus::JoinAnswer> again =
        bus::Join(token, other.public_key(), bus::GenerateCurveKeys(cluster.random),
                  cluster.clock.Monotonic() + 30s);
    REQUIRE_FAILS(again, ErrorCode::kDenied, "unknown, used or expired");
    CHECK_THAT(again.error().hint(), Catch::Contains("until a newer one for the node is created") &&
                                         Catch::Contains("holdfast agent token db-1 --rejoin"));
    v1::AdminRequest list;
    list.mutable_agent_list();
    const v1::AgentListReply agents = controller.Good(list).agents();
    REQUIRE(agents.agents_size() == 1);
    CHECK(agents.agents(0).node() == "db-1");
    CHECK(agents.agents(0).connected());
    REQUIRE(agents.agents(0).sources_size() == 1);
    const v1::StatusReply status = controller.Good(StatusRequest()).status();
    REQUIRE(status.sources_size() == 1);
    CHECK(status.sources(0).source() == "files/app@db-1");
    v1::AdminRequest typo;
    typo.mutable_snapshot_show()->set_snapshot("latest:files/apb");
    CHECK(controller.Ask(typo).error().message() ==
          "no snapshot \"latest:files/apb\"; did you mean \"latest:files/app\"?");
    REQUIRE_OK(controller.Stop());
  }
  Running again(cluster);
  const v1::StatusReply status = again.Good(StatusRequest()).status();
  CHECK(status.agents() == 1);
  CHECK(status.agents_connected() == 0);
}

TEST_CASE("controller: the last good snapshot of a source is one in its own repository") {
  Cluster cluster;
  {
    Running controller(cluster);
    Agent agent(cluster, TokenFor(controller, "db-1"));
    (void)agent.SayHello();
    REQUIRE_OK(controller.Stop());
  }
  {
    Catalog catalog =
        Unwrap(Catalog::Open(cluster.directory.path() + "/state/catalog.db", DatabaseMode::kWrite));
    std::vector<Change> changes;
    for (const auto& [repository, number] : {std::pair("main", 1), std::pair("offsite", 2)}) {
      SnapshotRecord snapshot;
      snapshot.repository = repository;
      snapshot.snapshot = Bytes(32, static_cast<std::uint8_t>(number));
      snapshot.source = "files/app";
      snapshot.host = "db-1";
      snapshot.time_ms = 1'000 * number;
      changes.emplace_back(snapshot);
    }
    REQUIRE_OK(catalog.Apply(changes));
  }
  Running again(cluster);
  const v1::StatusReply status = again.Good(StatusRequest()).status();
  REQUIRE(status.sources_size() == 1);
  CHECK(status.sources(0).last_good_ms() == 1'000);
  CHECK(status.sources(0).last_ms() == 1'000);
  v1::AdminRequest show;
  show.mutable_snapshot_show()->set_snapshot("latest:files/app");
  CHECK(again.Good(show).snapshot().time_ms() == 1'000);
}

TEST_CASE("controller: an agent is away as soon as its connection closes") {
  Cluster cluster;
  Running controller(cluster);
  Agent agent(cluster, TokenFor(controller, "db-1"));
  (void)agent.SayHello();
  v1::AdminRequest list;
  list.mutable_agent_list();
  REQUIRE(controller.Good(list).agents().agents(0).connected());

  agent.client.reset();

  // Much less than a lease, which is 120 s.
  const Instant deadline = cluster.clock.Monotonic() + 20s;
  while (controller.Good(list).agents().agents(0).connected()) {
    REQUIRE(cluster.clock.Monotonic() < deadline);
    REQUIRE_FALSE(controller.EndsWithin(20ms));
  }
  const v1::StatusReply status = controller.Good(StatusRequest()).status();
  CHECK(status.agents_connected() == 0);
}

TEST_CASE("controller: members and revoked nodes are known without the catalog") {
  Cluster cluster;
  std::optional<Agent> kept;
  std::optional<Agent> revoked;
  {
    Running controller(cluster);
    kept.emplace(cluster, TokenFor(controller, "db-1"));
    revoked.emplace(cluster, TokenFor(controller, "db-2"));
    (void)kept->SayHello();
    v1::AdminRequest revoke;
    revoke.mutable_revoke()->set_node("db-2");
    (void)controller.Good(revoke);
    REQUIRE_OK(controller.Stop());
  }
  for (const char* end : {"", "-wal", "-shm"}) {
    std::filesystem::remove(cluster.directory.path() + "/state/catalog.db" + end);
  }
  Running again(cluster);

  REQUIRE(kept->SayHello().has_hello_answer());
  v1::AdminRequest list;
  list.mutable_agent_list();
  const v1::AgentListReply agents = again.Good(list).agents();
  REQUIRE(agents.agents_size() == 2);
  CHECK(agents.agents(0).connected());
  CHECK(agents.agents(0).incarnation() == 1);
  CHECK_FALSE(agents.agents(0).revoked());
  CHECK(agents.agents(1).revoked());
  Agent back(cluster, RejoinTokenFor(cluster, again, "db-2", 1));
  CHECK(back.answer.incarnation == 2);
}

TEST_CASE("controller: a change that cannot be written to the roster is not confirmed") {
  Cluster cluster;
  Running controller(cluster);
  const std::string agents = cluster.directory.path() + "/state/agents";
  const Agent member(cluster, TokenFor(controller, "db-1"));
  const bus::JoinToken token = TokenFor(controller, "db-2");
  std::filesystem::rename(agents, agents + ".away");  // as if its disk were gone

  v1::AdminRequest revoke;
  revoke.mutable_revoke()->set_node("db-1");
  CHECK(controller.Ask(revoke).error().code() == "not_found");
  const crypto::SigningKey key = crypto::SigningKey::Generate(cluster.random);
  const bus::CurveKeys curve = bus::GenerateCurveKeys(cluster.random);
  CHECK_FALSE(bus::Join(token, key.public_key(), curve, cluster.clock.Monotonic() + 1s));

  std::filesystem::rename(agents + ".away", agents);
  v1::AdminRequest list;
  list.mutable_agent_list();
  const Instant deadline = cluster.clock.Monotonic() + 30s;
  v1::AdminReply reply = controller.Ask(list);
  while (reply.has_error() && !controller.EndsWithin(20ms)) {
    REQUIRE(cluster.clock.Monotonic() < deadline);
    reply = controller.Ask(list);
  }
  REQUIRE_FALSE(reply.has_error());
  // It continues from what is durable, and writes the rest.
  REQUIRE(reply.agents().agents_size() >= 1);
  CHECK(reply.agents().agents(0).revoked());
  CHECK_THAT(std::string(AsText(Unwrap(ReadWholeFile(agents + "/db-1.agent")))),
             Catch::Contains("state revoked"));
}

TEST_CASE("controller: a run is watched, cancelled and found again") {
  Cluster cluster;
  Running controller(cluster);
  Agent agent(cluster, TokenFor(controller, "db-1"));
  (void)agent.SayHello();
  v1::AdminRequest backup;
  backup.mutable_run()->set_kind(v1::ORDER_KIND_BACKUP);
  const v1::RunsMade made = controller.Good(backup).runs_made();
  REQUIRE(made.runs_size() == 1);

  v1::AdminRequest show;
  show.mutable_run_show()->set_run(made.runs(0).substr(0, 20));
  const v1::RunView run = controller.Good(show).run();
  CHECK(run.state() == "running");
  REQUIRE(run.tasks_size() == 1);
  CHECK(run.tasks(0).node() == "db-1");
  CHECK(run.requester() == LocalActor(::getuid()));

  std::string typo = made.runs(0);
  typo.back() = typo.back() == 'A' ? 'B' : 'A';
  v1::AdminRequest mistyped;
  mistyped.mutable_run_show()->set_run(typo);
  CHECK(controller.Ask(mistyped).error().message() ==
        "no run \"" + typo + "\"; did you mean \"" + made.runs(0) + "\"?");

  v1::AdminRequest cancel;
  cancel.mutable_run_cancel()->set_run(made.runs(0));
  (void)controller.Good(cancel);
  show.mutable_run_show()->set_watch(true);
  v1::AdminReply reply = controller.Ask(show);
  CHECK(reply.run().run() == made.runs(0));
}

TEST_CASE("controller: operators' mistakes are answered with a hint") {
  Cluster cluster;
  Running controller(cluster);
  auto refused = [&](const v1::AdminRequest& request, const char* code, const char* part) {
    const v1::AdminReply reply = controller.Ask(request);
    CHECK(reply.error().code() == code);
    CHECK_THAT(reply.error().message() + " " + reply.error().hint(), Catch::Contains(part));
    CHECK(reply.last());
  };
  v1::AdminRequest request;
  refused(request, "unsupported", "the same version");
  request.mutable_run_show()->set_run("01NOSUCHRUN");
  refused(request, "not_found", "holdfast run list");
  request.mutable_snapshot_show()->set_snapshot("latest:files/app");
  refused(request, "not_found", "no snapshot \"latest:files/app\"");
  request.mutable_run_list()->set_source("files/app");
  refused(request, "not_found", "no source \"files/app\"");
  request.mutable_snapshot_list()->set_source("files/app@web-*");
  refused(request, "not_found", "no source \"files/app@web-*\"");
  request.mutable_snapshot_show()->set_snapshot("ab");
  refused(request, "invalid_argument", "at least 4");
  request.mutable_run()->set_kind(v1::ORDER_KIND_RESTORE);
  refused(request, "invalid_argument", "unknown kind of run");
  request.mutable_run()->set_kind(v1::ORDER_KIND_BACKUP);
  refused(request, "not_found", "");
  request.mutable_revoke()->set_node("nobody");
  refused(request, "not_found", "nobody");
  request.mutable_token()->set_node("../db-1");
  refused(request, "invalid_argument", "is not a valid node name; expected letters");
  request.mutable_approve()->set_draft("01NOSUCHDRAFT");
  refused(request, "not_found", "holdfast approval list");
  request.mutable_trust_change()->set_root("no envelope");
  refused(request, "corrupt", "");
  request.mutable_catalog_save()->set_path("../copy.db");
  refused(request, "invalid_argument", "expected a file name");
}

TEST_CASE("controller: the catalog is checked and copied while the controller runs") {
  Cluster cluster;
  Running controller(cluster);
  v1::AdminRequest save;
  save.mutable_catalog_save()->set_path("copy.db");
  CHECK(controller.Good(save).catalog().sound());

  v1::AdminRequest check;
  const std::string copy = cluster.settings.admin_catalog_dir + "/copy.db";
  check.mutable_catalog_check()->set_against(copy);
  const v1::CatalogReply reply = controller.Good(check).catalog();
  CHECK(reply.sound());
  CHECK(std::filesystem::exists(copy));
  // The counts come before the details.
  REQUIRE(reply.lines_size() > 1);
  CHECK_THAT(reply.lines(0), Catch::StartsWith("intact: ") && Catch::EndsWith("without a gap"));
  CHECK_THAT(reply.lines(1), Catch::EndsWith(" from " + copy));
}

TEST_CASE("controller: files that do not match are refused at start") {
  Cluster cluster;
  const Notifier silent = Unwrap(Notifier::Create({}));
  auto start = [&] {
    return RunController(cluster.settings, silent, {}, cluster.random, cluster.clock);
  };
  SECTION("another cluster's name") {
    cluster.settings.cluster = "test";
    REQUIRE_FAILS(start(), ErrorCode::kInvalidArgument, "is of cluster \"prod\"");
  }
  SECTION("no root document") {
    cluster.settings.root_file += ".not";
    REQUIRE_FAILS(start(), ErrorCode::kNotFound, "holdfast init");
  }
  SECTION("a key that is not the controller's") {
    REQUIRE(CheckControllerFiles(cluster.settings, cluster.clock).empty());
    cluster.settings.signing_key_file = cluster.report.operators[0].directory + "/operator.key";
    REQUIRE_FAILS(start(), ErrorCode::kDenied, "this controller's signing key");
    // `config check` finds it, too.
    const std::vector<Error> errors = CheckControllerFiles(cluster.settings, cluster.clock);
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors.front().message(),
               Catch::Contains("operator.key") && Catch::Contains("this controller's signing key"));
  }
  SECTION("a group that does not exist") {
    const std::string text(AsText(Unwrap(ReadWholeFile(cluster.settings.file))));
    cluster.settings = Unwrap(ParseControllerSettings(
        Replaced(text, "admin:\n", "admin:\n  group: no-such-group\n"), cluster.settings.file, {}));
    const std::vector<Error> errors = CheckControllerFiles(cluster.settings, cluster.clock);
    REQUIRE(errors.size() == 1);
    CHECK(errors.front().code() == ErrorCode::kInvalidArgument);
    const std::size_t line =
        std::ranges::count(text.substr(0, text.find("admin:\n") + std::string("admin:\n").size()),
                           '\n') +
        1;
    CHECK_THAT(errors.front().message(),
               Catch::StartsWith(fmt::format("{}:{}:", cluster.settings.file, line)) &&
                   Catch::Contains("no-such-group"));
    REQUIRE_FAILS(start(), ErrorCode::kInvalidArgument, errors.front().message());
  }
  SECTION("a catalog of another cluster") {
    { Running first(cluster); }
    Cluster other;
    cluster.settings.root_file = other.settings.root_file;
    REQUIRE_FAILS(start(), ErrorCode::kInvalidArgument, "files of its cluster");
  }
  SECTION("a second controller") {
    Running first(cluster);
    REQUIRE_FAILS(start(), ErrorCode::kBusy, "");
  }
}
