#include "common/config/yaml.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::config {
namespace {

using testing::Unwrap;

TEST_CASE("yaml: values and keys know their places") {
  Node root = Unwrap(ParseYaml("node: db-1\nsources:\n  - kind: files\n", "agent.yaml"));

  REQUIRE(root.kind == Node::Kind::kMap);
  REQUIRE(root.Find("node")->scalar == "db-1");
  REQUIRE(root.Find("node")->location.Text() == "agent.yaml:1:7");
  const Node& source = root.Find("sources")->items.at(0);
  REQUIRE(source.keys.at(0).location.Text() == "agent.yaml:3:5");
  REQUIRE(root.Find("nothing") == nullptr);
}

TEST_CASE("yaml: an empty text is nothing") {
  REQUIRE(Unwrap(ParseYaml("", "f")).kind == Node::Kind::kNull);
  REQUIRE(Unwrap(ParseYaml("# only words\n", "f")).kind == Node::Kind::kNull);
}

TEST_CASE("yaml: a key that stands twice is refused with both places") {
  REQUIRE_FAILS(ParseYaml("a: 1\nb: 2\na: 3\n", "f"), ErrorCode::kInvalidArgument,
                "f:3:1: key \"a\" stands here again, first at f:1:1");
  REQUIRE_FAILS(ParseYaml("x: {a: 1, a: 2}\n", "f"), ErrorCode::kInvalidArgument, "f:1:11");
}

TEST_CASE("yaml: the same key in two maps is no doubled key") {
  REQUIRE_OK(ParseYaml("x: {a: 1}\ny: {a: 2}\n", "f"));
}

TEST_CASE("yaml: anchors, aliases and tags are refused") {
  REQUIRE_FAILS(ParseYaml("a: &x 1\n", "f"), ErrorCode::kInvalidArgument, "f:1:4: an anchor");
  REQUIRE_FAILS(ParseYaml("a: &x 1\nb: *x\n", "f"), ErrorCode::kInvalidArgument, "an anchor");
  REQUIRE_FAILS(ParseYaml("a: !!int 1\n", "f"), ErrorCode::kInvalidArgument, "a tag");
  REQUIRE_OK(ParseYaml("a: \"&x\"\n", "f"));
}

TEST_CASE("yaml: what is no YAML names its place") {
  REQUIRE_FAILS(ParseYaml("a: 1\n b: 2\n", "f"), ErrorCode::kInvalidArgument, "f:2:");
  REQUIRE_FAILS(ParseYaml("a: [1\n", "f"), ErrorCode::kInvalidArgument, "no valid YAML");
}

TEST_CASE("yaml: a second document is refused") {
  REQUIRE_FAILS(ParseYaml("a: 1\n---\nb: 2\n", "f"), ErrorCode::kInvalidArgument,
                "a second document");
  REQUIRE_OK(ParseYaml("---\na: 1\n...\n", "f"));
}

TEST_CASE("yaml: depth and size are bounded") {
  REQUIRE_FAILS(ParseYaml(std::string(40, '[') + std::string(40, ']'), "f"),
                ErrorCode::kInvalidArgument, "nested deeper than 16");
  REQUIRE_FAILS(ParseYaml(std::string(5000, '['), "f"), ErrorCode::kInvalidArgument, "f:1:");
  REQUIRE_FAILS(ParseYaml("a: " + std::string(kYamlBytesMax, 'x'), "f"),
                ErrorCode::kInvalidArgument, "expected at most 1.00 MiB");
}

TEST_CASE("yaml: keys must be names, texts without NUL") {
  REQUIRE_FAILS(ParseYaml("[a, b]: 1\n", "f"), ErrorCode::kInvalidArgument, "a list as a key");
  REQUIRE_FAILS(ParseYaml("? \n: 1\n", "f"), ErrorCode::kInvalidArgument, "nothing as a key");
  REQUIRE_FAILS(ParseYaml("a: \"x\\0y\"\n", "f"), ErrorCode::kInvalidArgument, "a NUL character");
}

TEST_CASE("yaml: of another program's configuration everything that is written is seen") {
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
  REQUIRE_FAILS(ParseForeignYaml("a: [1\n", "f"), ErrorCode::kInvalidArgument, "no valid YAML");
  REQUIRE_FAILS(ParseForeignYaml(std::string(70, '[') + std::string(70, ']'), "f"),
                ErrorCode::kInvalidArgument, "nested deeper than 64");
}

}  // namespace
}  // namespace holdfast::config
