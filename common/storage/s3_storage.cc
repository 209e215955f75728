#include "common/storage/s3_storage.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/crypto/md5.h"
#include "common/crypto/sha256.h"

namespace holdfast::s3 {
namespace {

constexpr std::size_t kErrorAnswerBytesMax = 64U << 10;
// The most to allocate in advance because of a header.
constexpr std::uint64_t kTrusted = 256U << 20;
// A page has at most 1000 keys of 1024 bytes, three times as long when encoded.
constexpr std::size_t kListAnswerBytesMax = 8U << 20;
// Servers accept 15 minutes. From this difference on, our clock is wrong.
constexpr std::chrono::minutes kSkewMin{5};
// Up to this number, a service that has never answered may still be starting.
constexpr unsigned kStrange404sMax = 3;

std::string HexHash(ByteView content) { return HexEncode(crypto::Sha256Of(content)); }

// Users must never see secrets, even if a server returns them.
std::string WithoutSecrets(std::string text, const Credentials& credentials) {
  for (const Secret* secret : {&credentials.secret_access_key, &credentials.session_token}) {
    if (secret->empty()) continue;
    for (std::size_t at = 0; (at = text.find(secret->Reveal(), at)) != text.npos;) {
      text.replace(at, secret->Reveal().size(), "...");
    }
  }
  return text;
}

bool IsAboutMd5(const ResponseError& error) {
  return error.code == "MissingContentMD5" ||
         error.message.find("Content-MD5") != std::string::npos;
}

// Some servers and proxies return errors with a success status. No file of a repository begins like
// this.
bool MayBeError(ByteView body) {
  return body.size() <= kErrorAnswerBytesMax &&
         (AsText(body).starts_with("<?xml") || AsText(body).starts_with("<Error"));
}

}  // namespace

Result<std::unique_ptr<S3Storage>> S3Storage::Open(std::string_view url, const Settings& settings,
                                                   const StorageOptions& options) {
  HF_ASSIGN(Place place, ParsePlace(url, settings));
  return std::make_unique<S3Storage>(std::move(place), settings, options);
}

S3Storage::S3Storage(Place place, const Settings& settings, const StorageOptions& options)
    : place_(std::move(place)),
      connections_(settings.connections),
      ca_file_(settings.ca_file),
      options_(options),
      signer_(place_.region, "s3"),
      credentials_(CredentialSources(settings.credentials, place_.region, settings.ca_file),
                   *options.clock),
      limit_(settings.connections, *options.clock) {
  HF_CHECK(connections_ > 0);
}

WallTime S3Storage::ServerNow() const {
  return options_.clock->Now() + std::chrono::nanoseconds(clock_offset_ns_.load());
}

Result<std::unique_ptr<HttpClient>> S3Storage::TakeClient() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<HttpClient> client = std::move(idle_.back());
      idle_.pop_back();
      return client;
    }
  }
  HttpClientOptions options;
  options.ca_file = ca_file_;
  options.stall_timeout = options_.stall_timeout;
  if (options_.first_answer_timeout && !has_answered_) {
    options.connect_timeout = *options_.first_answer_timeout;
    options.stall_timeout = *options_.first_answer_timeout;
  }
  return HttpClient::Create(std::move(options));
}

void S3Storage::KeepClient(std::unique_ptr<HttpClient> client) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(client));
}

// A retry uses a new connection, and perhaps another address of the host.
void S3Storage::DropIdleClients() {
  std::vector<std::unique_ptr<HttpClient>> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(idle_);
}

S3Storage::Request S3Storage::RequestFor(std::string what, std::string method,
                                         const FileName& name) const {
  HF_CHECK(IsValidName(name));
  return {.what = fmt::format("{} \"{}\"", what, FilePath(name)),
          .method = std::move(method),
          .path = place_.PathOf(place_.prefix + FilePath(name))};
}

Result<S3Storage::Answer> S3Storage::Exchange(HttpClient& client, const HttpRequest& sent,
                                              const Request& request) {
  HF_ASSIGN(const std::unique_ptr<HttpExchange> exchange, client.Start(sent, options_.stop));
  Answer answer{.status = exchange->status(), .headers = exchange->headers()};
  const bool is_success = answer.status >= 200 && answer.status < 300;
  const bool is_whole_for_range = answer.status == 200 && FindHeader(request.headers, "range");
  const std::size_t most =
      is_success && !is_whole_for_range ? request.answer_bytes_max : kErrorAnswerBytesMax;
  const std::string* length = FindHeader(answer.headers, "content-length");
  const std::uint64_t expected =
      length == nullptr ? 0 : ParseWhole<std::uint64_t>(*length).value_or(0);
  Bytes& body = answer.body;
  // One byte more than the length, to see the end without growing. If the length is larger than any
  // usual file, the buffer grows with the content.
  body.resize(static_cast<std::size_t>(std::min<std::uint64_t>({expected, most, kTrusted})) + 1);
  std::size_t filled = 0;
  for (;;) {
    if (filled > most && (!is_success || is_whole_for_range)) break;  // the rest is not needed
    if (filled > most) {
      return Fail(ErrorCode::kCorrupt, fmt::format("the server answered {} with more than {} bytes",
                                                   answer.status, most));
    }
    if (filled == body.size()) body.resize(std::min(most + 1, body.size() * 2 + 4096));
    HF_ASSIGN(const std::size_t got, exchange->Read(std::span(body).subspan(filled)));
    if (got == 0) break;
    filled += got;
  }
  body.resize(filled);
  return answer;
}

Result<S3Storage::Answer> S3Storage::SendOnce(const Request& request,
                                              const Credentials& credentials) {
  HF_ASSIGN(const AdaptiveLimit::Slot slot, limit_.Acquire(options_.stop));
  SignedRequest to_sign{
      .method = request.method,
      .path = request.path,
      .query = request.query,
      .headers = request.headers,
      .payload_hash = request.payload_hash.empty() ? HexHash(request.body) : request.payload_hash};
  to_sign.headers.emplace_back("x-amz-content-sha256", to_sign.payload_hash);
  if (wants_md5_ && request.method == "PUT") {
    to_sign.headers.emplace_back("content-md5", Base64Encode(crypto::Md5Of(request.body)));
  }
  HttpRequest sent{.method = request.method,
                   .url = place_.endpoint + EncodePath(request.path),
                   .headers = to_sign.headers,
                   .body = request.body};
  if (!request.query.empty()) sent.url += "?" + EncodeQuery(request.query);
  to_sign.headers.emplace_back("host", place_.host);
  for (auto& header : signer_.Sign(to_sign, credentials, ServerNow())) {
    sent.headers.push_back(std::move(header));
  }

  HF_ASSIGN(std::unique_ptr<HttpClient> client, TakeClient());
  Result<Answer> answer = Exchange(*client, sent, request);
  if (!answer) {
    DropIdleClients();
    return answer;
  }
  const bool is_status_good = answer->status >= 200 && answer->status < 300;
  if (!is_status_good || MayBeError(answer->body)) {
    answer->error = ParseAnsweredError(AsText(answer->body));
    answer->error.message = WithoutSecrets(std::move(answer->error.message), credentials);
  }
  if (IsCongestion(answer->status, answer->error)) limit_.Congested();
  if (answer->is_success()) limit_.Succeeded();
  if (answer->is_success() || answer->error.code == "NoSuchKey") was_bucket_there_ = true;
  const bool is_unnamed_404 =
      answer->status == 404 && answer->error.code.empty() && request.method != "HEAD";
  const bool is_fault = answer->status >= 500 || is_unnamed_404;
  // Earlier clients have other timeouts.
  const bool is_first = !is_fault && !has_answered_.exchange(true) && options_.first_answer_timeout;
  if (is_fault || is_first) {
    DropIdleClients();
  } else {
    KeepClient(std::move(client));
  }
  return answer;
}

Result<S3Storage::Answer> S3Storage::Send(const Request& request) {
  Corrections done;
  for (;;) {
    HF_ASSIGN(const Credentials credentials, credentials_.Get(options_.stop));
    Result<Answer> answer = SendOnce(request, credentials);
    if (!answer) {
      return Fail(std::move(answer).error().While(
          fmt::format("{} in {}", request.what, Quote(place_.location))));
    }
    if (answer->is_success()) return answer;
    HF_ASSIGN(const bool is_corrected, Correct(request, *answer, credentials, done));
    if (!is_corrected) return answer;
  }
}

bool S3Storage::CorrectClock(const Answer& answer) {
  const std::string* date = FindHeader(answer.headers, "date");
  const std::optional<WallTime> server = date == nullptr ? std::nullopt : ParseHttpDate(*date);
  if (!server) return false;
  const auto skew = *server - ServerNow();
  if (skew < kSkewMin && skew > -kSkewMin) return false;
  clock_offset_ns_ = (*server - options_.clock->Now()).count();
  return true;
}

Result<bool> S3Storage::Correct(const Request& request, const Answer& answer,
                                const Credentials& credentials, Corrections& done) {
  // A response to HEAD has no body with the reason.
  const bool is_unnamed = answer.error.code.empty() && request.method == "HEAD";
  const bool is_refused = answer.status == 400 || answer.status == 401 || answer.status == 403;
  if (!is_refused) return false;
  if (!std::exchange(done.clock, true) && CorrectClock(answer)) return true;
  constexpr std::array<std::string_view, 5> kOver = {"ExpiredToken", "ExpiredTokenException",
                                                     "InvalidToken", "InvalidAccessKeyId",
                                                     "TokenRefreshRequired"};
  const bool may_be_over = is_unnamed || std::ranges::find(kOver, answer.error.code) != kOver.end();
  if (may_be_over && !std::exchange(done.credentials, true)) {
    credentials_.Invalidate(credentials);
    HF_ASSIGN(const Credentials renewed, credentials_.Get(options_.stop));
    if (!IsSame(renewed, credentials)) return true;
  }
  if (request.method == "PUT" && IsAboutMd5(answer.error) && !std::exchange(done.md5, true)) {
    wants_md5_ = true;
    return true;
  }
  return false;
}

Result<S3Storage::Answer> S3Storage::Look(const Request& request) {
  HF_ASSIGN(Answer answer, Send(request));
  const bool is_refused = answer.status == 400 || answer.status == 401 || answer.status == 403;
  if (!is_refused && answer.status != 404) return answer;
  Request why = request;
  why.method = "GET";
  why.headers.emplace_back("range", "bytes=0-0");
  why.answer_bytes_max = 1;
  HF_ASSIGN(Answer get_answer, Send(why));
  // 416: the file exists but is empty.
  if (get_answer.error.code.empty() || get_answer.status == 416) return answer;
  return get_answer;
}

std::unexpected<Error> S3Storage::Refused(const Request& request, const Answer& answer) {
  const std::string what = fmt::format("{} in {}", request.what, Quote(place_.location));
  Error error = ErrorFromResponse(answer.status, answer.headers, answer.error);
  if (answer.error.code == "NoSuchBucket" && was_bucket_there_) {
    return Fail(
        Error(ErrorCode::kUnavailable, error.message())
            .While(what)
            .WithHint(
                "the bucket existed a moment ago; if it was deleted, the repository is lost"));
  }
  const bool is_strange = answer.status == 404 && answer.error.code.empty();
  if (is_strange && !was_bucket_there_ && ++strange_404s_ > kStrange404sMax) {
    return Fail(
        Error(ErrorCode::kInvalidArgument, error.message())
            .While(what)
            .WithHint(
                "no S3 service has answered yet, as this answer does not say what is missing: "
                "check the URL's host and port, and the configuration of a proxy there"));
  }
  return Fail(std::move(error).While(what));
}

Result<void> S3Storage::Create() {
  const Request look{.what = "check for the bucket",
                     .method = "HEAD",
                     .path = place_.base_path.empty() ? "/" : place_.base_path};
  HF_ASSIGN(const Answer found, Send(look));
  // A key may have all rights that a repository needs, but not see the bucket itself.
  if (found.is_success() || found.status == 403) return {};
  if (found.status != 404) return Refused(look, found);
  const std::string body =
      place_.region == "us-east-1"
          ? ""
          : fmt::format(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/"
                "\"><LocationConstraint>{}</LocationConstraint>"
                "</CreateBucketConfiguration>",
                place_.region);
  const Request make{.what = "create the bucket",
                     .method = "PUT",
                     .path = look.path,
                     .body = AsBytes(body),
                     .answer_bytes_max = kErrorAnswerBytesMax};
  HF_ASSIGN(const Answer made, Send(make));
  if (made.is_success() || made.error.code == "BucketAlreadyOwnedByYou") return {};
  if (made.error.code == "BucketAlreadyExists") {
    return Fail(ErrorCode::kDenied,
                fmt::format("bucket {} belongs to another account", Quote(place_.bucket)),
                "bucket names are global: choose another one");
  }
  return Refused(make, made);
}

Result<void> S3Storage::Put(const FileName& name, ByteView content, PutMode mode) {
  Request request = RequestFor("write", "PUT", name);
  request.body = content;
  request.answer_bytes_max = kErrorAnswerBytesMax;
  if (name.kind == FileKind::kPack) request.payload_hash = name.name;
  if (mode == PutMode::kCreate) {
    // Checks first, because some servers do not support the condition, or ignore it.
    Result<FileInfo> there = Stat(name);
    if (there) {
      return CompareWithOurs(name, content,
                             Error(ErrorCode::kAlreadyExists, request.what + ": it exists"));
    }
    if (there.error().code() != ErrorCode::kNotFound) return Fail(std::move(there).error());
    request.headers.emplace_back("if-none-match", "*");
  }
  HF_ASSIGN(Answer answer, Send(request));
  if (answer.status == 501 && mode == PutMode::kCreate) {
    request.headers.clear();
    HF_ASSIGN(answer, Send(request));
  }
  if (answer.is_success()) return {};
  Error refusal = Refused(request, answer).error();
  if (refusal.code() != ErrorCode::kAlreadyExists) return Fail(std::move(refusal));
  return CompareWithOurs(name, content, std::move(refusal));
}

Result<void> S3Storage::CompareWithOurs(const FileName& name, ByteView content, Error there) {
  HF_ASSIGN(const Bytes found, Get(name, {}));
  if (std::ranges::equal(found, content)) return {};
  return Fail(std::move(there));
}

Result<Bytes> S3Storage::Get(const FileName& name, ByteRange range) {
  const bool is_whole = range.offset == 0 && range.length == 0;
  Request request = RequestFor("read", "GET", name);
  request.answer_bytes_max = kWholeFileBytesMax;
  if (!is_whole) {
    // Servers count in 63 bits, and an empty range cannot be requested.
    constexpr std::uint64_t kEndMax = INT64_MAX;
    if (range.length == 0 || range.offset > kEndMax || range.length > kEndMax - range.offset) {
      HF_ASSIGN(const FileInfo info, Stat(name));
      if (range.length == 0 && range.offset <= info.size) return Bytes();
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: it has {} bytes, but {} bytes at {} were requested",
                              request.what, info.size, range.length, range.offset));
    }
    request.headers.emplace_back(
        "range", fmt::format("bytes={}-{}", range.offset, range.offset + range.length - 1));
    request.answer_bytes_max = range.length;
  }
  HF_ASSIGN(Answer answer, Send(request));
  if (!answer.is_success()) return Refused(request, answer);
  if (!is_whole) return TakeRange(request, std::move(answer), range);
  if (answer.status != 200) return Refused(request, answer);
  return std::move(answer.body);
}

Result<Bytes> S3Storage::TakeRange(const Request& request, Answer answer, ByteRange range) {
  const std::string* text = FindHeader(answer.headers, "content-range");
  const std::optional<ContentRange> given =
      text == nullptr ? std::nullopt : ParseContentRange(*text);
  const std::uint64_t last = range.offset + range.length - 1;
  if (answer.status == 200) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} in {}: the server answers a range with the whole file",
                            request.what, Quote(place_.location)),
                "use a service, or a proxy before it, that supports ranges");
  }
  if (answer.status != 206 || !given || given->first != range.offset || given->last > last ||
      answer.body.size() != given->last - given->first + 1) {
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{} in {}: the server answered {} instead of the requested range",
                            request.what, Quote(place_.location), answer.status));
  }
  if (given->last == last) return std::move(answer.body);
  const bool is_file_short = given->total <= last;
  return Fail(
      is_file_short ? ErrorCode::kCorrupt : ErrorCode::kUnavailable,
      fmt::format(
          "{} in {}: it has {} bytes, but {} bytes at {} were requested, and {} were received",
          request.what, Quote(place_.location), given->total, range.length, range.offset,
          answer.body.size()));
}

Result<FileInfo> S3Storage::Stat(const FileName& name) {
  const Request request = RequestFor("check for", "HEAD", name);
  HF_ASSIGN(const Answer answer, Look(request));
  if (!answer.is_success()) return Refused(request, answer);
  const std::string* length = FindHeader(answer.headers, "content-length");
  const std::optional<std::uint64_t> size =
      length == nullptr ? std::nullopt : ParseWhole<std::uint64_t>(*length);
  if (size) return FileInfo{name, *size};
  return Fail(ErrorCode::kUnavailable, fmt::format("{} in {}: the server did not give its length",
                                                   request.what, Quote(place_.location)));
}

Result<void> S3Storage::List(FileKind kind, const VisitFile& visit) {
  if (kind == FileKind::kConfig) return ListConfig(*this, visit);
  std::string token;
  for (;;) {
    HF_ASSIGN(std::string next, ListPageFrom(kind, token, visit));
    if (next.empty()) return {};
    if (next == token) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("list {}: the server's list repeats itself", Quote(place_.location)));
    }
    token = std::move(next);
  }
}

Result<std::string> S3Storage::ListPageFrom(FileKind kind, const std::string& token,
                                            const VisitFile& visit) {
  Request request{.what = fmt::format("list \"{}\"", FileKindName(kind)),
                  .path = place_.base_path.empty() ? "/" : place_.base_path,
                  .query = {{"list-type", "2"},
                            {"encoding-type", "url"},
                            {"prefix", fmt::format("{}{}/", place_.prefix, FileKindName(kind))}},
                  .answer_bytes_max = kListAnswerBytesMax};
  if (!token.empty()) request.query.emplace_back("continuation-token", token);
  HF_ASSIGN(const Answer answer, Send(request));
  if (!answer.is_success()) {
    std::unexpected<Error> refused = Refused(request, answer);
    // The bucket does not exist yet. No other error means an empty list.
    if (refused.error().code() == ErrorCode::kNotFound && answer.error.code == "NoSuchBucket") {
      return std::string();
    }
    return refused;
  }
  Result<ListPage> page = ParseListPage(AsText(answer.body));
  if (!page) {
    return Fail(std::move(page).error().While(
        fmt::format("{} in {}", request.what, Quote(place_.location))));
  }
  for (const ListedFile& file : page->files) {
    FileName name{kind, file.key.substr(file.key.rfind('/') + 1)};
    // A file in the wrong place cannot be found by its name, so it is not listed.
    if (!IsValidName(name) || file.key != place_.prefix + FilePath(name)) continue;
    HF_TRY(visit({std::move(name), file.size}));
  }
  return std::move(page->next);
}

// DELETE does not report whether the file existed, so check first.
Result<void> S3Storage::Remove(const FileName& name) {
  Request request = RequestFor("remove", "HEAD", name);
  HF_ASSIGN(const Answer there, Look(request));
  if (!there.is_success()) return Refused(request, there);
  request.method = "DELETE";
  request.answer_bytes_max = kErrorAnswerBytesMax;
  HF_ASSIGN(const Answer answer, Send(request));
  if (answer.is_success()) return {};
  return Refused(request, answer);
}

}  // namespace holdfast::s3
