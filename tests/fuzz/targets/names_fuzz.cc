// Names and texts in Go's quoting: any bytes survive a round trip as a name, and quoted text is
// accepted or refused.
#include "common/repository/format/go_text.h"
#include "common/repository/format/json_reader.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(names) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  std::string quoted;
  repository::AppendGoQuoted(quoted, text);
  const Result<std::string> unquoted = repository::GoUnquote(quoted);
  FUZZ_REQUIRE(unquoted && *unquoted == text);

  const auto through_json = [](std::string_view from) {
    std::string json;
    repository::AppendGoJson(json, from);
    repository::JsonReader reader(json);
    std::string out;
    FUZZ_REQUIRE(reader.String(out) && reader.End());
    FUZZ_REQUIRE(IsUtf8(out));
    return out;
  };
  const std::string once = through_json(text);
  FUZZ_REQUIRE(through_json(once) == once);
  if (IsUtf8(text)) FUZZ_REQUIRE(once == text);
  FUZZ_REQUIRE(through_json(quoted) == quoted);  // so a name survives both encodings

  const Result<std::string> name = repository::GoUnquote(text);
  FUZZ_REQUIRE_CLEAR(name);
  return name.has_value();
}
