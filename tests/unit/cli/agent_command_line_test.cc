#include "agent/cli/agent_command_line.h"

#include <map>
#include <string>
#include <vector>

#include "agent/cli/verbs/all_verbs.h"
#include "tests/support/catch.h"
#include "tests/support/command_words.h"
#include "tests/support/fake_source.h"
#include "tests/support/results.h"
#include "tests/support/wrong_lines.h"

namespace holdfast::cli {
namespace {

const std::vector<SourceKind>& Kinds() {
  static testing::FakeWorld world;
  static const std::vector<SourceKind> kinds = {testing::FakeKind(world),
                                                testing::FakeKind(world, "second")};
  return kinds;
}

ParsedAgentLine Parse(const std::vector<std::string>& argv) {
  // The verb must not outlive its command line.
  AgentCommandLine line(Kinds());
  ParsedAgentLine parsed = line.Parse(argv, 80);
  parsed.verb.reset();
  return parsed;
}

std::string NameOf(const std::vector<std::string>& argv) {
  const ParsedAgentLine parsed = Parse(argv);
  INFO((parsed.mistake ? parsed.mistake->Text() : ""));
  REQUIRE_FALSE(parsed.mistake);
  return parsed.verb_name;
}

std::string Mistake(const std::vector<std::string>& argv) {
  const ParsedAgentLine parsed = Parse(argv);
  REQUIRE(parsed.mistake);
  REQUIRE(parsed.mistake->code() == ErrorCode::kInvalidArgument);
  return parsed.mistake->Text();
}

TEST_CASE("agent command line: verbs keep their names, also those in JSON") {
  // Typed -> in JSON. Entries are only ever added.
  const std::map<std::string, std::string> names = {
      {"backup", "backup"},
      {"check", "check"},
      {"config check", "config check"},
      {"config show", "config show"},
      {"copy", "repository copy"},
      {"diff", "repository diff"},
      {"dump", "repository dump"},
      {"export", "export"},
      {"find", "repository find"},
      {"forget", "repository forget"},
      {"import", "import"},
      {"init", "repository init"},
      {"join", "join"},
      {"key add", "repository key add"},
      {"key list", "repository key list"},
      {"key passwd", "repository key passwd"},
      {"key remove", "repository key remove"},
      {"list", "list"},
      {"lock list", "repository lock list"},
      {"ls", "repository ls"},
      {"prune", "repository prune"},
      {"repair index", "repository repair index"},
      {"repair packs", "repository repair packs"},
      {"repository check", "check"},
      {"repository copy", "repository copy"},
      {"repository diff", "repository diff"},
      {"repository dump", "repository dump"},
      {"repository find", "repository find"},
      {"repository forget", "repository forget"},
      {"repository info", "repository info"},
      {"repository init", "repository init"},
      {"repository key add", "repository key add"},
      {"repository key list", "repository key list"},
      {"repository key passwd", "repository key passwd"},
      {"repository key remove", "repository key remove"},
      {"repository lock list", "repository lock list"},
      {"repository ls", "repository ls"},
      {"repository prune", "repository prune"},
      {"repository repair index", "repository repair index"},
      {"repository repair packs", "repository repair packs"},
      {"repository stats", "repository stats"},
      {"repository unlock", "repository unlock"},
      {"restore", "restore"},
      {"restore-helper", "restore-helper"},
      {"run", "run"},
      {"snapshots", "list"},
      {"source list", "source list"},
      {"stats", "repository stats"},
      {"trust pin", "trust pin"},
      {"unlock", "repository unlock"},
  };
  std::map<std::string, std::string> found;
  for (const VerbEntry& entry : AllVerbs()) {
    for (const std::string& name : entry.text.names) found[name] = entry.text.JsonName();
  }
  REQUIRE(found == names);
}

TEST_CASE("agent command line: options of verbs are accepted") {
  REQUIRE(NameOf({"restore", "x", "--to", "y"}) == "restore");
  REQUIRE(NameOf({"restore", "x", "--stage-dir", "d", "--bump", "5", "--mark"}) == "restore");
  REQUIRE(NameOf({"restore", "x", "--to", "y", "--overwrite", "if-newer", "--delete", "--dry-run",
                  "--include", "/data/etc", "--include", "*.conf"}) == "restore");
  REQUIRE(NameOf({"restore", "x", "--in-place", "--path", "/etc/a", "--dry-run"}) == "restore");
  REQUIRE(NameOf({"restore", "x", "--to", "y", "--path", "/etc/a", "--strip", "2"}) == "restore");
  REQUIRE(NameOf({"repository", "check", "--read-data"}) == "check");
  REQUIRE(NameOf({"check", "--read-data-subset", "2.5%"}) == "check");
  REQUIRE(NameOf({"source", "list", "--discover"}) == "source list");
  REQUIRE(NameOf({"ls", "3fa2", "data/etc", "-r"}) == "repository ls");
  REQUIRE(NameOf({"dump", "3fa2", "/", "--to", "f", "--json"}) == "repository dump");
  REQUIRE(NameOf({"diff", "a", "b", "--metadata"}) == "repository diff");
  REQUIRE(NameOf({"forget", "3fa2", "latest:a/b"}) == "repository forget");
  REQUIRE(
      NameOf({"forget",       "--keep-daily", "14",     "--keep-last", "unlimited", "--keep-within",
              "1y5m",         "--keep-tag",   "a,b",    "--keep-tag",  "c",         "--group-by",
              "host",         "--source",     "etcd/*", "--min-keep",  "3",         "-n",
              "--retry-lock", "10m"}) == "repository forget");
}

TEST_CASE("agent command line: options that several verbs share reach the program") {
  AgentCommandLine line(Kinds());
  const ParsedAgentLine parsed =
      line.Parse({"-c", "f", "stats", "--retry-lock", "10m", "--repository", "main",
                  "--allow-partial", "--log-level", "debug"},
                 80);
  REQUIRE(parsed.verb != nullptr);
  REQUIRE(line.globals().config == "f");
  REQUIRE(line.globals().log_level == LogLevel::kDebug);
  REQUIRE(parsed.verb->retry_lock() == std::chrono::minutes(10));
  REQUIRE(parsed.verb->repository() == "main");
  REQUIRE(parsed.verb->latest().allow_partial);
  REQUIRE_FALSE(parsed.verb->latest().allow_invalid);
}

TEST_CASE("agent command line: mistakes are named and hint at the verb's help") {
  testing::RequireMistakes(
      Mistake, {{{}, {"see `holdfast-agent --help`"}},
                {{"backupp"}, {"--help"}},
                {{"backup", "--nite", "x"}, {"--nite", "`holdfast-agent backup --help`"}},
                {{"config"}, {"`holdfast-agent config --help`"}},
                {{"restore"}, {"SNAPSHOT is missing"}},
                {{"restore", "x"}, {"no target; expected --to DIR, --in-place or --undo"}},
                {{"restore", "x", "--to", "y", "--in-place"}, {"--in-place"}},
                {{"restore", "x", "--stage-dir", "d", "--path", "p"},
                 {"--path requires --to or --in-place"}}});
  for (const char* flag :
       {"--include=a", "--exclude=a", "--overwrite=never", "--delete", "--strip=1"}) {
    testing::RequireMistakes(Mistake, {{{"restore", "x", "--in-place", flag}, {"requires --to"}}});
  }
  testing::RequireMistakes(
      Mistake,
      {{{"restore", "x", "--to", "y", "--include", "a", "--exclude", "b"}, {"exclude each other"}},
       {{"restore", "x", "--to", "y", "--include", "[a"}, {"is not a pattern"}},
       {{"restore", "x", "--to", "y", "--delete"}, {"--overwrite"}},
       {{"restore", "x", "--to", "y", "--overwrite", "sometimes"},
        {"expected always, if-changed, if-newer or never"}},
       {{"restore", "x", "--to", "y", "--no-safety-snapshot"}, {"--in-place"}},
       {{"list", "--repository-url", "file:/x"}, {"--password-file"}},
       {{"list", "--password-file", "p"}, {"--repository-url"}},
       {{"list", "--repository-url", "file:/x", "--password-file", "p", "--config", "c"},
        {"--config"}},
       {{"restore", "x", "--in-place", "--repository-url", "u", "--password-file", "p"},
        {"needs the source's configuration"}},
       {{"list", "a/b", "c/d"}, {"unexpected argument \"c/d\""}},
       {{"list", "--log-level", "loud"}, {"expected trace"}}});
}

TEST_CASE("agent command line: mistakes in commands that read a repository") {
  testing::RequireMistakes(Mistake,
                           {{{"repository", "stats", "--mode", "x"}, {"unknown mode"}},
                            {{"repository", "dump", "a", "/", "--json"}, {"--to FILE"}},
                            {{"repository", "diff", "a"}, {"expected 2 of SNAPSHOT, got 1"}},
                            {{"repository", "key", "add"}, {"--new-password-file"}},
                            {{"check", "--read-data-subset", "8/7"}, {"not a part of"}}});
}

TEST_CASE("agent command line: mistakes in `forget`") {
  const auto wrong = [](const std::vector<std::string>& more, const std::string& text) {
    std::vector<std::string> argv = {"repository", "forget"};
    argv.insert(argv.end(), more.begin(), more.end());
    REQUIRE_THAT(Mistake(argv), Catch::Contains(text));
  };
  wrong({}, "nothing to forget");
  wrong({"--keep-last", "0"}, "nothing to forget");
  wrong({"3fa2", "--keep-last", "1"}, "exclude each other");
  wrong({"3fa2", "--source", "a/b"}, "--group-by and --source require a policy");
  wrong({"--keep-last", "many"}, "expected a number, or \"unlimited\"");
  wrong({"--keep-within", "7w"}, "--keep-within: \"7w\" is not a period");
  wrong({"--keep-last", "1", "--group-by", "age"}, "cannot group by \"age\"");
  wrong({"--keep-last", "1", "--source", "etcd"}, "expected kind/name");
  wrong({"--keep-last", "1", "--retry-lock", "10"}, "--retry-lock: \"10\"");
}

TEST_CASE("agent command line: a usage error keeps the verb and whether JSON was requested") {
  ParsedAgentLine parsed = Parse({"config", "show", "--json", "--what"});

  REQUIRE(parsed.json);
  REQUIRE(parsed.verb_name == "config show");
}

TEST_CASE("agent command line: help of each verb has an example and the exit codes") {
  std::vector<std::string> names = {""};
  for (const VerbEntry& entry : AllVerbs()) {
    names.insert(names.end(), entry.text.names.begin(), entry.text.names.end());
  }
  for (const std::string& name : names) {
    std::vector<std::string> argv = holdfast::testing::CommandWords(name);
    argv.emplace_back("--help");

    const ParsedAgentLine parsed = Parse(argv);

    INFO(name);
    REQUIRE_FALSE(parsed.mistake);
    REQUIRE_THAT(parsed.out, Catch::Contains("Examples:\n  holdfast"));
    REQUIRE_THAT(parsed.out, Catch::Contains(("holdfast-agent " + name).substr(0, 14)));
    REQUIRE_THAT(parsed.out, Catch::Contains(name));
    REQUIRE_THAT(parsed.out, Catch::Contains("Exit codes: 0 done"));
  }
  REQUIRE_THAT(Parse({"restore", "--help"}).out, Catch::Contains("--stage-dir"));
  REQUIRE_THAT(Parse({"backup", "--help"}).out, Catch::Contains("a map in memory"));
}

TEST_CASE("agent command line: the version") {
  REQUIRE_THAT(Parse({"--version"}).out, Catch::StartsWith("holdfast-agent 0."));
}

}  // namespace
}  // namespace holdfast::cli
