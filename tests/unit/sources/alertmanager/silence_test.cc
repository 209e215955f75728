#include "agent/sources/alertmanager/silence.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::alertmanager {
namespace {

using testing::Unwrap;

// An answer of Alertmanager 0.25, and below the same in its file "silences". Only the times differ:
// the API has milliseconds.
constexpr std::string_view kAnswer =
    R"([{"id":"c7755b57-6d83-4507-a8c2-bb67214068cb","status":{"state":"pending"},)"
    R"("updatedAt":"2026-11-22T21:27:11.589Z","comment":"pending","createdBy":"anna",)"
    R"("endsAt":"2026-11-22T22:27:11.123Z","matchers":[{"isEqual":false,"isRegex":false,)"
    R"("name":"a","value":"b"},{"isEqual":true,"isRegex":true,"name":"c","value":"d"}],)"
    R"("startsAt":"2026-11-22T21:43:51.123Z","annotations":{"x":"y"}}])";

TEST_CASE("silences: a response is parsed, and its unknown fields kept") {
  const auto silences = Unwrap(ParseSilences(kAnswer));
  REQUIRE(silences.size() == 1);
  const Silence& silence = silences[0];
  REQUIRE(silence.state == "pending");
  REQUIRE(silence.matchers ==
          std::vector<Matcher>{{"a", "b", false, false}, {"c", "d", true, true}});
  REQUIRE(silence.ends.nanoseconds == 123'000'000);
  const std::string text = EncodeSilences(silences);
  REQUIRE_THAT(text, Catch::Contains(R"("annotations":{"x":"y"})"));
  REQUIRE(EncodeSilences(Unwrap(ParseSilences(text))) == text);
  REQUIRE(Unwrap(ParseSilences(EncodeSilences({}))).empty());
}

TEST_CASE("silences: matchers before 0.22 have no isEqual") {
  std::string text(kAnswer);
  text.replace(text.find(R"("isEqual":false,)"), 16, "");
  REQUIRE(Unwrap(ParseSilences(text))[0].matchers[0].is_equal);
}

TEST_CASE("silences: a new silence has all fields except those that the server sets") {
  const auto silences = Unwrap(ParseSilences(kAnswer));
  const std::string text = EncodeNewSilence(silences[0]);
  for (const char* name : {"\"id\"", "\"status\"", "\"updatedAt\""})
    REQUIRE_THAT(text, !Catch::Contains(name));
  for (const char* name :
       {"\"startsAt\"", "\"endsAt\"", "\"comment\"", "\"createdBy\"", "\"annotations\""})
    REQUIRE_THAT(text, Catch::Contains(name));
}

TEST_CASE("silences: malformed lists and errors in a successful response are refused") {
  for (const char* wrong : {"", "{", "3", "{}", "null", "[3]", "[{}]", R"([{"id":"a"}])"})
    REQUIRE_FAILS(ParseSilences(wrong), ErrorCode::kCorrupt, "not a list of silences:");
  REQUIRE_FAILS(ParseSilences("<html>"), ErrorCode::kCorrupt, "<html>");
  REQUIRE_FAILS(ParseSilences(std::string(100'000, '[')), ErrorCode::kCorrupt, "no JSON");
  std::string text(kAnswer);
  text.replace(text.find("2026"), 4, "then");
  REQUIRE_FAILS(ParseSilences(text), ErrorCode::kCorrupt, "updatedAt");
  REQUIRE_FAILS(ParseSilences(R"({"status":"error","error":"not ready"})"), ErrorCode::kUnavailable,
                "not ready");
  REQUIRE_FAILS(ParseSilences(R"("no")"), ErrorCode::kUnavailable, "no");
  REQUIRE(Unwrap(ParseSilenceId(R"({"silenceID":"x"})")) == "x");
  REQUIRE_FAILS(ParseSilenceId("{}"), ErrorCode::kCorrupt, "no id");
  REQUIRE_FAILS(ParseSilenceId(R"({"silenceID":""})"), ErrorCode::kCorrupt, "no id");
}

TEST_CASE("silences: Alertmanager's file is written") {
  const Bytes file = EncodeStorage(Unwrap(ParseSilences(kAnswer)), std::chrono::hours(120));
  REQUIRE(HexEncode(file) ==
          "80010a710a2463373735356235372d366438332d343530372d613863322d626236373231"
          "343036386362120808021201611a0162120808011201631a01641a0b0897c48dd80610c0"
          "a9d33a220b08bfd88dd80610c0a9d33a2a0c08afbc8dd80610c0daed98024204616e6e61"
          "4a0770656e64696e67120b08bf87a8d80610c0a9d33a");
}

TEST_CASE("silences: Alertmanager's file is read") {
  const auto silences = Unwrap(ParseSilences(kAnswer));
  const Bytes file = EncodeStorage(silences, std::chrono::hours(120));
  const auto read = Unwrap(DecodeStorage(file));
  REQUIRE(read.size() == 1);
  REQUIRE(read[0].matchers == silences[0].matchers);
  REQUIRE(read[0].state.empty());
  // Except for fields that the file does not have, it is the same for the API.
  std::string same = EncodeNewSilence(silences[0]);
  const std::string only_there = R"("annotations":{"x":"y"},)";
  same.replace(same.find(only_there), only_there.size(), "");
  REQUIRE(EncodeNewSilence(read[0]) == same);
  REQUIRE(EncodeStorage(read, std::chrono::hours(120)) == file);
  REQUIRE(Unwrap(DecodeStorage({})).empty());

  Bytes two = file;
  two.insert(two.end(), file.begin(), file.end());
  REQUIRE(Unwrap(DecodeStorage(two)).size() == 2);
  for (const std::size_t size : {std::size_t{1}, std::size_t{40}, file.size() - 1})
    REQUIRE_FAILS(DecodeStorage(ByteView(file).first(size)), ErrorCode::kCorrupt, "ends in the");
  for (const char* wrong : {"02ffff", "00", "020a00", "ffffffffffffffffffffff"})
    REQUIRE_FAILS(DecodeStorage(*HexDecode(wrong)), ErrorCode::kCorrupt, "not a file of silences:");
}

TEST_CASE("silences: files of other versions are read") {
  // Times with nanoseconds, which the API never shows, and comments as before 0.11.
  const auto old = Unwrap(DecodeStorage(*HexDecode(
      "2f0a2d0a017812061201611a01622207080110bf8db7013a170a04616e6e611207706c616e6e65641a06080110f0"
      "9b30")));
  REQUIRE(old[0].created_by == "anna");
  REQUIRE(old[0].comment == "planned");
  REQUIRE(old[0].ends == UnixTime{1, 2'000'000});
  REQUIRE_FAILS(DecodeStorage(*HexDecode("050a030a0178")), ErrorCode::kUnsupported, "no matchers");
  REQUIRE_FAILS(DecodeStorage(*HexDecode("0b0a090a01781204080412ff")), ErrorCode::kCorrupt,
                "not a file of silences:");
  REQUIRE_FAILS(DecodeStorage(*HexDecode("090a070a017812020801")), ErrorCode::kCorrupt, "no name");
  REQUIRE_FAILS(DecodeStorage(*HexDecode("090a070a017812020804")), ErrorCode::kUnsupported,
                "type 4");
}

}  // namespace
}  // namespace holdfast::alertmanager
