#include "common/repository/format/go_text.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {
using holdfast::testing::Unwrap;

std::string Quoted(std::string_view name) {
  std::string out;
  AppendGoQuoted(out, name);
  return out;
}

std::string Json(std::string_view text) {
  std::string out;
  AppendGoJson(out, text);
  return out;
}

TEST_CASE("go text: names are quoted as by stock restic") {
  // The right column comes from trees written by restic 0.14.
  const std::pair<std::string_view, std::string_view> kGolden[] = {
      {"new\nline", R"(new\nline)"},
      {"\x01"
       "ctl",
       R"(\x01ctl)"},
      {"\x7f"
       "del",
       R"(\x7fdel)"},
      {"caf\xe9", R"(caf\xe9)"},
      {"quo\"te", R"(quo\"te)"},
      {"back\\slash", R"(back\\slash)"},
      {"a\a\b\f\v", R"(a\a\b\f\v)"},
      {"tab\tcr\r", R"(tab\tcr\r)"},
      {"nbsp\u00a0", R"(nbsp\u00a0)"},
      {"soft\u00ad", R"(soft\u00ad)"},
      {"zw\u200b", R"(zw\u200b)"},
      {"ls\u2028", R"(ls\u2028)"},
      {"bom\ufeff", R"(bom\ufeff)"},
      {"pua\ue000", R"(pua\ue000)"},
      {"max\U0010ffff", R"(max\U0010ffff)"},
      {"emoji\U0001f600", "emoji\U0001f600"},
      {"e\u0301", "e\u0301"},
      {"fffd\ufffd", "fffd\ufffd"},
      {"a<b>&c'", "a<b>&c'"},
      {"sur\xed\xa0\x80", R"(sur\xed\xa0\x80)"},
      {"over\xc0\x80", R"(over\xc0\x80)"},
      {"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"},
      {"cut\xe2\x82", R"(cut\xe2\x82)"},
  };
  for (const auto& [name, quoted] : kGolden) {
    INFO(quoted);
    CHECK(Quoted(name) == quoted);
    CHECK(Unwrap(GoUnquote(quoted)) == name);
  }
}

TEST_CASE("go text: every byte sequence survives quoting") {
  for (int first = 1; first < 256; ++first) {
    for (int second = 1; second < 256; ++second) {
      std::string name = {static_cast<char>(first), static_cast<char>(second), 'x'};
      Result<std::string> back = GoUnquote(Quoted(name));
      if (!back || *back != name) FAIL("lost: " << first << " " << second);
    }
  }
}

TEST_CASE("go text: text that Go cannot unquote is refused") {
  for (const char* bad : {"\\", "a\\", "\\q", "\\'", "a\"b", "a\nb", "\\x1", "\\xg0", "\\u12",
                          "\\ud800", "\\U00110000", "\\U0000001", "\\8", "\\12", "\\400"}) {
    INFO(bad);
    CHECK_FALSE(GoUnquote(bad));
  }
  CHECK(Unwrap(GoUnquote("\\101\\x41\\u0041\\U00000041")) == "AAAA");
  CHECK(Unwrap(GoUnquote("\\377")) == "\xff");
}

TEST_CASE("go text: other strings are escaped as by encoding/json") {
  CHECK(Json("<a>&") == R"("\u003ca\u003e\u0026")");
  CHECK(Json("\b\f\x01\n\r\t\"\\\x7f/") == "\"\\b\\f\\u0001\\n\\r\\t\\\"\\\\\x7f/\"");
  CHECK(Json("\u2028\u2029\u00e9") == "\"\\u2028\\u2029\u00e9\"");
  CHECK(Json("inv\xe9\xff") == R"("inv\ufffd\ufffd")");
}

TEST_CASE("go text: the table says what is printable") {
  CHECK(IsPrintable(' '));
  CHECK(IsPrintable('~'));
  CHECK(IsPrintable(0xe9));
  CHECK(IsPrintable(0x4e00));
  CHECK(IsPrintable(0x1f600));
  CHECK_FALSE(IsPrintable(0));
  CHECK_FALSE(IsPrintable(0x7f));
  CHECK_FALSE(IsPrintable(0xa0));
  CHECK_FALSE(IsPrintable(0xad));
  CHECK_FALSE(IsPrintable(0x3000));
  CHECK_FALSE(IsPrintable(0xe000));
  CHECK_FALSE(IsPrintable(0x10ffff));
}

}  // namespace
}  // namespace holdfast::repository
