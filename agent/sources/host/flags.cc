#include "agent/sources/host/flags.h"

#include <algorithm>

#include "common/base/text.h"

namespace holdfast::host {

std::map<std::string, std::string, std::less<>> ParseFlags(std::span<const std::string> arguments) {
  std::map<std::string, std::string, std::less<>> flags;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    std::string_view word = arguments[i];
    if (!word.starts_with('-')) continue;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const std::size_t equals = word.find('=');
    const std::string name(word.substr(0, equals));
    if (name.empty()) continue;
    if (equals != std::string_view::npos) {
      flags[name] = word.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with('-')) {
      flags[name] = arguments[++i];
    } else {
      flags[name] = "true";
    }
  }
  return flags;
}

std::vector<std::string> SplitList(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::string_view part = Trim(TakePart(text, separator));
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::optional<ServerUrl> ServerUrl::Parse(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  ServerUrl url;
  url.scheme = text.substr(0, colon);
  text.remove_prefix(colon + 3);
  text = text.substr(0, text.find_first_of("/?#"));
  std::size_t host_end = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = std::min(text.find(']'), text.size());
    url.host = text.substr(1, bracket - 1);
    host_end = text.find(':', bracket);
  } else {
    url.host = text.substr(0, host_end);
  }
  if (host_end != std::string_view::npos) url.port = text.substr(host_end + 1);
  return url;
}

std::string ServerUrl::Address() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (!port.empty()) text += ":" + port;
  return text;
}

}  // namespace holdfast::host
