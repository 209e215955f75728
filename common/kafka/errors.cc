#include "common/kafka/errors.h"

#include <librdkafka/rdkafka.h>

#include <cctype>

#include "common/base/format.h"
#include "common/kafka/capabilities.h"

namespace holdfast::rdkafka {
namespace {

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Removes the prefix of "Broker: Topic authorization failed" and suffixes such as "(after 12ms in
// state CONNECT)", which do not help an operator. Lowercases the first letter of an ordinary word;
// "SASL ..." and "DescribeAcls ..." stay as they are.
std::string Tidy(std::string_view text) {
  for (std::string_view prefix : {"Broker: ", "Local: "})
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  const std::size_t after = text.rfind(" (after ");
  if (after != std::string_view::npos && text.ends_with(')')) text = text.substr(0, after);
  std::string shortened;
  // "error:0A000086:SSL routines::certificate verify failed"
  const std::size_t number = text.find("error:");
  const std::size_t words = text.find("SSL routines::");
  if (number < words && words != std::string_view::npos) {
    shortened = std::string(text.substr(0, number)) + std::string(text.substr(words + 14));
    text = shortened;
  }
  while (text.ends_with('.') || text.ends_with(' ') || text.ends_with('\n')) text.remove_suffix(1);
  std::string tidy(text);
  const std::size_t word_end =
      std::min(tidy.size(), tidy.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1));
  if (word_end > 1 && (word_end == tidy.size() || tidy[word_end] == ' '))
    tidy[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(tidy[0])));
  return tidy;
}

ErrorCode KindOf(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return ErrorCode::kTimedOut;

    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_DELETION_DISABLED:
      return ErrorCode::kDenied;

    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_GROUP:
    case RD_KAFKA_RESP_ERR__UNKNOWN_BROKER:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NOENT:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND:
    case RD_KAFKA_RESP_ERR_RESOURCE_NOT_FOUND:
      return ErrorCode::kNotFound;

    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return ErrorCode::kAlreadyExists;

    case RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC:
    case RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS:
      return ErrorCode::kBusy;

    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__UNDERFLOW:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      return ErrorCode::kCorrupt;

    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
      return ErrorCode::kUnsupported;

    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_INVALID_PRINCIPAL_TYPE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_DUPLICATE_RESOURCE:
      return ErrorCode::kInvalidArgument;

    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
      return ErrorCode::kCancelled;

    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__NODE_UPDATE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR__ISR_INSUFF:
    case RD_KAFKA_RESP_ERR_UNKNOWN:
      return ErrorCode::kUnavailable;

    default:
      // Other broker codes concern the broker's own state, or are newer than this list.
      return code > 0 ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  }
}

// A server with another protocol seems to announce a huge response.
constexpr std::string_view kNotKafkaResponse = "Invalid response size";

constexpr std::string_view kMechanismHint =
    "set `sasl.mechanism` to one that this listener of the brokers offers";

std::string LoginHint(std::string_view text) {
  if (Has(text, "Unsupported SASL mechanism")) return std::string(kMechanismHint);
  const Capabilities library = LibraryCapabilities();
  if (Has(text, "SCRAM") && !library.kafka4_scram_login) {
    return fmt::format(
        "librdkafka {} cannot log in to Kafka 4 with SCRAM: build with 2.6.1 or later, or use "
        "PLAIN over TLS or a client certificate; with an older Kafka check `sasl.username` and the "
        "content of `sasl.password_file`",
        library.version);
  }
  return "check `sasl.mechanism`, `sasl.username` and the content of `sasl.password_file`";
}

std::string TransportHint(std::string_view text) {
  if (Has(text, "security.protocol") || Has(text, "PLAINTEXT")) {
    return "check `security.protocol`: whether this address requires TLS and a login";
  }
  if (Has(text, "Disconnected") || Has(text, "Broken pipe") || Has(text, "reset by peer")) {
    return "if the connection ends right after connecting, this address may require TLS, a login, "
           "or neither (`security.protocol`)";
  }
  if (Has(text, kNotKafkaResponse) || Has(text, "ApiVersionRequest failed")) {
    return "the program that listens there does not answer like a broker: check the address, and "
           "whether it requires TLS (`security.protocol`)";
  }
  return "check that the brokers run and listen there, that no firewall blocks the connection, and "
         "that the addresses they advertise (advertised.listeners) can be reached from here";
}

std::string HintFor(rd_kafka_resp_err_t code, std::string_view text, const Right& right) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      if (right.resource.empty()) return "";
      return fmt::format("allow this user {} on {} (kafka-acls --add)", right.operation,
                         right.resource);
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return LoginHint(text);
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
      return std::string(kMechanismHint);
    case RD_KAFKA_RESP_ERR__SSL:
      return "check that `ssl.ca.location` names the authority that signed the brokers' "
             "certificates, that these cover the host names used here, and whether the brokers "
             "require a client certificate";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      return TransportHint(text);
    case RD_KAFKA_RESP_ERR__RESOLVE:
      return "check the brokers' host names and this host's name resolution";
    case RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
      return "the group has members: stop its consumers first";
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
      return "the cluster has no authorizer, so it has no ACLs";
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
      return fmt::format("the brokers, or this program's librdkafka {}, are too old for it",
                         rd_kafka_version_str());
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return "the partition no longer has this offset: records were deleted, or the new leader "
             "never had them";
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
      return "none of the brokers with an in-sync replica is running: start one of them";
    case RD_KAFKA_RESP_ERR__BAD_MSG:
      return "the leader's file is damaged there: inspect it with kafka-dump-log, and make another "
             "replica the leader";
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
      return "the cluster has fewer brokers than requested replicas";
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return "the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms limit "
             "the timestamps that it accepts";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return "the topic's max.message.bytes limits the size of a record";
    default:
      return "";
  }
}

}  // namespace

Error ErrorOf(int code, std::string_view text, const Right& right) {
  auto known = static_cast<rd_kafka_resp_err_t>(code);
  HF_CHECK(known != RD_KAFKA_RESP_ERR_NO_ERROR);
  if (Has(text, kNotKafkaResponse)) known = RD_KAFKA_RESP_ERR__TRANSPORT;  // not about a record
  if (text.empty()) text = rd_kafka_err2str(known);
  return Error(KindOf(known), Tidy(text)).WithHint(HintFor(known, text, right));
}

bool IsNoAnswer(int code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
      return true;
    default:
      return false;
  }
}

bool IsPermanent(int code) {
  return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL;
}

bool IsLeaderChange(int code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
      return true;
    default:
      return false;
  }
}

}  // namespace holdfast::rdkafka
