// The contract of all sources, with the server that test_contract.py starts.
#include <dirent.h>

#include <fstream>

#include "agent/sources/zookeeper/server_config.h"
#include "agent/sources/zookeeper/zookeeper.h"
#include "common/base/format.h"
#include "tests/contract/source_contract.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::Unwrap;

// test_contract.py writes the path of zoo.cfg into this file in the working directory.
std::string ConfigOfServer() {
  std::string text;
  std::ifstream file("config");
  REQUIRE(std::getline(file, text));
  return text;
}

std::string EntriesOf(const std::string& path) {
  std::set<std::string> names;
  DIR* directory = opendir(path.c_str());
  REQUIRE(directory != nullptr);
  while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
  closedir(directory);
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

}  // namespace

TEST_CASE("zookeeper: the contract of every source") {
  const std::string config = ConfigOfServer();
  zookeeper::Settings settings;
  settings.config = config;
  const zookeeper::ServerConfig server = Unwrap(zookeeper::ReadServerConfig(settings));
  SystemClock clock;
  testing::SeededRandom random;

  testing::SourceUnderTest test;
  test.open = [&] {
    SourceContext context;
    context.kind = "zookeeper";
    context.name = "main";
    context.node = "node";
    context.clock = &clock;
    context.random = &random;
    config::Values values;
    values.Set("config", config);
    return Unwrap(ZooKeeperKind().open(context, values));
  };
  test.fingerprint = [&] {
    return fmt::format("zxid {}, descriptors {}, files {}",
                       Unwrap(zookeeper::QueryServer(*server.client)).zxid,
                       EntriesOf("/proc/self/fd"), EntriesOf(server.data_dir + "/version-2"));
  };
  test.reuses_unchanged = true;
  test.topology = ZooKeeperKind().topology;
  test.expected_paths = {"data/version-2/snapshot.0", "data/version-2/log.1",
                         "members/node/files" + config, "members/node/process.json"};
  testing::CheckSourceContract(test);
}

}  // namespace holdfast
