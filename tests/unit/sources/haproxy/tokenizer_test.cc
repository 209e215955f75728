#include "agent/sources/haproxy/tokenizer.h"

#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

using namespace holdfast;
using namespace holdfast::haproxy;
using holdfast::testing::RequireRefused;
using holdfast::testing::Unwrap;

namespace {

std::vector<std::string> Texts(std::string_view line, const Variables& variables = {}) {
  std::vector<std::string> texts;
  for (const Word& word : Unwrap(SplitWords(line, variables))) texts.push_back(word.text);
  return texts;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("haproxy tokenizer: blanks separate words, and # ends the line") {
  CHECK(Texts("  bind :80\tssl # crt /x") == Words{"bind", ":80", "ssl"});
  CHECK(Texts("# all comment").empty());
  CHECK(Texts("").empty());
  CHECK(Texts("a#b c") == Words{"a"});
  CHECK(Texts("a \r") == Words{"a"});
}

TEST_CASE("haproxy tokenizer: the manual's equivalent log formats give equal words") {
  Words expected = {"log-format", "%{+Q}o %t %s %{-Q}r"};

  CHECK(Texts(R"(log-format %{+Q}o\ %t\ %s\ %{-Q}r)") == expected);
  CHECK(Texts(R"(log-format "%{+Q}o %t %s %{-Q}r")") == expected);
  CHECK(Texts(R"(log-format '%{+Q}o %t %s %{-Q}r')") == expected);
  CHECK(Texts(R"(log-format "%{+Q}o %t"' %s %{-Q}r')") == expected);
  CHECK(Texts(R"(log-format "%{+Q}o %t"' %s'\ %{-Q}r)") == expected);
}

TEST_CASE("haproxy tokenizer: escapes work only outside strong quotes") {
  CHECK(Texts(R"(a\#b \x41\x2f "\$x" $x '\n"' \"q\")") ==
        Words{"a#b", "A/", "$x", "$x", "\\n\"", "\"q\""});
  CHECK(Texts(R"(\d+ "\d")") == Words{"\\d+", "\\d"});
  CHECK(Texts("\"\" ''") == Words{"", ""});
}

TEST_CASE("haproxy tokenizer: variables are expanded between double quotes") {
  Variables variables = {{"DIR", "/etc/h"}, {"LIST", "a b"}, {"EMPTY", ""}};

  CHECK(Texts(R"("$DIR/x" "${DIR}y" $DIR '$DIR')", variables) ==
        Words{"/etc/h/x", "/etc/hy", "$DIR", "$DIR"});
  CHECK(Texts(R"("${NONE-fall}" "${EMPTY-fall}")", variables) == Words{"fall", ""});
  CHECK(Texts(R"(x "${LIST[*]}" y)", variables) == Words{"x", "a", "b", "y"});
  CHECK(Texts(R"(x "${EMPTY[*]}" y)", variables) == Words{"x", "y"});

  std::vector<Word> words = Unwrap(SplitWords(R"(crt "${NONE}/x")", variables));
  CHECK(words[1].text == "/x");
  CHECK(words[1].unset == Words{"NONE"});
}

TEST_CASE("haproxy tokenizer: words have their position") {
  std::vector<Word> words = Unwrap(SplitWords(R"(  crt "/a b"'/c'  x)", {}));

  REQUIRE(words.size() == 3);
  CHECK(words[1].text == "/a b/c");
  CHECK(words[1].begin == 6);
  CHECK(words[1].end == 16);
}

TEST_CASE("haproxy tokenizer: lines that HAProxy refuses are errors") {
  const auto split = [](const std::string& line) { return SplitWords(line, {}); };
  RequireRefused(split, ErrorCode::kInvalidArgument,
                 {{"a \"b", "not closed"},
                  {"a 'b", "not closed"},
                  {"\"${A\"", "brace"},
                  {"\"$ \"", "name of a variable"},
                  {"\\xg1", "hexadecimal"}});
}

TEST_CASE("haproxy tokenizer: an encoded word is parsed unchanged, whatever its bytes") {
  std::string every;
  for (int c = 1; c < 256; ++c) every += static_cast<char>(c);
  for (const std::string& text :
       {std::string("plain"), std::string(), std::string("a b#c\\d\"e'f$g\n\t"), every}) {
    CHECK(Texts("x " + EncodeWord(text) + " y") == Words{"x", text, "y"});
  }
}

TEST_CASE("haproxy tokenizer: arguments in parentheses have their own quotes") {
  std::string word = R"~(map(/a,"b,)",c,d) rest)~";

  std::vector<Argument> arguments = SplitArguments(word, 4);

  REQUIRE(arguments.size() == 4);
  CHECK(arguments[0].text == "/a");
  CHECK(arguments[1].text == "b,)");
  CHECK(word.substr(arguments[0].begin, arguments[0].end - arguments[0].begin) == "/a");
  CHECK(SplitArguments("map(/open", 4).front().text == "/open");
  for (std::string_view text : {"plain", "a,b", "a)b(", "q\"\\'x y"}) {
    CHECK(SplitArguments("f(" + EncodeArgument(text) + ")", 2).front().text == text);
  }
}
