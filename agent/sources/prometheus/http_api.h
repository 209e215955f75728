// Asking a server over HTTP. What it says is text of the caller's to decode: a status of 200 is
// not yet a success.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/sources/http_access.h"
#include "common/base/result.h"
#include "common/io/http_client.h"

namespace holdfast::prometheus {

// Used by one thread at a time.
class HttpApi {
 public:
  // `url` without a slash at the end.
  static Result<HttpApi> Open(std::string url, const HttpAccess& access);

  // What the server answers with a status of 2xx; with any other an error that quotes it: kDenied
  // for 401 and 403, kNotFound for 404, kUnavailable for 429 and 5xx, kInvalidArgument else.
  // Others as of HttpClient.
  Result<std::string> Get(std::string_view path, std::stop_token stop);
  Result<std::string> Post(std::string_view path, std::string_view json, std::stop_token stop);

  const std::string& url() const { return url_; }
  // Whether nobody listened there when it was asked last.
  bool found_nobody() const { return client_->found_nobody(); }

 private:
  Result<std::string> Ask(HttpRequest request, std::string_view path, std::stop_token stop);

  std::string url_;
  Secret authorization_;  // empty: none
  std::unique_ptr<HttpClient> client_;
};

}  // namespace holdfast::prometheus
