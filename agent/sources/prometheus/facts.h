// Facts about a server besides its data: from its configuration, its command line and its API.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/sources/member/http_api.h"
#include "agent/sources/prometheus/settings.h"
#include "common/base/result.h"

namespace holdfast::prometheus {

struct ConfigFacts {
  std::map<std::string, std::string> external_labels;
  std::size_t remote_writes = 0;
  std::string out_of_order_window;  // empty: not set
  // As written, e.g. "30d" and "512MB" or "80%"; empty: not set. Since Prometheus 3.
  std::string retention_time;
  std::string retention_size;
};
// kInvalidArgument if it is not YAML.
Result<ConfigFacts> ReadConfigFacts(std::string_view text, const std::string& file);
// Reads the file at `path`; nullopt if that fails, which the code that saves the file reports.
std::optional<ConfigFacts> ReadConfigFacts(const std::string& path);

// How the server runs, which determines what its data is worth.
enum class Mode : std::uint8_t {
  kServer,           // stores its samples
  kRemoteWriteOnly,  // sends them with remote_write, and keeps them for a day at most
  kAgent,            // sends them, and has no blocks
};
bool IsAgentMode(const KingpinFlags& flags);
Mode ModeOf(const KingpinFlags& flags, const std::optional<ConfigFacts>& config);
std::string_view ModeText(Mode mode);  // "server", "remote-write-only", "agent"
// "15d", "512MB" or "15d, 512MB": from the configuration, or else from the flags, or the default.
std::string RetentionText(const KingpinFlags& flags, const std::optional<ConfigFacts>& config);

// Answers of a running server. Any of them may be missing.
struct ServerFacts {
  std::string version;
  std::optional<std::uint64_t> corruptions;  // of its log; nullopt: unknown
};
// The data of a response of API v1, which has its own status: kUnavailable if that is an error,
// whatever the HTTP status was; kCorrupt for anything else.
Result<std::string> DataOf(std::string_view answer);
Result<ServerFacts> QueryServer(const Settings& settings, const std::stop_token& stop);

}  // namespace holdfast::prometheus
