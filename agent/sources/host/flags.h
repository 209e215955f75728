// Command line flags in the syntax of Go's flag packages.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::host {

// Parses "--name=value", "--name value" and "--name" (which means "true"); one dash works too.
// Stops at "--". The last of several values counts. Skips other arguments.
std::map<std::string, std::string, std::less<>> ParseFlags(std::span<const std::string> arguments);

// Splits a list and trims its elements; skips empty ones.
std::vector<std::string> SplitList(std::string_view text, char separator = ',');

// The parts of "https://host:1234/path". Nothing is unescaped.
struct ServerUrl {
  std::string scheme;
  std::string host;  // an IPv6 address without its brackets; may be empty
  std::string port;  // may be empty
  bool operator==(const ServerUrl&) const = default;

  // Nullopt without "://".
  static std::optional<ServerUrl> Parse(std::string_view text);
  // Whether a server that listens on this address listens on all addresses of the host.
  bool IsWildcard() const { return host.empty() || host == "0.0.0.0" || host == "::"; }
  // "host:port", an IPv6 address in brackets.
  std::string Address() const;
  std::string Text() const { return scheme + "://" + Address(); }
};

}  // namespace holdfast::host
