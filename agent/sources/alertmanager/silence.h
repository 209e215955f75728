// Silences, as API v2 says them and as Alertmanager keeps them in its storage.
//
// The file "silences" is a row of messages, each behind its length as a varint; the messages are
// MeshSilence of silence/silencepb/silence.proto.
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
  std::vector<Matcher> matchers;  // in the order in which they were given
  UnixTime starts;
  UnixTime ends;
  UnixTime updated;
  std::string created_by;
  std::string comment;
  std::string state;  // "active", "pending" or "expired" when it was asked
  std::string json;   // all that was said of it, in one line
};

// The server's answer to GET /api/v2/silences, or a file of such. kCorrupt for what is no such
// thing, kUnavailable for an error that came with a status of success.
Result<std::vector<Silence>> ParseSilences(std::string_view text);
// The same, one silence a line, in the order given.
std::string EncodeSilences(std::span<const Silence> silences);

// What POST /api/v2/silences takes to make it anew: all but its id, which would have to be known.
std::string EncodeNewSilence(const Silence& silence);
// The id in the answer to that. Errors as of ParseSilences().
Result<std::string> ParseSilenceId(std::string_view text);

// The file "silences"; `retention` is the server's --data.retention.
Bytes EncodeStorage(std::span<const Silence> silences, std::chrono::milliseconds retention);
// The same file, as Alertmanager wrote it: states are not told there, and times are cut to what the
// API tells. kCorrupt for what is no such file or ends too soon, kUnsupported for a silence that a
// later version made.
Result<std::vector<Silence>> DecodeStorage(ByteView file);

}  // namespace holdfast::alertmanager
