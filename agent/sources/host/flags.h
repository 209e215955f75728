// Flags on a command line as programs written in Go take them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::host {

// "--name=value", "--name value", and "--name", which is "true"; one dash does as well. Ends at
// "--". Of what is there twice the last counts; what is no flag is left out.
std::map<std::string, std::string, std::less<>> ParseFlags(std::span<const std::string> arguments);

// Parts of a list in one text, without blanks around them; empty ones are left out.
std::vector<std::string> SplitList(std::string_view text, char separator = ',');

// A URL as far as one names a server: "https://host:1234/path". Nothing is unescaped.
struct ServerUrl {
  std::string scheme;
  std::string host;  // an IPv6 address without its brackets; may be empty
  std::string port;  // may be empty
  bool operator==(const ServerUrl&) const = default;

  // Nullopt without "://".
  static std::optional<ServerUrl> Parse(std::string_view text);
  // Whether a server that listens there does so on every address of this host.
  bool IsWildcard() const { return host.empty() || host == "0.0.0.0" || host == "::"; }
  // "host:port", an IPv6 address in brackets.
  std::string Address() const;
  std::string Text() const { return scheme + "://" + Address(); }
};

}  // namespace holdfast::host
