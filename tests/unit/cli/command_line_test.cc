#include "common/cli/command_line.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/wrong_lines.h"

namespace holdfast::cli {
namespace {

using Catch::Contains;

// What the verb of the last command line received.
struct Received {
  std::string path;
  std::vector<std::string> names;
  std::vector<std::string> patterns;
  bool dry_run = false;
  std::uint32_t limit = 0;
};

class Look final : public Verb {
 public:
  explicit Look(Received& received) : received_(received) {}
  void Declare(OptionList& options) override {
    options
        .Add({.names = "path",
              .metavar = "PATH",
              .help = "what to look at",
              .value = &received_.path,
              .is_required = true})
        .Add({.names = "name", .metavar = "NAME", .value = &received_.names, .count_max = 2})
        .Add({.names = "--dry-run,-n", .help = "change nothing", .value = &received_.dry_run})
        .Add({.names = "--limit",
              .metavar = "N",
              .help = "how many; and a text that is so long that it needs several lines below one "
                      "another",
              .value = NumberInto(received_.limit, 100)})
        .BeginGroup("Options of one kind");
    options.Add({.names = "--pattern", .metavar = "PATTERN", .value = &received_.patterns});
  }
  Result<void> Check() override {
    if (received_.path != "forbidden") return {};
    return Fail(ErrorCode::kInvalidArgument, "this path is forbidden");
  }

 private:
  Received& received_;
};

class Nothing final : public Verb {};

struct Program {
  Received received;
  std::string config;
  bool json = false;
  CommandLine line = Make();

  CommandLine Make() {
    OptionList globals;
    globals.Add({.names = "--config,-c", .metavar = "FILE", .help = "file", .value = &config});
    globals.Add({.names = "--json", .help = "one document", .value = &json});
    CommandLine made({.name = "prog",
                      .summary = "Does things.",
                      .version = "1.2",
                      .examples = "  prog look x\n",
                      .groups = {{"store", "looks after a store"}},
                      .commands_elsewhere = {"loop"},
                      .elsewhere = "is a command of another program"},
                     std::move(globals));
    made.Add({.names = {"look", "store look"},
              .section = "Commands",
              .summary = "look at a path",
              .examples = "  prog look x\n",
              .json_name = "store look"},
             [this] { return std::make_unique<Look>(received); });
    made.Add({.names = {"store key list"}, .section = "Commands", .summary = "list keys"},
             [] { return std::make_unique<Nothing>(); });
    return made;
  }
  ParsedCommandLine Parse(const std::vector<std::string>& argv) {
    received = {};
    config.clear();
    json = false;
    return line.Parse(argv, 80);
  }
  std::string Mistake(const std::vector<std::string>& argv) {
    const ParsedCommandLine parsed = Parse(argv);
    REQUIRE(parsed.verb == nullptr);
    REQUIRE(parsed.mistake);
    REQUIRE(parsed.mistake->code() == ErrorCode::kInvalidArgument);
    return parsed.mistake->Text();
  }
};

TEST_CASE("command line: global options are accepted anywhere") {
  Program program;
  const std::vector<std::vector<std::string>> lines = {
      {"--config", "f", "look", "x"}, {"-c", "f", "look", "x"},
      {"look", "--config=f", "x"},    {"look", "x", "-c", "f"},
      {"--config=f", "look", "x"},    {"store", "-c", "f", "look", "x"},
  };
  for (const std::vector<std::string>& argv : lines) {
    const ParsedCommandLine parsed = program.Parse(argv);
    REQUIRE(parsed.verb != nullptr);
    REQUIRE(parsed.index == 0);
    REQUIRE(parsed.verb_name == "store look");
    REQUIRE(program.config == "f");
    REQUIRE(program.received.path == "x");
  }
}

TEST_CASE("command line: values are stored where their options point to") {
  Program program;
  REQUIRE(program
              .Parse({"look", "x", "a", "b", "-n", "--limit", "7", "--pattern", "p", "--json",
                      "--pattern=q"})
              .verb != nullptr);
  REQUIRE(program.received.names == std::vector<std::string>{"a", "b"});
  REQUIRE(program.received.patterns == std::vector<std::string>{"p", "q"});
  REQUIRE(program.received.dry_run);
  REQUIRE(program.received.limit == 7);
  REQUIRE(program.json);
  REQUIRE(program.Parse({"store", "key", "list"}).index == 1);
}

TEST_CASE("command line: a command of another program is not mistaken for a typo") {
  Program program;
  REQUIRE_THAT(program.Mistake({"loop", "x"}),
               Contains("unknown command \"loop\"") &&
                   Contains("\"loop\" is a command of another program") &&
                   !Contains("did you mean"));
}

TEST_CASE("command line: a mistyped name gets a suggestion") {
  Program program;
  REQUIRE_THAT(program.Mistake({"lok", "x"}),
               Contains("unknown command \"lok\"; did you mean \"look\"?"));
  REQUIRE_THAT(program.Mistake({"store", "kye", "list"}),
               Contains("unknown command \"store kye\"; did you mean \"store key\"?") &&
                   Contains("see `prog store --help`"));
  REQUIRE_THAT(program.Mistake({"look", "x", "--dryrun"}),
               Contains("unknown option \"--dryrun\"; did you mean \"--dry-run\"?") &&
                   Contains("see `prog look --help`"));
  REQUIRE_THAT(program.Mistake({"nothing-like-it"}),
               Contains("unknown command \"nothing-like-it\"") && !Contains("did you mean"));
  REQUIRE_THAT(program.Mistake({"help", "lok"}), Contains("did you mean \"look\"?"));
}

TEST_CASE("command line: mistakes name what is wrong") {
  Program program;
  const auto mistake = [&](const std::vector<std::string>& argv) { return program.Mistake(argv); };
  testing::RequireMistakes(
      mistake, {{{}, {"no command", "see `prog --help`"}},
                {{"store"}, {"no command after \"store\""}},
                {{"look"}, {"PATH is missing"}},
                {{"look", "x", "--limit"}, {"--limit needs a value: N"}},
                {{"look", "x", "a", "b", "c"}, {"unexpected argument \"c\""}},
                {{"store", "key", "list", "c"}, {"unexpected argument \"c\""}},
                {{"look", "x", "--limit", "101"},
                 {"--limit: \"101\"; expected a whole number of at most 100"}},
                {{"look", "x", "--limit", "1", "--limit", "2"}, {"--limit is given 2 times"}},
                {{"-c", "a", "look", "x", "-c", "b"}, {"--config is given 2 times"}},
                {{"look", "x", "--config"}, {"--config"}},
                {{"--limit", "3", "look", "x"}, {"option \"--limit\" is before the command"}},
                {{"--nonsense"}, {"unknown option \"--nonsense\""}},
                {{"look", "forbidden"}, {"this path is forbidden", "see `prog look --help`"}}});
}

TEST_CASE("command line: help shows verbs, options, aliases and examples within 80 columns") {
  Program program;
  const std::string all = program.Parse({"--help"}).out;
  REQUIRE_THAT(all, Contains("Commands:\n  look ") && Contains("  store key list ") &&
                        Contains("-c, --config FILE") && Contains("Exit codes: 0 done"));
  REQUIRE(program.Parse({"help"}).out == all);

  const std::string verb = program.Parse({"look", "--help"}).out;
  REQUIRE_THAT(verb, Contains("Usage: prog look [OPTIONS] PATH [NAME...]") &&
                         Contains("Also:  prog store look") && Contains("-n, --dry-run") &&
                         Contains("\nOptions of one kind:\n") &&
                         Contains("Examples:\n  prog look x\n") && Contains("Exit codes: 0 done"));
  REQUIRE(program.Parse({"help", "look"}).out == verb);
  REQUIRE_THAT(program.Parse({"store", "--help"}).out,
               Contains("looks after a store") && Contains("store key list"));
  for (const std::string& text : {all, verb}) {
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      REQUIRE(end - begin <= 80);
    }
  }
}

TEST_CASE("command line: the version") {
  Program program;
  REQUIRE(program.Parse({"--version"}).out == "prog 1.2\n");
}

}  // namespace
}  // namespace holdfast::cli
