// A stolen controller: has all keys and files of the real one, replaces it on the bus, and sends
// what it is ordered to, signed with the controller's key. It checks nothing.
//
//   stolen_controller CONTROLLER_YAML
//
// Commands are lines of stdin; the program exits at its end.
//
//   plan NODE EXTRA SIGNERS ORDER   sends a plan. ORDER: fields of a Plan as Protobuf text; fields
//                                   common to all plans have defaults. EXTRA: hexadecimal bytes to
//                                   append to the message, or "-". SIGNERS: "controller", or
//                                   "controller+operator" to add a signature of an operator key
//                                   that the attacker made up
//   send NODE HEX                   sends an envelope unchanged
//   graft NODE HEX                  renews the controller's signature of a changed plan, keeps the
//                                   operators' signatures, and sends it
//   root                            forges the next root document with the attacker as operator,
//                                   and requests a Hello from every agent
//
// Each line of stdout is a JSON object: {"hello": NODE, "root_version": N}, or a report with a
// correct signature of the agent: {"node", "sequence", "plan", "run", "source", "outcome"} and, for
// a refusal, "check" and "message".
#include <google/protobuf/text_format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/bus/bus_server.h"
#include "common/bus/curve_key.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "common/trust/fresh.h"
#include "common/trust/key_file.h"
#include "common/trust/orders.h"
#include "common/trust/report.h"
#include "common/trust/root_document.h"
#include "controller/catalog/catalog.h"
#include "controller/daemon/settings.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::chrono::milliseconds kSlice{50};
constexpr std::int64_t kPlanLifeMs = 3'600'000;

// Authenticates the agents of the stolen catalog.
class KnownAgents final : public bus::Authenticator {
 public:
  explicit KnownAgents(const std::vector<AgentRecord>& agents) {
    for (const AgentRecord& agent : agents) nodes_[agent.curve_key] = agent.node;
  }
  std::optional<std::string> NodeOf(const bus::CurvePublicKey& key) override {
    const auto found = nodes_.find(Bytes(key.begin(), key.end()));
    if (found == nodes_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::map<Bytes, std::string> nodes_;
};

struct Loot {
  crypto::SigningKey signing_key;
  crypto::SigningKey own_key;  // unknown to the cluster
  bus::CurveKeys bus_keys;
  ListenSettings bus;
  ClusterRecord cluster;
  std::map<std::string, AgentRecord> agents;
};

Result<Loot> Steal(const std::string& config, Random& random) {
  HF_ASSIGN(const ControllerSettings settings, LoadControllerSettings(config, {}));
  HF_ASSIGN(crypto::SigningKey key, trust::ReadSigningKeyFile(settings.signing_key_file));
  HF_ASSIGN(bus::CurveKeys bus_keys, bus::LoadCurveKeys(settings.bus_key_file));
  HF_ASSIGN(Catalog catalog,
            Catalog::Open(settings.state_dir + "/catalog.db", DatabaseMode::kWrite));
  HF_ASSIGN(const Loaded loaded, catalog.Load());
  if (!loaded.cluster) return Fail(ErrorCode::kCorrupt, "the catalog knows no cluster");
  Loot loot{std::move(key),      crypto::SigningKey::Generate(random),
            std::move(bus_keys), settings.bus,
            *loaded.cluster,     {}};
  for (const AgentRecord& agent : loaded.agents) loot.agents[agent.node] = agent;
  return loot;
}

class StolenController {
 public:
  StolenController(Loot loot, std::unique_ptr<bus::BusServer> server, Random& random,
                   const Clock& clock)
      : loot_(std::move(loot)), server_(std::move(server)), random_(random), clock_(clock) {}

  Result<void> Run() {
    for (bool is_open = true; is_open;) {
      HF_ASSIGN(const std::optional<bus::BusMessage> message,
                server_->Receive(clock_.Monotonic() + kSlice));
      if (message) HF_TRY(Take(*message));
      HF_ASSIGN(is_open, ReadCommands());
    }
    return {};
  }

 private:
  std::int64_t NowMs() const { return trust::UnixMilliseconds(clock_.Now()); }

  Result<void> Take(const bus::BusMessage& received) {
    v1::AgentMessage message;
    if (!message.ParseFromArray(received.bytes.data(), static_cast<int>(received.bytes.size()))) {
      return Fail(ErrorCode::kCorrupt, "an agent said what cannot be read");
    }
    if (message.has_hello()) return Welcome(received.node, message.hello());
    if (message.has_reports()) return Print(received.node, message.reports());
    return {};
  }

  Result<void> Welcome(const std::string& node, const v1::Hello& hello) {
    const AgentRecord& agent = loot_.agents.at(node);
    v1::Fresh fresh;
    fresh.set_cluster_id(loot_.cluster.cluster_id);
    fresh.set_node(node);
    fresh.set_incarnation(agent.incarnation);
    fresh.set_nonce(hello.nonce());
    fresh.set_now_ms(NowMs());
    fresh.set_expires_at_ms(NowMs() + kPlanLifeMs / 2);
    fresh.set_controller_epoch(loot_.cluster.epoch);
    fresh.set_root_version(loot_.cluster.root_version);
    fresh.set_latest_sequence(static_cast<std::uint64_t>(NowMs()));
    v1::ControllerMessage message;
    v1::HelloAnswer& answer = *message.mutable_hello_answer();
    answer.set_fresh(std::string(AsText(trust::SignFresh(fresh, loot_.signing_key))));
    answer.set_root(std::string(AsText(forged_root_)));
    answer.set_heartbeat_ms(30'000);
    answer.set_lease_ms(120'000);
    answer.set_report_sequence(agent.report_sequence);
    HF_TRY(Send(node, message));
    std::cout << nlohmann::json{{"hello", node}, {"root_version", hello.root_version()}}.dump()
              << std::endl;
    return {};
  }

  Result<void> Print(const std::string& node, const v1::Reports& reports) {
    AgentRecord& agent = loot_.agents.at(node);
    HF_ASSIGN(const crypto::PublicKey key, crypto::PublicKeyFromBytes(agent.signing_key));
    for (const std::string& envelope : reports.envelopes()) {
      HF_ASSIGN(const trust::VerifiedReport verified, trust::VerifyReport(AsBytes(envelope), key));
      const v1::Report& report = verified.report;
      if (report.report_sequence() <= agent.report_sequence) continue;  // already received
      agent.report_sequence = report.report_sequence();
      nlohmann::json line = {{"node", node},
                             {"sequence", report.report_sequence()},
                             {"plan", HexEncode(AsBytes(report.plan_id()))},
                             {"run", report.run()},
                             {"source", report.source()}};
      const auto* outcome = v1::Report::descriptor()->FindFieldByNumber(report.outcome_case());
      line["outcome"] = outcome == nullptr ? "" : outcome->name();
      if (report.has_refused()) {
        line["check"] = report.refused().check();
        line["message"] = report.refused().message();
      }
      if (report.has_failed()) line["message"] = report.failed().message();
      std::cout << line.dump() << std::endl;
    }
    v1::ControllerMessage message;
    message.mutable_reports_taken()->set_report_sequence(agent.report_sequence);
    return Send(node, message);
  }

  // Returns false at the end of stdin.
  Result<bool> ReadCommands() {
    struct pollfd waiting {
      .fd = STDIN_FILENO, .events = POLLIN, .revents = 0
    };
    if (::poll(&waiting, 1, 0) <= 0) return true;
    char piece[65536];
    const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
    if (got <= 0) return false;
    typed_.append(piece, static_cast<std::size_t>(got));
    for (std::size_t end = typed_.find('\n'); end != std::string::npos; end = typed_.find('\n')) {
      const std::string line = typed_.substr(0, end);
      typed_.erase(0, end + 1);
      HF_TRY(Obey(line));
    }
    return true;
  }

  Result<void> Obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string node;
    words >> verb >> node;
    if (verb == "plan") {
      std::string extra;
      std::string signers;
      std::string order;
      words >> extra >> signers;
      std::getline(words, order);
      return SendPlan(node, extra, signers == "controller+operator", order);
    }
    if (verb == "send") {
      std::string envelope;
      words >> envelope;
      HF_ASSIGN(const Bytes bytes, HexDecode(envelope));
      return SendEnvelope(node, bytes);
    }
    if (verb == "graft") {
      std::string envelope;
      words >> envelope;
      HF_ASSIGN(const Bytes bytes, HexDecode(envelope));
      return Graft(node, bytes);
    }
    if (verb == "root") return ForgeRoot();
    return Fail(ErrorCode::kInvalidArgument, "unknown command " + Quote(line));
  }

  Result<void> SendPlan(const std::string& node, const std::string& extra, bool is_operator_made_up,
                        const std::string& order) {
    const AgentRecord& agent = loot_.agents.at(node);
    sequence_ = std::max(sequence_ + 1, static_cast<std::uint64_t>(NowMs()));
    v1::Plan plan;
    Bytes id(trust::kPlanIdBytes);
    random_.Fill(id);
    plan.set_plan_id(std::string(AsText(id)));
    plan.set_cluster_id(loot_.cluster.cluster_id);
    plan.set_node(node);
    plan.set_incarnation(agent.incarnation);
    plan.set_sequence(sequence_);
    plan.set_issued_at_ms(NowMs());
    plan.set_not_before_ms(NowMs());
    plan.set_expires_at_ms(NowMs() + kPlanLifeMs);
    plan.set_controller_epoch(loot_.cluster.epoch);
    plan.set_run(MakeUlid(clock_, random_));
    plan.set_requester("a thief");
    v1::Plan rest;
    if (!google::protobuf::TextFormat::ParseFromString(order, &rest)) {
      return Fail(ErrorCode::kInvalidArgument, "no plan: " + Quote(order));
    }
    plan.MergeFrom(rest);
    if (plan.order_name().empty())
      plan.set_order_name(std::string(trust::OrderKindText(trust::KindOf(plan))));
    Bytes payload = ToBytes(plan.SerializeAsString());
    if (extra != "-") {
      HF_ASSIGN(const Bytes more, HexDecode(extra));
      payload.insert(payload.end(), more.begin(), more.end());
    }
    Bytes envelope = trust::Sign(trust::PayloadType::kPlan, payload, loot_.signing_key);
    if (is_operator_made_up) {
      HF_ASSIGN(envelope, trust::AddSignature(trust::PayloadType::kPlan, envelope, loot_.own_key));
    }
    return SendEnvelope(node, envelope);
  }

  Result<void> Graft(const std::string& node, ByteView bytes) {
    trust::Envelope envelope;
    HF_TRY(trust::ParseEnvelope(bytes, envelope));
    for (trust::Signature& signature : envelope.signatures) {
      if (signature.key_id != loot_.signing_key.id()) continue;
      signature =
          trust::MakeSignature(trust::PayloadType::kPlan, envelope.payload, loot_.signing_key);
    }
    HF_ASSIGN(const Bytes grafted,
              trust::Assemble(trust::PayloadType::kPlan, envelope.payload, envelope.signatures));
    return SendEnvelope(node, grafted);
  }

  // As well as possible: the root keys were not stolen.
  Result<void> ForgeRoot() {
    HF_ASSIGN(const trust::RootDocument root, trust::RootDocument::Load(loot_.cluster.root));
    v1::RootDocument next = root.document();
    next.set_version(next.version() + 1);
    next.set_issued_at_ms(NowMs());
    v1::RoleKey& added = *next.add_keys();
    added.set_role(v1::ROLE_OPERATOR);
    const crypto::PublicKey& key = loot_.own_key.public_key();
    added.set_public_key(key.data(), key.size());
    added.set_person("mallory");
    added.set_not_before_ms(next.issued_at_ms());
    added.set_not_after_ms(next.expires_at_ms());
    HF_ASSIGN(forged_root_, trust::SignRootDocument(
                                next, std::vector<const crypto::SigningKey*>{&loot_.signing_key}));
    v1::ControllerMessage message;
    message.mutable_heartbeat_answer()->set_say_hello(true);
    for (const auto& [node, agent] : loot_.agents) HF_TRY(Send(node, message));
    return {};
  }

  Result<void> SendEnvelope(const std::string& node, ByteView envelope) {
    v1::ControllerMessage message;
    message.mutable_plans()->add_envelopes(std::string(AsText(envelope)));
    return Send(node, message);
  }
  Result<void> Send(const std::string& node, const v1::ControllerMessage& message) {
    return server_->Send(node, AsBytes(message.SerializeAsString()));
  }

  Loot loot_;
  const std::unique_ptr<bus::BusServer> server_;
  Random& random_;
  const Clock& clock_;
  std::uint64_t sequence_ = 0;
  Bytes forged_root_;
  std::string typed_;
};

Result<void> Main(const std::string& config) {
  SystemRandom random;
  SystemClock clock;
  HF_ASSIGN(Loot loot, Steal(config, random));
  std::vector<AgentRecord> agents;
  for (const auto& [node, agent] : loot.agents) agents.push_back(agent);
  KnownAgents known(agents);
  HF_ASSIGN(
      std::unique_ptr<bus::BusServer> server,
      bus::BusServer::Open(
          {.endpoint = loot.bus.listen, .keys = loot.bus_keys, .connections_max = 100}, known));
  return StolenController(std::move(loot), std::move(server), random, clock).Run();
}

}  // namespace
}  // namespace holdfast::controller

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: stolen_controller CONTROLLER_YAML\n";
    return 2;
  }
  const holdfast::Result<void> done = holdfast::controller::Main(argv[1]);
  if (done) return 0;
  std::cerr << done.error().Text() << "\n";
  return 1;
}
