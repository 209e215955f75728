#include "common/storage/xml.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using testing::Unwrap;

TEST_CASE("xml: parses an S3 answer, drops attributes and resolves entities") {
  const XmlElement root =
      Unwrap(ParseXml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a list -->\n"
                      "<List xmlns=\"http://s3.example/\" xmlns:x='y'><Name>b</Name><x:Empty/>"
                      "<Key>a&amp;b&lt;&gt;&quot;&apos;&#233;&#x20AC;&#x1F600;<![CDATA[<&]]></Key >"
                      "<Key>second</Key></List>\n"));

  REQUIRE(root.name == "List");
  REQUIRE(root.children.size() == 4);
  REQUIRE(root.TextOf("Name") == "b");
  REQUIRE(root.Find("Empty")->text.empty());
  REQUIRE(root.TextOf("Key") == "a&b<>\"'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80<&");
  REQUIRE(root.Find("Nothing") == nullptr);
  REQUIRE(root.TextOf("Nothing").empty());
}

TEST_CASE("xml: malformed documents and constructs that S3 never sends are corrupt") {
  for (const char* text : {"",
                           "  ",
                           "a",
                           "<a>",
                           "<a></b>",
                           "<a/><b/>",
                           "<a",
                           "<a b></a>",
                           "<a b=c></a>",
                           "<a b=\"<\"/>",
                           "<a>&x;</a>",
                           "<a>&#0;</a>",
                           "<a>&#xD800;</a>",
                           "<a>&#x110000;</a>",
                           "<a>&#;</a>",
                           "<a>&#12</a>",
                           "<a>&</a>",
                           "<!DOCTYPE a><a/>",
                           "<a><?x y?></a>",
                           "<?xml version=\"1.0\"<a/>",
                           "<a><!-- -- --></a>",
                           "<a><![CDATA[x</a>",
                           "<1/>",
                           "<a>\x01</a>",
                           "<x:/>",
                           "<a b=\"c\"d=\"e\"/>",
                           "< a/>",
                           "<a></a",
                           "{\"json\": 1}"}) {
    INFO(text);
    REQUIRE_FAILS(ParseXml(text), ErrorCode::kCorrupt, "XML at byte");
  }
}

std::string Nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "<a>";
  for (std::size_t i = 0; i < depth; ++i) text += "</a>";
  return text;
}

TEST_CASE("xml: excessive depths and counts fail early") {
  REQUIRE_OK(ParseXml(Nested(kXmlDepthMax)));
  REQUIRE_FAILS(ParseXml(Nested(kXmlDepthMax + 1)), ErrorCode::kCorrupt,
                "elements nested too deeply");
  REQUIRE_FAILS(ParseXml(Nested(1'000'000)), ErrorCode::kCorrupt, "elements nested too deeply");

  std::string many = "<a>";
  for (std::size_t i = 0; i < kXmlElementsMax; ++i) many += "<b/>";
  REQUIRE_FAILS(ParseXml(many + "</a>"), ErrorCode::kCorrupt, "too many elements");
  REQUIRE_FAILS(ParseXml("<" + std::string(1'000, 'n') + "/>"), ErrorCode::kCorrupt, "too long");
}

}  // namespace
}  // namespace holdfast::s3
