// How a service is reached over HTTP: what the options ca, cert, key, user and password_file of a
// source say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/config/schema.h"

namespace holdfast {

// As the options have it.
struct HttpAccessSettings {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string user;
  std::string password_file;
};

// The same with the password read.
struct HttpAccess {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string user;  // empty: none
  Secret password;
};

// The five options; `user_help` says whose name and password are wanted.
std::vector<config::OptionSpec> HttpAccessOptions(std::string user_help);

// Adds the five options; `user_help` says whose name and password are wanted.
void AddHttpAccessOptions(config::Schema& schema, std::string user_help);

// `name` with `example` in messages: "endpoints", "https://127.0.0.1:2379". Without the slash at
// the end.
Result<std::string> ReadServerUrl(const config::Values& values, std::string_view name,
                                  std::string_view example, std::string_view url,
                                  bool may_have_path = false);

// Takes the five options out of `values`. kInvalidArgument, with its place, for what makes no sense
// together, or with these URLs.
Result<void> ReadHttpAccess(const config::Values& values, const std::vector<std::string>& urls,
                            HttpAccessSettings& settings);

// Reads the password and makes sure that the TLS files can be read. Errors name the file.
Result<HttpAccess> OpenHttpAccess(const HttpAccessSettings& settings);

}  // namespace holdfast
