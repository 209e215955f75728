#include "common/cli/method_options.h"

#include "tests/support/catch.h"

namespace holdfast::cli {
namespace {

using Catch::Contains;
using config::OptionType;

// A verb with the options of several methods, one of them shared.
class Send final : public Verb {
 public:
  explicit Send(config::OptionTexts& given) : given_(given) {}
  void Declare(OptionList& options) override {
    method_options_.AddGroup(options, "by sea",
                             {{{.name = "to_port", .help = "where"},
                               {.name = "slow_speed", .type = OptionType::kBool, .help = "how"}}});
    method_options_.AddGroup(options, "by nothing", {});
    method_options_.AddGroup(options, "by air",
                             {{{.name = "to_port", .help = "where"},
                               {.name = "bags", .type = OptionType::kInteger, .help = "count"},
                               {.name = "maps", .type = OptionType::kPathList, .help = "files"}}});
  }
  Result<void> Check() override {
    given_ = method_options_.Given();
    return {};
  }

 private:
  MethodOptions method_options_;
  config::OptionTexts& given_;
};

TEST_CASE("method options: the schema's options are flags, in a group for each method") {
  config::OptionTexts given;
  CommandLine line({"prog", "", "", "", {}}, {});
  line.Add({.names = {"send"}}, [&given] { return std::make_unique<Send>(given); });

  CHECK_FALSE(line.Parse({"send"}, 80).mistake);
  CHECK(given.empty());
  const ParsedCommandLine parsed = line.Parse(
      {"send", "--to-port", "a", "--slow-speed", "--maps", "x", "--maps=y", "--to-port", "b"}, 80);
  CHECK_FALSE(parsed.mistake);
  CHECK(given == config::OptionTexts{
                     {"maps", {"x", "y"}}, {"slow_speed", {"true"}}, {"to_port", {"a", "b"}}});
  const std::string help = line.Parse({"send", "--help"}, 80).out;
  CHECK_THAT(help, Contains("by sea:\n      --to-port TEXT") && Contains("--slow-speed  ") &&
                       Contains("by air:\n      --to-port TEXT") && Contains("--bags N") &&
                       Contains("--maps PATH") && !Contains("by nothing"));
}

}  // namespace
}  // namespace holdfast::cli
