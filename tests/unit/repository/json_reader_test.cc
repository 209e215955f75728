#include "common/repository/format/json_reader.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {

bool SkipsAll(std::string_view text) {
  JsonReader reader(text);
  return reader.Skip() && reader.End();
}

TEST_CASE("json reader: reads values in place") {
  JsonReader reader(R"( {"a" : [1, 18446744073709551615 ,0], "b":true,"c":null,"d":"x\n\u00e9"} )");
  std::string_view key;
  std::string text;
  std::uint64_t number = 0;

  REQUIRE(reader.BeginObject());
  REQUIRE(reader.NextField(key));
  REQUIRE(key == "a");
  REQUIRE(reader.BeginArray());
  REQUIRE((reader.NextElement() && reader.Unsigned(number) && number == 1));
  REQUIRE((reader.NextElement() && reader.Unsigned(number) && number == ~0ULL));
  REQUIRE((reader.NextElement() && reader.Unsigned(number) && number == 0));
  REQUIRE_FALSE(reader.NextElement());
  REQUIRE((reader.NextField(key) && reader.Skip()));
  REQUIRE((reader.NextField(key) && reader.TakeNull()));
  REQUIRE((reader.NextField(key) && !reader.TakeNull() && reader.String(text)));
  REQUIRE(text == "x\n\u00e9");
  REQUIRE_FALSE(reader.NextField(key));
  REQUIRE(reader.End());
}

TEST_CASE("json reader: invalid Unicode becomes U+FFFD") {
  const std::pair<const char*, const char*> kTexts[] = {
      {R"("\ud83d\ude00")", "\U0001f600"}, {R"("\ud83d")", "\ufffd"}, {R"("\ude00x")", "\ufffdx"},
      {R"("\ud83d\u0041")", "\ufffdA"},    {"\"\xff\"", "\ufffd"},
  };
  for (const auto& [json, expected] : kTexts) {
    JsonReader reader(json);
    std::string text;
    INFO(json);
    CHECK(reader.String(text));
    CHECK(text == expected);
  }
}

TEST_CASE("json reader: numbers must be integers in range") {
  for (const char* bad : {"-1", "1.5", "1e3", "01", "18446744073709551616", "\"1\"", "", "x"}) {
    JsonReader reader(bad);
    std::uint64_t number = 0;
    INFO(bad);
    CHECK_FALSE(reader.Unsigned(number));
    CHECK(reader.failed());
  }
  JsonReader small("256");
  std::uint64_t number = 0;
  CHECK_FALSE(small.Unsigned(number, 255));
}

TEST_CASE("json reader: skips any well-formed value") {
  for (const char* good : {"1", "-1.5e+3", "\"a\\\"b\"", "null", "[]", "{}",
                           "[[],{}, [1,{\"a\":[]}]]", R"({"a":{"b":[1,2,{"c":"}"}]},"d":[]})"}) {
    INFO(good);
    CHECK(SkipsAll(good));
  }
  for (const char* bad : {"", "[", "{", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "\"",
                          "[}", "1 2", "\"\\"}) {
    INFO(bad);
    CHECK_FALSE(SkipsAll(bad));
  }
}

TEST_CASE("json reader: depth uses no stack and is limited") {
  CHECK(SkipsAll(std::string(999, '[') + std::string(999, ']')));
  CHECK_FALSE(SkipsAll(std::string(1'000'000, '[')));
}

TEST_CASE("json reader: after an error nothing more is read") {
  JsonReader reader("[1 2]");
  std::uint64_t number = 0;
  REQUIRE(reader.BeginArray());
  REQUIRE((reader.NextElement() && reader.Unsigned(number)));
  REQUIRE_FALSE(reader.NextElement());
  REQUIRE_FALSE(reader.Skip());
  REQUIRE_FALSE(reader.BeginObject());
  REQUIRE_FALSE(reader.End());
  REQUIRE_FAILS(reader.status(), ErrorCode::kCorrupt, "byte 3");
}

}  // namespace
}  // namespace holdfast::repository
