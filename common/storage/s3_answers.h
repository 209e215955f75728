// What S3 answers, read strictly: lists, errors, ranges.
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

// The <Error> of an answer; all empty when there is none that can be read.
struct AnsweredError {
  std::string code = {};     // "NoSuchKey"
  std::string message = {};  // in the server's words, cut to a line's length
  std::string region = {};   // where the bucket is, when that is what is wrong
};
AnsweredError ParseAnsweredError(std::string_view body);

// What an answer that is no success means, without saying what was asked. `status` may be 200 when
// the body was an error all the same.
Error ErrorOfAnswer(int status, const HttpHeaders& headers, const AnsweredError& answered);
// Whether the server says that it is asked too much.
bool IsCongestion(int status, const AnsweredError& answered);

struct ListedFile {
  std::string key;
  std::uint64_t size = 0;
};
struct ListPage {
  std::vector<ListedFile> files;
  std::string next;  // the token that gets the next page; empty: this is the last
};
// Of ListObjectsV2. kCorrupt for whatever is not one.
Result<ListPage> ParseListPage(std::string_view body);

// "bytes 0-9/100".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
};
std::optional<ContentRange> ParseContentRange(std::string_view text);

// Decimal digits and nothing else.
std::optional<std::uint64_t> ParseNumber(std::string_view text);

// The Date header, "Fri, 24 May 2013 00:00:00 GMT".
std::optional<WallTime> ParseHttpDate(std::string_view text);

}  // namespace holdfast::s3
