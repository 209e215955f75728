// What the codes of librdkafka and of brokers mean to us. Only this room and its tests include it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::rdkafka {

// What a call has to be allowed, for the hint of a refusal: {"topic \"orders\"",
// "DESCRIBE_CONFIGS"}.
struct Right {
  std::string resource;
  std::string operation;
};

// The Error for the rd_kafka_resp_err_t `code`; `text` is what came with it, empty for the code's
// own words. REQUIRES: code is not NO_ERROR.
Error ErrorOf(int code, std::string_view text, const Right& right = {});

// The cluster did not answer, so that what librdkafka told beside the call says why.
bool IsNoAnswer(int code);
// Nothing gets better by itself: a login or a certificate that was refused.
bool IsLasting(int code);
// Another broker leads, or none for a moment: asking again, after new metadata, may help.
bool IsMovedLeader(int code);

}  // namespace holdfast::rdkafka
