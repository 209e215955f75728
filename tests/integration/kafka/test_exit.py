"""docs/exit/kafka.md: restic, Kafka's own tools and a shell script restore a cluster, record for record."""

import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, ExitPage, KafkaClient, KafkaCluster, Record, main, run, wait_until, write_config
from lib.kafka_log import records_in
from lib.places import ROOT, service_program

FOR_EVER = {"retention.ms": "-1"}
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "100",
}
SEGMENTS = [f"{name}={value}" for name, value in COMPACTED.items() if name != "cleanup.policy"]
STAMPED = "message.timestamp.type=LogAppendTime"
LONG_AGO = 1577880000000
TOPICS = {"odd": 1, "stamped": 1, "paid": 2, "states": 1, "emptied": 1, "large": 3}
PARTITIONS = [(topic, number) for topic, partitions in TOPICS.items() for number in range(partitions)]
GROUPS = ("readers", 'odd, "one"')
BROKERS = {1, 2, 3}


class WithoutHoldfast(Case):
    """Saves one cluster, and starts another one of three brokers with its files. The steps are a single test, because
    each continues where the previous one ended."""

    def setUp(self) -> None:
        super().setUp()
        self.old = self.cluster("old", 1, properties={"log.cleaner.backoff.ms": "200"})
        self.new = self.cluster("new", 3, log_dirs=2)
        self.old.start()
        self.out = self.directory / "out"

    def cluster(self, name: str, brokers: int, **options) -> KafkaCluster:
        cluster = KafkaCluster(self.directory / name, "kafka41", brokers, authorizer=True, **options)
        self.addCleanup(cluster.kill)
        return cluster

    def environment(self) -> dict[str, str]:
        programs = [str(Path(service_program(name, "x")).parent) for name in ("restic", "kafka41")]
        return {
            "PATH": ":".join([*programs, os.environ["PATH"]]),
            "RESTIC_CACHE_DIR": str(self.directory / "cache"),
            "RESTIC_REPOSITORY": str(self.directory / "repository"),
            "RESTIC_PASSWORD_FILE": str(self.directory / "password"),
            "KAFKA_OPTS": f"-XX:-UsePerfData -Djava.io.tmpdir={self.directory}",
        }

    def exit(self, step: str, *arguments: str, expect: int = 0) -> str:
        """Returns stdout and stderr."""
        env = self.environment()
        done = run([str(ROOT / "scripts" / "exit" / "kafka"), step, *arguments], env=env, expect=expect, timeout=300)
        return done.stdout + done.stderr

    def asking(self, step: str, *arguments: str, expect: int = 0) -> str:
        """Runs a step that talks to the new cluster."""
        server = self.new.admin().properties["bootstrap.servers"]
        return self.exit(step, "--bootstrap-server", server, *arguments, str(self.out), expect=expect)

    def files(self, number: int, *arguments: str, expect: int = 0) -> str:
        log_dirs = [part for one in self.new.brokers[number].log_dirs for part in ("--log-dir", str(one))]
        return self.exit("files", *log_dirs, *arguments, str(self.out), expect=expect)

    def fill(self) -> None:
        client = self.old.admin()
        for topic, partitions in TOPICS.items():
            config = {"states": COMPACTED, "stamped": FOR_EVER | {"message.timestamp.type": "LogAppendTime"}}
            self.old.create_topic(topic, partitions, config=config.get(topic, FOR_EVER))
        client.produce(
            [
                Record("odd", 0, b"key", b"value", (), LONG_AGO),
                Record("odd", 0, None, b"no key", (), LONG_AGO + 1),
                Record("odd", 0, b"tombstone", None, (), 1),
                Record("odd", 0, None, None, (), -1),
                Record("odd", 0, b"", b"", (), -31536000000),
                Record("odd", 0, b"\xff", b"", (("a", b"1"), ("b", None), ("a", b""), ("", b"2")), LONG_AGO),
                Record("odd", 0, b"large", b"x" * 900_000, (), LONG_AGO),
            ]
        )
        client.produce([Record("stamped", 0, value=b"%d" % i, timestamp=5) for i in range(10)])
        client.load("large", 3000, 1000, keys=50, timestamp=LONG_AGO)
        client.load("emptied", 100, 100, keys=5)
        client.trim("emptied", 0)
        client.produce([Record("states", 0, b"%d" % (i % 7), b"%d" % i) for i in range(500)])
        with client.producing() as producing:
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"1"), Record("paid", 1, value=b"2")], "x")
            producing.commit("x")
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"aborted")], "x")
            producing.abort("x")
            producing.produce([Record("paid", 0, value=b"3")])
            wait_until("all but the aborted", lambda: len(client.consume("paid")) == 3)
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"4")], "x")
            producing.commit("x")
            wait_until("the last one", lambda: len(client.consume("paid")) == 4)
        client.commit("readers", {("odd", 0): 3, ("paid", 0): 7, ("emptied", 0): 100, ("large", 2): 77})
        client.commit(GROUPS[1], {("large", 0): 5})
        self.old.alter_config("topics", "large", {"retention.ms": "9000000000000", "compression.type": "zstd"})
        self.old.alter_config("brokers", None, {"log.cleaner.threads": "2"})
        self.old.alter_config("users", "ben", {"SCRAM-SHA-512": "[iterations=4096,password=ben's]"})
        self.old.alter_config("users", "ben", {"producer_byte_rate": "1234567"})
        prefixed = ["--resource-pattern-type", "prefixed"]
        self.old.add_acl("anna", ["Read", "DescribeConfigs"], "--topic", "orders-", *prefixed)
        self.old.add_acl("anna", ["All"], "--group", "*")
        self.old.add_acl("ben", ["IdempotentWrite"], "--cluster", deny=True)
        wait_until("compaction", lambda: self.compacts("states"))
        wait_until("compaction's end", lambda: client.digest("states") == client.digest("states"))

    def compacts(self, topic: str) -> bool:
        """Writes a record to start a new segment: Kafka does not compact the active one."""
        client = self.old.admin()
        client.produce([Record(topic, 0, b"0", None)])
        return len(client.consume(topic)) < 400

    def save(self, cluster: KafkaCluster, name: str) -> None:
        source = {"kind": "kafka", "name": name, "repository": "main", "bootstrap": [cluster.bootstrap()]}
        source |= {"log_dirs": [str(one) for one in cluster.brokers[1].log_dirs]}
        agent = Agent(write_config(self.directory, [source]))
        if not (self.directory / "repository").exists():
            agent.run("repository", "init")
        [task] = agent.json("backup")["sources"]
        self.assertEqual(task["state"], "done")

    def acls(self, cluster: KafkaCluster) -> list[str]:
        output = cluster.tool("kafka-acls", "--list").splitlines()
        return sorted(line.strip() for line in output if "principal=" in line or "ResourcePattern" in line)

    def configs(self, cluster: KafkaCluster) -> dict[str, str]:
        output = cluster.tool("kafka-topics", "--describe")
        found = re.findall(r"^Topic: (\S+)\t.*Configs: (\S*)$", output, re.MULTILINE)
        return {topic: sorted(config.split(",")) for topic, config in found if topic in TOPICS}

    def test_another_cluster_continues_with_the_files(self) -> None:
        self.fill()
        self.save(self.old, "main")
        self.prepare()
        self.new.start()
        self.make_topics()
        self.put_files()
        self.compare_records()
        self.settle()
        self.go_on()
        self.look_at_what_brokers_do_not_tell()

    def prepare(self) -> None:
        self.assertIn('no snapshot of "kafka/other"', self.exit("prepare", "--to", str(self.out), "other", expect=1))
        part = self.directory / "part"
        output = self.exit("prepare", "--to", str(part), "--topic", "pa*", "main")
        self.assertIn("topics: 1, partitions: 2, groups: 1", output)
        self.assertIn("group readers: leaving out its offsets in emptied, large, odd", output)
        self.assertEqual([path.name for path in (part / "data" / "topics").iterdir()], ["paid"])
        output = self.exit("prepare", "--to", str(part), "main", expect=1)
        self.assertIn("not a new or empty directory", output)
        self.exit("prepare", "--to", str(self.out), "main")

        # The tests' own reader and kafka-dump-log find the same records in every file.
        there = self.old.admin().consume(*TOPICS)
        for topic, number in PARTITIONS:
            files = sorted((self.out / "data" / "topics" / topic / str(number)).glob("*.log"))
            found = [record for file in files for record in records_in(file, topic, number)]
            wanted = [record for record in there if (record.topic, record.partition) == (topic, number)]
            self.assertEqual(found, wanted)
        files = sorted(self.out.glob("data/topics/*/*/*.log"))
        output = self.old.tool(
            "kafka-dump-log", "--deep-iteration", "--print-data-log", "--files", ",".join(map(str, files))
        )
        self.assertIn("isvalid: true", output)
        self.assertNotIn("isvalid: false", output)
        found = re.findall(r"^\| offset: (\d+) \S+: (-?\d+) keySize: (-?\d+) valueSize: (-?\d+)", output, re.MULTILINE)
        self.assertEqual(
            sorted(tuple(map(int, one)) for one in found),
            sorted((r.offset, r.timestamp, size(r.key), size(r.value)) for r in there),
        )

    def make_topics(self) -> None:
        output = self.asking("settings", "--only", "groups", expect=1)
        self.assertRegex(output, r"readers,paid,0\t7\tnowhere")
        self.asking("topics", "--replication-factor", "3")
        for topic, number in PARTITIONS:
            self.new.wait_for_leader(topic, number)
            self.assertEqual(set(self.new.replicas(topic, number)), BROKERS)
        output = self.asking("topics", expect=1)
        self.assertIn("the cluster already has these topics: emptied large odd paid stamped states", output)
        output = self.asking("check", expect=1)
        self.assertIn("large-1 ends at 0, not at 1000", output)

    def put_files(self) -> None:
        self.assertIn("a broker runs on it", self.files(1, expect=1))
        # The other brokers become leaders, and remember that their epoch began at offset 0 of the empty partitions.
        self.new.stop_broker(1)
        self.new.stop()
        for number in sorted(BROKERS):
            self.assertIn("9 partitions are in place, 0 have no directory here", self.files(number))
        self.assertIn("records already exist in: ", self.files(2, expect=1))
        [place] = [one for one in self.new.brokers[2].log_dirs if (one / "large-0").is_dir()]
        starts = place / "log-start-offset-checkpoint"
        starts.write_text("0\n3\nlarge 0 300\nother 0 7\nlarge 00 1\n")
        self.assertIn("9 partitions", self.files(2, "--replace"))
        self.assertEqual(starts.read_text(), "0\n2\nother 0 7\nlarge 00 1\n")
        starts.unlink()
        output = self.exit("files", "--replace", "--log-dir", str(self.new.log_dir(3)), str(self.out))
        self.assertRegex(output, r"no directory here: \w+-\d")
        self.assertIn("has no meta.properties", self.exit("files", "--log-dir", str(self.out), str(self.out), expect=1))
        self.new.start()
        for topic, number in PARTITIONS:
            self.new.wait_for_isr(topic, BROKERS, number)
        self.assertIn("9 partitions end where they should", self.asking("check"))

    def compare_records(self) -> None:
        old, new = (sort(cluster.admin().consume(*TOPICS)) for cluster in (self.old, self.new))
        self.assertEqual(len(new), len(old))
        self.assertEqual(new, old)

    def settle(self) -> None:
        held = self.configs(self.new)
        self.asking("settings", "--hold-retention", "--only", "topics")
        added = {"large": ["compression.type=zstd"], "stamped": [STAMPED], "states": SEGMENTS}
        expected = {topic: sorted(held[topic] + added.get(topic, [])) for topic in TOPICS}
        self.assertEqual(self.configs(self.new), expected)
        self.asking("settings")
        for group in GROUPS:
            self.assertEqual(self.new.admin().committed(group), self.old.admin().committed(group))
        self.assertEqual(self.configs(self.new), self.configs(self.old))
        self.assertEqual(self.acls(self.new), self.acls(self.old))

    def go_on(self) -> None:
        client = KafkaClient(self.new.admin().properties | {"enable.idempotence": "true"})
        self.assertEqual(client.produce([Record("odd", 0, value=b"next")]), [7])
        self.assertEqual(client.produce([Record("paid", 0, value=b"next")]), [7])
        self.assertEqual(client.produce([Record("emptied", 0, value=b"next")]), [100])
        for topic, number in PARTITIONS:
            self.new.wait_for_isr(topic, BROKERS, number)

    def look_at_what_brokers_do_not_tell(self) -> None:
        environment = self.environment()
        arguments = ["restore", "latest", "--path", "/kafka/main", "--include", "/kafka/main/members"]
        run(["restic", *arguments, "--target", str(self.directory / "members")], env=environment)
        [log] = (self.directory / "members").glob("kafka/main/members/*/cluster_metadata/*0.log")
        output = self.old.tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", str(log))
        self.assertRegex(output, r'"USER_SCRAM_CREDENTIAL_RECORD".*"name":"ben"')
        self.assertRegex(output, r'"CLIENT_QUOTA_RECORD".*"producer_byte_rate"')


class ByHand(Case):
    def test_page_works_as_written(self) -> None:
        old, new = (KafkaCluster(self.directory / name, "kafka41", 1, authorizer=True) for name in ("old", "new"))
        for cluster in (old, new):
            self.addCleanup(cluster.kill)
            cluster.start()
        old.create_topic("orders", 3, config=FOR_EVER)
        client = old.admin()
        client.load("orders", 300, 100, keys=20)
        client.commit("billing", {("orders", 0): 3, ("orders", 1): 5})
        source = {"kind": "kafka", "name": "main", "bootstrap": [old.bootstrap()], "log_dirs": [str(old.log_dir(1))]}
        agent = Agent(write_config(self.directory, [source]))
        agent.run("init")
        agent.run("backup")
        restored = self.directory / "restored"
        page = ExitPage("kafka", self.directory, self.directory / "repository",
                        {"/tmp/kafka-restore": str(restored), "NODE": "test-1", "--replication-factor 3": "--replication-factor 1",
                         "--bootstrap-server ...": f"--bootstrap-server {new.admin().properties['bootstrap.servers']}",
                         "/var/lib/kafka": str(new.log_dir(1)), "billing.csv": str(self.directory / "billing.csv")})
        tools = Path(service_program("kafka41", "kafka-topics")).parent
        options = f"-XX:-UsePerfData -Djava.io.tmpdir={self.directory}"
        for tool in ("topics", "consumer-groups", "acls", "configs", "dump-log"):
            page.program(f"kafka-{tool}.sh", f'KAFKA_OPTS="{options}" exec {tools}/kafka-{tool} "$@"')
        offsets = f'java -Xmx256m {options} -cp "{tools.parent}/lib/*" org.apache.kafka.tools.GetOffsetShell'
        page.program("kafka-get-offsets.sh", f'exec {offsets} "$@"')

        self.assertIn("kafka/main", page.run(0))
        page.run(1)
        for number in range(3):
            new.wait_for_leader("orders", number)
        new.stop()
        for number in range(3):
            page.run(2, {"orders-0": f"orders-{number}", "orders/0/": f"orders/{number}/"})
        new.start()
        for number in range(3):
            new.wait_for_isr("orders", {1}, number)
        ends = {(topic, int(number)): int(end) for topic, number, end
                in re.findall(r"^(orders):(\d):(\d+)$", page.run(3), re.MULTILINE)}
        data = restored / "kafka" / "main" / "data"
        partitions = [json.loads((data / f"topics/orders/{number}/partition.json").read_text()) for number in range(3)]
        self.assertEqual(ends, {("orders", number): int(one["all"]["last_offset"]) + 1
                                for number, one in enumerate(partitions)})
        self.assertEqual(sort(new.admin().consume("orders")), sort(client.consume("orders")))
        (self.directory / "billing.csv").write_text("orders,0,3\norders,1,5\n")
        page.run(4)
        self.assertEqual(new.admin().committed("billing"), client.committed("billing"))
        page.run(5)
        self.assertIn("principal=User:anna", new.tool("kafka-acls", "--list"))
        self.assertIn("retention.ms=604800000", new.tool("kafka-configs", "--describe", "--topic", "orders"))
        self.assertIn("FEATURE_LEVEL_RECORD", page.run(6))
        page.shell(f"cd {data.parent}")
        records = page.run(7)
        self.assertIn("isvalid: true", records)
        self.assertNotIn("isvalid: false", records)

        self.assertEqual(len(page.end()), 3)


def sort(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))


def size(field: bytes | None) -> int:
    return -1 if field is None else len(field)


if __name__ == "__main__":
    main("kafka41", "restic")
