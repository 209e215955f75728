// HTTP requests to a server. The caller decodes the response: status 200 may still be an error.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/sources/member/http_access.h"
#include "common/base/result.h"
#include "common/io/http_client.h"

namespace holdfast {

// Used by one thread at a time.
class HttpApi {
 public:
  // `url` has no trailing slash.
  static Result<HttpApi> Open(std::string url, const HttpAccess& access);

  // The response body if the status is 2xx; otherwise an error that quotes it: kDenied for 401 and
  // 403, kNotFound for 404, kUnavailable for 429 and 5xx, else kInvalidArgument. Also HttpClient's
  // errors.
  Result<std::string> Get(std::string_view path, std::stop_token stop);
  Result<std::string> Post(std::string_view path, std::string_view json, std::stop_token stop);

  const std::string& url() const { return url_; }
  // Whether nothing listened there at the last request; see HttpClient.
  bool is_unreachable() const { return client_->is_unreachable(); }

 private:
  Result<std::string> Ask(HttpRequest request, std::string_view path, std::stop_token stop);

  std::string url_;
  Secret authorization_;  // empty: none
  std::unique_ptr<HttpClient> client_;
};

}  // namespace holdfast
