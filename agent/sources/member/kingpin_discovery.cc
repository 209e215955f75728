#include "agent/sources/member/kingpin_discovery.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agent/sources/host/flags.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/config/yaml.h"

namespace holdfast {
namespace {

using config::Node;
using host::ServerUrl;

constexpr std::size_t kWebConfigBytesMax = 1U << 20;

std::string TextIn(const Node& map, std::string_view key) {
  const Node* value = map.Find(key);
  return value != nullptr && value->kind == Node::Kind::kScalar ? value->scalar : std::string();
}

Result<Node> ReadYaml(const host::LocalProcess& process, const std::string& path) {
  auto text = process.ReadFile(path, kWebConfigBytesMax);
  if (!text) {
    if (!text.error().hint().empty()) return Fail(std::move(text).error());
    return Fail(std::move(text).error().WithHint("let the agent read it"));
  }
  if (!*text) return Fail(ErrorCode::kNotFound, "it does not exist");
  return config::ParseForeignYaml(**text, path);
}

bool IsNearest(const ServerUrl& url) {
  return url.IsWildcard() || url.host == "localhost" || url.host.starts_with("127.") ||
         url.host == "::1";
}

}  // namespace

KingpinDiscovery::KingpinDiscovery(const host::LocalProcess& process)
    : process_(&process), flags_(KingpinFlags::Parse(std::span(process.command).subspan(1))) {}

std::optional<KingpinDiscovery> KingpinDiscovery::Read(const host::LocalProcess& process,
                                                       std::span<const std::string> programs) {
  if (std::ranges::find(programs, process.Name()) == programs.end()) return std::nullopt;
  KingpinDiscovery server(process);
  for (const char* question : {"version", "help", "help-long", "help-man"})
    if (server.flags_.Last(question)) return std::nullopt;
  return server;
}

void KingpinDiscovery::SetStorage(std::string option, std::string_view flag,
                                  std::span<const std::string> defaults, const host::Places& places,
                                  DiscoveredSource& found) const {
  std::string path = flags_.Last(flag).value_or("");
  if (path.empty()) {
    // Upstream and distribution packages have different defaults.
    const auto is_there = [&](const std::string& one) {
      const std::string absolute =
          one.starts_with('/') ? places.etc_root + one : process_->Absolute(one);
      std::error_code error;
      return absolute.starts_with('/') && !process_->is_contained &&
             std::filesystem::is_directory(absolute, error);
    };
    const auto first = std::ranges::find_if(defaults, is_there);
    path = first == defaults.end() ? defaults.front() : *first;
  }
  path = std::filesystem::path(process_->Absolute(path)).lexically_normal();
  path = WithoutSlashes(std::move(path));
  if (!path.starts_with('/')) found.NoteRelative(option);
  found.known_by.emplace_back(option, path);
  found.Set(std::move(option), std::move(path));
}

std::string KingpinDiscovery::Url(std::string_view option, std::string_view default_port,
                                  DiscoveredSource& found) const {
  const std::string scheme = ReadWebConfig(option, found) ? "https://" : "http://";
  std::vector<std::string> listens = flags_.All("web.listen-address");
  if (listens.empty() || flags_.Last("web.systemd-socket"))
    listens = {fmt::format(":{}", default_port)};
  if (flags_.Last("web.systemd-socket"))
    found.notes.push_back(
        fmt::format("systemd opens its port, so \"{}\" is a guess: see its socket unit", option));
  std::vector<ServerUrl> urls;
  for (const std::string& address : listens)
    if (auto url = ServerUrl::Parse(scheme + address)) urls.push_back(*std::move(url));
  const auto nearest = std::ranges::find_if(urls, IsNearest);
  ServerUrl url = nearest == urls.end() ? urls.front() : *nearest;
  if (url.IsWildcard()) url.host = "127.0.0.1";
  return url.Text() + RoutePrefix();
}

void KingpinDiscovery::SetConfig(DiscoveredSource& found) const {
  const std::string said = flags_.Last("config.file").value_or("");
  const std::string path = process_->Absolute(said);
  if (!said.empty() && path.starts_with('/'))
    found.Set("config", std::filesystem::path(path).lexically_normal().string());
}

bool KingpinDiscovery::ReadWebConfig(std::string_view option, DiscoveredSource& found) const {
  const std::string said = flags_.Last("web.config.file").value_or("");
  if (said.empty()) return false;
  const std::string path = process_->Absolute(said);
  const auto yaml = ReadYaml(*process_, path);
  if (!yaml) {
    found.notes.push_back(fmt::format(
        "its web configuration {} cannot be read, so whether it uses TLS or logins is unknown: {}",
        Quote(path), yaml.error().Text()));
    return false;
  }
  if (const Node* users = yaml->Find("basic_auth_users"); users != nullptr && !users->items.empty())
    found.notes.emplace_back("it requires a login: add \"user\" and \"password_file\"");
  const Node* tls = yaml->Find("tls_server_config");
  if (tls == nullptr || (TextIn(*tls, "cert_file").empty() && TextIn(*tls, "cert").empty()))
    return false;
  found.notes.push_back(
      fmt::format("it uses TLS: set \"{}\" to a host that its certificate names, and add "
                  "\"ca\", unless the system trusts its CA",
                  option));
  if (TextIn(*tls, "client_auth_type").starts_with("Require"))
    found.notes.emplace_back("it requires a client certificate: add \"cert\" and \"key\"");
  return true;
}

// The default is the path of --web.external-url.
std::string KingpinDiscovery::RoutePrefix() const {
  std::string path = flags_.Last("web.route-prefix").value_or("");
  if (path.empty()) {
    path = flags_.Last("web.external-url").value_or("");
    if (const std::size_t colon = path.find("://"); colon != std::string::npos)
      path.erase(0, std::min(path.find('/', colon + 3), path.size()));
    path = path.substr(0, path.find_first_of("?#"));
  }
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  return path.empty() ? path : WithoutSlashes("/" + path);
}

}  // namespace holdfast
