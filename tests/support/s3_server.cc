#include "tests/support/s3_server.h"

#include <algorithm>
#include <charconv>

#include "common/base/bytes.h"
#include "common/crypto/md5.h"
#include "common/crypto/sha256.h"

namespace holdfast::testing {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Decodes percent escapes only; "+" stays.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      plain += text[i];
      continue;
    }
    unsigned byte = 0;
    (void)std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

std::string Escape(std::string_view text, std::string_view kept) {
  std::string escaped;
  for (char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || kept.find(c) != kept.npos;
    escaped += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

struct Target {
  std::string raw_path;
  std::string raw_query;
  std::string path;
  Pairs query;  // decoded
  const std::string* Find(std::string_view name) const {
    for (const auto& [key, value] : query) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

Target Parse(const std::string& raw) {
  Target target;
  target.raw_path = raw.substr(0, raw.find('?'));
  if (target.raw_path.size() < raw.size()) {
    target.raw_query = raw.substr(target.raw_path.size() + 1);
  }
  target.path = Unescape(target.raw_path);
  for (const std::string& part : Split(target.raw_query, '&')) {
    const std::size_t equals = part.find('=');
    target.query.emplace_back(Unescape(part.substr(0, equals)),
                              equals == part.npos ? "" : Unescape(part.substr(equals + 1)));
  }
  return target;
}

// Splits "Credential=..., SignedHeaders=..., Signature=..." by name.
std::map<std::string, std::string> ParseAuthorization(std::string_view text) {
  std::map<std::string, std::string> fields;
  for (std::string part : Split(text.substr(std::min(text.find(' ') + 1, text.size())), ',')) {
    part.erase(0, part.find_first_not_of(' '));
    fields[part.substr(0, part.find('='))] = part.substr(part.find('=') + 1);
  }
  return fields;
}

std::string Chain(std::string key, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto digest = crypto::HmacSha256(AsBytes(key), AsBytes(text));
    key.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  return key;
}

std::string Hash(std::string_view text) { return HexEncode(crypto::Sha256Of(AsBytes(text))); }

// Parses "20130524T000000Z".
std::optional<WallTime> ParseAmzDate(const std::string& text) {
  if (text.size() != 16) return {};
  Result<WallTime> time =
      ParseTime(fmt::format("{}-{}-{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2),
                            text.substr(6, 5), text.substr(11, 2), text.substr(13, 2)));
  if (!time) return {};
  return *time;
}

std::string HttpDate(WallTime time) {
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string iso = FormatTime(time);  // 2013-05-24T00:00:00Z
  return fmt::format("Day, {} {} {} {} GMT", iso.substr(8, 2),
                     kMonths[std::stoul(iso.substr(5, 2)) - 1], iso.substr(0, 4),
                     iso.substr(11, 8));
}

std::string AmpEscape(std::string_view text) {
  std::string escaped;
  for (char c : text) escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
  return escaped;
}

}  // namespace

S3Server::S3Server(S3ServerOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      has_bucket_(options_.has_bucket),
      keys_{{kAccessKeyId, S3Key{}}},
      http_([this](const ServedRequest& request) { return Serve(request); }) {}

std::string S3Server::url(std::string_view prefix) const {
  std::string url = "s3:" + http_.url() + "/" + options_.bucket;
  return prefix.empty() ? url : url + "/" + std::string(prefix);
}

void S3Server::SetKey(const std::string& access_key_id, S3Key key) {
  std::lock_guard lock(mutex_);
  keys_[access_key_id] = std::move(key);
}

void S3Server::RemoveKey(const std::string& access_key_id) {
  std::lock_guard lock(mutex_);
  keys_.erase(access_key_id);
}

void S3Server::Break(S3Fault fault, std::string method, std::string part, int first, int last) {
  std::lock_guard lock(mutex_);
  broken_ = Broken{fault, std::move(method), std::move(part), first, last};
}

void S3Server::Repair() {
  std::lock_guard lock(mutex_);
  broken_.reset();
}

std::map<std::string, std::string> S3Server::files() const {
  std::lock_guard lock(mutex_);
  return files_;
}

void S3Server::PutFile(const std::string& key, std::string content) {
  std::lock_guard lock(mutex_);
  files_[key] = std::move(content);
}

std::vector<std::string> S3Server::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}

std::vector<std::string> S3Server::violations() const {
  std::lock_guard lock(mutex_);
  return violations_;
}

void S3Server::Violate(const std::string& what) {
  std::lock_guard lock(mutex_);
  violations_.push_back(what);
}

ServedAnswer S3Server::ErrorAnswer(int status, const std::string& code) const {
  // Like AWS, with text that must not be shown to users.
  return {.status = status,
          .headers = {{"Date", HttpDate(Now())}, {"Content-Type", "application/xml"}},
          .body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code>"
                              "<Message>the secret is {}</Message><RequestId>1</RequestId></Error>",
                              code, S3Key{}.secret)};
}

std::optional<S3Fault> S3Server::TakeFault(const ServedRequest& request) {
  std::lock_guard lock(mutex_);
  log_.push_back(request.method + " " + request.target);
  if (!broken_) return std::nullopt;
  if (!broken_->method.empty() && broken_->method != request.method) return std::nullopt;
  if (request.target.find(broken_->part) == std::string::npos) return std::nullopt;
  ++broken_->seen;
  if (broken_->seen < broken_->first || broken_->seen > broken_->last) return std::nullopt;
  return broken_->fault;
}

ServedAnswer S3Server::Serve(const ServedRequest& request) {
  ++requests_;
  const std::optional<S3Fault> fault = TakeFault(request);
  const Verdict verdict = Verify(request);
  ServedAnswer answer;
  if (verdict.status != 0) {
    answer = ErrorAnswer(verdict.status, verdict.code);
  } else {
    answer = fault ? ServeBroken(request, *fault) : Work(request);
  }
  if (request.method == "HEAD" && answer.status >= 300) answer.body.clear();
  return answer;
}

ServedAnswer S3Server::ServeBroken(const ServedRequest& request, S3Fault fault) {
  ServedAnswer answer;
  switch (fault) {
    case S3Fault::kSlowDown:
      return ErrorAnswer(503, "SlowDown");
    case S3Fault::kInternalError:
      return ErrorAnswer(500, "InternalError");
    case S3Fault::kBadGateway:
      return {.status = 502, .body = "<html><br>bad gateway</html>" + std::string(100'000, ' ')};
    case S3Fault::kNotFoundPage:
      return {.status = 404, .body = "<html><body>default backend - 404</body></html>"};
    case S3Fault::kNotFound:
      return {.status = 404};
    case S3Fault::kNoBucket:
      return ErrorAnswer(404, "NoSuchBucket");
    case S3Fault::kHangUp:
      return {.fault = ServedAnswer::Fault::kHangUp};
    case S3Fault::kAnswerLost:
      (void)Work(request);
      return {.fault = ServedAnswer::Fault::kHangUp};
    case S3Fault::kTwice:
      (void)Work(request);
      return Work(request);
    case S3Fault::kCutBody:
      answer = Work(request);
      answer.fault = ServedAnswer::Fault::kCutBody;
      return answer;
    case S3Fault::kStall:
      return {.fault = ServedAnswer::Fault::kStall};
    case S3Fault::kErrorIn200:
      answer = ErrorAnswer(500, "InternalError");
      if (request.method != "HEAD") answer.status = 200;  // 200 to a HEAD would be success
      return answer;
    case S3Fault::kShortRange: {
      ServedRequest half = request;
      for (auto& [name, value] : half.headers) {
        if (name != "range") continue;
        const std::uint64_t first = std::stoull(value.substr(6));
        const std::uint64_t last = std::stoull(value.substr(value.find('-') + 1));
        value = fmt::format("bytes={}-{}", first, first + (last - first) / 2);
      }
      return Work(half);
    }
    case S3Fault::kWholeFile: {
      ServedRequest whole = request;
      std::erase_if(whole.headers, [](const auto& header) { return header.first == "range"; });
      return Work(whole);
    }
    case S3Fault::kExpiredToken:
      return ErrorAnswer(400, "ExpiredToken");
    case S3Fault::kArchived:
      return request.method == "GET" ? ErrorAnswer(403, "InvalidObjectState") : Work(request);
    case S3Fault::kHostileList:
      return {.body = "<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult>&x;</ListBucketResult>"};
  }
  return answer;
}

S3Server::Verdict S3Server::Verify(const ServedRequest& request) {
  const std::string* authorization = request.Header("authorization");
  if (authorization == nullptr) return {403, "AccessDenied"};
  if (!authorization->starts_with("AWS4-HMAC-SHA256 ")) return {400, "InvalidRequest"};
  auto fields = ParseAuthorization(*authorization);
  const std::vector<std::string> scope = Split(fields["Credential"], '/');
  const std::string* date = request.Header("x-amz-date");
  const std::string* payload_hash = request.Header("x-amz-content-sha256");
  if (scope.size() != 5 || date == nullptr || payload_hash == nullptr ||
      request.Header("host") == nullptr) {
    Violate("a request without credential scope, date, host or payload hash");
    return {400, "InvalidRequest"};
  }
  S3Key key;
  {
    std::lock_guard lock(mutex_);
    const auto found = keys_.find(scope[0]);
    if (found == keys_.end()) return {403, "InvalidAccessKeyId"};
    key = found->second;
  }

  // The canonical request, rebuilt from the received bytes.
  const Target target = Parse(request.target);
  if (Escape(target.path, "-._~/") != target.raw_path) Violate("path " + target.raw_path);
  std::vector<std::string> query;
  for (const auto& [name, value] : target.query) {
    query.push_back(Escape(name, "-._~") + "=" + Escape(value, "-._~"));
  }
  std::ranges::sort(query);
  std::string canonical_query;
  for (const std::string& part : query)
    canonical_query += (canonical_query.empty() ? "" : "&") + part;
  if (canonical_query != target.raw_query) Violate("query " + target.raw_query);
  const std::vector<std::string> names = Split(fields["SignedHeaders"], ';');
  std::string headers;
  for (const std::string& name : names) {
    const std::string* value = request.Header(name);
    if (value == nullptr) {
      Violate("signed and not sent: " + name);
      return {403, "SignatureDoesNotMatch"};
    }
    headers += name + ":" + *value + "\n";
  }
  for (const auto& [name, value] : request.headers) {
    const bool must_be_signed = name.starts_with("x-amz-") || name == "host" ||
                                name == "content-md5" || name == "range" || name == "if-none-match";
    if (must_be_signed && std::ranges::find(names, name) == names.end()) {
      Violate("sent and not signed: " + name);
      return {403, "AccessDenied"};
    }
  }
  const std::string canonical = request.method + "\n" + target.raw_path + "\n" + canonical_query +
                                "\n" + headers + "\n" + fields["SignedHeaders"] + "\n" +
                                *payload_hash;
  const std::string day = date->substr(0, 8);
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + *date + "\n" + day + "/" + options_.region +
                              "/s3/aws4_request\n" + Hash(canonical);
  const std::string signature =
      Chain("AWS4" + key.secret, {day, options_.region, "s3", "aws4_request", to_sign});
  if (scope[2] != options_.region) return {400, "AuthorizationHeaderMalformed"};
  if (scope[1] != day || HexEncode(AsBytes(signature)) != fields["Signature"]) {
    return {403, "SignatureDoesNotMatch"};
  }

  const std::optional<WallTime> sent_at = ParseAmzDate(*date);
  const auto skew = sent_at ? *sent_at - Now() : std::chrono::hours(1'000);
  if (skew > std::chrono::minutes(15) || skew < -std::chrono::minutes(15)) {
    return {403, "RequestTimeTooSkewed"};
  }
  const std::string* token = request.Header("x-amz-security-token");
  if ((token == nullptr ? "" : *token) != key.token) return {403, "InvalidToken"};
  if (key.expires_at && *key.expires_at <= Now()) return {400, "ExpiredToken"};
  if (*payload_hash != Hash(request.body)) return {400, "XAmzContentSHA256Mismatch"};
  return {};
}

ServedAnswer S3Server::Work(const ServedRequest& request) {
  const Target target = Parse(request.target);
  std::string rest = target.path;
  if (options_.is_virtual_host) {
    if (request.Header("host")->find(options_.bucket + ".") != 0)
      return ErrorAnswer(404, "NoSuchBucket");
    rest.erase(0, 1);
  } else {
    const std::string top = "/" + options_.bucket;
    if (rest != top && !rest.starts_with(top + "/")) return ErrorAnswer(404, "NoSuchBucket");
    rest.erase(0, std::min(top.size() + 1, rest.size()));
  }
  std::lock_guard lock(mutex_);
  if (rest.empty()) return WorkOnBucket(request);
  if (!has_bucket_) return ErrorAnswer(404, "NoSuchBucket");
  if (request.method == "PUT") return Put(request, rest);
  if (request.method == "GET" || request.method == "HEAD") return Get(request, rest);
  if (request.method == "DELETE") {
    files_.erase(rest);
    return {.status = 204};
  }
  return ErrorAnswer(405, "MethodNotAllowed");
}

ServedAnswer S3Server::WorkOnBucket(const ServedRequest& request) {
  if (request.method == "PUT") {
    if (has_bucket_) return ErrorAnswer(409, "BucketAlreadyOwnedByYou");
    const bool says_where = request.body.find(options_.region) != std::string::npos;
    if (says_where == (options_.region == "us-east-1")) {
      return ErrorAnswer(400, "IllegalLocationConstraintException");
    }
    has_bucket_ = true;
    return {};
  }
  if (!has_bucket_) return ErrorAnswer(404, "NoSuchBucket");
  return request.method == "GET" ? List(request) : ServedAnswer{};
}

ServedAnswer S3Server::Put(const ServedRequest& request, const std::string& key) {
  const std::string* md5 = request.Header("content-md5");
  if (options_.wants_md5 && md5 == nullptr) return ErrorAnswer(400, "MissingContentMD5");
  if (md5 != nullptr && *md5 != Base64Encode(crypto::Md5Of(AsBytes(request.body)))) {
    return ErrorAnswer(400, "BadDigest");
  }
  if (const std::string* condition = request.Header("if-none-match")) {
    if (!options_.knows_conditions) return ErrorAnswer(501, "NotImplemented");
    if (*condition != "*") return ErrorAnswer(400, "InvalidArgument");
    if (files_.contains(key)) return ErrorAnswer(412, "PreconditionFailed");
  }
  files_[key] = request.body;
  return {};
}

ServedAnswer S3Server::Get(const ServedRequest& request, const std::string& key) {
  const auto found = files_.find(key);
  if (found == files_.end()) return ErrorAnswer(404, "NoSuchKey");
  const std::string& content = found->second;
  const std::string* range = request.Header("range");
  if (range == nullptr) {
    return {.headers = {{"Content-Length", std::to_string(content.size())}}, .body = content};
  }
  const std::uint64_t first = std::stoull(range->substr(6));
  const std::uint64_t last = std::stoull(range->substr(range->find('-') + 1));
  if (first >= content.size()) return ErrorAnswer(416, "InvalidRange");
  const std::string part = content.substr(first, last - first + 1);
  return {.status = 206,
          .headers = {{"Content-Range", fmt::format("bytes {}-{}/{}", first,
                                                    first + part.size() - 1, content.size())}},
          .body = part};
}

ServedAnswer S3Server::List(const ServedRequest& request) {
  const Target target = Parse(request.target);
  const std::string* prefix = target.Find("prefix");
  const std::string* token = target.Find("continuation-token");
  const std::string* encoding = target.Find("encoding-type");
  const std::string* type = target.Find("list-type");
  if (type == nullptr || *type != "2" || prefix == nullptr) {
    return ErrorAnswer(400, "InvalidArgument");
  }
  const bool is_encoded = encoding != nullptr && *encoding == "url";
  std::string body =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>";
  if (is_encoded) body += "<EncodingType>url</EncodingType>";
  std::size_t count = 0;
  // The token is the last key of the previous page, in a form that must be encoded.
  auto file = token == nullptr ? files_.lower_bound(*prefix) : files_.upper_bound(token->substr(2));
  std::string last;
  for (; file != files_.end() && file->first.starts_with(*prefix); ++file) {
    if (count++ == options_.page_size) break;
    last = file->first;
    std::string key = file->first;
    if (is_encoded) {
      key = Escape(key, "-._*/ ");
      std::ranges::replace(key, ' ', '+');
    }
    body +=
        fmt::format("<Contents><Key>{}</Key><ETag>&quot;1&quot;</ETag><Size>{}</Size></Contents>",
                    AmpEscape(key), file->second.size());
  }
  const bool is_cut = count > options_.page_size;
  body += fmt::format("<IsTruncated>{}</IsTruncated>", is_cut);
  if (is_cut) body += "<NextContinuationToken>=+" + AmpEscape(last) + "</NextContinuationToken>";
  return {.body = body + "</ListBucketResult>"};
}

}  // namespace holdfast::testing
