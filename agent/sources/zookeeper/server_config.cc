#include "agent/sources/zookeeper/server_config.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/path.h"
#include "common/base/text.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kServer = "server.";
constexpr std::string_view kAnyHost = "0.0.0.0";

std::string_view Trimmed(std::string_view text) { return Trim(text, " \t\r\n"); }

Result<JavaProperties> ReadProperties(const std::string& path) {
  HF_ASSIGN(const auto text, ReadUntrustedFile(path, kConfigBytesMax));
  if (!text) return Fail(ErrorCode::kNotFound, fmt::format("{} does not exist", Quote(path)));
  auto properties = ParseProperties(*text);
  if (!properties) return Fail(std::move(properties).error().While(Quote(path)));
  return properties;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

void AddMembers(const JavaProperties& properties, std::vector<ConfiguredMember>& members) {
  for (const auto& [name, value] : properties) {
    if (!name.starts_with(kServer)) continue;
    if (auto member = ParseMember(std::string_view(name).substr(kServer.size()), value))
      members.push_back(*std::move(member));
  }
  std::ranges::sort(members, {}, [](const ConfiguredMember& member) {
    return std::pair(member.id.size(), member.id);
  });
}

}  // namespace

std::string TrimmedPropertyOf(const JavaProperties& properties, const std::string& name) {
  return std::string(Trimmed(PropertyOf(properties, name)));
}

std::optional<ConfiguredMember> ParseMember(std::string_view id, std::string_view value) {
  value = Trimmed(value);
  if (!IsNumber(id) || value.empty()) return std::nullopt;
  ConfiguredMember member;
  member.id = id;
  const std::size_t semicolon = std::min(value.find(';'), value.size());
  member.address = Trimmed(value.substr(0, semicolon));
  // Of several addresses of a server, the first one is used.
  const std::string_view first =
      std::string_view(member.address).substr(0, member.address.find('|'));
  const bool is_bracketed = first.starts_with('[');
  const std::size_t host_end = is_bracketed ? std::min(first.find(']'), first.size())
                                            : std::min(first.find(':'), first.size());
  member.host = is_bracketed ? first.substr(1, host_end - 1) : first.substr(0, host_end);
  if (member.host.empty()) return std::nullopt;
  member.is_observer = member.address.ends_with(":observer");
  if (semicolon < value.size()) {
    const std::string client(Trimmed(value.substr(semicolon + 1)));
    member.client = ParseAddress(IsNumber(client) ? member.host + ":" + client : client);
    if (member.client && (member.client->host == kAnyHost || member.client->host == "::"))
      member.client->host = member.host;
  }
  return member;
}

std::vector<Address> ServerConfig::OtherClients() const {
  std::vector<Address> others;
  for (const ConfiguredMember& member : members) {
    if (member.id == my_id) continue;
    std::optional<Address> address = member.client;
    if (!address && client) address = Address{member.host, client->port};
    if (address && address != client) others.push_back(*std::move(address));
  }
  return others;
}

Result<ServerConfig> ReadServerConfig(const Settings& settings) {
  ServerConfig config;
  auto read = ReadProperties(settings.config);
  if (!read)
    return Fail(std::move(read).error().WithHint("correct \"config\", and let the agent read it"));
  config.properties = *std::move(read);
  const auto directory = [&](const std::string& given, const std::string& name,
                             std::string_view option) -> Result<std::string> {
    if (!given.empty()) return WithoutSlashes(given);
    const std::string said = TrimmedPropertyOf(config.properties, name);
    if (!said.empty() && !said.starts_with('/'))
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has {} {}, which is relative to the server's working directory",
                              Quote(settings.config), name, Quote(said)),
                  fmt::format("set \"{}\"", option));
    return WithoutSlashes(said);
  };
  HF_ASSIGN(config.data_dir, directory(settings.data_dir, "dataDir", "data_dir"));
  if (config.data_dir.empty())
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no dataDir", Quote(settings.config)),
                "set \"config\" to the zoo.cfg that the server is started with");
  HF_ASSIGN(config.log_dir, directory(settings.data_log_dir, "dataLogDir", "data_log_dir"));
  if (config.log_dir.empty()) config.log_dir = config.data_dir;

  std::set<std::string> files = {settings.config};
  const std::string dynamic = TrimmedPropertyOf(config.properties, "dynamicConfigFile");
  if (!dynamic.empty() && !dynamic.starts_with('/')) {
    config.warnings.push_back(fmt::format(
        "the other members are not known: {} has dynamicConfigFile {}, which is relative to the "
        "server's working directory (hint: set \"members\", and add that file to \"files\")",
        Quote(settings.config), Quote(dynamic)));
  } else if (!dynamic.empty()) {
    config.dynamic_file = dynamic;
    files.insert(config.dynamic_file);
    auto members = ReadProperties(config.dynamic_file);
    if (members) {
      AddMembers(*members, config.members);
    } else {
      config.warnings.push_back("the other members are not known: " + members.error().Text());
    }
  }
  if (config.members.empty()) AddMembers(config.properties, config.members);
  const std::string id_file = config.data_dir + "/myid";
  if (const auto id = ReadUntrustedFile(id_file, kNumberBytesMax); id && *id) {
    config.my_id = Trimmed(**id);
    files.insert(id_file);
  } else if (config.is_ensemble()) {
    config.warnings.push_back(fmt::format("{} cannot be read: {}", Quote(id_file),
                                          id ? "it does not exist" : id.error().message()));
  }
  for (const auto& [name, value] : config.properties) {
    const std::string path(Trimmed(value));
    if (path.starts_with('/') && (NamesFile(name) || host::IsRegularFile(path))) files.insert(path);
  }
  config.files = {files.begin(), files.end()};

  const auto own = std::ranges::find(config.members, config.my_id, &ConfiguredMember::id);
  if (!settings.endpoint.empty()) {
    config.client = ParseAddress(settings.endpoint);
  } else if (const std::string port = TrimmedPropertyOf(config.properties, "clientPort");
             !port.empty()) {
    std::string host = TrimmedPropertyOf(config.properties, "clientPortAddress");
    if (host.empty() || host == kAnyHost) host = "127.0.0.1";
    config.client = ParseAddress(fmt::format("{}:{}", host, port));
  } else if (own != config.members.end()) {
    config.client = own->client;
  }
  return config;
}

bool NamesFile(std::string_view property) {
  constexpr std::array<std::string_view, 4> kEndings = {"Store.location", "Store.passwordPath",
                                                        "java.security.auth.login.config",
                                                        "java.security.krb5.conf"};
  return std::ranges::any_of(kEndings,
                             [&](std::string_view ending) { return property.ends_with(ending); });
}

std::optional<std::int64_t> ReadEpoch(const ServerConfig& config, std::string_view name) {
  // Beside the snapshots or, in some versions, beside the logs.
  for (const std::string& directory : {config.data_dir, config.log_dir}) {
    const auto text =
        ReadUntrustedFile(fmt::format("{}/version-2/{}", directory, name), kNumberBytesMax);
    if (!text || !*text) continue;
    if (const auto number = ParseWhole<std::int64_t>(Trimmed(**text))) return number;
  }
  return std::nullopt;
}

}  // namespace holdfast::zookeeper
