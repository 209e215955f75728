#include "common/base/utf8.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("utf8: characters are decoded, and an invalid byte counts as one") {
  const auto decoded = [](std::string_view text) {
    const CodePoint point = DecodeUtf8(text);
    return std::tuple(point.value, point.length, point.valid);
  };
  const auto invalid = std::tuple(char32_t{0xfffd}, std::size_t{1}, false);
  CHECK(decoded("a") == std::tuple(U'a', 1, true));
  CHECK(decoded("\u00e9x") == std::tuple(U'\u00e9', 2, true));
  CHECK(decoded("\u4e2d") == std::tuple(U'\u4e2d', 3, true));
  CHECK(decoded("\U0001f600") == std::tuple(U'\U0001f600', 4, true));
  CHECK(decoded("\x80") == invalid);
  CHECK(decoded("\xc0\x80") == invalid);
  CHECK(decoded("\xe0\x80\x80") == invalid);
  CHECK(decoded("\xed\xa0\x80") == invalid);
  CHECK(decoded("\xf4\x90\x80\x80") == invalid);
  CHECK(decoded("\xe4\xb8") == invalid);
}

TEST_CASE("utf8: encoded characters decode to themselves") {
  for (char32_t value :
       {U'\0', U'a', U'\u0080', U'\u07ff', U'\u0800', U'\uffff', U'\U00010000', U'\U0010ffff'}) {
    std::string text;
    AppendUtf8(text, value);
    CHECK(IsUtf8(text));
    CHECK(DecodeUtf8(text).value == value);
    CHECK(DecodeUtf8(text).length == text.size());
  }
  CHECK_FALSE(IsUtf8("ab\xff"));
}

TEST_CASE("utf8: a shortened text ends with a whole character") {
  struct Row {
    std::string_view text;
    std::size_t bytes_max;
    std::string_view expected;
  };
  for (const Row& row : {Row{"abc", 3, "abc"}, Row{"abc", 2, "ab"}, Row{"abc", 0, ""},
                         Row{"a\u00e9", 2, "a"}, Row{"a\u00e9", 3, "a\u00e9"},
                         Row{"a\xff"
                             "b",
                             9,
                             "a\xef\xbf\xbd"
                             "b"},
                         Row{"a\xff", 3, "a"}}) {
    CHECK(ShortenUtf8(row.text, row.bytes_max) == row.expected);
  }
}

}  // namespace
}  // namespace holdfast
