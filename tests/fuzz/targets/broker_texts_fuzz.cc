// Files in a Kafka broker's log directories, written by the broker's owner.
#include <algorithm>

#include "agent/sources/kafka/parse_broker_texts.h"
#include "common/base/format.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(broker_texts) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  const auto properties = ParseProperties(text);
  FUZZ_REQUIRE_CLEAR(properties);
  const auto meta = kafka::ParseMetaProperties(text);
  FUZZ_REQUIRE_CLEAR(meta);
  FUZZ_REQUIRE(!meta || !meta->broker_id || *meta->broker_id >= 0);
  const auto id = kafka::ParseTopicId(text);
  FUZZ_REQUIRE_CLEAR(id);
  FUZZ_REQUIRE(!id || id->size() == 22);
  const auto epochs = kafka::ParseEpochs(text);
  FUZZ_REQUIRE_CLEAR(epochs);
  if (epochs) {
    std::string again = fmt::format("0\n{}\n", epochs->size());
    for (const kafka::EpochStart& entry : *epochs)
      again += fmt::format("{} {}\n", entry.epoch, entry.first);
    std::string given(text);
    std::erase(given, '\r');
    if (!given.ends_with('\n')) given += '\n';
    FUZZ_REQUIRE(again == given);
  }
  const auto partition = kafka::ParsePartitionName(text);
  FUZZ_REQUIRE(!partition || fmt::format("{}-{}", partition->topic, partition->partition) == text);
  return meta || id || epochs || partition;
}
