"""One agent saves a Kafka cluster. After each run, the stored records are those that a consumer reads."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Agent, Case, KafkaCluster, KafkaError, Record, main, wait_until
from lib.kafka_log import partition_records
from saving import make_agent

FOR_EVER = {"retention.ms": "-1"}
# How often Kafka looks for records to delete or compact.
AT_ONCE = {"log.retention.check.interval.ms": "500", "log.cleaner.backoff.ms": "200"}
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "100",
}


class OneBroker(Case):
    service = "kafka41"
    zookeeper = False

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory_of_class = cls.shared_directory()
        cls.cluster = KafkaCluster(
            cls.directory_of_class / "kafka", cls.service, 1, zookeeper=cls.zookeeper, properties=AT_ONCE
        )
        cls.addClassCleanup(cls.cluster.kill)
        cls.cluster.start()

    def setUp(self) -> None:
        super().setUp()
        self.client = self.cluster.admin()
        self.restored = 0

    def agent(self, *topics: str, **options) -> Agent:
        """An agent that saves these topics, by default with access to the broker's files."""
        log_dirs = [str(directory) for directory in self.cluster.brokers[1].log_dirs]
        source = {"kind": "kafka", "name": "main", "repository": "main", "bootstrap": [self.cluster.bootstrap()]}
        source |= {"log_dirs": log_dirs, "topics": {"include": list(topics)}} | options
        directory = self.directory / f"agent-{len(list(self.directory.iterdir()))}"
        return make_agent(directory, source)

    def restore(self, agent: Agent, snapshot: str = "latest:kafka/main") -> Path:
        self.restored += 1
        target = self.directory / f"restored-{self.restored}"
        agent.run("restore", snapshot, "--to", str(target))
        return target

    def save(self, agent: Agent, *topics: str, expect: int = 0) -> dict:
        """Backs up, and compares the stored records of the topics with what a consumer reads."""
        [task] = agent.json("backup", expect=expect)["sources"]
        self.compare(self.restore(agent), *topics)
        return task

    def compare(self, directory: Path, *topics: str) -> None:
        for topic in topics:
            there = self.client.consume(topic)
            partitions = len(self.client.metadata()["topics"][topic])
            for partition in range(partitions):
                wanted = [record for record in there if record.partition == partition]
                self.assertEqual(partition_records(directory, topic, partition), wanted, f"{topic}-{partition}")

    def partition(self, directory: Path, topic: str, partition: int = 0) -> dict:
        return json.loads((directory / "data" / "topics" / topic / str(partition) / "partition.json").read_text())

    def test_every_kind_of_record_is_saved_unchanged(self) -> None:
        self.cluster.create_topic("odd", config=FOR_EVER)
        self.cluster.create_topic("stamped", config=FOR_EVER | {"message.timestamp.type": "LogAppendTime"})
        self.cluster.create_topic("paid", 2, config=FOR_EVER)
        records = [
            Record("odd", 0, b"key", b"value", (), 1577880000000),
            Record("odd", 0, None, b"no key", (), 1577880000001),
            Record("odd", 0, b"", b"empty key", (), 1),
            Record("odd", 0, b"tombstone", None, (), 1577880000000),
            Record("odd", 0, None, None, (), -31536000000),
            Record("odd", 0, b"", b"", (), -1),
            Record("odd", 0, b"\xff", b"", (("a", b"1"), ("b", None), ("a", b""), ("", b"2")), 1577880000003),
            Record("odd", 0, b"large", b"x" * 900_000, (), 1577880000004),
        ]
        self.client.produce(records)
        self.client.produce([Record("stamped", 0, value=b"%d" % i, timestamp=5) for i in range(10)])
        with self.client.producing() as producing:
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"1"), Record("paid", 1, value=b"2")], "x")
            producing.commit("x")
            producing.begin("x")
            producing.produce([Record("paid", 0, value=b"aborted")], "x")
            producing.abort("x")
            producing.produce([Record("paid", 0, value=b"3")])
            wait_until("all but the aborted", lambda: len(self.client.consume("paid")) == 3)
            producing.begin("open")
            producing.produce([Record("paid", 1, value=b"open")], "open")
            producing.produce([Record("paid", 1, value=b"behind it")])
            agent = self.agent("odd", "stamped", "paid")
            task = self.save(agent, "odd", "stamped", "paid")
        self.assertEqual(task["state"], "done")
        self.assertIn("an open transaction", " ".join(task["warnings"]))
        directory = self.restore(agent)
        self.assertEqual([one.as_written() for one in partition_records(directory, "odd", 0)], records)
        self.assertEqual({one.type for one in partition_records(directory, "stamped", 0)}, {"append"})
        for file in directory.glob("data/topics/*/*/*.log"):
            self.assertNotIn("isvalid: false", self.cluster.dump_log(file))
        again = self.partition(directory, "paid", 1)
        self.assertLess(again["last_stable"], again["high"])

    def test_runs_follow_growth_retention_and_recreation(self) -> None:
        """Runs keep closed files, follow retention and compaction, and read a recreated topic from the start."""
        small = FOR_EVER | {"segment.bytes": "1048576"}
        self.cluster.create_topic("grows", 2, config=small)
        self.cluster.create_topic("shrinks", config=small)
        self.cluster.create_topic("again", config=small)
        self.cluster.create_topic("idle", 3, config=small)
        self.cluster.create_topic("compacted", config=COMPACTED)
        topics = ("grows", "shrinks", "again", "idle", "compacted")
        for topic in topics:
            self.client.load(topic, 2000, 1000, keys=20)
        agent = self.agent(*topics)
        self.save(agent, *topics)
        for run in range(6):
            self.client.load("grows", 200 + 300 * run, 1000, keys=20, seed=run)
            self.client.load("shrinks", 100, 1000, keys=20, seed=run)
            self.client.trim("shrinks", 0, 250 * run)
            self.client.load("compacted", 50, 1000, keys=20, seed=run)
            if run == 3:
                self.make_again("again", small)
                self.client.load("again", 2500, 1000, keys=20, seed=9)
            task = self.save(agent, *(topic for topic in topics if topic != "compacted"))
            self.assertEqual(task["state"], "done")
            self.assertEqual("recreated" in " ".join(task["warnings"]), run == 3)
        self.client.trim("shrinks", 0)
        self.save(agent, "shrinks")
        self.assertEqual(self.partition(self.restore(agent), "shrinks")["files"], [])

    def make_again(self, topic: str, config: dict[str, str]) -> None:
        self.cluster.delete_topic(topic)

        def is_made() -> bool:
            """With ZooKeeper, the name of a deleted topic stays in use for a while."""
            try:
                self.cluster.create_topic(topic, config=config)
            except KafkaError as error:
                if "marked for deletion" in str(error):
                    return False
                raise
            return True

        wait_until("the topic to be gone", is_made)

    def test_compacted_topic_is_saved_as_it_is_now(self) -> None:
        self.cluster.create_topic("states", config=COMPACTED)
        agent = self.agent("states")
        for run in range(3):
            self.client.produce([Record("states", 0, b"%d" % (i % 7), b"%d" % run) for i in range(500)])
            wait_until("compaction", lambda run=run: self.compacts("states", run))
            wait_until("compaction's end", lambda: self.settled("states"))
            self.save(agent, "states")

    def compacts(self, topic: str, run: int) -> bool:
        """Writes a record to start a new segment: Kafka does not compact the active one."""
        self.client.produce([Record(topic, 0, b"%d" % run, None)])
        return len(self.client.consume(topic)) < 400

    def settled(self, topic: str) -> bool:
        return self.client.digest(topic) == self.client.digest(topic)

    def test_unchanged_partitions_are_not_read(self) -> None:
        """With and without access to the broker's files, a run without new records reads none."""
        self.cluster.create_topic("still", 4, config=FOR_EVER)
        self.client.load("still", 4000, 1000, keys=20)
        for options in ({}, {"log_dirs": []}):
            agent = self.agent("still", **options)
            self.save(agent, "still")
            [task] = agent.json("backup")["sources"]
            self.assertLess(task["bytes_added"], 200_000)  # of 4 MB; KRaft's log grows by itself
            directory = self.restore(agent)
            manifest = json.loads((directory / "manifest.json").read_text())
            self.assertEqual(manifest["details"]["records_read"], ["0"])
            self.compare(directory, "still")

    def test_retention_that_was_faster(self) -> None:
        self.cluster.create_topic("short", config=FOR_EVER)
        self.client.load("short", 100, 100)
        agent = self.agent("short")
        self.save(agent, "short")
        self.client.load("short", 100, 100, seed=2)
        self.client.trim("short", 0, 150)
        task = self.save(agent, "short")
        self.assertIn("offsets 100 to 149 were deleted before they could be saved", " ".join(task["warnings"]))
        self.assertEqual(task["state"], "done")

    def test_many_small_runs(self) -> None:
        self.cluster.create_topic("often", config=FOR_EVER)
        agent = self.agent("often")
        for run in range(12):
            self.client.load("often", 5, 100, seed=run)
            agent.run("backup")
        directory = self.restore(agent)
        self.compare(directory, "often")
        self.assertEqual(len(self.partition(directory, "often")["files"]), 1)

    def test_settings_and_group_offsets_are_saved(self) -> None:
        self.cluster.create_topic("around", 3, config=FOR_EVER | {"cleanup.policy": "delete"})
        self.cluster.create_topic("_schemas", config={"cleanup.policy": "compact"})
        self.client.commit("readers/1", {("around", 0): 0, ("around", 2): 7}, "meta ü")
        agent = self.agent("*")
        agent.run("backup")
        directory = self.restore(agent)
        version = json.loads((directory / "manifest.json").read_text())["identity"]["server_version"]
        self.assertEqual("kafka" + "".join(version.split(".")[:2]), self.service)
        data = directory / "data"
        topic = json.loads((data / "topics" / "around" / "topic.json").read_text())
        self.assertEqual((topic["partitions"], topic["replication_factor"]), (3, 1))
        self.assertEqual(topic["configs"], FOR_EVER | {"cleanup.policy": "delete"})
        self.assertIn(f"TopicId: {topic['id']}", self.cluster.tool("kafka-topics", "--describe", "--topic", "around"))
        self.assertTrue((data / "topics" / "_schemas").is_dir())
        self.assertFalse((data / "topics" / "__consumer_offsets").exists())
        group = json.loads((data / "groups" / "readers%2F1.json").read_text())
        offsets = [(one["topic"], one["partition"], one["offset"], one["metadata"]) for one in group["offsets"]]
        self.assertEqual(offsets, [("around", 0, 0, "meta ü"), ("around", 2, 7, "meta ü")])
        cluster = json.loads((data / "cluster.json").read_text())
        self.assertEqual(cluster["cluster_id"], self.client.metadata()["cluster"])

    def test_mistakes(self) -> None:
        agent = self.agent("x")
        config = json.loads(agent.config.read_text())
        config["sources"][0]["topics"] = {"includes": ["x"]}
        agent.config.write_text(json.dumps(config))
        self.assertIn('unknown key "includes"', agent.run("backup", expect=2).stderr)


class OneBroker39(OneBroker):
    """With ZooKeeper. Leaves out the tests that do not depend on the broker's version."""

    service = "kafka39"
    zookeeper = True
    test_many_small_runs = test_retention_that_was_faster = test_mistakes = None


class MessageFormat0(Case):
    """Records in the format of brokers before 0.10, which brokers before 3.0 can still store."""

    def test_records_without_a_timestamp_keep_minus_one(self) -> None:
        # A 3.9 broker writes old formats only if its inter-broker protocol is older than 3.0.
        old = {"inter.broker.protocol.version": "2.8", "log.message.format.version": "0.9.0"}
        cluster = KafkaCluster(self.directory / "kafka", "kafka39", 1, zookeeper=True, properties=AT_ONCE | old)
        self.addCleanup(cluster.kill)
        cluster.start()
        cluster.create_topic("old", config=FOR_EVER)
        cluster.admin().produce([Record("old", 0, b"key", b"%d" % i, (), 1577880000000) for i in range(3)])
        self.assertIn("magic: 0", cluster.dump_log(cluster.segments(1, "old")[0]))
        source = {"kind": "kafka", "name": "main", "repository": "main", "bootstrap": [cluster.bootstrap()]}
        agent = make_agent(self.directory / "agent", source | {"topics": {"include": ["old"]}})
        agent.run("backup")
        agent.run("restore", "latest:kafka/main", "--to", str(self.directory / "restored"))
        records = partition_records(self.directory / "restored", "old", 0)
        self.assertEqual([(record.value, record.timestamp) for record in records], [(b"0", -1), (b"1", -1), (b"2", -1)])


if __name__ == "__main__":
    main("kafka41", "kafka39")
