// The contract of all sources, with the two brokers that test_contract.py starts.
#include <fstream>

#include "agent/sources/kafka/kafka.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::CountEntries;
using testing::Unwrap;

struct Place {
  std::string endpoint;
  std::string log_dir;
};

// test_contract.py writes this file into the working directory, one line per broker.
std::vector<Place> Places() {
  std::vector<Place> places(2);
  std::ifstream file("places");
  for (Place& place : places) REQUIRE(file >> place.endpoint >> place.log_dir);
  return places;
}

// The first and the end offset of each partition.
std::string DescribeCluster(const std::string& endpoint) {
  const auto client = Unwrap(rdkafka::Client::Open({.bootstrap = {endpoint}, .properties = {}}));
  const rdkafka::Cluster cluster = Unwrap(rdkafka::DescribeCluster(*client, {}));
  std::vector<rdkafka::TopicPartition> all;
  for (const rdkafka::Topic& topic : cluster.topics)
    for (const rdkafka::Partition& partition : topic.partitions)
      all.push_back({topic.name, partition.id});
  std::string text;
  for (const rdkafka::Bounds& bounds : Unwrap(rdkafka::ListBounds(*client, all, {})))
    text += fmt::format("{}-{} ", bounds.low, bounds.high);
  return text;
}

// With `reads_directories`, KRaft's metadata log is saved. It grows by itself, so it is not reused.
void CheckKafka(bool reads_directories) {
  const std::vector<Place> places = Places();
  const TempDir temp = Unwrap(TempDir::Create("kafka-contract"));
  const std::string own = temp.path() + "/own.conf";
  REQUIRE_OK(WriteFileAtomic(own, AsBytes("own"), 0600));
  const std::string state = temp.path() + "/state";
  SystemClock clock;
  testing::SeededRandom random;

  const auto open = [&](const Place& place, const std::string& node) {
    SourceContext context;
    context.kind = "kafka";
    context.name = "main";
    context.node = node;
    context.state_dir = state;
    context.clock = &clock;
    context.random = &random;
    config::Values values;
    values.Set("bootstrap", std::vector<std::string>{place.endpoint});
    values.Set("files", std::vector<std::string>{own});
    if (reads_directories) values.Set("log_dirs", std::vector<std::string>{place.log_dir});
    return Unwrap(KafkaKind().open(context, values));
  };
  testing::SourceUnderTest test;
  test.open = [&] { return open(places[0], "node"); };
  test.open_other = [&] { return open(places[1], "other"); };
  test.fingerprint = [&] {
    const std::string cluster = DescribeCluster(places[0].endpoint);
    return fmt::format("{}; {} descriptors, {} left behind", cluster, CountEntries("/proc/self/fd"),
                       CountEntries(state));
  };
  test.topology = KafkaKind().topology;
  test.reuses_unchanged = !reads_directories;
  test.expected_paths = {"data/cluster.json",
                         "data/groups/readers.json",
                         "data/topics/events/topic.json",
                         "data/topics/events/0/partition.json",
                         "data/topics/events/3/partition.json",
                         "members/node/files" + own};
  testing::CheckSourceContract(test);
}

}  // namespace

TEST_CASE("kafka: the contract of every source") { CheckKafka(false); }

TEST_CASE("kafka: the contract of every source, where the broker's directory is seen") {
  CheckKafka(true);
}

}  // namespace holdfast
