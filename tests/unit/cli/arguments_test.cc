#include "agent/cli/arguments.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/fake_source.h"
#include "tests/support/results.h"

namespace holdfast::cli {
namespace {

ParsedArguments Parse(const std::vector<std::string>& argv) {
  static testing::FakeWorld world;
  static const std::vector<SourceKind> kinds = {testing::FakeKind(world),
                                                testing::FakeKind(world, "second")};
  return ParseArguments(argv, kinds);
}

Arguments Good(const std::vector<std::string>& argv) {
  ParsedArguments parsed = Parse(argv);
  INFO((parsed.mistake ? parsed.mistake->Text() : ""));
  REQUIRE(parsed.arguments);
  return *parsed.arguments;
}

std::string Mistake(const std::vector<std::string>& argv) {
  ParsedArguments parsed = Parse(argv);
  REQUIRE_FALSE(parsed.arguments);
  REQUIRE(parsed.mistake);
  REQUIRE(parsed.mistake->code() == ErrorCode::kInvalidArgument);
  return parsed.mistake->Text();
}

TEST_CASE("arguments: each verb is known by its words") {
  REQUIRE(Good({"repository", "init"}).verb == Verb::kRepositoryInit);
  REQUIRE(Good({"source", "list"}).verb == Verb::kSourceList);
  REQUIRE(Good({"backup"}).verb == Verb::kBackup);
  REQUIRE(Good({"list"}).verb == Verb::kList);
  REQUIRE(Good({"restore", "x", "--to", "y"}).verb == Verb::kRestore);
  REQUIRE(Good({"check"}).verb == Verb::kCheck);
  REQUIRE(Good({"repository", "check", "--read-data"}).verb == Verb::kCheck);
  REQUIRE(Good({"repository", "check", "--read-data"}).read_data);
  REQUIRE(Good({"repository", "copy", "--to", "x"}).verb == Verb::kRepositoryCopy);
  REQUIRE(Good({"export", "x", "--to", "y"}).verb == Verb::kExport);
  REQUIRE(Good({"import", "x"}).verb == Verb::kImport);
  REQUIRE(Good({"repository", "repair", "packs", "x"}).verb == Verb::kRepositoryRepairPacks);
  REQUIRE(Good({"config", "check"}).verb == Verb::kConfigCheck);
  REQUIRE(Good({"config", "show"}).verb == Verb::kConfigShow);
}

TEST_CASE("arguments: values land where they belong") {
  Arguments backup =
      Good({"backup", "fake/a", "fake/b", "--note", "n n", "--config", "c", "--json"});
  REQUIRE(backup.selectors == std::vector<std::string>{"fake/a", "fake/b"});
  REQUIRE(backup.note == "n n");
  REQUIRE(backup.config == "c");
  REQUIRE(backup.json);
  REQUIRE(Good({"list"}).config == "/etc/holdfast/agent.yaml");
  REQUIRE(Good({"source", "list", "--discover"}).discover);
  REQUIRE_FALSE(Good({"source", "list", "fake/*"}).discover);
  REQUIRE(Good({"check", "--read-data", "--log-level", "debug"}).log_level == LogLevel::kDebug);

  Arguments restore = Good({"restore", "latest:fake/a", "--in-place", "--no-safety-snapshot"});
  REQUIRE(restore.snapshot == "latest:fake/a");
  REQUIRE(restore.in_place);
  REQUIRE_FALSE(restore.safety_snapshot);
  REQUIRE(Good({"restore", "x", "--in-place"}).safety_snapshot);
}

TEST_CASE("arguments: restore takes the flags that kinds declare") {
  Arguments arguments = Good({"restore", "x", "--stage-dir", "d", "--bump", "5", "--mark"});

  REQUIRE(arguments.kind_options.at("stage_dir") == std::vector<std::string>{"d"});
  REQUIRE(arguments.kind_options.at("bump") == std::vector<std::string>{"5"});
  REQUIRE(arguments.kind_options.at("mark") == std::vector<std::string>{"true"});
  REQUIRE(Good({"restore", "x", "--to", "y"}).kind_options.empty());
}

TEST_CASE("arguments: what becomes of what lies where a snapshot is restored to") {
  const Arguments plain = Good({"restore", "x", "--to", "y"});
  REQUIRE_FALSE(plain.overwrite.has_value());
  REQUIRE_FALSE((plain.remove_others || plain.dry_run));
  const Arguments all = Good({"restore", "x", "--to", "y", "--overwrite", "if-newer", "--delete",
                              "--dry-run", "--include", "/data/etc", "--include", "*.conf"});
  REQUIRE(all.overwrite == Overwrite::kIfNewer);
  REQUIRE(all.remove_others);
  REQUIRE(all.dry_run);
  REQUIRE(all.include == std::vector<std::string>{"/data/etc", "*.conf"});
  REQUIRE(Good({"restore", "x", "--to", "y", "--exclude", "a"}).exclude ==
          std::vector<std::string>{"a"});
}

TEST_CASE("arguments: mistakes are named and hint at the verb's help") {
  REQUIRE_THAT(Mistake({}), Catch::Contains("see `holdfast-agent --help`"));
  REQUIRE_THAT(Mistake({"backupp"}), Catch::Contains("--help"));
  REQUIRE_THAT(Mistake({"backup", "--nite", "x"}),
               Catch::Contains("--nite") && Catch::Contains("`holdfast-agent backup "
                                                            "--help`"));
  REQUIRE_THAT(Mistake({"config"}), Catch::Contains("`holdfast-agent config --help`"));
  REQUIRE_THAT(Mistake({"restore"}), Catch::Contains("snapshot"));
  REQUIRE_THAT(Mistake({"restore", "x"}), Catch::Contains("expected --to DIR or --in-place"));
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--in-place"}), Catch::Contains("--in-place"));
  REQUIRE_THAT(Mistake({"restore", "x", "--in-place", "--path", "p"}), Catch::Contains("--to"));
  for (const char* flag :
       {"--include=a", "--exclude=a", "--overwrite=never", "--delete", "--dry-run"}) {
    INFO(flag);
    REQUIRE_THAT(Mistake({"restore", "x", "--in-place", flag}), Catch::Contains("goes with --to"));
  }
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--include", "a", "--exclude", "b"}),
               Catch::Contains("expected one of them"));
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--include", "[a"}),
               Catch::Contains("is no pattern"));
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--delete"}), Catch::Contains("--overwrite"));
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--overwrite", "sometimes"}),
               Catch::Contains("expected always, if-changed, if-newer or never"));
  REQUIRE_THAT(Mistake({"restore", "x", "--to", "y", "--no-safety-snapshot"}),
               Catch::Contains("--in-place"));
  REQUIRE_THAT(Mistake({"list", "--repository-url", "file:/x"}),
               Catch::Contains("--password-file"));
  REQUIRE_THAT(Mistake({"list", "--password-file", "p"}), Catch::Contains("--repository-url"));
  REQUIRE_THAT(
      Mistake({"list", "--repository-url", "file:/x", "--password-file", "p", "--config", "c"}),
      Catch::Contains("--config"));
  REQUIRE_THAT(
      Mistake({"restore", "x", "--in-place", "--repository-url", "u", "--password-file", "p"}),
      Catch::Contains("needs the source's configuration"));
  REQUIRE_THAT(Mistake({"list", "a/b", "c/d"}), Catch::Contains("At Most 1 required"));
  REQUIRE_THAT(Mistake({"list", "--log-level", "loud"}), Catch::Contains("expected trace"));
}

TEST_CASE("arguments: a policy of forgetting") {
  const Arguments arguments = Good({"repository",
                                    "forget",
                                    "--keep-daily",
                                    "14",
                                    "--keep-last",
                                    "unlimited",
                                    "--keep-within",
                                    "1y5m",
                                    "--keep-tag",
                                    "a,b",
                                    "--keep-tag",
                                    "c",
                                    "--group-by",
                                    "host",
                                    "--source",
                                    "etcd/*",
                                    "--min-keep",
                                    "3",
                                    "-n",
                                    "--retry-lock",
                                    "10m"});

  REQUIRE(arguments.verb == Verb::kRepositoryForget);
  REQUIRE(arguments.policy.daily == 14);
  REQUIRE(arguments.policy.last == repository::kKeepAll);
  REQUIRE(arguments.policy.within == repository::CalendarPeriod{.years = 1, .months = 5});
  REQUIRE(arguments.policy.tags == std::vector<std::vector<std::string>>{{"a", "b"}, {"c"}});
  REQUIRE(arguments.grouping.by_host);
  REQUIRE_FALSE(arguments.grouping.by_paths);
  REQUIRE(arguments.source == "etcd/*");
  REQUIRE(arguments.min_keep == 3);
  REQUIRE(arguments.dry_run);
  REQUIRE(arguments.retry_lock == std::chrono::minutes(10));
  REQUIRE_FALSE(Good({"repository", "forget", "3fa2"}).min_keep);
  REQUIRE(Good({"repository", "forget", "3fa2", "latest:a/b"}).snapshots.size() == 2);
}

TEST_CASE("arguments: what looks into a repository") {
  REQUIRE(Good({"repository", "stats", "--mode", "raw-data"}).stats_mode ==
          repository::StatsMode::kRawData);
  const Arguments ls = Good({"repository", "ls", "3fa2", "data/etc", "-r"});
  REQUIRE(ls.snapshot == "3fa2");
  REQUIRE(ls.path == "data/etc");
  REQUIRE(ls.recursive);
  REQUIRE(Good({"repository", "dump", "3fa2", "/", "--to", "f", "--json"}).to == "f");
  REQUIRE(Good({"repository", "find", "*.conf"}).wanted == "*.conf");
  const Arguments diff = Good({"repository", "diff", "a", "b", "--metadata"});
  REQUIRE(diff.snapshots == std::vector<std::string>{"a", "b"});
  REQUIRE(diff.with_attributes);
  const Arguments check = Good({"check", "--read-data-subset", "2/7"});
  REQUIRE(check.read_data);
  REQUIRE(check.read_subset.bucket == 2);
  REQUIRE(check.read_subset.buckets == 7);
  REQUIRE(Good({"check", "--read-data-subset", "2.5%"}).read_subset.share == 0.025);

  REQUIRE_THAT(Mistake({"repository", "stats", "--mode", "x"}), Catch::Contains("no way to count"));
  REQUIRE_THAT(Mistake({"repository", "dump", "a", "/", "--json"}), Catch::Contains("--to FILE"));
  REQUIRE_THAT(Mistake({"repository", "diff", "a"}), Catch::Contains("snapshots"));
  REQUIRE_THAT(Mistake({"repository", "key", "add"}), Catch::Contains("--new-password-file"));
  REQUIRE_THAT(Mistake({"check", "--read-data-subset", "8/7"}), Catch::Contains("no part of"));
}

TEST_CASE("arguments: mistakes in forgetting") {
  const auto wrong = [](const std::vector<std::string>& more, const std::string& text) {
    std::vector<std::string> argv = {"repository", "forget"};
    argv.insert(argv.end(), more.begin(), more.end());
    REQUIRE_THAT(Mistake(argv), Catch::Contains(text));
  };
  wrong({}, "nothing to forget");
  wrong({"--keep-last", "0"}, "nothing to forget");
  wrong({"3fa2", "--keep-last", "1"}, "expected one of them");
  wrong({"3fa2", "--source", "a/b"}, "go with a policy");
  wrong({"--keep-last", "many"}, "expected a number, or \"unlimited\"");
  wrong({"--keep-within", "7w"}, "--keep-within: \"7w\" is not a period");
  wrong({"--keep-last", "1", "--group-by", "age"}, "cannot group by \"age\"");
  wrong({"--keep-last", "1", "--source", "etcd"}, "expected kind/name");
  wrong({"--keep-last", "1", "--retry-lock", "10"}, "--retry-lock \"10\"");
}

TEST_CASE("arguments: a mistake knows whether JSON was asked for, and its verb") {
  ParsedArguments parsed = Parse({"config", "show", "--json", "--what"});

  REQUIRE(parsed.json);
  REQUIRE(parsed.verb == "config show");
}

TEST_CASE("arguments: help of each verb has an example and the exit codes") {
  const std::vector<std::vector<std::string>> verbs = {{},
                                                       {"repository", "init"},
                                                       {"repository", "forget"},
                                                       {"repository", "lock", "list"},
                                                       {"repository", "unlock"},
                                                       {"repository", "key", "list"},
                                                       {"repository", "key", "add"},
                                                       {"repository", "key", "passwd"},
                                                       {"repository", "key", "remove"},
                                                       {"repository", "info"},
                                                       {"repository", "stats"},
                                                       {"repository", "ls"},
                                                       {"repository", "dump"},
                                                       {"repository", "find"},
                                                       {"repository", "diff"},
                                                       {"repository", "repair", "index"},
                                                       {"repository", "prune"},
                                                       {"source", "list"},
                                                       {"backup"},
                                                       {"list"},
                                                       {"restore"},
                                                       {"check"},
                                                       {"config", "check"},
                                                       {"config", "show"}};
  for (std::vector<std::string> argv : verbs) {
    std::string name = "holdfast-agent";
    for (const std::string& word : argv) name += " " + word;
    argv.push_back("--help");

    ParsedArguments parsed = Parse(argv);

    INFO(name);
    REQUIRE_FALSE(parsed.mistake);
    REQUIRE_THAT(parsed.out, Catch::Contains("Examples:\n  " + name.substr(0, 14)));
    REQUIRE_THAT(parsed.out, Catch::Contains(name));
    REQUIRE_THAT(parsed.out, Catch::Contains("Exit codes: 0 done"));
  }
  REQUIRE_THAT(Parse({"restore", "--help"}).out, Catch::Contains("--stage-dir"));
  REQUIRE_THAT(Parse({"backup", "--help"}).out, Catch::Contains("a map in memory"));
}

TEST_CASE("arguments: the version") {
  REQUIRE_THAT(Parse({"--version"}).out, Catch::StartsWith("holdfast-agent 0."));
}

}  // namespace
}  // namespace holdfast::cli
