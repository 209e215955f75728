#include "agent/sources/kafka/restore_request.h"

#include <algorithm>
#include <filesystem>

#include "agent/sources/kafka/parse_broker_texts.h"
#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/text.h"
#include "common/config/reader.h"
#include "common/io/fd.h"

namespace holdfast::kafka {
namespace {

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    if (comma == text.size()) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::unexpected<Error> Wrong(std::string message, std::string hint = {}) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message), std::move(hint));
}

// Reads "name = value" lines; skips empty lines and comments ('#').
Result<rdkafka::Properties> ReadPropertiesFile(const std::string& path) {
  HF_ASSIGN(const Bytes content, ReadWholeFile(path, 1U << 20));
  rdkafka::Properties given;
  std::string_view rest = AsText(content);
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = TakePart(rest, '\n');
    constexpr std::string_view kBlanks = " \t\n\v\f\r";
    line = Trim(line, kBlanks);
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t equal = line.find('=');
    const std::string name(Trim(line.substr(0, equal), kBlanks));
    if (equal == std::string_view::npos || name.empty())
      return Wrong(fmt::format("{}:{}: expected \"name=value\"", path, number));
    if (!given.emplace(name, Trim(line.substr(equal + 1), kBlanks)).second)
      return Wrong(fmt::format("{}:{}: {} is listed twice", path, number, Quote(name)));
  }
  const config::ReadContext context{.directory =
                                        std::filesystem::path(path).parent_path().string()};
  for (const rdkafka::PropertySpec& spec : rdkafka::AllowedProperties()) {
    const auto found = given.find(std::string(spec.name));
    if (spec.kind == rdkafka::PropertyKind::kText || found == given.end()) continue;
    HF_ASSIGN(found->second, config::AbsolutePath(found->second, context));
  }
  auto checked = rdkafka::CheckProperties(given);
  if (!checked) return Fail(std::move(checked).error().While(path));
  return given;
}

Result<void> ReadNames(const config::Values& options, RestoreRequest& request) {
  request.topics = options.List("topic");
  request.prefix = options.Text("prefix");
  for (const std::string& text : options.List("rename")) {
    const std::size_t equal = text.find('=');
    if (equal == std::string::npos || equal == 0)
      return Wrong(fmt::format("--rename {}: expected OLD=NEW", Quote(text)));
    const std::string old = text.substr(0, equal);
    const std::string name = text.substr(equal + 1);
    if (!IsTopicName(name))
      return Wrong(
          fmt::format("--rename {}: {} is not a valid topic name", Quote(text), Quote(name)));
    if (!request.renames.emplace(old, name).second)
      return Wrong(fmt::format("--rename: {} gets two names", Quote(old)));
  }
  return {};
}

Result<void> ReadWith(const config::Values& options, RestoreRequest& request) {
  if (!options.Has("with")) return {};
  request.records = request.configs = request.acls = request.groups = false;
  for (const std::string& part : Split(options.Text("with"))) {
    bool* wanted = part == "records"   ? &request.records
                   : part == "configs" ? &request.configs
                   : part == "acls"    ? &request.acls
                   : part == "groups"  ? &request.groups
                                       : nullptr;
    if (wanted == nullptr)
      return Wrong(
          fmt::format("--with {}; expected some of records, configs, acls, groups", Quote(part)));
    *wanted = true;
  }
  if (!request.records && !request.configs && !request.acls && !request.groups)
    return Wrong("--with names nothing; expected some of records, configs, acls, groups");
  return {};
}

Result<void> ReadUntil(const config::Values& options, RestoreRequest& request) {
  if (!options.Has("until")) return {};
  auto until = ParseUnixTime(options.Text("until"));
  if (!until)
    return Fail(
        std::move(until).error().While("--until").WithHint("write e.g. 2026-01-02T03:04:05Z"));
  // Record timestamps are whole milliseconds.
  request.until_ms = until->seconds * 1000 + (until->nanoseconds + 999'999) / 1'000'000;
  return {};
}

// Options for the selection and renaming of topics.
std::vector<config::OptionSpec> TopicOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{.name = "topic",
                 .type = OptionType::kStringList,
                 .help = "restore only topics that match this shell pattern; can be repeated"},
      OptionSpec{.name = "rename",
                 .type = OptionType::kStringList,
                 .help = "OLD=NEW: restore topic OLD under the name NEW; can be repeated"},
      OptionSpec{.name = "prefix",
                 .help = "prefix for the names of all topics that are not renamed"},
  };
}

std::vector<config::OptionSpec> Joined(std::vector<config::OptionSpec> first,
                                       std::vector<config::OptionSpec> second,
                                       std::vector<config::OptionSpec> third) {
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), third.begin(), third.end());
  return first;
}

}  // namespace

std::string RestoreRequest::TargetOf(const std::string& topic) const {
  const auto renamed = renames.find(topic);
  return renamed == renames.end() ? prefix + topic : renamed->second;
}

std::string RestoreRequest::Text() const {
  std::string text;
  for (const std::string& directory : log_dirs) text += "log-dirs " + Quote(directory) + " ";
  for (const std::string& pattern : topics) text += "topic " + Quote(pattern) + " ";
  for (const auto& [old, name] : renames) text += fmt::format("rename {}={} ", old, name);
  if (!prefix.empty()) text += "prefix " + prefix + " ";
  if (until_ms) text += fmt::format("until {} ", *until_ms);
  if (zero_timestamp_as_one) text += "zero-timestamp-as-one ";
  if (records) text += "records ";
  if (configs) text += "configs ";
  if (acls) text += "acls ";
  if (groups) text += "groups ";
  return text;
}

std::vector<config::OptionSpec> ClusterOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return Joined(
      {OptionSpec{.name = "to_cluster",
                  .required = true,
                  .help = "brokers of the cluster that the records are written to, HOST:PORT,..."}},
      TopicOptions(),
      {
          OptionSpec{
              .name = "until",
              .help = "restore only records with an earlier timestamp, e.g. 2026-01-02T03:04:05Z"},
          OptionSpec{.name = "with",
                     .help = "comma-separated list of records, configs, acls and groups; default: "
                             "all of them"},
          OptionSpec{.name = "target_client",
                     .type = OptionType::kPath,
                     .help = "file with librdkafka properties for the target, NAME=VALUE, secrets "
                             "as NAME_file; default: the properties of the source"},
          OptionSpec{.name = "hold_retention",
                     .type = OptionType::kBool,
                     .help = "keep all records of restored topics, whatever retention their "
                             "configuration sets"},
          OptionSpec{.name = "replace_topic",
                     .type = OptionType::kBool,
                     .help = "replace topics that exist and are not empty; they are saved first"},
          OptionSpec{
              .name = "zero_timestamp_as_one",
              .type = OptionType::kBool,
              .help =
                  "write records with timestamp 0, which no client can write, with timestamp 1"},
          OptionSpec{
              .name = "compression",
              .help = "compression of the batches: none, gzip, snappy, lz4 or zstd; default: none",
              .choices = {"none", "gzip", "snappy", "lz4", "zstd"}},
      });
}

std::vector<config::OptionSpec> LogDirsOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return Joined(
      {OptionSpec{
          .name = "to_log_dirs",
          .type = OptionType::kPathList,
          .required = true,
          .help =
              "log directory of a stopped broker that the files are copied to; can be repeated"}},
      TopicOptions(),
      {OptionSpec{.name = "replace_topic",
                  .type = OptionType::kBool,
                  .help = "also replace the files of topics that are not empty"}});
}

Result<RestoreRequest> ReadClusterRequest(const config::Values& options,
                                          const rdkafka::Properties& own) {
  RestoreRequest request;
  request.cluster.bootstrap = Split(options.Text("to_cluster"));
  if (request.cluster.bootstrap.empty())
    return Wrong("--to-cluster names no broker; expected HOST:PORT,...");
  HF_TRY(ReadNames(options, request));
  HF_TRY(ReadWith(options, request));
  HF_TRY(ReadUntil(options, request));
  request.hold_retention = options.Flag("hold_retention");
  request.replace_topic = options.Flag("replace_topic");
  request.zero_timestamp_as_one = options.Flag("zero_timestamp_as_one");
  request.compression = options.Text("compression", request.compression);
  request.cluster.properties = own;
  if (options.Has("target_client")) {
    HF_ASSIGN(request.cluster.properties, ReadPropertiesFile(options.Text("target_client")));
  }
  return request;
}

Result<RestoreRequest> ReadLogDirsRequest(const config::Values& options) {
  RestoreRequest request;
  request.log_dirs = options.List("to_log_dirs");
  if (request.log_dirs.empty()) return Wrong("--to-log-dirs names no directory");
  HF_TRY(ReadNames(options, request));
  request.replace_topic = options.Flag("replace_topic");
  return request;
}

}  // namespace holdfast::kafka
