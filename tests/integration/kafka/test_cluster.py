"""Three brokers, each with an agent, under a controller: one snapshot of the whole cluster."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import Case, KafkaCluster, Process, main, service_program, wait_until
from lib.cluster import Cluster
from lib.kafka_log import partition_records

NODES = {1: "kafka-1", 2: "kafka-2", 3: "kafka-3"}
FOR_EVER = {"retention.ms": "-1"}


class ThreeBrokers(Case):
    @classmethod
    def setUpClass(cls) -> None:
        cls.of_class = cls.shared_directory()
        cls.kafka = KafkaCluster(cls.of_class / "kafka", "kafka41", 3)
        cls.addClassCleanup(cls.kafka.kill)
        cls.kafka.start()

    def setUp(self) -> None:
        super().setUp()
        self.client = self.kafka.admin()
        self.cluster = Cluster(self.directory).start()

    def add_agents(
        self, *topics: str, numbers: tuple[int, ...] = (1, 2, 3), policy: dict | None = None, **options
    ) -> None:
        for number in numbers:
            source = {"kind": "kafka", "name": "main", "bootstrap": [self.kafka.bootstrap(number)]}
            source |= {"log_dirs": [str(one) for one in self.kafka.brokers[number].log_dirs]}
            source |= {"topics": {"include": list(topics)}} | options
            self.cluster.add(NODES[number], [source], policy=policy)

    def back_up(self, state: str = "done") -> dict:
        [run] = self.cluster.json("backup", "--all", expect=None)["runs"]
        self.assertEqual(run["state"], state, json.dumps(run, indent=1))
        return run

    def restore(self, name: str = "restored") -> Path:
        target = self.directory / name
        self.cluster.agent(NODES[1]).run("restore", "latest:kafka/main", "--allow-partial", "--to", str(target))
        return target

    def compare(self, directory: Path, *topics: str) -> None:
        for topic in topics:
            there = self.client.consume(topic)
            for partition in range(len(self.client.metadata()["topics"][topic])):
                wanted = [record for record in there if record.partition == partition]
                self.assertEqual(partition_records(directory, topic, partition), wanted, f"{topic}-{partition}")

    def test_each_agent_saves_what_its_broker_leads(self) -> None:
        topics = [f"spread-{number}" for number in range(4)]
        for topic in topics:
            self.kafka.create_topic(topic, 6, replicas=2, config=FOR_EVER)
            self.client.load(topic, 3000, 500, keys=100)
        self.client.commit("readers", {(topics[0], 0): 7})
        self.add_agents("spread-*")
        run = self.back_up()
        directory = self.restore()
        self.compare(directory, *topics)
        manifest = json.loads((directory / "manifest.json").read_text())
        self.assertEqual(manifest["missing"], [])
        self.assertTrue(manifest["cut_barrier"])
        # The parts of three agents, and the rest, for which no partition was left.
        parts = [part["items"] for part in manifest["parts"]]
        self.assertEqual(len(parts), 4, manifest["parts"])
        self.assertEqual(manifest["details"]["rest/partitions"], ["0"])
        for number in NODES:
            self.assertTrue((directory / "members" / NODES[number] / "cluster_metadata").is_dir())
        self.assertEqual(len(run["snapshots"]), 1)
        self.client.load(topics[1], 60, 500, keys=100, seed=2)
        self.back_up()
        self.compare(self.restore("again"), *topics)

    def test_broker_without_an_agent_is_saved_by_another(self) -> None:
        self.kafka.create_topic("lonely", config=FOR_EVER, assignment=[[1, 2], [2, 3], [3, 1]])
        self.client.load("lonely", 900, 500, keys=50)
        self.add_agents("lonely", numbers=(1, 2))
        self.back_up()
        directory = self.restore()
        self.compare(directory, "lonely")
        manifest = json.loads((directory / "manifest.json").read_text())
        self.assertEqual(manifest["details"]["rest/partitions"], ["1"])

    def test_broker_death_loses_only_partitions_without_replica(self) -> None:
        """Other agents save its partitions. If a partition has no other replica, the snapshot names it as missing."""
        self.kafka.create_topic("safe", config=FOR_EVER, assignment=[[3, 1], [3, 2], [1, 2]])
        self.kafka.create_topic("alone", config=FOR_EVER, assignment=[[3], [1]])
        self.client.load("safe", 60_000, 1000, keys=50)
        # Partition 0 is read first, and has more than a reader prefetches.
        self.client.load("alone", 70_000, 1000, random=1.0, partition=0)
        self.client.load("alone", 1_000, 1000, partition=1)
        before = {topic: self.client.consume(topic) for topic in ("safe",)}
        alone = [record for record in self.client.consume("alone") if record.partition == 1]
        self.add_agents("safe", "alone", read_mib_s=8)
        run_id = self.cluster.json("backup", "--all", "--no-wait")["runs"][0]["run"]
        wait_until("records on their way", lambda: self.is_saving(run_id), 60)
        self.kafka.kill_broker(3)
        try:
            view = self.cluster.wait_for_end(run_id, 400)
            self.assertEqual(view["state"], "partly done", json.dumps(view, indent=1))
            directory = self.restore()
            for partition in range(3):
                wanted = [record for record in before["safe"] if record.partition == partition]
                self.assertEqual(partition_records(directory, "safe", partition), wanted)
            self.assertEqual(partition_records(directory, "alone", 1), alone)
            manifest = json.loads((directory / "manifest.json").read_text())
            self.assertIn("data/topics/alone/0", " ".join(missing["what"] for missing in manifest["missing"]))
        finally:
            self.kafka.start_broker(3)
            self.kafka.wait_for_isr("safe", {1, 3})

    def test_created_topic_is_left_to_the_next_run(self) -> None:
        """This run's snapshot does not have the topic, and can be restored."""
        leaders = [[1], [2], [3]]
        self.kafka.create_topic("made-early", config=FOR_EVER, assignment=leaders)
        for partition in range(3):
            self.client.load("made-early", 40_000, 1000, random=1.0, partition=partition)
        self.add_agents("made-*", read_mib_s=8)
        run_id = self.cluster.json("backup", "--all", "--no-wait")["runs"][0]["run"]
        wait_until("records on their way", lambda: self.is_saving(run_id), 60)
        self.kafka.create_topic("made-late", config=FOR_EVER, assignment=leaders)
        self.client.load("made-late", 30, 100)
        view = self.cluster.wait_for_end(run_id, 400)
        self.assertEqual(view["state"], "done", json.dumps(view, indent=1))
        directory = self.restore()
        self.compare(directory, "made-early")
        self.assertFalse((directory / "data" / "topics" / "made-late").exists())
        manifest = json.loads((directory / "manifest.json").read_text())
        self.assertIn('topic "made-late" was created during the backup', " ".join(manifest["warnings"]))
        target = ["--to-cluster", self.kafka.bootstrap(), "--prefix", "again-"]
        self.cluster.agent(NODES[1]).run("restore", "latest:kafka/main", *target)
        self.assert_same("made-early", "again-made-early")
        self.back_up()
        self.compare(self.restore("next"), "made-early", "made-late")

    def test_restores_by_order(self) -> None:
        """Into the same cluster, with options that the policy allows: cancelled, interrupted, resumed, refused for an
        existing topic, and with a group in use."""
        self.kafka.create_topic("ordered", 2, replicas=2, config=FOR_EVER)
        self.client.load("ordered", 400_000, 500)
        self.client.commit("orders", {("ordered", 0): 1234})
        options = {"to_cluster": self.kafka.bootstrap()}
        target = {"kind": "kafka", "options": options, "may_set": ["topic", "prefix", "until", "with", "replace_topic"]}
        policy = {"restore": "in-place", "restore_targets": {"here": target}}
        self.add_agents("ordered", numbers=(1,), policy=policy)
        self.back_up()

        task = self.end_in_between(20_000_000, lambda run_id: self.cluster.call("run", "cancel", run_id))
        self.assertEqual(task["state"], "cancelled", json.dumps(task, indent=1))
        task = self.end_in_between(100_000_000, lambda _: self.cluster.restart_agent(NODES[1]))
        self.assertEqual((task["state"], task["error"]["began"]), ("failed", True), json.dumps(task, indent=1))
        self.assertIn("interrupted", task["error"]["message"])
        self.cluster.wait_for(NODES[1])
        self.assertTrue(self.restored("prefix=new-")["resumed"])
        self.assert_same("ordered", "new-ordered")
        self.assertEqual(self.client.committed("orders")["new-ordered", 0], 1234)

        done = self.order("prefix=new-", state="failed")
        self.assertIn("--replace-topic", done["tasks"][0]["error"]["hint"])
        restored = self.restored("prefix=new-", "replace-topic=true")
        self.assertIsNotNone(restored["safety_snapshot"])
        self.assert_same("ordered", "new-ordered")
        [repository] = self.cluster.agent(NODES[1]).json("list", "--safety")["repositories"]
        self.assertIn("main-before-restore", [snapshot["name"] for snapshot in repository["snapshots"]])

        # No record is older than 2020. A group with members is left alone.
        self.restored("prefix=none-", "until=2020-01-01T00:00:00Z", "with=records,configs")
        self.assertEqual(self.client.consume("none-ordered"), [])
        argv = [service_program("kafka41", "kafka-console-consumer"), "--bootstrap-server", self.kafka.bootstrap()]
        log = self.directory / "consumer"
        consumer = Process([*argv, "--topic", "none-ordered", "--group", "orders"], log)
        self.addCleanup(consumer.kill)
        wait_until("a member", lambda: self.kafka.groups().get("orders") == "Stable", 60)
        run = self.order("topic=ordered", "prefix=more-", state="partly done")
        self.assertEqual(run["tasks"][0]["report"]["restored"]["partly"]["code"], "busy")
        self.assert_same("ordered", "more-ordered")

    def ask(self, option: str, *arguments: str) -> dict:
        argv = ("restore", "latest:kafka/main", "--node", NODES[1], "--to-target", "here", "--yes", "--option", option)
        return self.cluster.json(*argv, *arguments, operator=True, expect=None)

    def order(self, *options: str, state: str = "done") -> dict:
        """Restores to "here" with these options, and returns the run."""
        run = self.ask(options[0], *(part for one in options[1:] for part in ("--option", one)))["run"]
        self.assertEqual(run["state"], state, json.dumps(run, indent=1))
        return run

    def end_in_between(self, at: int, end: Callable[[str], object]) -> dict:
        """Starts a restore, calls `end` once `at` bytes are on disk, and returns the ended task."""
        run_id = self.ask("prefix=new-", "--no-wait")["draft"]["draft"]
        wait_until("some records", lambda: self.bytes_of("new-ordered") > at)
        end(run_id)
        return self.cluster.wait_for_end(run_id)["tasks"][0]

    def restored(self, *options: str) -> dict:
        return self.order(*options)["tasks"][0]["report"]["restored"]

    def assert_same(self, topic: str, other: str) -> None:
        digests = self.client.digest(topic, other, offsets=False)
        for partition in range(2):
            one, two = digests[topic, partition], digests[other, partition]
            self.assertEqual((one.count, one.sha256), (two.count, two.sha256))

    def bytes_of(self, topic: str) -> int:
        return sum(file.stat().st_size for number in NODES for file in self.kafka.segments(number, topic))

    def is_saving(self, run_id: str) -> bool:
        tasks = self.cluster.run_of(run_id)["tasks"]
        return any(task["node"] == NODES[3] and (task["bytes"] or 0) > 0 for task in tasks)


if __name__ == "__main__":
    main("kafka41")
