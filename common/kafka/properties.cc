#include "common/kafka/properties.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "common/base/deleter.h"
#include "common/base/format.h"
#include "common/base/nearest.h"
#include "common/base/text.h"

namespace holdfast::rdkafka {
namespace {

using enum PropertyKind;

constexpr std::string_view kFileSuffix = "_file";

constexpr std::array kAllowed = {
    PropertySpec{"broker.address.family"},
    PropertySpec{"broker.address.ttl"},
    PropertySpec{"client.id"},
    PropertySpec{"connections.max.idle.ms"},
    PropertySpec{"receive.message.max.bytes"},
    PropertySpec{"reconnect.backoff.max.ms"},
    PropertySpec{"reconnect.backoff.ms"},
    PropertySpec{"sasl.mechanism"},
    PropertySpec{"sasl.password_file", kSecretFile},
    PropertySpec{"sasl.username"},
    PropertySpec{"security.protocol"},
    PropertySpec{"socket.connection.setup.timeout.ms"},
    PropertySpec{"socket.keepalive.enable"},
    PropertySpec{"socket.nagle.disable"},
    PropertySpec{"socket.receive.buffer.bytes"},
    PropertySpec{"socket.send.buffer.bytes"},
    PropertySpec{"socket.timeout.ms"},
    PropertySpec{"ssl.ca.location", kPath},
    PropertySpec{"ssl.certificate.location", kPath},
    PropertySpec{"ssl.cipher.suites"},
    PropertySpec{"ssl.crl.location", kPath},
    PropertySpec{"ssl.curves.list"},
    PropertySpec{"ssl.endpoint.identification.algorithm"},
    PropertySpec{"ssl.key.location", kPath},
    PropertySpec{"ssl.key.password_file", kSecretFile},
    PropertySpec{"ssl.keystore.location", kPath},
    PropertySpec{"ssl.keystore.password_file", kSecretFile},
    PropertySpec{"ssl.sigalgs.list"},
};

const PropertySpec* Find(std::string_view name) {
  const auto* found = std::ranges::find(kAllowed, name, &PropertySpec::name);
  return found == kAllowed.end() ? nullptr : found;
}

std::unexpected<Error> Refuse(const std::string& name) {
  if (Find(name + std::string(kFileSuffix)) != nullptr) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("property {} is a secret and cannot be given as plain text", Quote(name)),
        fmt::format("write it to a file, and set {} to the file's path",
                    Quote(name + std::string(kFileSuffix))));
  }
  std::vector<std::string> names;
  for (const PropertySpec& spec : kAllowed) names.emplace_back(spec.name);
  std::string hint = DidYouMean(name, names);
  if (hint.empty()) hint = fmt::format("allowed properties: {}", fmt::join(names, ", "));
  return Fail(ErrorCode::kInvalidArgument,
              IsKnownProperty(name) ? fmt::format("property {} cannot be set here", Quote(name))
                                    : fmt::format("unknown property {}", Quote(name)),
              std::move(hint));
}

// The first property with this prefix, or empty.
std::string FirstOf(const Properties& properties, std::string_view prefix) {
  const auto found = properties.lower_bound(std::string(prefix));
  return found != properties.end() && found->first.starts_with(prefix) ? found->first : "";
}

Result<void> CheckSasl(const Properties& properties) {
  const std::string mechanism = ValueOf(properties, "sasl.mechanism");
  constexpr std::array<std::string_view, 3> kMechanisms = {"PLAIN", "SCRAM-SHA-256",
                                                           "SCRAM-SHA-512"};
  if (std::ranges::find(kMechanisms, mechanism) == kMechanisms.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                mechanism.empty()
                    ? std::string("\"security.protocol\" requires SASL, but no mechanism is set")
                    : fmt::format("SASL mechanism {} cannot be used", Quote(mechanism)),
                fmt::format("set \"sasl.mechanism\" to one of {}", fmt::join(kMechanisms, ", ")));
  }
  for (const char* name : {"sasl.username", "sasl.password_file"}) {
    if (!ValueOf(properties, name).empty()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("SASL {} without a user and password", mechanism),
                fmt::format("set {}", Quote(name)));
  }
  return {};
}

}  // namespace

std::string ValueOf(const Properties& properties, const std::string& name) {
  const auto found = properties.find(name);
  return found == properties.end() ? std::string() : found->second;
}

bool IsKnownProperty(const std::string& name) {
  const std::unique_ptr<rd_kafka_conf_t, Deleter<rd_kafka_conf_destroy>> config(
      rd_kafka_conf_new());
  return rd_kafka_conf_set(config.get(), name.c_str(), "", nullptr, 0) != RD_KAFKA_CONF_UNKNOWN;
}

std::span<const PropertySpec> AllowedProperties() { return kAllowed; }

Result<void> CheckProperties(const Properties& properties) {
  for (const auto& [name, value] : properties) {
    if (Find(name) == nullptr) return Refuse(name);
    if (value.find('\0') != std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("property {} contains a NUL character", Quote(name)));
    }
  }
  // librdkafka accepts certificates and passwords, and then connects in clear text without them.
  const std::string protocol = LowerCase(ValueOf(properties, "security.protocol"));
  const bool is_tls = protocol == "ssl" || protocol == "sasl_ssl";
  const bool is_sasl = protocol == "sasl_plaintext" || protocol == "sasl_ssl";
  if (const std::string idle = FirstOf(properties, "ssl."); !idle.empty() && !is_tls) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("property {} has no effect without TLS", Quote(idle)),
                "set \"security.protocol\" to \"ssl\" or \"sasl_ssl\"");
  }
  if (const std::string idle = FirstOf(properties, "sasl."); !idle.empty() && !is_sasl) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("property {} has no effect without SASL", Quote(idle)),
                "set \"security.protocol\" to \"sasl_ssl\" or \"sasl_plaintext\"");
  }
  if (is_sasl) HF_TRY(CheckSasl(properties));
  return {};
}

}  // namespace holdfast::rdkafka
