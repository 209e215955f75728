#include "agent/sources/zookeeper/server_config.h"

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/unit/sources/zookeeper/data_directory.h"

namespace holdfast::zookeeper {
namespace {

using testing::DataDirectory;
using testing::Unwrap;

ServerConfig ReadText(const DataDirectory& data, const std::string& text, Settings settings = {}) {
  settings.config = data.top() + "/zoo.cfg";
  REQUIRE_OK(WriteFileAtomic(settings.config, AsBytes(text), 0600));
  return Unwrap(ReadServerConfig(settings));
}

}  // namespace

TEST_CASE("zookeeper config: lines of members are parsed") {
  const auto member = ParseMember("3", "db-3:2888:3888:observer;0.0.0.0:2181");
  REQUIRE(member->address == "db-3:2888:3888:observer");
  REQUIRE(member->host == "db-3");
  REQUIRE(member->is_observer);
  REQUIRE(member->client == Address{"db-3", "2181"});
  REQUIRE(ParseMember("1", "10.0.0.1:2888:3888")->client == std::nullopt);
  REQUIRE(ParseMember("1", "10.0.0.1:2888:3888;2182")->client == Address{"10.0.0.1", "2182"});
  REQUIRE(ParseMember("1", "[::1]:2888:3888;[::1]:2182")->host == "::1");
  REQUIRE(ParseMember("1", "a:1:2|b:3:4")->host == "a");
  REQUIRE(ParseMember("x", "a:1:2") == std::nullopt);
  REQUIRE(ParseMember("1", "") == std::nullopt);
}

TEST_CASE("zookeeper config: an ensemble with its members in zoo.cfg") {
  DataDirectory data;
  REQUIRE_OK(WriteFileAtomic(data.path() + "/myid", AsBytes("2\n"), 0600));
  REQUIRE_OK(WriteFileAtomic(data.top() + "/keys", AsBytes("k"), 0600));
  const ServerConfig config = ReadText(
      data, fmt::format("dataDir={0}/data/\nclientPort=2181\nssl.keyStore.location={0}/keys \n"
                        "ssl.trustStore.location={0}/none \nserver.10=j:2888:3888\n"
                        "server.1=a:2888:3888\nserver.2=b:2888:3888\n",
                        data.top()));
  REQUIRE(config.data_dir == data.path());
  REQUIRE(config.log_dir == data.path());
  REQUIRE(config.my_id == "2");
  REQUIRE(config.members.size() == 3);
  REQUIRE(config.members[2].id == "10");
  REQUIRE(config.client == Address{"127.0.0.1", "2181"});
  // They are assumed to use the same client port.
  REQUIRE(config.OtherClients() == std::vector<Address>{{"a", "2181"}, {"j", "2181"}});
  // Like a server, without blanks around the value. A required file that does not exist is named.
  REQUIRE(config.files == std::vector<std::string>{data.path() + "/myid", data.top() + "/keys",
                                                   data.top() + "/none", data.top() + "/zoo.cfg"});
  REQUIRE(config.warnings.empty());
}

TEST_CASE("zookeeper config: a dynamic configuration in another file") {
  DataDirectory data;
  REQUIRE_OK(WriteFileAtomic(data.path() + "/myid", AsBytes("1"), 0600));
  REQUIRE_OK(WriteFileAtomic(data.top() + "/zoo.cfg.dynamic.100000000",
                             AsBytes("server.1=127.0.0.1:1:2:participant;127.0.0.1:3\n"
                                     "server.2=127.0.0.1:4:5:participant;127.0.0.1:6\n"
                                     "version=100000000\n"),
                             0600));
  const std::string text = fmt::format(
      "dataDir={0}/data\ndataLogDir={0}/log\ndynamicConfigFile={0}/zoo.cfg.dynamic.100000000\n",
      data.top());
  const ServerConfig config = ReadText(data, text);
  REQUIRE(config.log_dir == data.top() + "/log");
  REQUIRE(config.client == Address{"127.0.0.1", "3"});
  REQUIRE(config.OtherClients() == std::vector<Address>{{"127.0.0.1", "6"}});
  REQUIRE(std::ranges::count(config.files, config.dynamic_file) == 1);
  Settings settings;
  settings.endpoint = "localhost:77";
  settings.data_dir = data.path();
  settings.data_log_dir = "/elsewhere";
  const ServerConfig other = ReadText(data, text, settings);
  REQUIRE(other.client == Address{"localhost", "77"});
  REQUIRE(other.log_dir == "/elsewhere");
}

TEST_CASE("zookeeper config: epochs are read") {
  DataDirectory data;
  const ServerConfig config =
      ReadText(data, fmt::format("dataDir={}\nclientPort=1\n", data.path()));
  REQUIRE_FALSE(config.is_ensemble());
  REQUIRE(ReadEpoch(config, "currentEpoch") == std::nullopt);
  data.Write("currentEpoch", AsBytes("7"));
  REQUIRE(ReadEpoch(config, "currentEpoch") == 7);
  data.Write("currentEpoch", AsBytes("seven"));
  REQUIRE(ReadEpoch(config, "currentEpoch") == std::nullopt);
}

TEST_CASE("zookeeper config: a missing or malformed one is an error") {
  DataDirectory data;
  Settings settings;
  settings.config = data.top() + "/zoo.cfg";
  REQUIRE_FAILS(ReadServerConfig(settings), ErrorCode::kNotFound, "zoo.cfg");
  REQUIRE_OK(WriteFileAtomic(settings.config, AsBytes("clientPort=1\n"), 0600));
  REQUIRE_FAILS(ReadServerConfig(settings), ErrorCode::kInvalidArgument, "no dataDir");
}

// A server resolves them in its working directory, which its configuration does not contain.
TEST_CASE("zookeeper config: relative paths") {
  DataDirectory data;
  Settings settings;
  settings.config = data.top() + "/zoo.cfg";
  const auto write = [&](const std::string& text) {
    REQUIRE_OK(WriteFileAtomic(settings.config, AsBytes(text), 0600));
  };
  write("dataDir=data\ndataLogDir=log\ndynamicConfigFile=zoo.cfg.dynamic\n");
  REQUIRE_FAILS(ReadServerConfig(settings), ErrorCode::kInvalidArgument, "dataDir \"data\"");
  settings.data_dir = data.path();
  REQUIRE_FAILS(ReadServerConfig(settings), ErrorCode::kInvalidArgument, "dataLogDir \"log\"");
  settings.data_log_dir = data.top() + "/log";
  const ServerConfig config = Unwrap(ReadServerConfig(settings));
  REQUIRE(config.data_dir == data.path());
  REQUIRE(config.log_dir == data.top() + "/log");
  REQUIRE(config.dynamic_file.empty());
  REQUIRE(config.warnings.size() == 1);
  REQUIRE(config.warnings[0].find("dynamicConfigFile \"zoo.cfg.dynamic\"") != std::string::npos);
}

}  // namespace holdfast::zookeeper
