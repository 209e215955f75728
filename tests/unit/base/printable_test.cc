#include "common/base/printable.h"

#include <string>
#include <vector>

#include "common/base/json.h"
#include "common/base/log.h"
#include "tests/support/catch.h"

namespace holdfast {
namespace {

TEST_CASE("printable: Printable escapes only control and format characters and invalid bytes") {
  CHECK(Printable("caf\u00e9 \u4e2d\u6587 \U0001f600 a\\b") ==
        "caf\u00e9 \u4e2d\u6587 \U0001f600 a\\b");
  CHECK(Printable(std::string_view("\0\x1b[2J\n\x7f", 7)) == "\\x00\\x1b[2J\\x0a\\x7f");
  // C1 controls: the first and last, and the 8-bit CSI, which is not UTF-8.
  CHECK(Printable("\u0080\u009b\u009f") == "\\u0080\\u009b\\u009f");
  CHECK(Printable("\x9b"
                  "2J") == "\\x9b2J");
  // Text direction, zero width, separators, tags.
  CHECK(Printable("a\u202egpj.exe\u202c") == "a\\u202egpj.exe\\u202c");
  CHECK(Printable("\u2066\u2069\u200e\u200f\u061c") == "\\u2066\\u2069\\u200e\\u200f\\u061c");
  CHECK(Printable("\u200b\u200d\u2060\ufeff\u00ad") == "\\u200b\\u200d\\u2060\\ufeff\\u00ad");
  CHECK(Printable("\u2028\u2029") == "\\u2028\\u2029");
  CHECK(Printable("\U000e0041") == "\\U000e0041");
  CHECK(Printable("\u00a0") == "\u00a0");
  // Invalid UTF-8: truncated, overlong, a surrogate.
  CHECK(Printable("a\xe4\xb8") == "a\\xe4\\xb8");
  CHECK(Printable("\xc0\xaf") == "\\xc0\\xaf");
  CHECK(Printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
}

TEST_CASE("printable: PrintableJson escapes control and format characters and keeps the value") {
  const nlohmann::json document = {
      {"text", "a\u202egpj.exe\u009b2J \U000e0041 caf\u00e9 \x7f \x1b[2J\n"}};
  const std::string json = PrintableJson(DumpJson(document, 2));

  CHECK(json ==
        "{\n  \"text\": \"a\\u202egpj.exe\\u009b2J \\udb40\\udc41 caf\u00e9 \\u007f "
        "\\u001b[2J\\n\"\n}");
  CHECK(ParseJson(json) == document);
}

TEST_CASE("printable: log lines contain no control or format characters") {
  std::vector<std::string> lines;
  SetUpLog(LogLevel::kInfo, [&](LogLevel, std::string_view text) { lines.emplace_back(text); });
  LogText(LogLevel::kInfo, "node \u009b2J said\nok \u202e");
  SetUpLog(LogLevel::kError, [](LogLevel, std::string_view) {});

  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "node \\u009b2J said\\x0aok \\u202e");
}

}  // namespace
}  // namespace holdfast
