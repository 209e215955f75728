#include "agent/sources/member/http_access.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr std::string_view kTlsOptions[] = {"ca", "cert", "key"};

// If a file that the configuration names does not exist, the configuration is wrong.
std::unexpected<Error> UnreadableFile(const Error& error, std::string_view option) {
  ErrorCode code =
      error.code() == ErrorCode::kNotFound ? ErrorCode::kInvalidArgument : error.code();
  return Fail(code, fmt::format("\"{}\": {}", option, error.message()),
              "correct the path, and let the agent read the file");
}

Result<void> CheckReadable(const std::string& path, std::string_view option) {
  if (path.empty()) return {};
  auto file = OpenFile(path, O_RDONLY);
  if (!file) return UnreadableFile(file.error(), option);
  return {};
}

}  // namespace

void AddHttpAccessOptions(config::Schema& schema, std::string user_help) {
  using config::OptionSpec;
  using config::OptionType;
  std::vector<OptionSpec> options = {
      {.name = "ca",
       .type = OptionType::kPath,
       .help = "PEM file of the CA that signed the server's certificate"},
      {.name = "cert", .type = OptionType::kPath, .help = "PEM file of the client certificate"},
      {.name = "key",
       .type = OptionType::kPath,
       .help = "PEM file of the client certificate's private key"},
      {.name = "user", .help = std::move(user_help)},
      {.name = "password_file",
       .type = OptionType::kPath,
       .help = "file whose first line is the password of the user"},
  };
  std::ranges::move(options, std::back_inserter(schema.options));
}

Result<std::string> ReadServerUrl(const config::Values& values, std::string_view name,
                                  std::string_view example, std::string_view url,
                                  bool may_have_path) {
  const bool is_http = url.starts_with("http://");
  const bool is_https = url.starts_with("https://");
  std::string_view host = url.substr(is_https ? 8 : is_http ? 7 : 0);
  while (host.ends_with('/')) host.remove_suffix(1);
  constexpr std::string_view kNeverInAnAddress("?#@ \t\r\n\0", 8);
  const bool has_path = host.find('/') != std::string_view::npos;
  if ((!is_http && !is_https) || host.empty() || host.starts_with('/') ||
      (has_path && !may_have_path) ||
      host.find_first_of(kNeverInAnAddress) != std::string_view::npos)
    return values.Invalid(
        name, fmt::format("expected a URL such as \"{}\", found {}", example, Quote(url)));
  return (is_https ? "https://" : "http://") + std::string(host);
}

Result<std::vector<std::string>> ReadEndpoints(const config::Values& values,
                                               std::string_view example, std::string_view what,
                                               bool may_have_path) {
  std::vector<std::string> urls;
  for (const std::string& endpoint : values.List("endpoints")) {
    HF_ASSIGN(std::string url,
              ReadServerUrl(values, "endpoints", example, endpoint, may_have_path));
    if (std::ranges::find(urls, url) != urls.end())
      return values.Invalid("endpoints", fmt::format("{} is listed twice", Quote(url)));
    urls.push_back(std::move(url));
  }
  if (values.Has("endpoints") && urls.empty())
    return values.Invalid("endpoints", fmt::format("expected at least one {}", what));
  return urls;
}

Result<void> ReadHttpAccess(const config::Values& values, const std::vector<std::string>& urls,
                            HttpAccessSettings& settings) {
  settings.ca_file = values.Text("ca");
  settings.cert_file = values.Text("cert");
  settings.key_file = values.Text("key");
  if (!settings.cert_file.empty() && settings.key_file.empty())
    return values.Invalid("cert", "\"cert\" needs \"key\", the file of its private key");
  if (!settings.key_file.empty() && settings.cert_file.empty())
    return values.Invalid("key", "\"key\" needs \"cert\", the file of its certificate");
  const bool has_tls =
      std::ranges::any_of(urls, [](const std::string& url) { return url.starts_with("https://"); });
  for (std::string_view option : kTlsOptions)
    if (values.Has(option) && !has_tls)
      return Fail(values
                      .Invalid(option, fmt::format("\"{}\" has no effect: no endpoint begins with "
                                                   "https://",
                                                   option))
                      .error()
                      .WithHint(fmt::format("write the endpoints with https://, or remove \"{}\"",
                                            option)));
  settings.user = values.Text("user");
  settings.password_file = values.Text("password_file");
  if (!settings.user.empty() && settings.password_file.empty())
    return values.Invalid("user", "\"user\" needs \"password_file\"");
  if (!settings.password_file.empty() && settings.user.empty())
    return values.Invalid("password_file", "\"password_file\" needs \"user\"");
  return {};
}

Result<HttpAccess> OpenHttpAccess(const HttpAccessSettings& settings) {
  HF_TRY(CheckReadable(settings.ca_file, "ca"));
  HF_TRY(CheckReadable(settings.cert_file, "cert"));
  HF_TRY(CheckReadable(settings.key_file, "key"));
  HttpAccess access{settings.ca_file, settings.cert_file, settings.key_file, settings.user, {}};
  if (settings.password_file.empty()) return access;
  auto content = ReadWholeFile(settings.password_file, 4096);
  if (!content) return UnreadableFile(content.error(), "password_file");
  std::string text(AsText(*content));
  text.resize(std::min(text.size(), text.find_first_of("\r\n")));
  if (text.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the first line of password file {} has no password",
                            Quote(settings.password_file)));
  access.password = Secret(std::move(text));
  return access;
}

HttpClientOptions ClientOptionsOf(const HttpAccess& access, std::chrono::seconds stall) {
  HttpClientOptions options;
  options.ca_file = access.ca_file;
  options.cert_file = access.cert_file;
  options.key_file = access.key_file;
  options.connect_timeout = std::chrono::seconds(5);
  options.stall_timeout = stall;
  return options;
}

}  // namespace holdfast
