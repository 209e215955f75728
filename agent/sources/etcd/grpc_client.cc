#include "agent/sources/etcd/grpc_client.h"

#include <algorithm>
#include <cstring>

#include "common/base/format.h"
#include "common/base/number.h"

namespace holdfast::etcd {
namespace {

constexpr std::size_t kHeaderBytes = 5;
constexpr std::size_t kReadBytes = 256U << 10;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html. etcd reports some refusals with
// the code 2, "unknown", so the message is matched too.
Error StatusError(int code, const std::string& message) {
  std::string text = message.empty() ? fmt::format("grpc-status {}", code) : Quote(message);
  if (Contains(message, "user name is empty"))
    return Error(ErrorCode::kDenied, "the cluster requires a user: " + text)
        .WithHint("set `user` and `password_file` to a user with the role root");
  if (Contains(message, "authentication failed"))
    return Error(ErrorCode::kDenied, "login refused: " + text)
        .WithHint("check `user` and the content of `password_file`");
  if (code == 7 || Contains(message, "permission denied"))
    return Error(ErrorCode::kDenied, "refused: " + text)
        .WithHint("a snapshot needs a user with the role root (`etcdctl user grant-role`)");
  switch (code) {
    case 1:
      return {ErrorCode::kUnavailable, "the server aborted the call: " + text};
    case 3:
      return {ErrorCode::kInvalidArgument, "refused: " + text};
    case 4:
      return {ErrorCode::kTimedOut, "the server's own time limit passed: " + text};
    case 5:
      return {ErrorCode::kNotFound, text};
    case 12:
      return Error(ErrorCode::kUnsupported, "the server does not know this call: " + text)
          .WithHint("etcd 3.4 or newer is needed");
    case 16:
      return {ErrorCode::kDenied, "refused: " + text};
    default:
      return {ErrorCode::kUnavailable, "the server failed: " + text};
  }
}

}  // namespace

Result<void> CheckGrpcStatus(const HttpHeaders& headers) {
  const std::string* status = FindHeader(headers, "grpc-status");
  if (status == nullptr)
    return Fail(ErrorCode::kCorrupt, "the answer ended without a status",
                "the connection was closed, or the server failed; try again");
  const int code = ParseWhole<int>(*status).value_or(-1);
  if (code < 0)
    return Fail(ErrorCode::kCorrupt, fmt::format("status {} is not a number", Quote(*status)));
  if (code == 0) return {};
  const std::string* message = FindHeader(headers, "grpc-message");
  return Fail(StatusError(code, message == nullptr ? "" : PercentDecode(*message)));
}

bool IsStaleToken(const Error& error) {
  return Contains(error.message(), "invalid auth token") ||
         Contains(error.message(), "revision in header is old");
}

// Buffers at least `bytes` bytes at begin_; false if the body ends before the first of them.
Result<bool> GrpcFrames::Have(std::size_t bytes) {
  while (end_ - begin_ < bytes) {
    if (begin_ + std::max(bytes, kReadBytes) > buffer_.size()) {
      if (end_ > begin_) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      buffer_.resize(std::max(buffer_.size(), bytes + kReadBytes));
    }
    HF_ASSIGN(std::size_t got, read_(std::span(buffer_).subspan(end_)));
    if (got == 0) {
      if (end_ == begin_) return false;
      return Fail(ErrorCode::kCorrupt, "the answer ends within a message");
    }
    end_ += got;
  }
  return true;
}

Result<std::optional<ByteView>> GrpcFrames::Next() {
  HF_ASSIGN(bool more, Have(kHeaderBytes));
  if (!more) return std::nullopt;
  const std::uint8_t* header = buffer_.data() + begin_;
  if (header[0] != 0)
    return Fail(ErrorCode::kCorrupt,
                "a message is compressed, although the agent did not offer that");
  std::size_t length = std::size_t{header[1]} << 24 | std::size_t{header[2]} << 16 |
                       std::size_t{header[3]} << 8 | std::size_t{header[4]};
  if (length > kMessageMax)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("a message claims to have {}", FormatBytes(length)));
  HF_TRY(Have(kHeaderBytes + length));
  ByteView message(buffer_.data() + begin_ + kHeaderBytes, length);
  begin_ += kHeaderBytes + length;
  return message;
}

GrpcStream::GrpcStream(std::unique_ptr<HttpExchange> exchange, std::string server)
    : exchange_(std::move(exchange)),
      server_(std::move(server)),
      frames_([this](std::span<std::uint8_t> buffer) { return exchange_->Read(buffer); }) {}

Result<std::optional<ByteView>> GrpcStream::Next() {
  auto message = frames_.Next();
  if (!message) {
    // HTTP errors already name the server.
    if (message.error().code() != ErrorCode::kCorrupt) return message;
    return Fail(std::move(message).error().While(Quote(server_)));
  }
  if (*message) return message;
  // A response without a message has its status in the headers.
  bool in_header = FindHeader(exchange_->trailers(), "grpc-status") == nullptr;
  auto status = CheckGrpcStatus(in_header ? exchange_->headers() : exchange_->trailers());
  if (!status) return Fail(std::move(status).error().While(Quote(server_)));
  return std::nullopt;
}

Result<GrpcClient> GrpcClient::Create(std::string endpoint, HttpClientOptions options) {
  options.version = HttpVersion::kHttp2;
  HF_ASSIGN(auto http, HttpClient::Create(std::move(options)));
  return GrpcClient(std::move(endpoint), std::move(http));
}

Result<std::unique_ptr<GrpcStream>> GrpcClient::Open(std::string_view method, ByteView message,
                                                     const HttpHeaders& metadata,
                                                     std::stop_token stop) {
  request_.assign(kHeaderBytes, 0);
  for (unsigned i = 0; i < 4; ++i)
    request_[1 + i] = static_cast<std::uint8_t>(message.size() >> (24 - 8 * i));
  request_.insert(request_.end(), message.begin(), message.end());
  HttpRequest request{.method = "POST",
                      .url = fmt::format("{}/{}", endpoint_, method),
                      .headers = {{"content-type", "application/grpc"}, {"te", "trailers"}},
                      .body = request_};
  request.headers.insert(request.headers.end(), metadata.begin(), metadata.end());
  HF_ASSIGN(auto exchange, http_->Start(request, std::move(stop)));
  const std::string* type = FindHeader(exchange->headers(), "content-type");
  if (exchange->status() != 200 || type == nullptr || !type->starts_with("application/grpc"))
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} does not speak gRPC (HTTP status {})", Quote(endpoint_),
                            exchange->status()),
                "check that the address is etcd's client URL and not a proxy's or a peer URL");
  return std::make_unique<GrpcStream>(std::move(exchange), endpoint_);
}

Result<Bytes> GrpcClient::Call(std::string_view method, ByteView message,
                               const HttpHeaders& metadata, std::stop_token stop) {
  HF_ASSIGN(auto stream, Open(method, message, metadata, std::move(stop)));
  HF_ASSIGN(auto answer, stream->Next());
  if (!answer)
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: an empty answer", Quote(endpoint_)));
  Bytes reply(answer->begin(), answer->end());
  HF_ASSIGN(auto second, stream->Next());  // the status comes after the message
  if (second)
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: two answers to one call", Quote(endpoint_)));
  return reply;
}

}  // namespace holdfast::etcd
