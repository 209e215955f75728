#include "agent/sources/kafka/discover.h"

#include <algorithm>
#include <utility>

#include "agent/sources/host/flags.h"
#include "agent/sources/kafka/broker_process.h"
#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

using host::ServerUrl;

constexpr std::string_view kDefaultListeners = "PLAINTEXT://:9092";

// The listeners for clients. The scheme of each is its security protocol instead of its name.
std::vector<ServerUrl> ListenersOf(const JavaProperties& properties, const char* property) {
  std::string text = PropertyOf(properties, property);
  if (text.empty() && property == std::string_view("listeners")) text = kDefaultListeners;
  const std::vector<std::string> internal =
      host::SplitList(PropertyOf(properties, "controller.listener.names"));
  const std::vector<std::string> protocols =
      host::SplitList(PropertyOf(properties, "listener.security.protocol.map"));
  std::vector<ServerUrl> listeners;
  for (const std::string& one : host::SplitList(text)) {
    auto url = ServerUrl::Parse(one);
    if (!url || std::ranges::find(internal, url->scheme) != internal.end()) continue;
    for (const std::string& pair : protocols)
      if (pair.starts_with(url->scheme + ":")) url->scheme = pair.substr(url->scheme.size() + 1);
    listeners.push_back(*std::move(url));
  }
  return listeners;
}

ServerUrl FromHere(ServerUrl url) {
  if (url.IsWildcard()) url.host = "127.0.0.1";
  return url;
}

void AddKnown(const std::vector<ServerUrl>& urls, DiscoveredSource& found) {
  for (ServerUrl url : urls) {
    found.known_by.emplace_back("bootstrap", FromHere(url).Address());
    if (!url.IsWildcard()) continue;
    url.host = "localhost";
    found.known_by.emplace_back("bootstrap", url.Address());
  }
}

}  // namespace

std::optional<DiscoveredSource> Discover(const host::LocalProcess& process,
                                         const host::Places& /*places*/) {
  const auto config = ReadBrokerConfig(process);
  if (config && !*config) return std::nullopt;
  DiscoveredSource found;
  if (!config) {
    found.Set("bootstrap", std::vector<std::string>{"127.0.0.1:9092"});
    found.notes.push_back(
        fmt::format("its configuration cannot be read, so \"bootstrap\" is a guess and "
                    "\"log_dirs\" is missing: {} (hint: let the agent read it)",
                    config.error().message()));
    return found;
  }
  const JavaProperties& properties = (*config)->properties;
  const std::vector<std::string> roles = host::SplitList(PropertyOf(properties, "process.roles"));
  // A pure controller has no records and no clients, and every broker's backup has the metadata.
  if (!roles.empty() && std::ranges::find(roles, "broker") == roles.end()) return std::nullopt;

  const std::vector<ServerUrl> listeners = ListenersOf(properties, "listeners");
  if (listeners.empty()) return std::nullopt;
  const auto plain = std::ranges::find(listeners, "PLAINTEXT", &ServerUrl::scheme);
  const ServerUrl& chosen = plain == listeners.end() ? listeners.front() : *plain;
  found.Set("bootstrap", std::vector<std::string>{FromHere(chosen).Address()});
  std::vector<std::string> log_dirs = LogDirsOf(properties);
  if (log_dirs.empty()) log_dirs.emplace_back("/tmp/kafka-logs");  // Kafka's own default
  for (std::string& directory : log_dirs) {
    directory = process.Absolute(directory);
    found.known_by.emplace_back("log_dirs", directory);
  }
  found.SetList("log_dirs", std::move(log_dirs));
  if (chosen.scheme != "PLAINTEXT") {
    found.Set("client", std::map<std::string, std::string>{{"security.protocol", chosen.scheme}});
    found.notes.emplace_back(
        "add to \"client\" what its listener requires: ssl.ca.location, and a certificate or a "
        "login");
  }
  AddKnown(listeners, found);
  AddKnown(ListenersOf(properties, "advertised.listeners"), found);
  found.facts["configuration"] = (*config)->path;
  for (const char* name : {"node.id", "broker.id"}) {
    const std::string id = PropertyOf(properties, name);
    if (!id.empty()) found.facts["broker"] = id;
  }
  return found;
}

}  // namespace holdfast::kafka
