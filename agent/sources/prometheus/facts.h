// What is known of a server besides its data: from its configuration, its command line, and from
// itself where it can be asked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/prometheus/http_api.h"
#include "agent/sources/prometheus/server_process.h"
#include "agent/sources/prometheus/settings.h"
#include "common/base/result.h"

namespace holdfast::prometheus {

struct ConfigFacts {
  std::map<std::string, std::string> external_labels;
  std::size_t remote_writes = 0;
  std::string out_of_order_window;  // empty: none is set
  // As it is written, such as "30d" and "512MB" or "80%"; empty: none is set. Since Prometheus 3.
  std::string retention_time;
  std::string retention_size;
};
// kInvalidArgument for what is no YAML.
Result<ConfigFacts> ReadConfigFacts(std::string_view text, const std::string& file);
// The same of the file at `path`; nullopt where that cannot be had, which whoever saves it says.
std::optional<ConfigFacts> ReadConfigFacts(const std::string& path);

// How it is run, and so what its data are worth.
enum class Mode : std::uint8_t {
  kServer,           // keeps its samples itself
  kRemoteWriteOnly,  // hands them on by remote_write, and keeps them for a day at most
  kAgent,            // hands them on, and keeps no blocks at all
};
bool IsAgentMode(const Flags& flags);
Mode ModeOf(const Flags& flags, const std::optional<ConfigFacts>& config);
std::string_view ModeText(Mode mode);  // "server", "remote-write-only", "agent"
// "15d", "512MB", "15d, 512MB": as the configuration says, or else the flags, or the default.
std::string RetentionText(const Flags& flags, const std::optional<ConfigFacts>& config);

// The answers of a server that runs. Every part may be missing.
struct ServerFacts {
  std::string version;
  std::optional<std::int64_t> corruptions;  // of its log; nullopt: not told
};
// The data of an answer of API v1, which says itself whether it is a success: kUnavailable where it
// is an error, whatever its status was; kCorrupt for what is no such answer.
Result<std::string> DataOf(std::string_view answer);
Result<ServerFacts> AskServer(const Settings& settings, const std::stop_token& stop);

}  // namespace holdfast::prometheus
