// `holdfast init` and `holdfast trust`, as typed.
#include <nlohmann/json.hpp>

#include <filesystem>

#include "common/base/format.h"
#include "common/bus/curve_key.h"
#include "common/bus/join_token.h"
#include "common/protocol/messages.h"
#include "common/trust/envelope.h"
#include "common/trust/root_document.h"
#include "controller/cli/root_change.h"
#include "tests/support/catch.h"
#include "tests/support/operator_fixture.h"

namespace holdfast::cli {
namespace {

using namespace testing;
using Catch::Contains;
using Json = nlohmann::json;
using Request = v1::AdminRequest;

// Two of anna, ben and cleo can change the root document.
struct TrustCommands : OperatorFixture {
  TrustCommands() {
    for (const auto& [name, key] :
         {std::pair{"anna", &keys.root_anna}, std::pair{"ben", &keys.root_ben},
          std::pair{"cleo", &keys.root_cleo}}) {
      Unwrap(trust::CreateSigningKeyFile(Path(std::string(name) + ".key"), *key, {}, keys.random));
    }
    Unwrap(trust::CreatePublicKeyFile(Path("new.pub"), keys.stranger.public_key()));
    controller.On(Request::kTrustChange, [](const Request&) {
      v1::AdminReply reply;
      reply.mutable_done();
      return Reply(reply);
    });
  }
  // The next version, signed by anna and ben.
  Bytes Next(const trust::RootDocument& before) const {
    v1::RootDocument next = before.document();
    next.set_version(next.version() + 1);
    return keys.SignRoot(next, {&keys.root_anna, &keys.root_ben});
  }
  // The controller answers with these documents, the last of which is in force.
  void InForce(const std::vector<Bytes>& documents) {
    controller.On(Request::kTrustShow, [documents](const Request&) {
      v1::AdminReply reply;
      for (const Bytes& one : documents)
        reply.mutable_trust()->add_successors(std::string(AsText(one)));
      reply.mutable_trust()->set_root(std::string(AsText(documents.back())));
      return Reply(reply);
    });
  }
};

}  // namespace

TEST_CASE("trust show: lists persons and their rights, from the controller or a file") {
  TrustCommands fixture;
  const Outcome shown = fixture.Run({"trust", "show"});
  REQUIRE(shown.code == 0);
  REQUIRE_THAT(shown.out, Contains("anna") && Contains("operator") && Contains("controller") &&
                              Contains("2 persons with root keys"));
  const auto document = fixture.Run({"trust", "show", "--json"}).document<Json>();
  REQUIRE(document["thresholds"]["restore in place"] == 2);
  REQUIRE(document["keys"].size() == 7);

  fixture.controller.Stop();
  REQUIRE(fixture.Run({"trust", "show", "--base", fixture.Path("root.holdfast")}).code == 0);
  fixture.Write("broken", "no envelope");
  const Outcome broken = fixture.Run({"trust", "show", "--base", fixture.Path("broken")});
  REQUIRE(broken.code == 1);
  REQUIRE_THAT(broken.err, Contains("broken\""));
}

TEST_CASE("trust show: verified successors become the pinned document") {
  TrustCommands fixture;
  const Bytes second = fixture.Next(fixture.root);
  const trust::RootDocument verified = Unwrap(fixture.root.VerifyNext(second, TrustNow()));
  const Bytes third = fixture.Next(verified);
  fixture.InForce({second, third});

  const Outcome shown = fixture.Run({"trust", "show", "--json"});

  REQUIRE(shown.code == 0);
  REQUIRE(shown.document<Json>()["version"] == 3);
  REQUIRE(fixture.controller.Got(Request::kTrustShow)[0].trust_show().after() == 1);
  REQUIRE(Unwrap(ReadWholeFile(fixture.Path("root.holdfast"))) == third);
}

TEST_CASE("trust show: a document that does not follow the pinned one is refused") {
  TrustCommands fixture;
  v1::RootDocument forged = fixture.root.document();
  const auto refused = [&](const Bytes& document, std::string_view reason) {
    fixture.InForce({document});
    const Outcome outcome = fixture.Run({"trust", "show"});
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, Contains("does not follow the pinned one, version 1: ") &&
                                Contains(std::string(reason)) && Contains("do not sign anything"));
  };
  forged.set_epoch(9);
  refused(fixture.keys.SignRoot(forged, {&fixture.keys.root_anna, &fixture.keys.root_ben}),
          "does not follow version 1");
  forged.set_version(2);
  refused(fixture.keys.SignRoot(forged, {&fixture.keys.root_cleo, &fixture.keys.stranger}),
          "signed by 1");
  refused(ToBytes("no envelope"), "not a valid envelope");
  REQUIRE(Unwrap(ReadWholeFile(fixture.Path("root.holdfast"))) == fixture.root.envelope());
}

TEST_CASE("trust: a command that needs the pinned document says where to get it") {
  TrustCommands fixture;
  fixture.Write("cli.yaml", "controller: " + fixture.Path("socket") + "\n");
  for (const std::vector<std::string>& argv :
       {std::vector<std::string>{"trust", "show"},
        {"agent", "token", "db-1"},
        {"trust", "rotate", "--send", "--yes", "--root-key", fixture.Path("anna.key")}}) {
    const Outcome outcome = fixture.Run(argv);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.err, Contains("no root document is pinned") &&
                                  Contains("has no root_file") && Contains("holdfast init"));
  }
  REQUIRE(fixture.controller.Got(Request::kToken).empty());
}

TEST_CASE("trust rotate: the file is passed on until enough have signed, then sent") {
  TrustCommands fixture;
  const std::string next = fixture.Path("next.holdfast");

  const Outcome begun =
      fixture.Run({"trust", "rotate", "--yes", "--add-operator", "dora=" + fixture.Path("new.pub"),
                   "--remove-operator", "ben", "--restore-in-place-operators", "1", "--raise-epoch",
                   "--root-key", fixture.Path("anna.key"), "--file", next});
  INFO(begun.err);
  REQUIRE(begun.code == 0);
  REQUIRE_THAT(begun.out, Contains("version: 1 -> 2") && Contains("epoch: 3 -> 4") &&
                              Contains("of \"dora\"") && Contains("of \"ben\": valid 2023") &&
                              Contains("operators for restore in place: 2 -> 1") &&
                              Contains("give " + next + " to the next person"));

  // Too early: a signature is missing.
  const Outcome early = fixture.Run({"trust", "rotate", "--yes", "--file", next, "--send"});
  REQUIRE(early.code == 4);
  REQUIRE(fixture.controller.Got(Request::kTrustChange).empty());

  // Ben's host has no network.
  fixture.prompt.answers = {"yes"};
  const Outcome second =
      fixture.Run({"trust", "rotate", "--file", next, "--base", fixture.Path("root.holdfast"),
                   "--root-key", fixture.Path("ben.key"), "--json"});
  INFO(second.err);
  REQUIRE(second.code == 0);
  REQUIRE(second.document<Json>()["complete"]);
  REQUIRE(second.document<Json>()["signed_by_old"].size() == 2);
  REQUIRE_THAT(second.err, Contains("of \"dora\""));  // shown before signing

  const Outcome sent = fixture.Run({"trust", "rotate", "--yes", "--file", next, "--send"});
  REQUIRE(sent.code == 0);
  const Bytes envelope =
      ToBytes(fixture.controller.Got(Request::kTrustChange)[0].trust_change().root());
  const trust::RootDocument taken = Unwrap(fixture.root.VerifyNext(envelope, TrustNow()));
  REQUIRE(taken.version() == 2);
  REQUIRE(taken.OperatorsNeeded(v1::ORDER_KIND_RESTORE_IN_PLACE) == 1);
}

TEST_CASE("trust rotate: mistakes and modified files are refused") {
  TrustCommands fixture;
  const std::string next = fixture.Path("next.holdfast");
  const auto rotate = [&](const std::vector<std::string>& more) {
    return fixture.Run({"trust", "rotate", "--yes", "--file", next}, more);
  };
  REQUIRE_THAT(rotate({}).err, Contains("no root key is given to start it with"));
  REQUIRE_THAT(rotate({"--root-key", fixture.Path("operator.key")}).err,
               Contains("is not a root key of cluster"));
  REQUIRE_THAT(rotate({"--remove-operator", "eve", "--root-key", fixture.Path("anna.key")}).err,
               Contains("\"eve\" has no operator key in the root document"));
  REQUIRE_THAT(rotate({"--remove-operator", "annna", "--root-key", fixture.Path("anna.key")}).err,
               Contains("did you mean \"anna\"?"));
  REQUIRE_THAT(rotate({"--root-threshold", "4", "--root-key", fixture.Path("anna.key")}).err,
               Contains("4"));
  REQUIRE_THAT(rotate({"--days", "0", "--root-key", fixture.Path("anna.key")}).err,
               Contains("--days is 0"));
  REQUIRE_FALSE(std::filesystem::exists(next));

  REQUIRE(rotate({"--root-key", fixture.Path("anna.key")}).code == 0);
  REQUIRE_THAT(rotate({"--raise-epoch", "--root-key", fixture.Path("ben.key")}).err,
               Contains("already exists, and others have signed its changes"));
  const Outcome twice = rotate({"--root-key", fixture.Path("anna.key")});
  REQUIRE(twice.code == 1);
  REQUIRE_THAT(twice.err, Contains("\"anna\""));

  // Someone added a friend's key on the way.
  auto envelope =
      Unwrap(trust::DecodeEnvelope(trust::PayloadType::kRoot, Unwrap(ReadWholeFile(next))));
  v1::RootDocument document;
  REQUIRE_OK(protocol::DecodeMessage(envelope.payload, "root document", document));
  TrustFixture::AddKey(document, v1::ROLE_OPERATOR, fixture.keys.stranger, "eve");
  fixture.Write(
      "next.holdfast",
      std::string(AsText(Unwrap(trust::Assemble(
          trust::PayloadType::kRoot, protocol::EncodeMessage(document), envelope.signatures)))));
  const Outcome changed = rotate({"--root-key", fixture.Path("ben.key")});
  REQUIRE(changed.code == 4);
  REQUIRE_THAT(changed.err, Contains("the signature of \"anna\" on the document is wrong"));
}

TEST_CASE("trust rotate: the bus key is replaced, and shown with both values") {
  TrustCommands fixture;
  const bus::CurveKeys keys = bus::GenerateCurveKeys(fixture.keys.random);
  Unwrap(bus::SaveCurvePublicKey(fixture.Path("bus.pub"), keys.public_key));
  Unwrap(bus::SaveCurveSecret(fixture.Path("bus"), keys));
  const std::string next = fixture.Path("next.holdfast");
  const auto rotate = [&](const std::string& file) {
    return fixture.Run({"trust", "rotate", "--yes", "--file", next, "--root-key",
                        fixture.Path("anna.key"), "--bus-key", fixture.Path(file)});
  };

  const Outcome secret = rotate("bus");
  REQUIRE(secret.code == 4);
  REQUIRE_THAT(secret.err, Contains("may be a secret key") &&
                               Contains("--bus-key " + fixture.Path("bus.pub")) &&
                               !Contains("chmod"));
  Unwrap(WriteFileAtomic(fixture.Path("closed.pub"), {}, 0600));
  REQUIRE_THAT(rotate("closed.pub").err, Contains("copy the .pub file again"));
  REQUIRE_FALSE(std::filesystem::exists(next));

  const Outcome made = rotate("bus.pub");
  INFO(made.err);
  REQUIRE(made.code == 0);
  trust::BusKey before{};
  before.fill('b');
  const std::string change = fmt::format("bus key: {} -> {}", bus::CurveKeyText(before),
                                         bus::CurveKeyText(keys.public_key));
  REQUIRE_THAT(made.err, Contains(change));  // before signing
  REQUIRE_THAT(made.out, Contains(change));

  v1::RootDocument same = fixture.root.document();
  same.set_bus_key(std::string(AsText(keys.public_key)));
  fixture.SetRoot(same);
  std::filesystem::remove(next);
  const Outcome again = rotate("bus.pub");
  REQUIRE(again.code == 1);
  REQUIRE_THAT(again.err, Contains("already has the bus key") && Contains("bus-key FILE"));
}

TEST_CASE("trust rotate: a new controller key must be installed before the next run") {
  TrustCommands fixture;
  v1::RootDocument document = fixture.root.document();
  document.set_root_threshold(1);
  fixture.SetRoot(document);
  const auto rotate = [&](const std::vector<std::string>& more) {
    return fixture.Run(
        {"trust", "rotate", "--yes", "--send", "--root-key", fixture.Path("anna.key")}, more);
  };

  const Outcome same = rotate({"--days", "400"});
  INFO(same.err);
  REQUIRE(same.code == 0);
  REQUIRE_THAT(same.out, !Contains("signing_key_file"));

  fixture.SetRoot(document);
  const Outcome sent = rotate({"--controller-key", fixture.Path("new.pub")});
  REQUIRE(sent.code == 0);
  REQUIRE_THAT(sent.out,
               Contains("install the secret key of " +
                        crypto::ShortKeyId(fixture.keys.stranger.id()) + " as signing_key_file") &&
                   Contains("restart holdfast-controller"));
}

TEST_CASE("trust pin: successors are pinned without the controller, others are refused") {
  TrustCommands fixture;
  fixture.controller.Stop();
  v1::RootDocument document = fixture.root.document();
  document.set_bus_key(std::string(32, 'c'));
  document.set_version(2);
  const trust::RootDocument second = fixture.keys.Root(document);
  document.set_bus_key(std::string(32, 'd'));
  document.set_version(3);
  const trust::RootDocument third = fixture.keys.Root(document);
  document.set_version(1);
  const trust::RootDocument other_first = fixture.keys.Root(document);
  for (const auto& [name, root] :
       {std::pair{"2", &second}, std::pair{"3", &third}, std::pair{"first", &other_first}}) {
    Unwrap(WriteFileAtomic(fixture.Path(name), root->envelope(), 0644));
  }
  const auto pin = [&](const std::vector<std::string>& files) {
    std::vector<std::string> argv = {"trust", "pin"};
    for (const std::string& file : files) argv.push_back(fixture.Path(file));
    return fixture.Run(argv);
  };
  const auto pinned = [&] { return Unwrap(ReadWholeFile(fixture.Path("root.holdfast"))); };

  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"3"}, {"first"}, {"operator.key"}, {"none"}, {"2", "none"}}) {
    REQUIRE(pin(wrong).code != 0);
    REQUIRE(pinned() == fixture.root.envelope());
  }
  const Outcome gap = pin({"3"});
  REQUIRE(gap.code == 4);
  REQUIRE_THAT(gap.err, Contains("version 2 is missing") && Contains("name it, too") &&
                            !Contains("investigated"));
  REQUIRE_THAT(pin({"first"}).err,
               Contains("differs from the pinned version 1") && Contains("investigated"));
  const Outcome base =
      fixture.Run({"trust", "rotate", "--yes", "--file", fixture.Path("next"), "--root-key",
                   fixture.Path("anna.key"), "--base", fixture.Path("3")});
  REQUIRE_THAT(base.err, Contains("version 2 is missing") && !Contains("investigated"));

  // In any order. The former key is the one directly before the newest.
  const Outcome done = pin({"3", "2", "root.holdfast"});
  INFO(done.err);
  REQUIRE(done.code == 0);
  REQUIRE(pinned() == third.envelope());
  const auto former = Unwrap(bus::LoadCurvePublicKey(fixture.Path("root.holdfast.former-bus-key")));
  REQUIRE(former == second.bus_key());
  REQUIRE_THAT(done.out, Contains("cluster \"prod\": version 3") && Contains("(before: 1)"));
  const Outcome again = pin({"2"});
  REQUIRE(again.code == 0);
  REQUIRE_THAT(again.out, Contains("version 3 of the root document was already pinned"));
  REQUIRE(pinned() == third.envelope());

  // Of another cluster, with a version that is not newer.
  document.set_cluster_id("01HF0000000000000000000001");
  document.set_cluster("test");
  Unwrap(WriteFileAtomic(fixture.Path("test"), fixture.keys.Root(document).envelope(), 0644));
  const Outcome foreign = pin({"test"});
  REQUIRE(foreign.code == 4);
  REQUIRE_THAT(foreign.err, Contains("a root document of cluster \"test\""));
  REQUIRE(foreign.out.empty());
}

TEST_CASE("agent token: a token with a bus key that is not pinned is not printed") {
  TrustCommands fixture;
  bus::JoinToken token;
  token.node = "db-1";
  token.endpoint = "tcp://controller:7734";
  token.root_hash = fixture.root.hash();
  token.server_key = fixture.root.bus_key();
  token.secret = Secret(std::string(32, 's'));
  token.expires_at_ms = kTrustNowMs;
  fixture.controller.On(Request::kToken, [&](const Request&) {
    v1::AdminReply reply;
    reply.mutable_token()->set_token(std::string(bus::EncodeJoinToken(token).Reveal()));
    return Reply(reply);
  });
  REQUIRE(fixture.Run({"agent", "token", "db-1"}).code == 0);

  token.server_key.fill(9);
  const Outcome outcome = fixture.Run({"agent", "token", "db-1"});
  REQUIRE(outcome.code == 4);
  REQUIRE_THAT(outcome.err, Contains("differs from the one in the pinned root document"));
  REQUIRE(outcome.out.empty());
}

TEST_CASE("agent token: a key that does not belong to an operator cannot sign a permit") {
  TrustCommands fixture;
  fixture.controller.On(Request::kAgentList, [](const Request&) {
    v1::AdminReply reply;
    reply.mutable_agents()->add_agents()->set_node("db-1");
    return Reply(reply);
  });
  fixture.Write("cli.yaml", "controller: " + fixture.Path("socket") +
                                "\nroot_file: root.holdfast\noperator_key_file: anna.key\n");

  const Outcome outcome = fixture.Run({"agent", "token", "db-1", "--rejoin", "--yes"});

  REQUIRE(outcome.code == 4);
  REQUIRE_THAT(outcome.err, Contains(crypto::ShortKeyId(fixture.keys.root_anna.id())) &&
                                Contains("version 1 of the root document") &&
                                Contains("the role root; expected operator") &&
                                Contains("operator_key_file of cli.yaml"));
  REQUIRE(outcome.out.empty());
  REQUIRE(fixture.controller.Got(Request::kToken).empty());
}

TEST_CASE("trust rotate: an expired document can still be followed by another") {
  TrustFixture keys;
  v1::RootDocument old = keys.Document();
  for (v1::RoleKey& key : *old.mutable_keys()) key.set_not_after_ms(kTrustNowMs - 3'600'000);
  old.set_expires_at_ms(kTrustNowMs - 3'600'000);
  const trust::RootDocument current = keys.Root(old);
  REQUIRE(current.IsExpiredAt(TrustNow()));

  const v1::RootDocument next = Unwrap(MakeNextRoot(current, {}, TrustNow()));
  const Bytes envelope = keys.SignRoot(next, {&keys.root_anna, &keys.root_ben});
  const trust::RootDocument taken = Unwrap(current.VerifyNext(envelope, TrustNow()));
  REQUIRE_FALSE(taken.IsExpiredAt(TrustNow()));
}

TEST_CASE("trust key: creates keys for a new operator, whose public halves can be added") {
  TrustCommands fixture;
  fixture.prompt.answers = {"one", "two", "secret", "secret"};
  const Outcome made = fixture.RunBare({"trust", "key", "dora", "--dir", fixture.Path("dora")});
  INFO(made.err);
  REQUIRE(made.code == 0);
  REQUIRE_THAT(made.out, Contains("operator.pub") && Contains("admin: operators"));
  REQUIRE(fixture.prompt.asked.size() == 4);
  const auto public_key = Unwrap(trust::ReadPublicKeyFile(fixture.Path("dora/operator.pub")));
  const auto key = Unwrap(trust::ReadSigningKeyFile(
      fixture.Path("dora/operator.key"), [] { return Result<Secret>(Secret("secret")); }));
  REQUIRE(key.public_key() == public_key);
  const Outcome twice =
      fixture.RunBare({"trust", "key", "dora", "--dir", fixture.Path("dora"), "--no-passphrase"});
  REQUIRE(twice.code == 1);
  REQUIRE_THAT(twice.err, Contains("already exists"));
}

TEST_CASE("init: shows which files go where, and the next steps") {
  OperatorFixture fixture;
  fixture.prompt.answers = {"secret", "secret"};
  const Outcome made = fixture.RunBare({"init", "--dir", fixture.Path("prod"), "--cluster", "prod",
                                        "--operator", "anna", "--host", "backup-1"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  REQUIRE_THAT(made.out, Contains("operators/anna/") && Contains("root/anna.key") &&
                             Contains("Move the keys of operators and of root off this machine") &&
                             Contains("holdfast agent token NODE") && Contains("warnings:"));
  // The program can read what init wrote.
  const std::string settings =
      std::string(AsText(Unwrap(ReadWholeFile(fixture.Path("prod/operators/anna/cli.yaml")))));
  REQUIRE_THAT(settings, Contains("tcp://backup-1:7735") && Contains("root_file: root.holdfast"));
  fixture.controller.Stop();
  const Outcome used =
      fixture.RunBare({"status", "--config", fixture.Path("prod/operators/anna/cli.yaml"),
                       "--controller", fixture.Path("socket")});
  REQUIRE(used.code == 5);

  const Outcome again = fixture.RunBare({"init", "--dir", fixture.Path("prod"), "--cluster", "prod",
                                         "--operator", "anna", "--no-passphrase", "--json"});
  REQUIRE(again.code == 1);
  REQUIRE(again.document<Json>()["error"]["code"] == "already_exists");
  REQUIRE_THAT(again.err, Contains("using admin-1"));

  fixture.prompt.is_anybody_there = false;
  const Outcome mute = fixture.RunBare(
      {"init", "--dir", fixture.Path("x"), "--cluster", "prod", "--operator", "anna"});
  REQUIRE(mute.code == 2);
  REQUIRE_THAT(mute.err, Contains("--passphrase-file"));
}

}  // namespace holdfast::cli
