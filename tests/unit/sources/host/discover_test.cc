// What each kind detects in a process.
#include <unistd.h>

#include <algorithm>

#include "agent/settings/settings.h"
#include "agent/sources/discovered_source.h"
#include "agent/sources/registry/all_sources.h"
#include "tests/support/catch.h"
#include "tests/support/fake_processes.h"

namespace holdfast {
namespace {

using testing::FakeProcess;
using testing::FakeProcesses;
using testing::Unwrap;

std::optional<DiscoveredSource> TryDiscover(const FakeProcesses& machine, std::string_view kind,
                                            const FakeProcess& process) {
  machine.Run(process);
  return FindSourceKind(kind)->discover(machine.Read(process.pid), machine.places());
}

// The line for agent.yaml, which must be valid as it is.
std::string LineOf(std::string_view kind, const DiscoveredSource& found) {
  const std::string line = SourceLine(kind, found.name, "", found.options);
  KindSchemas schemas;
  for (const SourceKind& one : AllSourceKinds()) schemas.emplace(one.kind, one.options);
  const std::string text =
      "repositories:\n  main: {url: \"file:/r\", password_file: /p}\nsources:\n  " + line + "\n";
  INFO(text);
  const AgentSettings settings = Unwrap(ParseSettings(text, "/agent.yaml", {}, schemas));
  const config::Values& values = settings.sources.at(0).values;
  const SourceKind& source = *FindSourceKind(kind);
  if (!values.Has("environment_file")) {
    SourceContext context;
    context.kind = kind;
    REQUIRE(source.open(context, values));
  }
  REQUIRE(IsConfiguredBy(found, values, source.options));
  return line;
}

std::string LineOf(const FakeProcesses& machine, std::string_view kind,
                   const FakeProcess& process) {
  const auto found = TryDiscover(machine, kind, process);
  REQUIRE(found);
  return LineOf(kind, *found);
}

std::string Notes(const FakeProcesses& machine, std::string_view kind, const FakeProcess& process) {
  const auto found = TryDiscover(machine, kind, process);
  REQUIRE(found);
  std::string text;
  for (const std::string& note : found->notes) text += note + "\n";
  return text;
}

TEST_CASE("discovery: texts that YAML could misread are quoted") {
  REQUIRE(SourceLine("files", "app", "main",
                     {{"text", std::string("a\"b\\c\n\x01: #é")},
                      {"list", std::vector<std::string>{"x, y", "]"}},
                      {"number", std::int64_t{3}},
                      {"flag", true},
                      {"map", std::map<std::string, std::string>{{"k", "v"}}},
                      {"lists", std::map<std::string, std::vector<std::string>>{{"k", {"v"}}}}}) ==
          "- {kind: files, name: app, repository: main, text: \"a\\\"b\\\\c\\n\\u0001: #é\", "
          "list: [\"x, y\", \"]\"], number: 3, flag: true, map: {\"k\": \"v\"}, "
          "lists: {\"k\": [\"v\"]}}");
  REQUIRE(SourceLine("files", "app", "", {{"t", std::string("\xff")}}) ==
          "- {kind: files, name: app, t: \"\xEF\xBF\xBD\"}");
}

TEST_CASE("discovery: other processes match no kind") {
  FakeProcesses machine;
  for (const SourceKind& kind : AllSourceKinds()) {
    if (!kind.discover) continue;
    INFO(kind.kind);
    int pid = 10;
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"bash", "etcd", "haproxy", "-f", "x"},
          {"vim", "/etc/etcd"},
          {"java", "kafka.Kafka"},
          {"java", "-cp", "kafka", "other.Main", "server.properties"},
          {"haproxy", "-v"},
          {"etcdctl"},
          {"promtool", "prometheus"},
          {"prometheus", "--version"},
          {"alertmanager", "--help"},
          {"amtool", "alertmanager"},
          {"java", "org.apache.zookeeper.server.quorum.QuorumPeerMain"},
          {"java", "org.apache.zookeeper.ZooKeeperMain", "-server", "zk:2181"},
          {""},
          {"/"},
          {"-"}}) {
      REQUIRE_FALSE(TryDiscover(machine, kind.kind, {.pid = ++pid, .command = command}));
      REQUIRE_OK(RemoveTree(fmt::format("{}/{}", machine.places().proc, pid)));
    }
  }
}

TEST_CASE("discovery: etcd by its flags") {
  FakeProcesses machine;
  REQUIRE(LineOf(machine, "etcd", {.pid = 2, .command = {"etcd"}, .directory = "/var"}) ==
          "- {kind: etcd, name: main, endpoints: [\"http://localhost:2379\"]}");
  REQUIRE(LineOf(machine, "etcd",
                 {.pid = 3,
                  .command = {"/usr/bin/etcd", "--listen-client-urls",
                              "http://0.0.0.0:12379,unix://x", "--name=n1"}}) ==
          "- {kind: etcd, name: main, endpoints: [\"http://127.0.0.1:12379\"]}");
  const auto found = TryDiscover(
      machine, "etcd", {.pid = 4, .command = {"etcd", "--name", "n1"}, .directory = "/var/lib"});
  REQUIRE(found->facts == std::map<std::string, std::string>{
                              {"member", "n1"}, {"data directory", "/var/lib/n1.etcd"}});
}

TEST_CASE("discovery: etcd with TLS") {
  FakeProcesses machine;
  const std::vector<std::string> command = {"etcd",
                                            "--listen-client-urls=https://0.0.0.0:2379",
                                            "--advertise-client-urls=https://db-1:2379",
                                            "--cert-file=tls/s.crt",
                                            "--key-file=tls/s.key",
                                            "--trusted-ca-file=/ca.crt",
                                            "--client-cert-auth"};
  const FakeProcess process{.pid = 2, .command = command, .directory = "/etc/etcd"};
  REQUIRE(LineOf(machine, "etcd", process) ==
          "- {kind: etcd, name: main, endpoints: [\"https://db-1:2379\"], ca: \"/ca.crt\", "
          "cert: \"/etc/etcd/tls/s.crt\", key: \"/etc/etcd/tls/s.key\", files: [\"/ca.crt\", "
          "\"/etc/etcd/tls/s.crt\", \"/etc/etcd/tls/s.key\"]}");
  FakeProcesses other;
  REQUIRE_THAT(Notes(other, "etcd", process),
               Catch::Contains("it requires a client certificate: this is its own, which must also "
                               "be valid for clients"));
}

TEST_CASE("discovery: etcd set up by kubeadm") {
  FakeProcesses machine;
  REQUIRE(LineOf(machine, "etcd",
                 {.pid = 2,
                  .command = {"etcd",
                              "--listen-client-urls=https://10.0.0.1:2379,https://127.0.0.1:2379",
                              "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
                              "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
                              "--client-cert-auth=true"}}) ==
          "- {kind: etcd, name: main, endpoints: [\"https://127.0.0.1:2379\"], "
          "ca: \"/etc/kubernetes/pki/etcd/ca.crt\", "
          "cert: \"/etc/kubernetes/pki/etcd/healthcheck-client.crt\", "
          "key: \"/etc/kubernetes/pki/etcd/healthcheck-client.key\", kubeadm: true}");
}

TEST_CASE("discovery: etcd by its environment, which flags override") {
  FakeProcesses machine;
  const FakeProcess process{
      .pid = 2,
      .command = {"etcd", "--name=flag"},
      .environment = {"ETCD_NAME=variable", "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:7"}};
  const auto found = TryDiscover(machine, "etcd", process);
  REQUIRE(LineOf("etcd", *found) ==
          "- {kind: etcd, name: main, endpoints: [\"http://127.0.0.1:7\"]}");
  REQUIRE(found->facts.at("member") == "flag");
}

TEST_CASE("discovery: if etcd's environment is unreadable, its unit's files are used") {
  FakeProcesses machine;
  const std::string file = machine.Write("env", "ETCD_LISTEN_CLIENT_URLS=\"http://127.0.0.1:8\"\n");
  machine.Write("etc/systemd/system/etcd.service", "[Service]\nEnvironmentFile=-" + file + "\n");
  const std::string proc =
      machine.Run({.pid = 2, .command = {"etcd"}, .cgroup = "0::/system.slice/etcd.service\n"});
  REQUIRE(::unlink((proc + "/environ").c_str()) == 0);

  const auto found = FindSourceKind("etcd")->discover(machine.Read(2), machine.places());

  REQUIRE(LineOf("etcd", *found) ==
          fmt::format("- {{kind: etcd, name: main, endpoints: [\"http://127.0.0.1:8\"], "
                      "files: [\"{}\"]}}",
                      file));
  REQUIRE_THAT(found->notes.at(0), Catch::Contains(", so that of its unit's files was used") &&
                                       Catch::Contains("CAP_SYS_PTRACE"));
}

TEST_CASE("discovery: a configuration file of etcd overrides flags and environment") {
  FakeProcesses machine;
  const std::string file = machine.Write(
      "etcd.yaml",
      "name: file\ndata-dir: /data\nlisten-client-urls: https://127.0.0.1:9\n"
      "client-transport-security:\n  client-cert-auth: true\n  trusted-ca-file: /c/ca.crt\n");
  const auto found = TryDiscover(
      machine, "etcd",
      {.pid = 2,
       .command = {"etcd", "--config-file", "etcd.yaml", "--listen-client-urls=http://x:1"},
       .environment = {"ETCD_NAME=variable"},
       .directory = machine.top()});
  REQUIRE(LineOf("etcd", *found) ==
          fmt::format("- {{kind: etcd, name: main, endpoints: [\"https://127.0.0.1:9\"], "
                      "ca: \"/c/ca.crt\", files: [\"/c/ca.crt\", \"{}\"]}}",
                      file));
  REQUIRE(found->facts.at("data directory") == "/data");
  REQUIRE_THAT(found->notes.at(0), Catch::Contains("add \"cert\" and \"key\""));

  machine.Write("etcd.yaml", "{broken");
  REQUIRE_THAT(Notes(machine, "etcd", {.pid = 3, .command = {"etcd", "--config-file=" + file}}),
               Catch::Contains("cannot be parsed"));
  REQUIRE_THAT(Notes(machine, "etcd", {.pid = 4, .command = {"etcd", "--config-file=/none"}}),
               Catch::Contains("cannot be read: it does not exist"));
}

TEST_CASE("discovery: Kafka by its configuration") {
  FakeProcesses machine;
  const std::string config = machine.Write(
      "kafka/server.properties",
      "process.roles=broker,controller\nnode.id=3\n"
      "listeners=CONTROLLER://:9093,TLS://db-1:9094,PLAIN://:9092\n"
      "controller.listener.names=CONTROLLER\n"
      "listener.security.protocol.map=CONTROLLER:PLAINTEXT,TLS:SSL,PLAIN:PLAINTEXT\n"
      "advertised.listeners=TLS://db-1:9094,PLAIN://db-1:9092\nlog.dirs=/d/1, /d/2\n");
  const auto found =
      TryDiscover(machine, "kafka",
                  {.pid = 2,
                   .command = {"java", "-cp", "x", "kafka.Kafka", "kafka/server.properties"},
                   .directory = machine.top()});
  REQUIRE(LineOf("kafka", *found) ==
          "- {kind: kafka, name: main, bootstrap: [\"127.0.0.1:9092\"], "
          "log_dirs: [\"/d/1\", \"/d/2\"]}");
  REQUIRE(found->facts ==
          std::map<std::string, std::string>{{"broker", "3"}, {"configuration", config}});
  const std::pair<std::string, std::string> advertised = {"bootstrap", "db-1:9094"};
  REQUIRE(std::ranges::find(found->known_by, advertised) != found->known_by.end());
}

TEST_CASE("discovery: Kafka with a login, without a configuration, and a controller") {
  FakeProcesses machine;
  const std::string secure = machine.Write("a", "listeners=SASL_SSL://db-1:9094\n");
  const FakeProcess process{.pid = 2, .command = {"java", "kafka.Kafka", secure}};
  const auto found = TryDiscover(machine, "kafka", process);
  REQUIRE(
      SourceLine("kafka", "main", "", found->options) ==
      "- {kind: kafka, name: main, bootstrap: [\"db-1:9094\"], log_dirs: [\"/tmp/kafka-logs\"], "
      "client: {\"security.protocol\": \"SASL_SSL\"}}");
  REQUIRE_THAT(found->notes.at(0), Catch::Contains("ssl.ca.location"));

  REQUIRE_THAT(Notes(machine, "kafka", {.pid = 3, .command = {"java", "kafka.Kafka", "/none"}}),
               Catch::Contains("is a guess"));
  const std::string controller =
      machine.Write("c", "process.roles=controller\nlisteners=CONTROLLER://:9093\n");
  REQUIRE_FALSE(
      TryDiscover(machine, "kafka", {.pid = 4, .command = {"java", "kafka.Kafka", controller}}));
}

TEST_CASE("discovery: HAProxy's master, but not its workers") {
  FakeProcesses machine;
  const std::vector<std::string> command = {"/usr/sbin/haproxy",
                                            "-sf",
                                            "12",
                                            "13",
                                            "-x",
                                            "sockpair@4",
                                            "-Ws",
                                            "-f",
                                            "/etc/h/h.cfg",
                                            "-f",
                                            "conf.d",
                                            "-p",
                                            "/run/haproxy.pid"};
  machine.Write("usr/lib/systemd/system/haproxy.service", "[Service]\n");
  const std::string unit = "0::/system.slice/haproxy.service\n";
  const FakeProcess master{.pid = 2,
                           .command = command,
                           .directory = "/etc/h",
                           .cgroup = unit,
                           .program = "/usr/sbin/haproxy (deleted)"};
  REQUIRE(LineOf(machine, "haproxy", master) ==
          "- {kind: haproxy, name: main, config: [\"/etc/h/h.cfg\", \"/etc/h/conf.d\"], "
          "reload: \"systemd:haproxy.service\", directory: \"/etc/h\"}");
  REQUIRE_FALSE(
      TryDiscover(machine, "haproxy", {.pid = 3, .command = command, .cgroup = unit, .parent = 2}));
}

TEST_CASE("discovery: HAProxy without systemd") {
  FakeProcesses machine;
  REQUIRE(LineOf(machine, "haproxy",
                 {.pid = 2,
                  .command = {"haproxy", "-W", "-p", "/run/h.pid", "-S", "/run/m,mode,600", "--",
                              "/a.cfg", "/b.cfg"},
                  .program = "/opt/h/haproxy"}) ==
          "- {kind: haproxy, name: main, config: [\"/a.cfg\", \"/b.cfg\"], "
          "reload: \"pidfile:/run/h.pid\", socket: \"/run/m\", binary: \"/opt/h/haproxy\"}");
  REQUIRE(
      LineOf(machine, "haproxy",
             {.pid = 3, .command = {"haproxy", "-Ws", "-S", "/run/m,mode,600", "-f", "/a.cfg"}}) ==
      "- {kind: haproxy, name: main, config: [\"/a.cfg\"], reload: \"master:/run/m\", "
      "socket: \"/run/m\"}");
  REQUIRE_THAT(Notes(machine, "haproxy", {.pid = 4, .command = {"haproxy", "-W", "-f", "/a.cfg"}}),
               Catch::Contains("add \"reload\""));
  const std::string notes = Notes(
      machine, "haproxy", {.pid = 5, .command = {"haproxy", "-D", "-f", "a.cfg"}, .directory = ""});
  REQUIRE_THAT(notes, Catch::Contains("without a master process") &&
                          Catch::Contains("make \"config\" absolute"));
}

TEST_CASE("discovery: HAProxy's socket must allow reading everything") {
  FakeProcesses machine;
  const std::string config = machine.Write(
      "h.cfg",
      "global\n stats socket /run/u level user\n stats socket ipv4@127.0.0.1:9\n"
      " stats socket \"unix@$RUN/a.sock\" mode 600 level admin\n stats socket /run/late\n");
  const FakeProcess process{
      .pid = 2,
      .command = {"haproxy", "-Ws", "-p", "/run/p", "-S", "/run/m", "-f", config},
      .environment = {"RUN=/run/h"}};
  REQUIRE_THAT(LineOf(machine, "haproxy", process), Catch::EndsWith("socket: \"/run/h/a.sock\"}"));
  REQUIRE_THAT(Notes(machine, "haproxy", {.pid = 3, .command = {"haproxy", "-W", "-f", "/a.cfg"}}),
               Catch::Contains("found no \"stats socket\" with level operator: with one in "
                               "\"socket\", the runtime state is backed up too"));
}

TEST_CASE("discovery: HAProxy's environment file is that of its unit") {
  FakeProcesses machine;
  const std::string file = machine.Write("env", "CERTS=/c\n");
  machine.Write("lib/systemd/system/x", "");
  machine.Write("usr/lib/systemd/system/haproxy.service", "[Service]\nEnvironmentFile=" + file);
  REQUIRE(LineOf(machine, "haproxy",
                 {.pid = 2,
                  .command = {"haproxy", "-Ws", "-f", "/a.cfg"},
                  .cgroup = "0::/system.slice/haproxy.service\n"}) ==
          fmt::format("- {{kind: haproxy, name: main, config: [\"/a.cfg\"], "
                      "reload: \"systemd:haproxy.service\", environment_file: \"{}\"}}",
                      file));
}

constexpr const char* kZooKeeper = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

TEST_CASE("discovery: ZooKeeper by its configuration") {
  FakeProcesses machine;
  machine.Write("data/myid", "3\n");
  const std::string config = machine.Write(
      "conf/zoo.cfg", fmt::format("dataDir={0}/data \ndataLogDir={0}/log\n", machine.top()));
  const auto found = TryDiscover(machine, "zookeeper",
                                 {.pid = 2,
                                  .command = {"java", "-cp", "x", kZooKeeper, "conf/zoo.cfg"},
                                  .directory = machine.top()});
  REQUIRE(LineOf("zookeeper", *found) ==
          fmt::format("- {{kind: zookeeper, name: main, config: \"{}\"}}", config));
  REQUIRE(found->facts ==
          std::map<std::string, std::string>{{"data directory", machine.top() + "/data"},
                                             {"log directory", machine.top() + "/log"},
                                             {"member", "3"}});
  REQUIRE(found->notes.empty());
}

TEST_CASE("discovery: ZooKeeper's relative directories start at its working directory") {
  FakeProcesses machine;
  const std::string config = machine.Write("conf/zoo.cfg", "dataDir=data\ndataLogDir=./log\n");
  REQUIRE(LineOf(machine, "zookeeper",
                 {.pid = 2, .command = {"java", kZooKeeper, config}, .directory = "/srv/zk"}) ==
          fmt::format("- {{kind: zookeeper, name: main, config: \"{}\", data_dir: "
                      "\"/srv/zk/data\", data_log_dir: \"/srv/zk/log\"}}",
                      config));
}

TEST_CASE("discovery: ZooKeeper's directories in a container are inside the container") {
  FakeProcesses machine;
  machine.Write("root/conf/zoo.cfg", "dataDir=/data\n");
  machine.Write("root/data/myid", "2");
  const auto found = TryDiscover(machine, "zookeeper",
                                 {.pid = 2,
                                  .command = {"java", kZooKeeper, "/conf/zoo.cfg"},
                                  .root = machine.top() + "/root"});
  REQUIRE(LineOf("zookeeper", *found) ==
          "- {kind: zookeeper, name: main, config: \"/conf/zoo.cfg\", data_dir: \"/data\"}");
  REQUIRE(found->facts.at("member") == "2");
}

TEST_CASE("discovery: ZooKeeper with an unknown or malformed configuration") {
  FakeProcesses machine;
  REQUIRE_THAT(Notes(machine, "zookeeper", {.pid = 2, .command = {"java", kZooKeeper, "/none"}}),
               Catch::Contains("\"/none\" cannot be read"));
  REQUIRE_THAT(Notes(machine, "zookeeper",
                     {.pid = 3, .command = {"java", kZooKeeper, "zoo.cfg"}, .directory = ""}),
               Catch::Contains("make \"config\" absolute") && Catch::Contains("CAP_SYS_PTRACE"));
  const auto bare = TryDiscover(
      machine, "zookeeper",
      {.pid = 4,
       .command = {"java", "org.apache.zookeeper.server.ZooKeeperServerMain", "2181", "data"},
       .directory = "/srv"});
  REQUIRE(LineOf("zookeeper", *bare) ==
          "- {kind: zookeeper, name: main, config: \"/etc/zookeeper/zoo.cfg\", "
          "data_dir: \"/srv/data\"}");
  REQUIRE_THAT(bare->notes.at(0), Catch::Contains("write \"dataDir=/srv/data\""));
}

TEST_CASE("discovery: Prometheus by its flags") {
  FakeProcesses machine;
  const auto found = TryDiscover(
      machine, "prometheus",
      {.pid = 2,
       .command = {"/usr/bin/prometheus", "--config.file", "../p.yml", "--storage.tsdb.path=/data/",
                   "--web.listen-address=10.0.0.1:9091", "--web.listen-address=[::]:9092"},
       .directory = "/etc/x"});
  REQUIRE(LineOf("prometheus", *found) ==
          "- {kind: prometheus, name: main, data_dir: \"/data\", url: \"http://127.0.0.1:9092\", "
          "config: \"/etc/p.yml\"}");
  REQUIRE(found->facts == std::map<std::string, std::string>{{"mode", "server"}});
  REQUIRE(found->notes.empty());
  REQUIRE(LineOf(machine, "prometheus",
                 {.pid = 3,
                  .command = {"prometheus", "--web.listen-address", "[fd00::1]:80"},
                  .directory = "/srv"}) ==
          "- {kind: prometheus, name: main, data_dir: \"/srv/data\", "
          "url: \"http://[fd00::1]:80\"}");
}

TEST_CASE("discovery: Prometheus without flags keeps its data in the existing directory") {
  FakeProcesses machine;
  machine.Write("one/data/wal/0", "");
  machine.Write("two/data-agent/wal/0", "");
  REQUIRE(LineOf(machine, "prometheus",
                 {.pid = 2, .command = {"prometheus"}, .directory = machine.top() + "/one"}) ==
          fmt::format("- {{kind: prometheus, name: main, data_dir: \"{}/one/data\", "
                      "url: \"http://127.0.0.1:9090\"}}",
                      machine.top()));
  const auto agent = TryDiscover(machine, "prometheus",
                                 {.pid = 3,
                                  .command = {"prometheus", "--enable-feature=agent"},
                                  .directory = machine.top() + "/two"});
  REQUIRE_THAT(LineOf("prometheus", *agent), Catch::Contains("/two/data-agent\""));
  REQUIRE(agent->facts.at("mode") == "agent");
  machine.Write("var/lib/prometheus/metrics2/wal/0", "");
  REQUIRE_THAT(LineOf(machine, "prometheus",
                      {.pid = 5, .command = {"prometheus"}, .directory = machine.top() + "/two"}),
               Catch::Contains("data_dir: \"/var/lib/prometheus/metrics2\""));
  REQUIRE_THAT(
      Notes(machine, "prometheus",
            {.pid = 4, .command = {"prometheus", "--storage.tsdb.path=x"}, .directory = ""}),
      Catch::Contains("make \"data_dir\" absolute"));
}

TEST_CASE("discovery: the path prefix of Prometheus") {
  FakeProcesses machine;
  int pid = 1;
  const auto url = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"prometheus", "--storage.tsdb.path=/d"});
    const std::string line =
        LineOf(machine, "prometheus", {.pid = ++pid, .command = std::move(flags)});
    const std::size_t begin = line.find("http");
    return line.substr(begin, line.find('"', begin) - begin);
  };
  REQUIRE(url({"--web.external-url=https://mon.example.com/prom/"}) ==
          "http://127.0.0.1:9090/prom");
  REQUIRE(url({"--web.external-url=https://mon.example.com"}) == "http://127.0.0.1:9090");
  REQUIRE(url({"--web.external-url=/a/b?x#y"}) == "http://127.0.0.1:9090/a/b");
  REQUIRE(url({"--web.external-url=http://x/prom", "--web.route-prefix=/"}) ==
          "http://127.0.0.1:9090");
  REQUIRE(url({"--web.route-prefix", "p"}) == "http://127.0.0.1:9090/p");
}

TEST_CASE("discovery: the authentication that Prometheus requires") {
  FakeProcesses machine;
  machine.Write("web.yml",
                "tls_server_config: {cert_file: a, key_file: b, client_auth_type: "
                "RequireAndVerifyClientCert}\nbasic_auth_users: {anna: x}\n");
  const std::vector<std::string> command = {"prometheus", "--storage.tsdb.path=/d",
                                            "--web.config.file=web.yml"};
  const FakeProcess process{.pid = 2, .command = command, .directory = machine.top()};
  REQUIRE(LineOf(machine, "prometheus", process) ==
          "- {kind: prometheus, name: main, data_dir: \"/d\", url: \"https://127.0.0.1:9090\"}");
  FakeProcesses other;
  REQUIRE_THAT(Notes(other, "prometheus", process),
               Catch::Contains("set \"url\" to a host") &&
                   Catch::Contains("add \"user\" and \"password_file\"") &&
                   Catch::Contains("add \"cert\" and \"key\""));
  int pid = 10;
  for (const char* text : {"{", "- a", "tls_server_config: x\nbasic_auth_users: y\n"}) {
    machine.Write("web.yml", text);
    REQUIRE_THAT(LineOf(machine, "prometheus",
                        {.pid = ++pid, .command = command, .directory = machine.top()}),
                 Catch::Contains("\"http://127.0.0.1:9090\""));
  }
  REQUIRE_THAT(Notes(machine, "prometheus", {.pid = 3, .command = command, .directory = ""}),
               Catch::Contains("cannot be read, so whether it uses TLS or logins is unknown:") &&
                   Catch::Contains("CAP_SYS_PTRACE"));
}

TEST_CASE("discovery: Alertmanager, alone and in a cluster") {
  FakeProcesses machine;
  const auto alone = TryDiscover(
      machine, "alertmanager",
      {.pid = 2,
       .command = {"/bin/alertmanager", "--storage.path=/data", "--config.file=/etc/a.yml",
                   "--web.route-prefix=/am", "--cluster.listen-address="}});
  REQUIRE(LineOf("alertmanager", *alone) ==
          "- {kind: alertmanager, name: main, endpoints: [\"http://127.0.0.1:9093/am\"], "
          "storage: \"/data\", config: \"/etc/a.yml\"}");
  REQUIRE(alone->facts.empty());
  REQUIRE(alone->notes.empty());
  const auto peer =
      TryDiscover(machine, "alertmanager",
                  {.pid = 3,
                   .command = {"prometheus-alertmanager", "--web.listen-address=:9193",
                               "--cluster.peer=am-2:9094", "--cluster.peer", "am-3:9094"},
                   .directory = "/srv"});
  REQUIRE(LineOf("alertmanager", *peer) ==
          "- {kind: alertmanager, name: main, endpoints: [\"http://127.0.0.1:9193\"], "
          "storage: \"/srv/data\"}");
  REQUIRE(peer->facts.at("cluster address") == "0.0.0.0:9094");
  REQUIRE_THAT(peer->notes.at(0), Catch::Contains("am-2:9094, am-3:9094"));
  REQUIRE_THAT(Notes(machine, "alertmanager",
                     {.pid = 4, .command = {"alertmanager", "--web.systemd-socket"}}),
               Catch::Contains("\"endpoints\" is a guess"));
  machine.Write("var/lib/prometheus/alertmanager/nflog", "");
  REQUIRE_THAT(
      LineOf(machine, "alertmanager", {.pid = 5, .command = {"alertmanager"}, .directory = "/srv"}),
      Catch::Contains("storage: \"/var/lib/prometheus/alertmanager\""));
}

}  // namespace
}  // namespace holdfast
