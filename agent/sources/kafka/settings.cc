#include "agent/sources/kafka/settings.h"

#include <fnmatch.h>

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

// Rejects only what cannot be an address. The connection reports everything else.
Result<void> CheckServer(const config::Values& values, const std::string& server) {
  const std::size_t colon = server.rfind(':');
  const bool has_port =
      colon != std::string::npos && colon > 0 && colon + 1 < server.size() &&
      std::ranges::all_of(server.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
  if (has_port && server.find_first_of(", \t\r\n/") == std::string::npos) return {};
  return values.Invalid(
      "bootstrap",
      fmt::format("{} is not a broker's address; expected one such as \"127.0.0.1:9092\"",
                  Quote(server)));
}

}  // namespace

config::Schema SettingsSchema() {
  using config::OptionSpec;
  using config::OptionType;
  OptionSpec client{.name = "client",
                    .type = OptionType::kMap,
                    .help =
                        "librdkafka properties for the connection to the brokers, e.g. "
                        "security.protocol; secrets in files, e.g. sasl.password_file"};
  for (const rdkafka::PropertySpec& spec : rdkafka::AllowedProperties())
    if (spec.kind != rdkafka::PropertyKind::kText) client.path_keys.emplace_back(spec.name);
  return {{
      OptionSpec{.name = "bootstrap",
                 .type = OptionType::kStringList,
                 .required = true,
                 .help = "HOST:PORT of brokers; if several nodes save the cluster, of the broker "
                         "on this node"},
      std::move(client),
      OptionSpec{.name = "log_dirs",
                 .type = OptionType::kPathList,
                 .help = "log.dirs of the broker on this node; identifies the broker, and adds "
                         "what the cluster does not report"},
      OptionSpec{
          .name = "topics",
          .type = OptionType::kListMap,
          .help =
              "shell patterns of topics to save, \"include\" and \"exclude\"; default: all topics",
          .choices = {"include", "exclude"}},
      OptionSpec{.name = "files",
                 .type = OptionType::kPathList,
                 .help = "further files and directories of this node to save, e.g. /etc/kafka"},
  }};
}

Result<Settings> ReadSettings(const config::Values& values) {
  Settings settings;
  settings.bootstrap = values.List("bootstrap");
  for (const std::string& server : settings.bootstrap) HF_TRY(CheckServer(values, server));
  settings.client = values.Map("client");
  if (auto checked = rdkafka::CheckProperties(settings.client); !checked) {
    const Error& error = checked.error();
    return values.Invalid("client", error.hint().empty()
                                        ? error.message()
                                        : error.message() + " (hint: " + error.hint() + ")");
  }
  settings.log_dirs = values.List("log_dirs");
  settings.files = values.List("files");
  const auto topics = values.ListMap("topics");
  if (const auto found = topics.find("include"); found != topics.end())
    settings.include = found->second;
  if (const auto found = topics.find("exclude"); found != topics.end())
    settings.exclude = found->second;
  if (settings.include.empty())
    return values.Invalid("topics", "\"include\" is empty; expected at least one pattern");
  for (const auto* patterns : {&settings.include, &settings.exclude})
    if (std::ranges::count(*patterns, "") > 0)
      return values.Invalid("topics", "an empty pattern matches nothing");
  return settings;
}

bool IsLedger(std::string_view topic) {
  return topic == "__consumer_offsets" || topic == "__transaction_state" ||
         topic == "__share_group_state";
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view topic) {
  const std::string name(topic);
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

bool Settings::IsSaved(std::string_view topic) const {
  return !IsLedger(topic) && MatchesAny(include, topic) && !MatchesAny(exclude, topic);
}

}  // namespace holdfast::kafka
