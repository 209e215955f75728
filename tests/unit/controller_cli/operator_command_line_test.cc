#include "controller/cli/operator_command_line.h"

#include <map>
#include <string>
#include <vector>

#include "controller/cli/verbs/all_verbs.h"
#include "tests/support/catch.h"
#include "tests/support/command_words.h"

namespace holdfast::cli {
namespace {

using Catch::Contains;

std::string Mistake(const std::vector<std::string>& argv) {
  const ParsedOperatorLine parsed = ParseOperatorLine(argv, 80);
  REQUIRE(parsed.mistake);
  REQUIRE(parsed.mistake->code() == ErrorCode::kInvalidArgument);
  return parsed.mistake->Text();
}

TEST_CASE("operator command line: verbs keep their names, also those in JSON") {
  // Typed -> in JSON. Entries are only ever added.
  const std::map<std::string, std::string> names = {
      {"agent list", "agent list"},
      {"agent revoke", "agent revoke"},
      {"agent token", "agent token"},
      {"approval deny", "approval deny"},
      {"approval list", "approval list"},
      {"approval show", "approval show"},
      {"approve", "approve"},
      {"backup", "backup"},
      {"catalog backup", "catalog backup"},
      {"catalog check", "catalog check"},
      {"catalog rebuild", "catalog rebuild"},
      {"check", "check"},
      {"init", "init"},
      {"list", "snapshot list"},
      {"restore", "restore"},
      {"run cancel", "run cancel"},
      {"run list", "run list"},
      {"run show", "run show"},
      {"run watch", "run watch"},
      {"snapshot list", "snapshot list"},
      {"snapshot show", "snapshot show"},
      {"snapshots", "snapshot list"},
      {"source list", "source list"},
      {"status", "status"},
      {"trust key", "trust key"},
      {"trust pin", "trust pin"},
      {"trust rotate", "trust rotate"},
      {"trust show", "trust show"},
  };
  std::map<std::string, std::string> found;
  for (const OperatorVerbEntry& entry : AllOperatorVerbs()) {
    for (const std::string& name : entry.text.names) found[name] = entry.text.JsonName();
  }
  REQUIRE(found == names);
}

TEST_CASE("operator command line: global options are accepted anywhere") {
  for (const std::vector<std::string>& argv : std::vector<std::vector<std::string>>{
           {"-c", "f", "--controller", "/s", "--json", "--yes", "agent", "revoke", "db-1"},
           {"agent", "--config", "f", "--controller=/s", "--json", "revoke", "--yes", "db-1"},
           {"agent", "revoke", "db-1", "--yes", "--json", "--controller", "/s", "-c", "f"}}) {
    const ParsedOperatorLine parsed = ParseOperatorLine(argv, 80);
    REQUIRE_FALSE(parsed.mistake);
    REQUIRE(parsed.verb);
    CHECK(parsed.verb_name == "agent revoke");
    CHECK(parsed.globals.config == "f");
    CHECK(parsed.globals.controller == "/s");
    CHECK(parsed.globals.json);
    CHECK(parsed.globals.yes);
  }
}

TEST_CASE("operator command line: a mistyped command or option gets a suggestion") {
  CHECK_THAT(Mistake({"bakcup", "--all"}),
             Contains("unknown command \"bakcup\"; did you mean \"backup\"?"));
  CHECK_THAT(Mistake({"run", "shwo"}), Contains("did you mean \"run show\"?"));
  CHECK_THAT(Mistake({"backup", "--al"}),
             Contains("unknown option \"--al\"; did you mean \"--all\"?") &&
                 Contains("see `holdfast backup --help`"));
}

TEST_CASE("operator command line: a usage error keeps the verb and whether JSON was requested") {
  const ParsedOperatorLine parsed = ParseOperatorLine({"run", "show", "--what", "--json"}, 80);
  CHECK(parsed.globals.json);
  CHECK(parsed.verb_name == "run show");
}

TEST_CASE("operator command line: help of each verb has an example and the exit codes") {
  std::vector<std::string> names = {""};
  for (const OperatorVerbEntry& entry : AllOperatorVerbs()) {
    names.insert(names.end(), entry.text.names.begin(), entry.text.names.end());
  }
  for (const std::string& name : names) {
    std::vector<std::string> argv = holdfast::testing::CommandWords(name);
    argv.emplace_back("--help");
    const ParsedOperatorLine parsed = ParseOperatorLine(argv, 80);

    INFO(name);
    REQUIRE_FALSE(parsed.mistake);
    CHECK_THAT(parsed.out, Contains("Examples:\n  holdfast ") && Contains(name) &&
                               Contains("Exit codes: 0 done"));
    argv.pop_back();
    argv.insert(argv.begin(), "help");
    CHECK(ParseOperatorLine(argv, 80).out == parsed.out);
  }
  CHECK_THAT(ParseOperatorLine({"status", "--help"}, 80).out, Contains("(agent_away)"));
  CHECK_THAT(ParseOperatorLine({"--version"}, 80).out, Catch::StartsWith("holdfast 0."));
}

}  // namespace
}  // namespace holdfast::cli
