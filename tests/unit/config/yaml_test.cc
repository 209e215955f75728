#include "common/config/yaml.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast::config {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

Result<Node> Parse(const std::string& text) { return ParseYaml(text, "f"); }

TEST_CASE("yaml: values and keys have locations") {
  Node root = Unwrap(ParseYaml("node: db-1\nsources:\n  - kind: files\n", "agent.yaml"));

  REQUIRE(root.kind == Node::Kind::kMap);
  REQUIRE(root.Find("node")->scalar == "db-1");
  REQUIRE(root.Find("node")->location.Text() == "agent.yaml:1:7");
  const Node& source = root.Find("sources")->items.at(0);
  REQUIRE(source.keys.at(0).location.Text() == "agent.yaml:3:5");
  REQUIRE(root.Find("nothing") == nullptr);
}

TEST_CASE("yaml: an empty text is a null node") {
  REQUIRE(Unwrap(Parse("")).kind == Node::Kind::kNull);
  REQUIRE(Unwrap(Parse("# only words\n")).kind == Node::Kind::kNull);
}

TEST_CASE("yaml: a duplicate key is refused with both locations") {
  REQUIRE_FAILS(Parse("a: 1\nb: 2\na: 3\n"), ErrorCode::kInvalidArgument,
                "f:3:1: duplicate key \"a\", first at f:1:1");
  REQUIRE_FAILS(Parse("x: {a: 1, a: 2}\n"), ErrorCode::kInvalidArgument, "f:1:11");
}

TEST_CASE("yaml: the same key in two maps is not a duplicate") {
  REQUIRE_OK(Parse("x: {a: 1}\ny: {a: 2}\n"));
}

TEST_CASE("yaml: anchors, aliases and tags are refused") {
  RequireRefused(Parse, ErrorCode::kInvalidArgument,
                 {{"a: &x 1\n", "f:1:4: an anchor"},
                  {"a: &x 1\nb: *x\n", "an anchor"},
                  {"a: !!int 1\n", "a tag"}});
  REQUIRE_OK(Parse("a: \"&x\"\n"));
}

TEST_CASE("yaml: a syntax error names its location") {
  REQUIRE_FAILS(Parse("a: 1\n b: 2\n"), ErrorCode::kInvalidArgument, "f:2:");
  REQUIRE_FAILS(Parse("a: [1\n"), ErrorCode::kInvalidArgument, "f:1:4: ");
}

TEST_CASE("yaml: common mistakes are named, with a hint") {
  struct Mistake {
    std::string text;
    std::string message;
    std::string hint;
  };
  const std::vector<Mistake> mistakes = {
      {"node: a\n\tstate: b\n", "f:2:1: a tab in the indentation", "indent with spaces"},
      {"a:\n  - kind: x\n \t  name: y\n", "f:3:2: a tab in the indentation", "indent with spaces"},
      {"sources:\n\t- kind: files\n", "f:2:1: a tab in the indentation", "indent with spaces"},
      {"node: \"db-1\nstate: b\n", "f:1:7: this quote is never closed", "close it"},
      {"node: 'db-1\nstate: b\n", "f:1:7: ", "close it"},
      {"node: 'db-1\nstate: \"x\"\nz: 'y'\n",
       "f:1:7: this single quote is not closed before line 3", "close it"},
      {"url: \"s3:x\nname: \"b\"\n", "f:1:6: this double quote is not closed before line 2",
       "close it"},
      {"a: [1, 2\nb: 3\n", "f:1:4: this \"[\" is never closed", "close it with \"]\""},
      {"a: {x: 1\nb: 3\n", "f:1:4: this \"{\" is never closed", "close it with \"}\""},
      {"paths: [/a, [/b]\nname: c\nother: [d]\n", "f:1:8: this \"[\" is never closed",
       "close it with \"]\""},
      {"a: 1\nb: ]\n", "f:2:4: a closing bracket that nothing opens", "remove it"},
      {"node db-1\ncluster: prod\n", "f:1:1: no colon after \"node\"", "write \"node: db-1\""},
      {"node: a\ncluster prod\nstate: x\n", "f:2:1: no colon after \"cluster\"",
       "write \"cluster: prod\""},
      {"node: a\n\n# words\ncluster:prod\nstate: x\n", "f:4:9: no space after the colon",
       "write \"cluster: prod\""},
      {"-a\n-b: c\n", "f:1:1: no space after the dash", "write \"- \""},
      {"note: backup: all\n", "f:1:13: a second \": \" in the value", "in quotes"},
      {"a: 1\n  b: 2\n", "f:2:3: a key below the key in line 1, which already has a value",
       "indent it by 0 spaces, like line 1"},
      {"sources:\n  - kind: files\n    name: a\n   paths: [x]\n",
       "f:4:4: indented by 3 spaces, like no line above", "by 0 or 2 or 4"},
      {"a:\n  b: 1\n c: 2\n", "f:3:2: indented by 1 space, like no line above", "by 0 or 2"},
      {"sources:\n  - kind: files\n  name: a\n", "f:3:3: a key where a list item is expected",
       "like the keys of the item above"},
      {"a: b\n- c\n", "f:2:1: a list item where a key is expected", "remove the dash"},
      {"a: @x\n", "f:1:4: a value that begins with \"@\"", "in quotes"},
      {"a: %x\n", "f:1:4: a value that begins with \"%\"", "in quotes"},
      {"a: *.log\n", "f:1:4: a value that begins with \"*\"", "in quotes"},
      {"a: \"\\d\"\n", "unknown escape character: d in double quotes", "backslash"},
      {"a: \"x\" y\n", "f:1:7: text after the closing double quote", "inside double quotes"},
      {"a: 'it's'\n", "f:1:8: text after the closing single quote", "inside single quotes"},
      {"a: 1\na: 2\n", "f:2:1: duplicate key \"a\", first at f:1:1", "remove one"},
  };
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.text);
    const Result<Node> refused = Parse(mistake.text);
    REQUIRE_FAILS(refused, ErrorCode::kInvalidArgument, mistake.message);
    REQUIRE_THAT(refused.error().hint(), Catch::Contains(mistake.hint));
  }
}

TEST_CASE("yaml: quotes, brackets and dashes inside values are accepted") {
  for (const char* text :
       {"a: it's\n", "a: \"it's\"\n", "a: 'say \"x'\n", "a: x [y\n", "a: |\n  \"open\n  [x\nb: 1\n",
        "a: 'don''t'\nb: \"\\\"\"\n", "# it's \"open\na: 1\n", "a: \"two\n  lines\"\nb: 1\n"}) {
    INFO(text);
    REQUIRE_OK(Parse(text));
  }
}

TEST_CASE("yaml: a second document is refused") {
  REQUIRE_FAILS(Parse("a: 1\n---\nb: 2\n"), ErrorCode::kInvalidArgument, "a second document");
  REQUIRE_OK(Parse("---\na: 1\n...\n"));
}

TEST_CASE("yaml: depth and size are bounded") {
  RequireRefused(Parse, ErrorCode::kInvalidArgument,
                 {{std::string(40, '[') + std::string(40, ']'), "nested deeper than 16"},
                  {std::string(5000, '['), "f:1:"},
                  {"a: " + std::string(kYamlBytesMax, 'x'), "expected at most 1.00 MiB"}});
}

TEST_CASE("yaml: keys must be scalars, and texts must not contain NUL") {
  RequireRefused(Parse, ErrorCode::kInvalidArgument,
                 {{"[a, b]: 1\n", "a list as a key"},
                  {"? \n: 1\n", "nothing as a key"},
                  {"a: \"x\\0y\"\n", "a NUL character"}});
}

TEST_CASE("yaml: another program's configuration is read completely, whatever it contains") {
  const std::string text =
      "base: &base {ca_file: ca.pem}\n"
      "one: !tag\n  <<: *base\n  cert: x\n"
      "one: again\n"
      "[a, b]: 1\n"
      "---\nsecond: document\n";
  const Node root = Unwrap(ParseForeignYaml(text, "f"));
  REQUIRE(root.keys.size() == 4);
  REQUIRE(root.items[0].Find("ca_file")->scalar == "ca.pem");
  REQUIRE(root.items[1].Find("<<")->kind == Node::Kind::kNull);
  REQUIRE(root.items[1].Find("cert")->location.line == 4);
  REQUIRE(root.items[2].scalar == "again");
  REQUIRE(root.keys[3].name.empty());
  REQUIRE_FAILS(ParseForeignYaml("a: [1\n", "f"), ErrorCode::kInvalidArgument,
                "f:1:4: this \"[\" is never closed");
  REQUIRE_FAILS(ParseForeignYaml(std::string(70, '[') + std::string(70, ']'), "f"),
                ErrorCode::kInvalidArgument, "nested deeper than 64");
}

}  // namespace
}  // namespace holdfast::config
