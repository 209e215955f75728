#include "common/kafka/errors.h"

#include <librdkafka/rdkafka.h>

#include "common/kafka/capabilities.h"
#include "tests/support/results.h"

namespace holdfast::rdkafka {
namespace {

ErrorCode KindOf(int code) { return ErrorOf(code, "").code(); }

TEST_CASE("kafka errors: each code maps to the kind that callers act on") {
  CHECK(KindOf(RD_KAFKA_RESP_ERR__TRANSPORT) == ErrorCode::kUnavailable);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__TIMED_OUT) == ErrorCode::kTimedOut);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__AUTHENTICATION) == ErrorCode::kDenied);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) == ErrorCode::kDenied);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) == ErrorCode::kNotFound);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) == ErrorCode::kNotFound);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) == ErrorCode::kAlreadyExists);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID) == ErrorCode::kBusy);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__BAD_MSG) == ErrorCode::kCorrupt);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION) == ErrorCode::kUnsupported);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_SECURITY_DISABLED) == ErrorCode::kUnsupported);
  CHECK(KindOf(RD_KAFKA_RESP_ERR_INVALID_CONFIG) == ErrorCode::kInvalidArgument);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__PURGE_QUEUE) == ErrorCode::kCancelled);
}

TEST_CASE("kafka errors: unknown broker codes are retryable, unknown library codes are bugs") {
  CHECK(KindOf(121) == ErrorCode::kUnavailable);
  CHECK(KindOf(RD_KAFKA_RESP_ERR__CONFLICT) == ErrorCode::kInternal);
}

TEST_CASE("kafka errors: the message is the useful part of librdkafka's text") {
  CHECK(ErrorOf(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "").message() ==
        "topic authorization failed");
  CHECK(ErrorOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                "127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused "
                "(after 1ms in state CONNECT)")
            .message() ==
        "127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused");
  CHECK(ErrorOf(RD_KAFKA_RESP_ERR__AUTHENTICATION, "SASL authentication error: no").message() ==
        "SASL authentication error: no");
  CHECK(
      ErrorOf(RD_KAFKA_RESP_ERR__SSL,
              "ssl://a:9/1: SSL handshake failed: error:0A000086:SSL routines::certificate verify "
              "failed (after 4ms in state SSL_HANDSHAKE)")
          .message() == "ssl://a:9/1: SSL handshake failed: certificate verify failed");
  CHECK(ErrorOf(RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "Local: Too many partitions.").message() ==
        "too many partitions");
}

TEST_CASE("kafka errors: a missing right is named, with its resource") {
  const Error error = ErrorOf(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "",
                              {"topic \"orders\"", "DESCRIBE_CONFIGS"});

  CHECK_THAT(error.hint(), Catch::Contains("DESCRIBE_CONFIGS on topic \"orders\""));
}

TEST_CASE("kafka errors: an unreadable partition has a hint") {
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, "").hint(), Catch::Contains("start"));
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__BAD_MSG, "failed CRC32C check").hint(),
             Catch::Contains("kafka-dump-log"));
}

TEST_CASE("kafka errors: a SCRAM login that Kafka 4 always refuses is explained") {
  const Error error =
      ErrorOf(RD_KAFKA_RESP_ERR__AUTHENTICATION,
              "SASL authentication error: Authentication failed during authentication due to "
              "invalid credentials with SASL mechanism SCRAM-SHA-512");
  const Capabilities library = LibraryCapabilities();

  CHECK((error.hint().find("cannot log in to Kafka 4") == std::string::npos) ==
        library.kafka4_scram_login);
  CHECK_THAT(error.hint(), Catch::Contains("sasl.password_file"));
}

TEST_CASE("kafka errors: an unsupported mechanism is not reported as a wrong password") {
  const Error error = ErrorOf(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                              "sasl_ssl://a:9/bootstrap: SASL SCRAM-SHA-256 mechanism handshake "
                              "failed: Broker: Unsupported SASL mechanism: broker's supported "
                              "mechanisms: SCRAM-SHA-512,PLAIN");

  CHECK(error.code() == ErrorCode::kDenied);
  CHECK(error.hint() == ErrorOf(RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, "").hint());
  CHECK_THAT(error.hint(), Catch::Contains("sasl.mechanism"));
}

TEST_CASE("kafka errors: a listener of another protocol is distinguished from a missing one") {
  for (const char* words : {"Send failed: SSL transport error: Broken pipe",
                            "Receive failed: Connection reset by peer"})
    CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__TRANSPORT, words).hint(),
               Catch::Contains("security.protocol"));
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                     "Disconnected while requesting ApiVersion: might be caused by incorrect "
                     "security.protocol configuration (connecting to a SSL listener?)")
                 .hint(),
             Catch::Contains("security.protocol"));
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused").hint(),
             Catch::Contains("listen"));
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer within 30 s").hint(),
             Catch::Contains("listen"));
  CHECK_THAT(ErrorOf(RD_KAFKA_RESP_ERR__TRANSPORT,
                     "ApiVersionRequest failed: Local: Timed out: probably due to broker version")
                 .hint(),
             Catch::Contains("the program that listens there does not answer like a broker: check "
                             "the address, and whether it requires TLS (`security.protocol`)"));
}

TEST_CASE("kafka errors: a foreign protocol is not reported as damaged records") {
  const Error error = ErrorOf(RD_KAFKA_RESP_ERR__BAD_MSG,
                              "Receive failed: Invalid response size 1213486160 (0..100000000): "
                              "increase receive.message.max.bytes");
  CHECK(error.code() == ErrorCode::kUnavailable);
  CHECK_THAT(error.hint(),
             Catch::Contains("the program that listens there does not answer like a broker: check "
                             "the address, and whether it requires TLS (`security.protocol`)"));
}

TEST_CASE("kafka capabilities: a feature needs both the headers and the library") {
  const Capabilities library = LibraryCapabilities();

  CHECK(library.version == rd_kafka_version_str());
  CHECK(library.topic_ids == (RD_KAFKA_VERSION >= 0x020300ff));
  CHECK(library.scram_users == (RD_KAFKA_VERSION >= 0x020200ff));
  CHECK(library.kafka4_scram_login == (rd_kafka_version() >= 0x020601ff));
}

}  // namespace
}  // namespace holdfast::rdkafka
