// Maps error codes of librdkafka and brokers to Error. Included only by this room and its tests.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::rdkafka {

// The right that a call needs, for the hint of a refusal: {"topic \"orders\"", "DESCRIBE_CONFIGS"}.
struct Right {
  std::string resource;
  std::string operation;
};

// The Error for the rd_kafka_resp_err_t `code`. If `text` is empty, librdkafka's text for the code
// is used. REQUIRES: code is not NO_ERROR.
Error ErrorOf(int code, std::string_view text, const Right& right = {});

// The cluster did not answer. librdkafka reports the cause asynchronously.
bool IsNoAnswer(int code);
// Retrying cannot help: a login or a certificate was refused.
bool IsPermanent(int code);
// Another broker leads, or none for a moment: retrying with new metadata may help.
bool IsLeaderChange(int code);

}  // namespace holdfast::rdkafka
