#include "common/kafka/acls.h"

#include <algorithm>
#include <array>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using Words = std::span<const std::string_view>;

// Indexed by the protocol's numbers.
constexpr std::array<std::string_view, 8> kResourceTypes = {
    "UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"};
constexpr std::array<std::string_view, 5> kPatternTypes = {"UNKNOWN", "ANY", "MATCH", "LITERAL",
                                                           "PREFIXED"};
constexpr std::array<std::string_view, 16> kOperations = {"UNKNOWN",
                                                          "ANY",
                                                          "ALL",
                                                          "READ",
                                                          "WRITE",
                                                          "CREATE",
                                                          "DELETE",
                                                          "ALTER",
                                                          "DESCRIBE",
                                                          "CLUSTER_ACTION",
                                                          "DESCRIBE_CONFIGS",
                                                          "ALTER_CONFIGS",
                                                          "IDEMPOTENT_WRITE",
                                                          "CREATE_TOKENS",
                                                          "DESCRIBE_TOKENS",
                                                          "TWO_PHASE_COMMIT"};
constexpr std::array<std::string_view, 4> kPermissions = {"UNKNOWN", "ANY", "DENY", "ALLOW"};

std::string WordOf(Words words, int number) {
  const bool is_known = number >= 0 && static_cast<std::size_t>(number) < words.size();
  return std::string(words[is_known ? static_cast<std::size_t>(number) : 0]);
}

// Returns 0, which librdkafka refuses, for an unknown word.
int NumberOf(Words words, std::string_view word) {
  const auto found = std::ranges::find(words, word);
  return found == words.end() ? 0 : static_cast<int>(found - words.begin());
}

AclBinding ReadBinding(const rd_kafka_AclBinding_t* binding) {
  const auto text = [](const char* value) { return std::string(value == nullptr ? "" : value); };
  return {.resource_type = WordOf(kResourceTypes, rd_kafka_AclBinding_restype(binding)),
          .resource_name = text(rd_kafka_AclBinding_name(binding)),
          .pattern_type = WordOf(kPatternTypes, rd_kafka_AclBinding_resource_pattern_type(binding)),
          .principal = text(rd_kafka_AclBinding_principal(binding)),
          .host = text(rd_kafka_AclBinding_host(binding)),
          .operation = WordOf(kOperations, rd_kafka_AclBinding_operation(binding)),
          .permission = WordOf(kPermissions, rd_kafka_AclBinding_permission_type(binding))};
}

using BindingPtr = std::unique_ptr<rd_kafka_AclBinding_t, Deleter<rd_kafka_AclBinding_destroy>>;

Result<BindingPtr> Make(const AclBinding& binding) {
  std::array<char, 512> text{};
  for (const std::string* part : {&binding.resource_name, &binding.principal, &binding.host})
    if (part->find('\0') != std::string::npos)
      return Fail(ErrorCode::kInvalidArgument, "a binding contains a NUL character");
  BindingPtr made(rd_kafka_AclBinding_new(
      static_cast<rd_kafka_ResourceType_t>(NumberOf(kResourceTypes, binding.resource_type)),
      binding.resource_name.c_str(),
      static_cast<rd_kafka_ResourcePatternType_t>(NumberOf(kPatternTypes, binding.pattern_type)),
      binding.principal.c_str(), binding.host.c_str(),
      static_cast<rd_kafka_AclOperation_t>(NumberOf(kOperations, binding.operation)),
      static_cast<rd_kafka_AclPermissionType_t>(NumberOf(kPermissions, binding.permission)),
      text.data(), text.size()));
  if (made) return made;
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("librdkafka {} cannot create the ACL {} {} {} on {} {}: {}",
                  rd_kafka_version_str(), binding.permission, binding.principal, binding.operation,
                  binding.resource_type, Quote(binding.resource_name), text.data()),
      "create it with kafka-acls --add");
}

const Right kDescribe{"the cluster", "DESCRIBE"};
const Right kAlter{"the cluster", "ALTER"};

}  // namespace

Result<std::vector<AclBinding>> DescribeAcls(Client& client, std::stop_token stop) {
  Handle& handle = client.handle();
  std::array<char, 512> text{};
  const BindingPtr everything(rd_kafka_AclBindingFilter_new(
      RD_KAFKA_RESOURCE_ANY, nullptr, RD_KAFKA_RESOURCE_PATTERN_ANY, nullptr, nullptr,
      RD_KAFKA_ACL_OPERATION_ANY, RD_KAFKA_ACL_PERMISSION_TYPE_ANY, text.data(), text.size()));
  HF_CHECK(everything != nullptr);
  HF_ASSIGN(
      EventPtr answer,
      handle.Ask(RD_KAFKA_ADMIN_OP_DESCRIBEACLS, kDescribe, stop, [&](auto* options, auto* queue) {
        rd_kafka_DescribeAcls(handle.get(), everything.get(), options, queue);
      }));
  std::size_t count = 0;
  const auto** found =
      rd_kafka_DescribeAcls_result_acls(rd_kafka_event_DescribeAcls_result(answer.get()), &count);
  std::vector<AclBinding> bindings;
  for (std::size_t i = 0; i < count; ++i) bindings.push_back(ReadBinding(found[i]));
  std::ranges::sort(bindings);
  return bindings;
}

Result<std::vector<std::optional<Error>>> CreateAcls(Client& client,
                                                     std::span<const AclBinding> bindings,
                                                     std::stop_token stop) {
  Handle& handle = client.handle();
  std::vector<std::optional<Error>> outcomes(bindings.size());
  std::vector<std::size_t> indices;
  ObjectArray<rd_kafka_AclBinding_t, rd_kafka_AclBinding_destroy> asked;
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    auto made = Make(bindings[i]);
    if (!made) {
      outcomes[i] = std::move(made).error();
      continue;
    }
    asked.Add(made->release());
    indices.push_back(i);
  }
  if (asked.size() == 0) return outcomes;
  HF_ASSIGN(EventPtr answer,
            handle.Ask(RD_KAFKA_ADMIN_OP_CREATEACLS, kAlter, stop, [&](auto* options, auto* queue) {
              rd_kafka_CreateAcls(handle.get(), asked.data(), asked.size(), options, queue);
            }));
  std::size_t count = 0;
  const auto** results =
      rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(answer.get()), &count);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    // Results are in the order of the request.
    outcomes[indices[k]] =
        k < count ? ElementError(rd_kafka_acl_result_error(results[k]), kAlter)
                  : Error(ErrorCode::kCorrupt, "the answer does not mention this binding");
  }
  return outcomes;
}

}  // namespace holdfast::rdkafka
