// HTTP access to a service: the source options ca, cert, key, user and password_file.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/config/schema.h"
#include "common/io/http_client.h"

namespace holdfast {

// The options as configured.
struct HttpAccessSettings {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string user;
  std::string password_file;
};

// The same, with the password read from its file.
struct HttpAccess {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string user;  // empty: none
  Secret password;
};

// Adds the five options. `user_help` is the help text of "user".
void AddHttpAccessOptions(config::Schema& schema, std::string user_help);

// Checks `url` and removes trailing slashes. Errors show the option `name` and an `example`, e.g.
// "endpoints" and "https://127.0.0.1:2379".
Result<std::string> ReadServerUrl(const config::Values& values, std::string_view name,
                                  std::string_view example, std::string_view url,
                                  bool may_have_path = false);

// Reads the list option "endpoints", each as above. kInvalidArgument, with the position, also for a
// URL that is listed twice and for an empty list; `what` says what is expected, e.g. "client URL".
Result<std::vector<std::string>> ReadEndpoints(const config::Values& values,
                                               std::string_view example, std::string_view what,
                                               bool may_have_path);

// Reads the five options from `values`. kInvalidArgument, with the option's position, if they
// contradict one another or do not fit `urls`.
Result<void> ReadHttpAccess(const config::Values& values, const std::vector<std::string>& urls,
                            HttpAccessSettings& settings);

// Reads the password and checks that the TLS files are readable. Errors name the file.
Result<HttpAccess> OpenHttpAccess(const HttpAccessSettings& settings);

// The TLS files, a short timeout to connect, and `stall` as the timeout without any data.
HttpClientOptions ClientOptionsOf(const HttpAccess& access, std::chrono::seconds stall);

}  // namespace holdfast
