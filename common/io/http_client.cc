#include "common/io/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>

#include "common/base/clock.h"
#include "common/base/deleter.h"
#include "common/base/format.h"
#include "common/base/text.h"

namespace holdfast {
namespace {

// CURL and CURLM are both `void` in C++, so separate owners prevent mixing them up.
using MultiHandle = std::unique_ptr<CURLM, Deleter<curl_multi_cleanup>>;
using EasyHandle = std::unique_ptr<CURL, Deleter<curl_easy_cleanup>>;
using ListHandle = std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>>;

// "https://host:2379" from "https://host:2379/path". Errors name only the server, because a path or
// a query may contain secrets.
std::string ServerOf(std::string_view url) {
  std::size_t scheme = url.find("://");
  std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  std::size_t end = url.find_first_of("/?#", begin);
  std::string_view authority = url.substr(begin, end == std::string_view::npos ? end : end - begin);
  std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) authority.remove_prefix(at + 1);
  return std::string(url.substr(0, begin)) + std::string(authority);
}

struct Mapped {
  ErrorCode code;
  const char* hint;
  const char* prefix = "";  // what failed, if curl's text does not say so
};

Mapped MapCode(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorCode::kInvalidArgument, "use http://host:port or https://host:port"};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorCode::kUnavailable, "check the host name and this host's name resolution",
              "DNS: "};
    case CURLE_COULDNT_CONNECT:
      return {ErrorCode::kUnavailable, "check that the service runs and listens there"};
    case CURLE_SSL_CERTPROBLEM:
      return {ErrorCode::kInvalidArgument,
              "check that the certificate and the key are PEM files and match", "TLS: "};
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorCode::kInvalidArgument, "check that the CA file is a PEM file", "TLS: "};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return {ErrorCode::kDenied,
              "check that `ca` names the authority that signed the server's certificate, and that "
              "the certificate covers the host name or address used here",
              "TLS: "};
    case CURLE_SSL_CONNECT_ERROR:
      return {ErrorCode::kUnavailable,
              "check whether the server speaks TLS at this address (https:// or http://) and "
              "whether it requires a client certificate",
              "TLS: "};
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return {ErrorCode::kInternal, ""};
    default:
      return {ErrorCode::kUnavailable, ""};
  }
}

// TLS 1.3 servers refuse a client certificate after the handshake, with an alert at the first read.
bool IsCertificateRefusal(std::string_view text) {
  return text.find("certificate required") != std::string_view::npos ||
         text.find("bad certificate") != std::string_view::npos ||
         text.find("unknown ca") != std::string_view::npos ||
         text.find("alert handshake failure") != std::string_view::npos;
}

// Returns the last words of "openssl ssl_read: openssl/3.0.11: error:0a00045c:ssl routines::tlsv13
// alert certificate required, errno 0".
std::string_view ShortTlsText(std::string_view text) {
  constexpr std::string_view kRoutines = "SSL routines::";
  std::size_t at = text.find(kRoutines);
  if (at == std::string_view::npos) return text;
  text.remove_prefix(at + kRoutines.size());
  return text.substr(0, text.find(", errno"));
}

class Client;

class Exchange final : public HttpExchange {
 public:
  Exchange(Client& client, const HttpRequest& request, std::stop_token stop);
  ~Exchange() override;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Result<void> Begin();
  int status() const override { return status_; }
  const HttpHeaders& headers() const override { return headers_; }
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override;
  const HttpHeaders& trailers() const override { return trailers_; }

  void Complete(CURLcode code) { outcome_ = code; }

 private:
  static std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnSend(char* data, std::size_t size, std::size_t count, void* self);
  static int OnSeek(void* self, curl_off_t offset, int origin);

  Result<void> Configure();
  void TakeHeader(std::string_view line);
  std::size_t TakeBody(ByteView bytes);
  Result<void> WaitUntil(const std::function<bool()>& is_done);
  Result<void> FailureOf(CURLcode code) const;
  std::string_view MissingStep() const;
  std::size_t Drain(std::span<std::uint8_t> buffer);
  void Moved() { last_moved_ = clock_.Monotonic(); }

  Client& client_;
  const HttpRequest& request_;  // valid in Begin() only
  ByteView body_;
  std::string server_;
  std::stop_token stop_;
  SystemClock clock_;
  EasyHandle easy_;
  ListHandle header_list_;
  bool is_added_ = false;
  std::size_t sent_ = 0;

  int status_ = 0;
  bool headers_done_ = false;
  HttpHeaders headers_;
  HttpHeaders trailers_;
  std::optional<CURLcode> outcome_;
  Instant last_moved_;
  char error_text_[CURL_ERROR_SIZE] = {};

  // Bytes go directly into the waiting caller's buffer while it has room, then into `ahead_`.
  std::span<std::uint8_t> target_;
  std::size_t target_filled_ = 0;
  Bytes ahead_;
  std::size_t ahead_begin_ = 0;
  bool is_paused_ = false;
};

class Client final : public HttpClient {
 public:
  Client(HttpClientOptions options, MultiHandle multi)
      : options_(std::move(options)), multi_(std::move(multi)) {}
  Result<std::unique_ptr<HttpExchange>> Start(const HttpRequest& request,
                                              std::stop_token stop) override {
    is_unreachable_ = false;
    auto exchange = std::make_unique<Exchange>(*this, request, std::move(stop));
    HF_TRY(exchange->Begin());
    return std::unique_ptr<HttpExchange>(std::move(exchange));
  }
  const HttpClientOptions& options() const { return options_; }
  CURLM* multi() const { return multi_.get(); }
  bool is_unreachable() const override { return is_unreachable_; }
  void MarkUnreachable() { is_unreachable_ = true; }
  // Transfers what is possible and completes exchanges that have ended.
  void Perform() {
    int running = 0;
    (void)curl_multi_perform(multi_.get(), &running);  // failures are reported per exchange, below
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* owner = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
      static_cast<Exchange*>(owner)->Complete(message->data.result);
    }
  }

 private:
  HttpClientOptions options_;
  MultiHandle multi_;
  bool is_unreachable_ = false;
};

Exchange::Exchange(Client& client, const HttpRequest& request, std::stop_token stop)
    : client_(client),
      request_(request),
      body_(request.body),
      server_(ServerOf(request.url)),
      stop_(std::move(stop)),
      easy_(curl_easy_init()) {}

Exchange::~Exchange() {
  if (is_added_) curl_multi_remove_handle(client_.multi(), easy_.get());
}

std::size_t Exchange::OnHeader(char* data, std::size_t size, std::size_t count, void* self) {
  static_cast<Exchange*>(self)->TakeHeader({data, size * count});
  return size * count;
}

std::size_t Exchange::OnBody(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Exchange*>(self)->TakeBody(AsBytes({data, size * count}));
}

std::size_t Exchange::OnSend(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  ByteView rest = exchange->body_.subspan(exchange->sent_);
  std::size_t taken = std::min(rest.size(), size * count);
  if (taken > 0) std::memcpy(data, rest.data(), taken);
  exchange->sent_ += taken;
  exchange->Moved();
  return taken;
}

// curl sends a body again if a kept connection turns out to be dead.
int Exchange::OnSeek(void* self, curl_off_t offset, int origin) {
  auto* exchange = static_cast<Exchange*>(self);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  if (static_cast<std::size_t>(offset) > exchange->body_.size()) return CURL_SEEKFUNC_FAIL;
  exchange->sent_ = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

void Exchange::TakeHeader(std::string_view line) {
  Moved();
  line = Trim(line, kWhitespace);
  if (line.starts_with("HTTP/") && !headers_done_) {  // also after "100 continue"
    headers_.clear();
    return;
  }
  if (line.empty()) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    status_ = static_cast<int>(status);
    if (status_ >= 200) headers_done_ = true;
    return;
  }
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  (headers_done_ ? trailers_ : headers_)
      .emplace_back(LowerCase(Trim(line.substr(0, colon))), Trim(line.substr(colon + 1)));
}

std::size_t Exchange::TakeBody(ByteView bytes) {
  Moved();
  std::size_t direct = std::min(bytes.size(), target_.size() - target_filled_);
  std::size_t waiting = ahead_.size() - ahead_begin_;
  if (waiting > 0) direct = 0;  // keeps the order
  std::size_t rest = bytes.size() - direct;
  if (rest > 0 && waiting > 0 && waiting + rest > client_.options().buffer_bytes) {
    is_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;  // curl delivers all of `bytes` again
  }
  if (direct > 0) {
    std::memcpy(target_.data() + target_filled_, bytes.data(), direct);
    target_filled_ += direct;
  }
  if (rest > 0) {
    if (waiting == 0) {
      ahead_.clear();
      ahead_begin_ = 0;
    }
    ahead_.insert(ahead_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(direct), bytes.end());
  }
  return bytes.size();
}

std::size_t Exchange::Drain(std::span<std::uint8_t> buffer) {
  std::size_t taken = std::min(buffer.size(), ahead_.size() - ahead_begin_);
  if (taken > 0) std::memcpy(buffer.data(), ahead_.data() + ahead_begin_, taken);
  ahead_begin_ += taken;
  if (ahead_begin_ == ahead_.size()) {
    ahead_.clear();
    ahead_begin_ = 0;
  }
  return taken;
}

Result<void> Exchange::Configure() {
  CURL* easy = easy_.get();
  const HttpClientOptions& options = client_.options();
  auto set = [easy](CURLoption option, auto value) {
    HF_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
  };
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(error_text_));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_BUFFERSIZE, 256L * 1024);
  set(CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (!options.proxy_from_environment) set(CURLOPT_PROXY, "");

  bool is_tls = LowerCase(request_.url).starts_with("https:");
  long version = CURL_HTTP_VERSION_1_1;
  if (options.version == HttpVersion::kHttp2)
    version = is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
  set(CURLOPT_HTTP_VERSION, version);
  // curl 7.88 fails with a framing error when it reuses such a connection.
  if (version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE) set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    // Otherwise Debian's curl also trusts /etc/ssl/certs.
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (!options.cert_file.empty()) set(CURLOPT_SSLCERT, options.cert_file.c_str());
  if (!options.key_file.empty()) set(CURLOPT_SSLKEY, options.key_file.c_str());

  curl_slist* list = nullptr;
  auto add = [&list](const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    HF_CHECK(longer != nullptr);
    list = longer;
  };
  for (const auto& [name, value] : request_.headers) add(name + ": " + value);
  add("Expect:");  // avoids a round trip before the body
  header_list_.reset(list);
  set(CURLOPT_HTTPHEADER, list);

  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request_.method == "GET" && request_.body.empty()) {
    set(CURLOPT_HTTPGET, 1L);
  } else {
    set(CURLOPT_READFUNCTION, &Exchange::OnSend);
    set(CURLOPT_READDATA, static_cast<void*>(this));
    set(CURLOPT_SEEKFUNCTION, &Exchange::OnSeek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    // curl's default of 64 KiB makes large bodies slow; small ones need no more.
    if (request_.body.size() > (64U << 10)) set(CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    if (request_.method == "POST") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    } else if (request_.body.empty() && request_.method != "PUT") {
      set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    } else {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    }
  }
  return {};
}

Result<void> Exchange::Begin() {
  if (!easy_) return Fail(ErrorCode::kInternal, "no memory for a connection");
  for (const auto& [name, value] : request_.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: header {} contains a line break", Quote(server_), Quote(name)));
  }
  HF_TRY(Configure());
  HF_CHECK(curl_multi_add_handle(client_.multi(), easy_.get()) == CURLM_OK);
  is_added_ = true;
  HF_TRY(WaitUntil([this] { return headers_done_; }));
  long version = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_VERSION, &version);
  if (client_.options().version == HttpVersion::kHttp2 && version != CURL_HTTP_VERSION_2_0)
    return Fail(ErrorCode::kUnsupported, fmt::format("{} does not speak HTTP/2", Quote(server_)),
                "check that the address is the service's own and not a proxy's");
  return {};
}

// Returns once `is_done()`, or when the exchange ends, whichever comes first.
Result<void> Exchange::WaitUntil(const std::function<bool()>& is_done) {
  CURLM* multi = client_.multi();
  Moved();  // the caller's time between calls does not count
  std::stop_callback wake(stop_, [multi] { curl_multi_wakeup(multi); });
  for (;;) {
    if (is_done()) return {};
    if (outcome_) return *outcome_ == CURLE_OK ? Result<void>() : FailureOf(*outcome_);
    if (stop_.stop_requested())
      return Fail(ErrorCode::kCancelled, fmt::format("{}: stopped by request", Quote(server_)));
    client_.Perform();
    if (is_done() || outcome_) continue;
    auto quiet = clock_.Monotonic() - last_moved_;
    auto left = client_.options().stall_timeout - quiet;
    // Connecting has its own limit, which curl enforces.
    curl_off_t connect_us = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connect_us);
    if (connect_us > 0 && left <= left.zero())
      return Fail(ErrorCode::kTimedOut,
                  fmt::format("{} sent nothing for {}", Quote(server_), FormatDuration(quiet)),
                  "check the service's load and the network; the answer is incomplete");
    auto wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1;
    int events = 0;
    (void)curl_multi_poll(multi, nullptr, 0, static_cast<int>(std::clamp<long>(wait_ms, 1, 1000)),
                          &events);
  }
}

// The step of connecting that did not finish in time.
std::string_view Exchange::MissingStep() const {
  curl_off_t lookup_us = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
  if (lookup_us == 0) return "no answer from DNS";
  // CURLINFO_CONNECT_TIME_T stays 0 until the handshake ends.
  long connections = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connections);
  return connections > 0 ? "no end of the TLS handshake" : "no connection";
}

Result<void> Exchange::FailureOf(CURLcode code) const {
  std::string_view detail = ShortTlsText(Trim(error_text_, kWhitespace));
  if (detail.empty()) detail = curl_easy_strerror(code);
  std::string name = Quote(server_);
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
    client_.MarkUnreachable();
  if (code == CURLE_OPERATION_TIMEDOUT)
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{}: {} within {}", name, MissingStep(),
                            FormatDuration(client_.options().connect_timeout)),
                "check that the service runs, and the firewalls in between");
  if (IsCertificateRefusal(detail))
    return Fail(
        ErrorCode::kDenied,
        fmt::format("{} refused this side of the TLS connection: {}", name, LowerCase(detail)),
        "give a client certificate that the server's authority signed (`cert`, `key`)");
  bool is_cut = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_HTTP2 ||
                code == CURLE_HTTP2_STREAM || code == CURLE_GOT_NOTHING ||
                code == CURLE_PARTIAL_FILE;
  if (is_cut && !headers_done_)
    return Fail(ErrorCode::kUnavailable, fmt::format("{}: {}", name, LowerCase(detail)),
                // A TLS server's refusal is lost if our request arrives after it has closed.
                server_.starts_with("https://")
                    ? "if the connection ends right after connecting, the server requires a client "
                      "certificate (`cert`, `key`) or does not accept this one"
                    : "if the connection ends right after connecting, the server may use TLS at "
                      "this port: use https://");
  Mapped mapped = MapCode(code);
  std::string cause = LowerCase(detail);
  long number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
  if (code == CURLE_COULDNT_CONNECT && number != 0) {
    // curl only reports that it could not connect.
    cause = LowerCase(std::generic_category().message(static_cast<int>(number)));
  }
  Error error(mapped.code, fmt::format("{}: {}{}", name, mapped.prefix, cause));
  if (*mapped.hint == '\0') return Fail(std::move(error));
  return Fail(std::move(error).WithHint(mapped.hint));
}

Result<std::size_t> Exchange::Read(std::span<std::uint8_t> buffer) {
  if (buffer.empty()) return 0;
  if (std::size_t taken = Drain(buffer); taken > 0) return taken;
  target_ = buffer;
  target_filled_ = 0;
  if (is_paused_) {
    is_paused_ = false;
    // Delivers what curl holds, possibly all at once, through OnBody.
    (void)curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
  }
  auto waited = WaitUntil([this] { return target_filled_ > 0; });
  std::size_t filled = std::exchange(target_filled_, 0);
  target_ = {};
  HF_TRY(std::move(waited));
  return filled;
}

std::once_flag curl_initialised;

}  // namespace

const std::string* FindHeader(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (key == name) return &value;
  return nullptr;
}

Result<std::unique_ptr<HttpClient>> HttpClient::Create(HttpClientOptions options) {
  std::call_once(curl_initialised, [] { HF_CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK); });
  MultiHandle multi(curl_multi_init());
  if (!multi) return Fail(ErrorCode::kInternal, "no memory for a connection");
  return std::unique_ptr<HttpClient>(
      std::make_unique<Client>(std::move(options), std::move(multi)));
}

Result<HttpReply> HttpClient::Fetch(const HttpRequest& request, std::size_t body_max,
                                    std::stop_token stop) {
  HF_ASSIGN(auto exchange, Start(request, std::move(stop)));
  HttpReply reply;
  reply.status = exchange->status();
  reply.headers = exchange->headers();
  for (;;) {
    std::size_t have = reply.body.size();
    if (have > body_max)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: the answer is larger than {}", Quote(ServerOf(request.url)),
                              FormatBytes(body_max)));
    reply.body.resize(have + 16 * 1024);
    HF_ASSIGN(std::size_t got, exchange->Read(std::span(reply.body).subspan(have)));
    reply.body.resize(have + got);
    if (got == 0) break;
  }
  reply.trailers = exchange->trailers();
  return reply;
}

}  // namespace holdfast
