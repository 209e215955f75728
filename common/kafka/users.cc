#include "common/kafka/users.h"

#include <algorithm>

#include "common/kafka/handle.h"

namespace holdfast::rdkafka {

#if RD_KAFKA_VERSION >= 0x020200ff
namespace {

std::string MechanismText(rd_kafka_ScramMechanism_t mechanism) {
  switch (mechanism) {
    case RD_KAFKA_SCRAM_MECHANISM_SHA_256:
      return "SCRAM-SHA-256";
    case RD_KAFKA_SCRAM_MECHANISM_SHA_512:
      return "SCRAM-SHA-512";
    default:
      return "UNKNOWN";
  }
}

const Right kDescribeUsers{"the cluster", "DESCRIBE"};

ScramUser ReadUser(const rd_kafka_UserScramCredentialsDescription_t* found) {
  ScramUser user;
  user.name = rd_kafka_UserScramCredentialsDescription_user(found);
  user.error = ElementError(rd_kafka_UserScramCredentialsDescription_error(found));
  const std::size_t count =
      rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(found);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* info = rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(found, i);
    user.credentials.push_back({MechanismText(rd_kafka_ScramCredentialInfo_mechanism(info)),
                                rd_kafka_ScramCredentialInfo_iterations(info)});
  }
  std::ranges::sort(user.credentials, {}, &ScramCredential::mechanism);
  return user;
}

}  // namespace

Result<std::vector<ScramUser>> DescribeScramUsers(Client& client, std::stop_token stop) {
  Handle& handle = client.handle();
  EventPtr answer;
  const auto take = [&](std::size_t, EventPtr event) -> Result<void> {
    // If a broker refuses, the event's text is on the stack of a librdkafka thread (at least until
    // 2.12.1) and is freed with the event. So it can be neither read nor freed: leak it.
    if (const auto code = rd_kafka_event_error(event.get()); code > 0) {
      (void)event.release();
      return Fail(handle.Failure(code, {}, kDescribeUsers));
    }
    HF_TRY(handle.Check(event.get(), kDescribeUsers));
    answer = std::move(event);
    return {};
  };
  HF_TRY(handle.AskEach(
      RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS, 1,
      [&](std::size_t, auto* options, auto* queue) {
        rd_kafka_DescribeUserScramCredentials(handle.get(), nullptr, 0, options, queue);
      },
      take, stop));
  std::size_t count = 0;
  const auto** found = rd_kafka_DescribeUserScramCredentials_result_descriptions(
      rd_kafka_event_DescribeUserScramCredentials_result(answer.get()), &count);
  std::vector<ScramUser> users;
  for (std::size_t i = 0; i < count; ++i) users.push_back(ReadUser(found[i]));
  std::ranges::sort(users, {}, &ScramUser::name);
  return users;
}
#else
Result<std::vector<ScramUser>> DescribeScramUsers(Client& client, std::stop_token stop) {
  (void)client;
  (void)stop;
  return Unsupported("list the users with SCRAM passwords", "2.2");
}
#endif

}  // namespace holdfast::rdkafka
