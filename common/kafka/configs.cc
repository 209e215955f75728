#include "common/kafka/configs.h"

#include <algorithm>
#include <bit>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using ResourceArray = ObjectArray<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
using Outcomes = std::vector<std::optional<Error>>;

// A topic has some forty entries with their synonyms, about 20 KiB, and some dozens of answers may
// arrive at once.
constexpr std::size_t kOwnersAtOnce = 100;

rd_kafka_ResourceType_t ResourceTypeOf(ConfigScope scope) {
  switch (scope) {
    case ConfigScope::kTopic:
      return RD_KAFKA_RESOURCE_TOPIC;
    case ConfigScope::kBroker:
      return RD_KAFKA_RESOURCE_BROKER;
    case ConfigScope::kGroup:
      // librdkafka before 2.10 has no constant for groups, but passes any number to the broker. 32
      // is Kafka's number for groups.
      return rd_kafka_version() < 0x020a0000 ? std::bit_cast<rd_kafka_ResourceType_t>(32)
                                             : RD_KAFKA_RESOURCE_GROUP;
  }
  return RD_KAFKA_RESOURCE_UNKNOWN;
}

std::string OwnerText(const ConfigOwner& owner) {
  switch (owner.scope) {
    case ConfigScope::kTopic:
      return fmt::format("topic {}", Quote(owner.name));
    case ConfigScope::kGroup:
      return fmt::format("group {}", Quote(owner.name));
    case ConfigScope::kBroker:
      break;
  }
  return "the cluster";  // rights on these are rights on the cluster
}

// Why librdkafka cannot query this owner. It would return null, or another owner.
std::optional<Error> UnsupportedReason(const ConfigOwner& owner) {
  if (owner.name.empty() && owner.scope == ConfigScope::kBroker) {
    return Error(ErrorCode::kUnsupported, "defaults of all brokers cannot be named")
        .WithHint("set them with kafka-configs --entity-type brokers --entity-default");
  }
  if (owner.name.empty() || owner.name.find('\0') != std::string::npos)
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} is not a valid name", Quote(owner.name)));
  return std::nullopt;
}

// Groups the owners by request. librdkafka sends a broker's request to that broker alone, and all
// others together. Owners that it cannot query get their error in `outcomes`.
std::vector<std::vector<std::size_t>> Requests(std::span<const ConfigOwner> owners,
                                               Outcomes& outcomes) {
  std::vector<std::vector<std::size_t>> requests;
  std::vector<std::size_t> others;
  outcomes.resize(owners.size());
  for (std::size_t i = 0; i < owners.size(); ++i) {
    outcomes[i] = UnsupportedReason(owners[i]);
    if (outcomes[i]) continue;
    if (owners[i].scope == ConfigScope::kBroker) {
      requests.push_back({i});
      continue;
    }
    others.push_back(i);
    if (others.size() == kOwnersAtOnce) requests.push_back(std::exchange(others, {}));
  }
  if (!others.empty()) requests.push_back(std::move(others));
  return requests;
}

std::vector<ConfigEntry> ReadEntries(const rd_kafka_ConfigResource_t* resource) {
  std::size_t count = 0;
  const auto** found = rd_kafka_ConfigResource_configs(resource, &count);
  std::vector<ConfigEntry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    ConfigEntry& entry = entries.emplace_back();
    entry.name = rd_kafka_ConfigEntry_name(found[i]);
    if (const char* value = rd_kafka_ConfigEntry_value(found[i])) entry.value = value;
    entry.source = static_cast<ConfigSource>(rd_kafka_ConfigEntry_source(found[i]));
    entry.is_sensitive = rd_kafka_ConfigEntry_is_sensitive(found[i]) == 1;
  }
  std::ranges::sort(entries, {}, &ConfigEntry::name);
  return entries;
}

using Resources = std::span<const rd_kafka_ConfigResource_t*>;

// The answer for the k-th owner of a request; null if missing.
const rd_kafka_ConfigResource_t* ResourceOf(Resources found, std::size_t k,
                                            const ConfigOwner& owner) {
  // librdkafka keeps the order.
  if (k >= found.size() || found[k] == nullptr) return nullptr;
  return rd_kafka_ConfigResource_name(found[k]) == owner.name ? found[k] : nullptr;
}

std::optional<Error> ResourceError(const rd_kafka_ConfigResource_t* resource,
                                   const ConfigOwner& owner, std::string_view operation) {
  if (resource == nullptr) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("the answer does not mention {}", Quote(owner.name)));
  }
  return ElementError(rd_kafka_ConfigResource_error(resource),
                      rd_kafka_ConfigResource_error_string(resource),
                      {OwnerText(owner), std::string(operation)});
}

// What differs between DescribeConfigs and AlterConfigs.
struct ConfigCall {
  rd_kafka_admin_op_t operation;
  std::string_view right;
  std::function<void(std::size_t index, rd_kafka_ConfigResource_t* resource)> fill;
  decltype(&rd_kafka_DescribeConfigs) send;
  std::function<Resources(rd_kafka_event_t* answer)> resources;
  std::function<void(std::size_t index, const rd_kafka_ConfigResource_t* resource)> read;
};

Result<Outcomes> Run(Handle& handle, std::span<const ConfigOwner> owners, const ConfigCall& call,
                     const std::stop_token& stop) {
  Outcomes outcomes;
  const auto requests = Requests(owners, outcomes);
  HF_TRY(handle.AskEach(
      call.operation, requests.size(),
      [&](std::size_t request, auto* options, auto* queue) {
        ResourceArray asked;
        for (std::size_t i : requests[request]) {
          rd_kafka_ConfigResource_t* resource =
              rd_kafka_ConfigResource_new(ResourceTypeOf(owners[i].scope), owners[i].name.c_str());
          asked.Add(resource);
          if (call.fill) call.fill(i, resource);
        }
        call.send(handle.get(), asked.data(), asked.size(), options, queue);
      },
      [&](std::size_t request, EventPtr answer) -> Result<void> {
        const Result<void> done = handle.Check(answer.get());
        const Resources found = done ? call.resources(answer.get()) : Resources();
        for (std::size_t k = 0; k < requests[request].size(); ++k) {
          const std::size_t i = requests[request][k];
          const rd_kafka_ConfigResource_t* resource = ResourceOf(found, k, owners[i]);
          outcomes[i] = done ? ResourceError(resource, owners[i], call.right) : done.error();
          if (!outcomes[i] && call.read) call.read(i, resource);
        }
        return {};
      },
      stop));
  return outcomes;
}

Result<void> CheckText(const std::string& name, std::string_view value) {
  if (!name.empty() && name.find('\0') == name.npos && value.find('\0') == value.npos) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("no broker accepts {} for {}", Quote(value), Quote(name)));
}

}  // namespace

Result<std::vector<OwnerConfigs>> DescribeConfigs(Client& client,
                                                  std::span<const ConfigOwner> owners,
                                                  std::stop_token stop) {
  std::vector<OwnerConfigs> configs;
  for (const ConfigOwner& owner : owners) configs.push_back({owner, {}, {}});
  const ConfigCall call{
      .operation = RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
      .right = "DESCRIBE_CONFIGS",
      .fill = {},
      .send = &rd_kafka_DescribeConfigs,
      .resources =
          [](rd_kafka_event_t* answer) {
            std::size_t count = 0;
            const auto** found = rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(answer), &count);
            return Resources(found, count);
          },
      .read = [&](std::size_t i,
                  const auto* resource) { configs[i].entries = ReadEntries(resource); }};
  HF_ASSIGN(Outcomes outcomes, Run(client.handle(), owners, call, stop));
  for (std::size_t i = 0; i < configs.size(); ++i) configs[i].error = std::move(outcomes[i]);
  return configs;
}

Result<std::vector<std::optional<Error>>> ReplaceConfigs(Client& client,
                                                         std::span<const ConfigSet> sets,
                                                         std::stop_token stop) {
  std::vector<ConfigOwner> owners;
  for (const ConfigSet& set : sets) {
    owners.push_back(set.owner);
    for (const auto& [name, value] : set.entries) HF_TRY(CheckText(name, value));
  }
  const ConfigCall call{.operation = RD_KAFKA_ADMIN_OP_ALTERCONFIGS,
                        .right = "ALTER_CONFIGS",
                        .fill =
                            [&](std::size_t i, auto* resource) {
                              for (const auto& [name, value] : sets[i].entries)
                                (void)rd_kafka_ConfigResource_set_config(resource, name.c_str(),
                                                                         value.c_str());
                            },
                        .send = &rd_kafka_AlterConfigs,
                        .resources =
                            [](rd_kafka_event_t* answer) {
                              std::size_t count = 0;
                              const auto** found = rd_kafka_AlterConfigs_result_resources(
                                  rd_kafka_event_AlterConfigs_result(answer), &count);
                              return Resources(found, count);
                            },
                        .read = {}};
  return Run(client.handle(), owners, call, stop);
}

}  // namespace holdfast::rdkafka
