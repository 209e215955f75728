#include "agent/sources/member/http_api.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kAnswerBytesMax = 256U << 20;
constexpr std::size_t kShownMax = 200;

// The part of a response that an error message shows.
std::string Shown(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text.empty() ? "nothing" : Quote(text.substr(0, kShownMax));
}

std::unexpected<Error> Refused(int status, std::string what, std::string_view body) {
  what += fmt::format(": status {}, {}", status, Shown(body));
  if (status == 401 || status == 403)
    return Fail(ErrorCode::kDenied, std::move(what),
                "check \"user\" and the content of \"password_file\"");
  if (status == 404) return Fail(ErrorCode::kNotFound, std::move(what));
  if (status == 429 || status >= 500) return Fail(ErrorCode::kUnavailable, std::move(what));
  return Fail(ErrorCode::kInvalidArgument, std::move(what));
}

}  // namespace

Result<HttpApi> HttpApi::Open(std::string url, const HttpAccess& access) {
  HttpApi api;
  api.url_ = std::move(url);
  if (!access.user.empty()) {
    const Secret login(access.user + ":" + std::string(access.password.Reveal()));
    api.authorization_ = Secret("Basic " + Base64Encode(AsBytes(login.Reveal())));
  }
  HF_ASSIGN(api.client_, HttpClient::Create(ClientOptionsOf(access, std::chrono::seconds(30))));
  return api;
}

Result<std::string> HttpApi::Ask(HttpRequest request, std::string_view path, std::stop_token stop) {
  request.url = url_ + std::string(path);
  if (!authorization_.empty())
    request.headers.emplace_back("Authorization", std::string(authorization_.Reveal()));
  HF_ASSIGN(const HttpReply reply, client_->Fetch(request, kAnswerBytesMax, std::move(stop)));
  const std::string_view body = AsText(reply.body);
  if (reply.status < 200 || reply.status > 299)
    return Refused(reply.status, fmt::format("{}{}", url_, path), body);
  return std::string(body);
}

Result<std::string> HttpApi::Get(std::string_view path, std::stop_token stop) {
  return Ask({}, path, std::move(stop));
}

Result<std::string> HttpApi::Post(std::string_view path, std::string_view json,
                                  std::stop_token stop) {
  HttpRequest request;
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = AsBytes(json);
  return Ask(std::move(request), path, std::move(stop));
}

}  // namespace holdfast
