// Silences in the format of API v2 and in that of Alertmanager's storage.
//
// The file "silences" is a sequence of messages, each after its length as a varint. The messages
// are MeshSilence of silence/silencepb/silence.proto.
#pragma once

#include <chrono>
#include <compare>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::alertmanager {

struct Matcher {
  std::string name;
  std::string value;
  bool is_regex = false;
  bool is_equal = true;
  auto operator<=>(const Matcher&) const = default;
};

struct Silence {
  std::string id;
  std::vector<Matcher> matchers;  // in the original order
  UnixTime starts;
  UnixTime ends;
  UnixTime updated;
  std::string created_by;
  std::string comment;
  std::string state;  // "active", "pending" or "expired" at the time of the query
  std::string json;   // all of its JSON, in one line
};

// Parses the response to GET /api/v2/silences, or a file with it. kCorrupt if it is malformed;
// kUnavailable if it is an error with a status of success.
Result<std::vector<Silence>> ParseSilences(std::string_view text);
// The inverse; one silence per line, in the given order.
std::string EncodeSilences(std::span<const Silence> silences);

// The body of POST /api/v2/silences that recreates it, without id: the server rejects unknown ids.
std::string EncodeNewSilence(const Silence& silence);
// The id in the response. Errors as in ParseSilences().
Result<std::string> ParseSilenceId(std::string_view text);

// The file "silences"; `retention` is the server's --data.retention.
Bytes EncodeStorage(std::span<const Silence> silences, std::chrono::milliseconds retention);
// Decodes that file as Alertmanager wrote it, without states. Times are truncated to the API's
// precision. kCorrupt if malformed or truncated, kUnsupported for a silence of a later version.
Result<std::vector<Silence>> DecodeStorage(ByteView file);

}  // namespace holdfast::alertmanager
