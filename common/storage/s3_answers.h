// Parses the responses of S3 strictly: lists, errors, ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/io/http_client.h"

namespace holdfast::s3 {

// The <Error> of a response; all fields are empty if it cannot be parsed.
struct ResponseError {
  std::string code;     // "NoSuchKey"
  std::string message;  // the server's text, shortened to a line
  std::string region;   // the bucket's region, if the request used another one
};
ResponseError ParseAnsweredError(std::string_view body);

// The error for an unsuccessful response, without the request. `status` may be 200 if the body is
// an error.
Error ErrorFromResponse(int status, const HttpHeaders& headers, const ResponseError& answered);
// Whether the server reports too many requests.
bool IsCongestion(int status, const ResponseError& answered);

struct ListedFile {
  std::string key;
  std::uint64_t size = 0;
};
struct ListPage {
  std::vector<ListedFile> files;
  std::string next;  // token of the next page; empty: this is the last
};
// Parses a response to ListObjectsV2; kCorrupt if malformed.
Result<ListPage> ParseListPage(std::string_view body);

// "bytes 0-9/100".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
};
std::optional<ContentRange> ParseContentRange(std::string_view text);

// The Date header, "Fri, 24 May 2013 00:00:00 GMT".
std::optional<WallTime> ParseHttpDate(std::string_view text);

}  // namespace holdfast::s3
