#include "agent/sources/prometheus/facts.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <utility>

#include "agent/sources/host/untrusted_file.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/config/yaml.h"

namespace holdfast::prometheus {
namespace {

constexpr std::size_t kQuotedMax = 200;
constexpr std::chrono::hours kKeptForSending{24};

const config::Node* At(const config::Node& node, std::initializer_list<std::string_view> keys) {
  const config::Node* at = &node;
  for (const std::string_view key : keys) {
    if (at->kind != config::Node::Kind::kMap) return nullptr;
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// Empty if not set. The configuration overrides the flags.
std::string RetentionTime(const KingpinFlags& flags, const std::optional<ConfigFacts>& config) {
  if (config && !config->retention_time.empty()) return config->retention_time;
  auto time = flags.Last("storage.tsdb.retention.time");
  if (!time) time = flags.Last("storage.tsdb.retention");
  return time.value_or("");
}

std::string RetentionSize(const KingpinFlags& flags, const std::optional<ConfigFacts>& config) {
  if (config && !config->retention_size.empty()) return config->retention_size;
  const auto size = flags.Last("storage.tsdb.retention.size");
  return size && size != "0" ? *size : "";
}

}  // namespace

Result<ConfigFacts> ReadConfigFacts(std::string_view text, const std::string& file) {
  HF_ASSIGN(const config::Node root, config::ParseForeignYaml(text, file));
  ConfigFacts facts;
  if (const config::Node* labels = At(root, {"global", "external_labels"})) {
    for (std::size_t i = 0; i < labels->keys.size(); ++i)
      facts.external_labels[labels->keys[i].name] = labels->items[i].scalar;
  }
  if (const config::Node* writes = At(root, {"remote_write"}))
    facts.remote_writes = writes->items.size();
  if (const config::Node* window = At(root, {"storage", "tsdb", "out_of_order_time_window"}))
    facts.out_of_order_window = window->scalar;
  const auto retention = [&root](std::string_view key) -> std::string {
    const config::Node* value = At(root, {"storage", "tsdb", "retention", key});
    return value != nullptr && value->scalar != "0" ? value->scalar : "";
  };
  facts.retention_time = retention("time");
  facts.retention_size = retention("size");
  // A share of the file system; overrides a size.
  if (const std::string part = retention("percentage"); !part.empty())
    facts.retention_size = part + "%";
  return facts;
}

std::optional<ConfigFacts> ReadConfigFacts(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto text = ReadUntrustedFile(path, config::kForeignYamlBytesMax);
  if (!text || !*text) return std::nullopt;
  auto facts = ReadConfigFacts(**text, path);
  return facts ? std::optional(*std::move(facts)) : std::nullopt;
}

bool IsAgentMode(const KingpinFlags& flags) {
  if (flags.Last("agent") == "") return true;  // Prometheus 3
  for (const std::string& value : flags.All("enable-feature")) {
    std::string_view rest = value;
    while (!rest.empty()) {
      if (TakePart(rest, ',') == "agent") return true;
    }
  }
  return false;
}

Mode ModeOf(const KingpinFlags& flags, const std::optional<ConfigFacts>& config) {
  if (IsAgentMode(flags)) return Mode::kAgent;
  const auto retention = ParseDuration(RetentionTime(flags, config));
  // 0 means not set, i.e. 15 days.
  const bool is_short = retention && retention->count() > 0 && *retention <= kKeptForSending;
  return is_short && config && config->remote_writes > 0 ? Mode::kRemoteWriteOnly : Mode::kServer;
}

std::string_view ModeText(Mode mode) {
  switch (mode) {
    case Mode::kAgent:
      return "agent";
    case Mode::kRemoteWriteOnly:
      return "remote-write-only";
    case Mode::kServer:
      break;
  }
  return "server";
}

std::string RetentionText(const KingpinFlags& flags, const std::optional<ConfigFacts>& config) {
  const std::string time = RetentionTime(flags, config);
  const std::string size = RetentionSize(flags, config);
  if (size.empty()) return time.empty() ? "15d" : time;
  return time.empty() ? size : time + ", " + size;
}

Result<std::string> DataOf(std::string_view answer) {
  const nlohmann::json json = ParseJson(answer);
  const auto text_in = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!json.is_object() || text_in("status").empty())
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("not the answer of a Prometheus: {}", Quote(answer.substr(0, kQuotedMax))),
        "check that \"url\" is that of a Prometheus, and not of a proxy");
  const auto data = json.find("data");
  if (text_in("status") != "success" || data == json.end())
    return Fail(
        ErrorCode::kUnavailable,
        fmt::format("the answer is an error: {}", Quote(text_in("error").substr(0, kQuotedMax))));
  return DumpJson(*data);
}

Result<ServerFacts> QueryServer(const Settings& settings, const std::stop_token& stop) {
  HF_ASSIGN(const HttpAccess access, OpenHttpAccess(settings));
  HF_ASSIGN(auto api, HttpApi::Open(settings.url, access));
  const auto ask = [&](std::string_view path) -> Result<nlohmann::json> {
    HF_ASSIGN(const std::string answer, api.Get(path, stop));
    auto data = DataOf(answer);
    if (!data) return Fail(std::move(data).error().While(Quote(settings.url)));
    return ParseJson(*data);
  };
  ServerFacts facts;
  HF_ASSIGN(const nlohmann::json build, ask("/api/v1/status/buildinfo"));
  if (const auto version = build.find("version"); version != build.end() && version->is_string())
    facts.version = version->get<std::string>();
  auto runtime = ask("/api/v1/status/runtimeinfo");
  if (!runtime && runtime.error().code() == ErrorCode::kCancelled)
    return Fail(std::move(runtime).error());
  if (!runtime) return facts;
  if (const auto count = runtime->find("corruptionCount");
      count != runtime->end() && count->is_number_unsigned())
    facts.corruptions = count->get<std::uint64_t>();
  return facts;
}

}  // namespace holdfast::prometheus
