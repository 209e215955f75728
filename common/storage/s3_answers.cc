#include "common/storage/s3_answers.h"

#include <algorithm>
#include <array>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/storage/xml.h"

namespace holdfast::s3 {
namespace {

constexpr std::size_t kShownBytesMax = 300;

// Form encoding, which is what `encoding-type=url` means.
Result<std::string> DecodeKey(std::string_view text) {
  std::string key;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      key += ' ';
    } else if (text[i] != '%') {
      key += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Fail(ErrorCode::kCorrupt, "a list with a wrongly encoded key");
      }
      key += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return key;
}

Error Answered(ErrorCode code, int status, const ResponseError& answered, std::string hint = "") {
  std::string text = fmt::format("the server answered {}", status);
  if (!answered.code.empty()) text += " " + answered.code;
  if (!answered.message.empty()) text += ": " + Quote(answered.message);
  return Error(code, std::move(text)).WithHint(std::move(hint));
}

// Codes whose HTTP status is ambiguous or misleading.
struct CodeMeaning {
  std::string_view code;
  ErrorCode error;
  std::string_view hint;
};
constexpr std::string_view kRightsHint =
    "the key's policy must allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and "
    "s3:DeleteObject on its objects";
constexpr std::array kMeanings = {
    CodeMeaning{"SlowDown", ErrorCode::kUnavailable, ""},
    CodeMeaning{"RequestTimeout", ErrorCode::kUnavailable, ""},
    CodeMeaning{"InternalError", ErrorCode::kUnavailable, ""},
    CodeMeaning{"ServiceUnavailable", ErrorCode::kUnavailable, ""},
    CodeMeaning{"TooManyRequests", ErrorCode::kUnavailable, ""},
    CodeMeaning{"ConditionalRequestConflict", ErrorCode::kUnavailable, ""},
    CodeMeaning{"OperationAborted", ErrorCode::kUnavailable, ""},
    CodeMeaning{"NoSuchKey", ErrorCode::kNotFound, ""},
    CodeMeaning{"NoSuchBucket", ErrorCode::kNotFound,
                "`holdfast-agent init` creates the bucket, if the key may do that"},
    CodeMeaning{"PreconditionFailed", ErrorCode::kAlreadyExists, ""},
    CodeMeaning{"InvalidRange", ErrorCode::kCorrupt, ""},
    CodeMeaning{"AccessDenied", ErrorCode::kDenied, kRightsHint},
    CodeMeaning{"InvalidAccessKeyId", ErrorCode::kDenied,
                "the server does not know the access key id"},
    CodeMeaning{"SignatureDoesNotMatch", ErrorCode::kDenied,
                "the secret access key is wrong, or a proxy changes requests"},
    CodeMeaning{"RequestTimeTooSkewed", ErrorCode::kDenied, "set this machine's clock"},
    CodeMeaning{"ExpiredToken", ErrorCode::kDenied, "the session of these credentials has expired"},
    CodeMeaning{"ExpiredTokenException", ErrorCode::kDenied,
                "the session of these credentials has expired"},
    CodeMeaning{"InvalidToken", ErrorCode::kDenied, "the session token does not belong to the key"},
    CodeMeaning{"XAmzContentSHA256Mismatch", ErrorCode::kCorrupt,
                "the content does not match its name: check this machine's memory"},
    CodeMeaning{"BadDigest", ErrorCode::kCorrupt,
                "the content changed in transit: check this machine's memory and the network"},
    CodeMeaning{"QuotaExceeded", ErrorCode::kNoSpace, "raise the bucket's quota"},
    CodeMeaning{"XMinioAdminBucketQuotaExceeded", ErrorCode::kNoSpace, "raise the bucket's quota"},
    CodeMeaning{"XMinioStorageFull", ErrorCode::kNoSpace, "free space on the server"},
    CodeMeaning{"InvalidObjectState", ErrorCode::kUnsupported,
                "the file is in an archive storage class: first restore it and all similar files, "
                "and exclude the repository from lifecycle rules"},
    CodeMeaning{"NotImplemented", ErrorCode::kUnsupported, ""},
};

}  // namespace

ResponseError ParseAnsweredError(std::string_view body) {
  Result<XmlElement> answer = ParseXml(body);
  if (!answer || answer->name != "Error") return {};
  ResponseError error;
  // Shown to users: a code is one word, a message one line of text.
  for (char c : answer->TextOf("Code").substr(0, 64)) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.') {
      error.code += c;
    }
  }
  error.message = answer->TextOf("Message").substr(0, kShownBytesMax);
  error.region = answer->TextOf("Region").substr(0, 64);
  return error;
}

bool IsCongestion(int status, const ResponseError& answered) {
  return status == 429 || status == 503 || answered.code == "SlowDown" ||
         answered.code == "TooManyRequests";
}

Error ErrorFromResponse(int status, const HttpHeaders& headers, const ResponseError& answered) {
  const std::string* bucket_region = FindHeader(headers, "x-amz-bucket-region");
  const std::string region = bucket_region != nullptr ? *bucket_region : answered.region;
  // To HEAD, AWS answers 400 with only this header.
  const bool is_elsewhere = status == 301 || status == 307 || status == 308 ||
                            (status == 400 && bucket_region != nullptr && answered.code.empty());
  if (is_elsewhere || answered.code == "AuthorizationHeaderMalformed" ||
      answered.code == "PermanentRedirect") {
    return Answered(ErrorCode::kInvalidArgument, status, answered,
                    region.empty() ? "check `region` and the URL's host"
                                   : fmt::format("the bucket is in {}: set `region`, and name that "
                                                 "region's host in the URL",
                                                 Quote(region)));
  }
  const auto* meaning = std::ranges::find(kMeanings, answered.code, &CodeMeaning::code);
  if (meaning != kMeanings.end()) {
    return Answered(meaning->error, status, answered, std::string(meaning->hint));
  }
  switch (status) {
    case 401:
    case 403:
      return Answered(ErrorCode::kDenied, status, answered, std::string(kRightsHint));
    case 404:
      // S3 names what is missing (see above). Any other 404 may be from a proxy whose server is
      // starting. If we believed it, we would treat existing files as removed.
      return Answered(ErrorCode::kUnavailable, status, answered,
                      "an S3 service would say what is missing, so this answer is from a proxy or "
                      "another program: check that the service is up and that the URL is correct");
    case 405:
      return Answered(ErrorCode::kDenied, status, answered);
    case 409:
    case 408:
    case 429:
      return Answered(ErrorCode::kUnavailable, status, answered);
    case 412:
      return Answered(ErrorCode::kAlreadyExists, status, answered);
    case 416:
      return Answered(ErrorCode::kCorrupt, status, answered);
    case 501:
      return Answered(ErrorCode::kUnsupported, status, answered);
    case 507:
      return Answered(ErrorCode::kNoSpace, status, answered, "free space on the server");
    default:
      break;
  }
  // An invalid success is the server's fault, like 5xx.
  const bool may_help = status >= 500 || status < 300;
  return Answered(may_help ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument, status,
                  answered, may_help ? "" : "check that the URL names an S3 service");
}

Result<ListPage> ParseListPage(std::string_view body) {
  HF_ASSIGN(const XmlElement root, ParseXml(body));
  if (root.name != "ListBucketResult") {
    return Fail(ErrorCode::kCorrupt, fmt::format("a list that is {}", Quote(root.name)));
  }
  const bool is_encoded = root.TextOf("EncodingType") == "url";
  ListPage page;
  for (const XmlElement& child : root.children) {
    if (child.name != "Contents") continue;
    const XmlElement* key = child.Find("Key");
    const std::optional<std::uint64_t> size = ParseWhole<std::uint64_t>(child.TextOf("Size"));
    if (key == nullptr || key->text.empty() || !size) {
      return Fail(ErrorCode::kCorrupt, "a list with a file that has no key or no size");
    }
    std::string name = key->text;
    if (is_encoded) {
      HF_ASSIGN(name, DecodeKey(key->text));
    }
    page.files.push_back({std::move(name), *size});
  }
  const std::string_view is_cut = root.TextOf("IsTruncated");
  if (is_cut != "true" && is_cut != "false") {
    return Fail(ErrorCode::kCorrupt, "a list that does not say whether it is complete");
  }
  if (is_cut == "true") {
    page.next = root.TextOf("NextContinuationToken");
    if (page.next.empty())
      return Fail(ErrorCode::kCorrupt, "an incomplete list without a continuation token");
  }
  return page;
}

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return {};
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) return {};
  const auto first = ParseWhole<std::uint64_t>(text.substr(0, dash));
  const auto last = ParseWhole<std::uint64_t>(text.substr(dash + 1, slash - dash - 1));
  const auto total = ParseWhole<std::uint64_t>(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last >= *total) return {};
  return ContentRange{*first, *last, *total};
}

std::optional<WallTime> ParseHttpDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // "Fri, 24 May 2013 00:00:00 GMT" has all parts at fixed offsets.
  if (text.size() != 29 || text.substr(3, 2) != ", " || !text.ends_with(" GMT")) return {};
  const auto* month = std::ranges::find(kMonths, text.substr(8, 3));
  if (month == kMonths.end()) return {};
  const std::string iso =
      fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month - kMonths.begin() + 1,
                  text.substr(5, 2), text.substr(17, 8));
  const Result<WallTime> time = ParseTime(iso);
  if (!time) return {};
  return *time;
}

}  // namespace holdfast::s3
