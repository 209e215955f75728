#include "agent/sources/kafka/broker_process.h"

#include <unistd.h>

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::FakeProcesses;
using testing::Unwrap;
using testing::WriteText;

// The /proc, /etc and log directory of a host that runs brokers.
struct Machine {
  Machine() {
    for (const std::string& directory : {places.proc, log_dir, etc + "/kafka"})
      REQUIRE_OK(MakeDirectories(directory));
    places.etc_root = top.path();
    WriteText(places.proc + "/version", "Linux");
  }
  void Run(int pid, const std::vector<std::string>& command,
           const std::vector<std::string>& environment = {}) const {
    const std::string proc = fmt::format("{}/{}", places.proc, pid);
    REQUIRE_OK(MakeDirectories(proc));
    WriteText(proc + "/cmdline", FakeProcesses::WithNuls(command));
    WriteText(proc + "/environ", FakeProcesses::WithNuls(environment));
    WriteText(proc + "/cgroup", "1:name=systemd:/\n0::/system.slice/kafka@one.service/payload\n");
    REQUIRE(::symlink(etc.c_str(), (proc + "/cwd").c_str()) == 0);
  }
  std::string WriteConfig(const std::string& name, const std::string& text) const {
    WriteText(etc + "/kafka/" + name, text);
    return etc + "/kafka/" + name;
  }

  TempDir top = Unwrap(TempDir::Create("kafka-process"));
  host::Places places{top.path() + "/proc", ""};
  std::string etc = top.path() + "/etc";
  std::string log_dir = top.path() + "/data";
  std::vector<std::string> log_dirs = {log_dir + "/"};
};

TEST_CASE("broker process: the broker that uses the log directories is found, with its files") {
  Machine machine;
  const std::string& etc = machine.etc;
  const std::string secrets = machine.WriteConfig("secrets.properties", "a=b\n");
  const std::string store = machine.WriteConfig("server.jks", "store");
  const std::string config = machine.WriteConfig(
      "server.properties",
      fmt::format("log.dirs=/elsewhere, {}\nssl.keystore.location={}\n"
                  "ssl.keystore.password=${{file:{}:a}}\nssl.truststore.location=/none.jks\n",
                  machine.log_dir, store, secrets));
  const std::string other = machine.WriteConfig("other.properties", "log.dirs=/elsewhere\n");
  const std::string logging = machine.WriteConfig("log4j2.yaml", "x");
  const std::string metrics = machine.WriteConfig("jmx.yml", "x");
  const std::string agent = machine.WriteConfig("agent.jar", "x");
  REQUIRE_OK(MakeDirectories(etc + "/default"));
  REQUIRE_OK(MakeDirectories(etc + "/systemd/system/kafka@one.service.d"));
  WriteText(etc + "/default/kafka", "KAFKA_OPTS=x\n");
  WriteText(etc + "/systemd/system/kafka@.service",
            fmt::format("[Service]\n EnvironmentFile = x\nEnvironmentFile=-{}/kafka/env\n", etc));
  WriteText(etc + "/systemd/system/kafka@one.service.d/limits.conf", "[Service]\n");
  WriteText(etc + "/systemd/system/kafka@one.service.d/README", "");
  WriteText(etc + "/kafka/env", "A=b\n");
  machine.Run(10, {"bash", "kafka.Kafka.sh"});
  machine.Run(20, {"java", "kafka.Kafka", other});
  machine.Run(30,
              {"java", "-Xmx1g", "-Dlog4j2.configurationFile=file:" + logging,
               fmt::format("-javaagent:{}=7071:{}", agent, metrics), "-Dkafka.logs.dir=" + etc,
               "kafka.Kafka", "kafka/server.properties", "--override", "node.id=7"},
              {"KAFKA_OPTS=-Dx=y", "HOME=/root", "JMX_PORT=9999", "broken", "PASSWORD=secret"});

  const BrokerProcess process = Unwrap(FindBrokerProcess(machine.log_dirs, machine.places));

  REQUIRE(process.command.size() == 9);
  REQUIRE(process.environment ==
          std::map<std::string, std::string>{{"KAFKA_OPTS", "-Dx=y"}, {"JMX_PORT", "9999"}});
  REQUIRE(process.directory == etc);
  REQUIRE(process.config == config);
  REQUIRE(process.unit == "kafka@one.service");
  REQUIRE(process.properties.at("node.id") == "7");
  REQUIRE(process.files ==
          std::vector<std::string>{etc + "/default/kafka", etc + "/kafka/env", metrics, logging,
                                   secrets, store, config, etc + "/systemd/system/kafka@.service",
                                   etc + "/systemd/system/kafka@one.service.d/limits.conf"});
  REQUIRE(process.warnings.empty());
  const std::string json = process.Encode();
  REQUIRE_THAT(json, Catch::Contains("\"JMX_PORT\": \"9999\""));
  REQUIRE_THAT(json, Catch::Contains("\"unit\": \"kafka@one.service\""));
}

TEST_CASE("broker process: log directories may be on the command line") {
  Machine machine;
  const std::string config = machine.WriteConfig("server.properties", "log.dirs=/elsewhere\n");
  machine.Run(30, {"java", "kafka.Kafka", config, "--override", "log.dirs=" + machine.log_dir});
  REQUIRE_OK(FindBrokerProcess(machine.log_dirs, machine.places));
}

TEST_CASE("broker process: its version is that of its jar") {
  Machine machine;
  const std::string config =
      machine.WriteConfig("server.properties", "log.dirs=" + machine.log_dir + "\n");
  const std::string libs = machine.etc + "/libs";
  REQUIRE_OK(MakeDirectories(libs));
  for (const char* name : {"kafka-clients-9.9.jar", "kafka_2.13-2.8.1-sources.jar",
                           "kafka_2.13-2.8.1.jar", "kafka_2.13-2.8.1.jar.asc"})
    WriteText(libs + "/" + name, "x");
  std::vector<std::string> command = {"java", "-cp", "", "kafka.Kafka", config};
  const auto version = [&](const std::string& class_path) {
    static int pid = 30;
    command[2] = class_path;
    machine.Run(++pid, command);
    const std::string found = Unwrap(FindBrokerProcess(machine.log_dirs, machine.places)).version;
    WriteText(fmt::format("{}/{}/cmdline", machine.places.proc, pid), "ended");
    return found;
  };

  REQUIRE(version("/opt/x.jar:" + libs + "/*") == "2.8.1");
  REQUIRE(version("libs/*:") == "2.8.1");
  REQUIRE(version("/opt/kafka/bin/../libs/kafka-clients-4.0.0.jar:"
                  "/opt/kafka/bin/../libs/kafka_2.13-4.1.1.jar:/b.jar") == "4.1.1");
  REQUIRE(version("/usr/share/java/kafka/kafka_2.13-7.6.0-ccs.jar") == "7.6.0-ccs");
  REQUIRE(version("kafka_2.13.jar:kafka-clients-4.0.0.jar:/none/*").empty());
  REQUIRE(version("").empty());
  command[1] = "-Dx=y";
  REQUIRE(version("kafka_2.13-4.1.1.jar").empty());
}

TEST_CASE("broker process: if no broker is found, the error lists the processes found") {
  Machine machine;
  REQUIRE_FAILS(FindBrokerProcess(machine.log_dirs, machine.places), ErrorCode::kNotFound,
                "no broker runs here");
  machine.Run(
      20, {"java", "kafka.Kafka", machine.WriteConfig("other.properties", "log.dir=/elsewhere\n")});
  machine.Run(30, {"java", "kafka.Kafka", "/none.properties"});
  REQUIRE_FAILS(FindBrokerProcess(machine.log_dirs, machine.places), ErrorCode::kNotFound,
                "process 20 is another broker; process 30: \"/none.properties\" does not exist");
}

TEST_CASE("broker process: an unreadable environment causes a warning") {
  Machine machine;
  machine.Run(30, {"java", "kafka.Kafka",
                   machine.WriteConfig("server.properties", "log.dirs=" + machine.log_dir)});
  REQUIRE(::unlink((machine.places.proc + "/30/environ").c_str()) == 0);
  const BrokerProcess process = Unwrap(FindBrokerProcess(machine.log_dirs, machine.places));
  REQUIRE(process.warnings.size() == 1);
  REQUIRE_THAT(process.warnings[0], Catch::Contains("environment"));
}

TEST_CASE("broker process: log directories are parsed like Kafka does") {
  REQUIRE(LogDirsOf({{"log.dirs", " /a/ ,/b,"}, {"log.dir", "/c"}}) ==
          std::vector<std::string>{"/a", "/b"});
  REQUIRE(LogDirsOf({{"log.dir", "/c"}, {"log.dirs", ""}}) == std::vector<std::string>{"/c"});
  REQUIRE(LogDirsOf({}).empty());
}

}  // namespace
}  // namespace holdfast::kafka
