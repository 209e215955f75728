#include "agent/sources/alertmanager/silence.h"

#include <optional>
#include <utility>

#include "agent/sources/member/proto_wire.h"
#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast::alertmanager {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownMax = 200;

std::unexpected<Error> NotSilences(const std::string& why) {
  return Fail(ErrorCode::kCorrupt, "not a list of silences: " + why,
              "check that the URL is that of an Alertmanager 0.16 or newer, and not of a proxy");
}

// An error that a server or proxy returned with a status of success; also `"text"`.
std::optional<std::string> ErrorIn(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object()) return std::nullopt;
  for (const char* name : {"error", "message"}) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return std::nullopt;
}

Result<Json> Decode(std::string_view text) {
  Json json = ParseJson(text);
  if (json.is_discarded()) return NotSilences("no JSON: " + Quote(text.substr(0, kShownMax)));
  if (const auto error = ErrorIn(json))
    return Fail(ErrorCode::kUnavailable,
                "the answer is an error: " + Quote(error->substr(0, kShownMax)));
  return json;
}

// Reads the members of an object and remembers a malformed one.
class ObjectReader {
 public:
  explicit ObjectReader(const Json& object) : object_(object) {}

  std::string Text(const char* name) {
    const auto found = object_.find(name);
    if (found != object_.end() && found->is_string()) return found->get<std::string>();
    fault_ = name;
    return "";
  }
  bool Flag(const char* name, bool fallback) {
    const auto found = object_.find(name);
    if (found == object_.end()) return fallback;
    if (found->is_boolean()) return found->get<bool>();
    fault_ = name;
    return fallback;
  }
  UnixTime Time(const char* name) {
    const auto time = ParseUnixTime(Text(name));
    if (time) return *time;
    fault_ = name;
    return {};
  }
  const std::string& fault() const { return fault_; }

 private:
  const Json& object_;
  std::string fault_;
};

Result<Silence> ReadSilence(const Json& json) {
  if (!json.is_object()) return NotSilences("one of them is not an object");
  ObjectReader reader(json);
  Silence silence;
  silence.id = reader.Text("id");
  silence.starts = reader.Time("startsAt");
  silence.ends = reader.Time("endsAt");
  silence.updated = reader.Time("updatedAt");
  silence.created_by = reader.Text("createdBy");
  silence.comment = reader.Text("comment");
  std::string fault = reader.fault();
  const auto status = json.find("status");
  if (status == json.end() || !status->is_object()) return NotSilences("one has no status");
  ObjectReader status_reader(*status);
  silence.state = status_reader.Text("state");
  if (fault.empty()) fault = status_reader.fault();
  const auto matchers = json.find("matchers");
  if (matchers == json.end() || !matchers->is_array()) return NotSilences("one has no matchers");
  for (const Json& one : *matchers) {
    if (!one.is_object()) return NotSilences("a matcher is not an object");
    ObjectReader matcher(one);
    silence.matchers.push_back({.name = matcher.Text("name"),
                                .value = matcher.Text("value"),
                                .is_regex = matcher.Flag("isRegex", false),
                                .is_equal = matcher.Flag("isEqual", true)});
    if (fault.empty()) fault = matcher.fault();
  }
  if (!fault.empty()) return NotSilences(fmt::format("one has an invalid {}", Quote(fault)));
  silence.json = DumpJson(json);
  return silence;
}

Json MatcherJson(const Matcher& matcher) {
  return {{"name", matcher.name},
          {"value", matcher.value},
          {"isRegex", matcher.is_regex},
          {"isEqual", matcher.is_equal}};
}

// google.protobuf.Timestamp.
std::string TimeMessage(UnixTime time) {
  ProtoWriter writer;
  writer.Add(1, static_cast<std::uint64_t>(time.seconds));
  writer.Add(2, std::uint64_t{time.nanoseconds});
  return std::string(AsText(writer.bytes()));
}

// EQUAL, REGEXP, NOT_EQUAL, NOT_REGEXP.
std::uint64_t TypeOf(const Matcher& matcher) {
  return (matcher.is_regex ? 1U : 0U) + (matcher.is_equal ? 0U : 2U);
}

std::string SilenceMessage(const Silence& silence) {
  ProtoWriter writer;
  writer.Add(1, silence.id);
  for (const Matcher& matcher : silence.matchers) {
    ProtoWriter one;
    one.Add(1, TypeOf(matcher));
    one.Add(2, matcher.name);
    one.Add(3, matcher.value);
    writer.Add(2, AsText(one.bytes()));
  }
  writer.Add(3, TimeMessage(silence.starts));
  writer.Add(4, TimeMessage(silence.ends));
  writer.Add(5, TimeMessage(silence.updated));
  writer.Add(8, silence.created_by);
  writer.Add(9, silence.comment);
  return std::string(AsText(writer.bytes()));
}

std::unexpected<Error> NotStorage(std::string_view why) {
  return Fail(ErrorCode::kCorrupt, fmt::format("not a file of silences: {}", why),
              "check that an Alertmanager wrote it, and that it is complete");
}

// Calls `visit` for each field of a message.
template <typename Visit>
Result<void> EachField(ByteView message, Visit visit) {
  ProtoReader reader(message);
  for (;;) {
    const auto more = reader.Next();
    if (!more) return NotStorage(more.error().message());
    if (!*more) return {};
    HF_TRY(visit(reader));
  }
}

Result<UnixTime> DecodeTime(ByteView message) {
  constexpr std::int64_t kYear1 = -62'135'596'800;
  constexpr std::int64_t kYear9999 = 253'402'300'799;
  constexpr std::uint64_t kMillisecond = 1'000'000;
  std::int64_t seconds = 0;
  std::uint64_t nanoseconds = 0;
  HF_TRY(EachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 1) seconds = static_cast<std::int64_t>(field.number());
    if (field.field() == 2) nanoseconds = field.number();
    return {};
  }));
  if (seconds < kYear1 || seconds > kYear9999 || nanoseconds >= 1000 * kMillisecond)
    return NotStorage("a time is malformed");
  return UnixTime{seconds, static_cast<std::uint32_t>(nanoseconds - nanoseconds % kMillisecond)};
}

Result<Matcher> DecodeMatcher(ByteView message) {
  Matcher matcher;
  std::uint64_t type = 0;
  HF_TRY(EachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 1) type = field.number();
    if (field.field() == 2) matcher.name = field.text();
    if (field.field() == 3) matcher.value = field.text();
    return {};
  }));
  if (type > 3)
    return Fail(ErrorCode::kUnsupported, fmt::format("a matcher has the type {}", type),
                "use a newer Holdfast");
  if (matcher.name.empty()) return NotStorage("a matcher has no name");
  matcher.is_regex = (type & 1U) != 0;
  matcher.is_equal = (type & 2U) == 0;
  return matcher;
}

// Before 0.11, author and comment were in a list of comments.
Result<void> DecodeComment(ByteView message, Silence& silence) {
  return EachField(message, [&](const ProtoReader& field) -> Result<void> {
    if (field.field() == 1 && silence.created_by.empty()) silence.created_by = field.text();
    if (field.field() == 2 && silence.comment.empty()) silence.comment = field.text();
    return {};
  });
}

std::string JsonText(const Silence& silence) {
  Json matchers = Json::array();
  for (const Matcher& matcher : silence.matchers) matchers.push_back(MatcherJson(matcher));
  const auto time = [](UnixTime one) { return FormatTime(one.seconds, one.nanoseconds); };
  const Json json = {{"id", silence.id},
                     {"status", {{"state", silence.state}}},
                     {"updatedAt", time(silence.updated)},
                     {"comment", silence.comment},
                     {"createdBy", silence.created_by},
                     {"endsAt", time(silence.ends)},
                     {"matchers", std::move(matchers)},
                     {"startsAt", time(silence.starts)}};
  return DumpJson(json);
}

Result<Silence> DecodeSilence(ByteView message) {
  Silence silence;
  HF_TRY(EachField(message, [&](const ProtoReader& field) -> Result<void> {
    switch (field.field()) {
      case 1:
        silence.id = field.text();
        break;
      case 2: {
        HF_ASSIGN(Matcher matcher, DecodeMatcher(field.bytes()));
        silence.matchers.push_back(std::move(matcher));
        break;
      }
      case 3: {
        HF_ASSIGN(silence.starts, DecodeTime(field.bytes()));
        break;
      }
      case 4: {
        HF_ASSIGN(silence.ends, DecodeTime(field.bytes()));
        break;
      }
      case 5: {
        HF_ASSIGN(silence.updated, DecodeTime(field.bytes()));
        break;
      }
      case 7:
        return DecodeComment(field.bytes(), silence);
      case 8:
        silence.created_by = field.text();
        break;
      case 9:
        silence.comment = field.text();
        break;
      default:
        break;
    }
    return {};
  }));
  if (silence.id.empty()) return NotStorage("a silence has no id");
  if (silence.matchers.empty())
    return Fail(ErrorCode::kUnsupported,
                fmt::format("silence {} has no matchers that are known",
                            Quote(silence.id.substr(0, kShownMax))),
                "use a newer Holdfast");
  silence.json = JsonText(silence);
  return silence;
}

UnixTime After(UnixTime time, std::chrono::milliseconds duration) {
  const std::int64_t nanoseconds = time.nanoseconds + duration.count() % 1000 * 1'000'000;
  return {time.seconds + duration.count() / 1000 + nanoseconds / 1'000'000'000,
          static_cast<std::uint32_t>(nanoseconds % 1'000'000'000)};
}

}  // namespace

Result<std::vector<Silence>> ParseSilences(std::string_view text) {
  HF_ASSIGN(const Json json, Decode(text));
  if (!json.is_array()) return NotSilences("no list");
  std::vector<Silence> silences;
  for (const Json& one : json) {
    HF_ASSIGN(Silence silence, ReadSilence(one));
    silences.push_back(std::move(silence));
  }
  return silences;
}

std::string EncodeSilences(std::span<const Silence> silences) {
  std::string text = "[";
  for (const Silence& silence : silences) {
    text += text.size() == 1 ? "\n" : ",\n";
    text += silence.json;
  }
  return text + "\n]\n";
}

std::string EncodeNewSilence(const Silence& silence) {
  Json json = ParseJson(silence.json);
  if (!json.is_object()) json = Json::object();
  for (const char* name : {"id", "status", "updatedAt"}) json.erase(name);
  Json matchers = Json::array();
  for (const Matcher& matcher : silence.matchers) matchers.push_back(MatcherJson(matcher));
  json["matchers"] = std::move(matchers);
  return DumpJson(json);
}

Result<std::string> ParseSilenceId(std::string_view text) {
  HF_ASSIGN(const Json json, Decode(text));
  if (!json.is_object()) return NotSilences("no id of the new silence");
  ObjectReader reader(json);
  std::string id = reader.Text("silenceID");
  if (id.empty()) return NotSilences("no id of the new silence");
  return id;
}

Result<std::vector<Silence>> DecodeStorage(ByteView file) {
  std::vector<Silence> silences;
  while (!file.empty()) {
    const auto size = TakeVarint(file);
    if (!size || *size > file.size()) return NotStorage("it ends in the middle of a silence");
    ByteView message;
    HF_TRY(EachField(file.first(*size), [&](const ProtoReader& field) -> Result<void> {
      if (field.field() == 1) message = field.bytes();
      return {};
    }));
    HF_ASSIGN(Silence silence, DecodeSilence(message));
    silences.push_back(std::move(silence));
    file = file.subspan(*size);
  }
  return silences;
}

Bytes EncodeStorage(std::span<const Silence> silences, std::chrono::milliseconds retention) {
  Bytes file;
  for (const Silence& silence : silences) {
    ProtoWriter mesh;
    mesh.Add(1, SilenceMessage(silence));
    mesh.Add(2, TimeMessage(After(silence.ends, retention)));
    AppendVarint(mesh.bytes().size(), file);
    file.insert(file.end(), mesh.bytes().begin(), mesh.bytes().end());
  }
  return file;
}

}  // namespace holdfast::alertmanager
